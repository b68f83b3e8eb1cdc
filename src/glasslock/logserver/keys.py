"""The two keys with which a log signs every checkpoint (C2SP tlog-checkpoint, tlog-cosignature).

Ed25519 is what every reader and witness knows; ML-DSA-44 stands when Ed25519 has fallen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from glasslock.runtime.keys import load_or_create_seed
from glasslock.tlog.note import Signer

ED25519_FILE: Final = "log.key"
ML_DSA_FILE: Final = "log-ml-dsa.key"


def load_signers(folder: Path, origin: str) -> tuple[Signer, Signer]:
    """Return a log's signers, Ed25519 first; makes keys in ``folder`` when there are none.

    Raises:
        ConfigError: a key file cannot be read, or others may read it.
        StorageError: one could not be written.
    """
    return (
        Signer.log(origin, load_or_create_seed(folder / ED25519_FILE)),
        Signer.ml_dsa(origin, load_or_create_seed(folder / ML_DSA_FILE)),
    )
