"""SoftHSM, a PKCS#11 token in software by others, in a folder of the test; knows no keyholder.

Its library reads where its tokens are once in a process, so all tests of a process share the
folder, and each makes a token of its own in it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pkcs11
from pkcs11.util.ec import encode_named_curve_parameters

from glasslock.keyholder.config import TokenSettings
from glasslock.runtime.files import PRIVATE_FILE, private_folder, write_atomic
from glasslock.signing import SigningKey
from tests.outside.tools import NotToBeHad, run

PIN: Final = "2468"
_LIBRARIES: Final = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so")


@dataclass(frozen=True)
class SoftHsm:
    """One token of this process."""

    label: str
    library: Path
    tokens: Path

    def settings(self, folder: Path, pin: str = PIN, key_label: str = "seat") -> TokenSettings:
        """Return how a keyholder finds it; the file with the PIN is in ``folder``."""
        file = private_folder(folder) / "pin"
        write_atomic(file, pin.encode() + b"\n", PRIVATE_FILE)
        return TokenSettings(self.library, self.label, file, key_label)

    def take(self, seed: bytes, key_label: str = "seat") -> None:
        """Put a known Ed25519 key into the token, and a wrapping key beside it."""
        session = self.session()
        curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("1.3.101.112")}
        kind = {
            pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.EC_EDWARDS,
            pkcs11.Attribute.LABEL: key_label,
            pkcs11.Attribute.TOKEN: True,
            **curve,
        }
        kept = {pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True}
        private = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, **kind, **kept}
        private |= {pkcs11.Attribute.VALUE: seed, pkcs11.Attribute.SIGN: True}
        session.create_object(private)
        point = b"\x04\x20" + SigningKey.from_seed(seed).public
        public = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY, **kind}
        session.create_object({**public, pkcs11.Attribute.EC_POINT: point})
        aes = pkcs11.KeyType.AES
        session.generate_key(aes, 256, store=True, label=key_label, template=kept)

    def session(self) -> pkcs11.Session:
        """Return an open session, as another program would have it."""
        library = pkcs11.lib(str(self.library))
        try:
            token = library.get_token(token_label=self.label)
        except pkcs11.PKCS11Error:
            library.reinitialize()
            token = library.get_token(token_label=self.label)
        try:
            return token.open(rw=True, user_pin=PIN)
        except pkcs11.UserAlreadyLoggedIn:
            return token.open(rw=True)

    def pull_out(self) -> None:
        """Take the token away; what is held of it in memory goes with it."""
        self.tokens.rename(self.tokens.with_name("away"))

    def put_back(self) -> None:
        """Put it back."""
        self.tokens.with_name("away").rename(self.tokens)


def soft_token(label: str) -> SoftHsm:
    """Make a token.

    Raises:
        NotToBeHad: SoftHSM is not on this machine.
    """
    library = next((path for path in map(Path, _LIBRARIES) if path.exists()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        raise NotToBeHad("SoftHSM is missing (Debian: apt-get install softhsm2)")
    folder = _folder()
    run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", PIN)
    return SoftHsm(label, library, folder / "tokens")


def _folder() -> Path:
    known = os.environ.get("SOFTHSM2_CONF", "")
    # Another process of the same test run has its own.
    if Path(known).parent.name.startswith(f"softhsm-{os.getpid()}-"):
        return Path(known).parent
    folder = Path(tempfile.mkdtemp(prefix=f"softhsm-{os.getpid()}-"))
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n"
        "log.level = ERROR\nslots.removable = true\n",
        encoding="utf-8",
    )
    os.environ["SOFTHSM2_CONF"] = str(settings)
    return folder
