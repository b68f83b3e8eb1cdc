"""The keys with which a log signs every checkpoint (C2SP tlog-checkpoint, tlog-cosignature).

Ed25519 is what every reader and witness knows; ML-DSA-44 stands when Ed25519 has fallen. A key that
is being replaced signs on under another file name, until nobody asks for it any more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from glasslock.runtime.keys import load_or_create_seed, load_seed
from glasslock.tlog.note import Signer

ED25519_FILE: Final = "log.key"
ML_DSA_FILE: Final = "log-ml-dsa.key"
PREVIOUS: Final = "previous-"


def load_signers(folder: Path, origin: str) -> tuple[Signer, ...]:
    """Return a log's signers, Ed25519 first and previous keys last; makes keys if there are none.

    Raises:
        ConfigError: a key file cannot be read, or others may read it.
        StorageError: one could not be written.
    """
    made = ((ED25519_FILE, Signer.log), (ML_DSA_FILE, Signer.ml_dsa))
    newest = [make(origin, load_or_create_seed(folder / file)) for file, make in made]
    previous = [
        make(origin, load_seed(folder / (PREVIOUS + file)))
        for file, make in made
        if (folder / (PREVIOUS + file)).exists()
    ]
    return (*newest, *previous)
