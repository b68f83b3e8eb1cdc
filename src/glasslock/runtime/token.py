"""Keys on a PKCS#11 token: an Ed25519 key signs there, an AES key wraps what must rest outside.

Neither key leaves the token; nothing else of PKCS#11 is used. A token that is pulled out is opened
again when it is back. Knows no role, no file and no setting. Loaded only where a token is set.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pkcs11
from pkcs11.util.ec import encode_named_curve_parameters

from glasslock.errors import ConfigError, TransportError, VerificationError
from glasslock.signing import PUBLIC_KEY_SIZE, sign_content

T = TypeVar("T")

_ED25519: Final = "1.3.101.112"
_NONCE: Final = 12
_TAG_BITS: Final = 128
_AES_BITS: Final = 256
_ABOUT: Final = b"glasslock/1 token "


@dataclass(frozen=True, slots=True)
class _Session:
    """An open session with the two keys found in it; their verbs come with what each can do."""

    session: pkcs11.Session
    signing: Any
    wrapping: Any
    public: bytes


class Token:
    """A token's signing key and wrapping key, both under ``key_label``."""

    def __init__(self, module: Path, label: str, pin: str, key_label: str) -> None:
        """Name the token ``label`` of the PKCS#11 library ``module``; it is opened when needed."""
        self._module, self._label, self._key_label = module, label, key_label
        self._pin = pin
        self._refused = self._stale = False
        self._open: _Session | None = None
        self._public = b""

    @property
    def public(self) -> bytes:
        """The public signing key; raises as ``sign``."""
        if not self._public:
            self._public = self._do(lambda session: session.public)
        return self._public

    def sign(self, label: str, content: bytes) -> bytes:
        """Return ``Sign(label, content)``, made in the token.

        Raises:
            TransportError: the token is not there.
            ConfigError: the PIN is wrong, or the keys are not what they must be.
        """
        data = sign_content(str(label), content)
        return self._do(lambda s: bytes(s.signing.sign(data, mechanism=pkcs11.Mechanism.EDDSA)))

    def wrap(self, plain: bytes, about: bytes) -> bytes:
        """Return ``plain`` encrypted in the token for ``about``; raises as ``sign``."""
        nonce = os.urandom(_NONCE)
        how = _gcm(nonce, about)
        return nonce + self._do(lambda session: bytes(session.wrapping.encrypt(plain, **how)))

    def unwrap(self, kept: bytes, about: bytes) -> bytes:
        """Return what was wrapped for ``about``.

        Raises:
            VerificationError: it was wrapped by another key, for something else, or is damaged.
            TransportError: the token is not there.
        """
        how = _gcm(kept[:_NONCE].ljust(_NONCE, b"?"), about)

        def work(session: _Session) -> bytes:
            try:
                return bytes(session.wrapping.decrypt(kept[_NONCE:], **how))
            except pkcs11.PKCS11Error:
                # Tokens say in many ways that a tag is wrong: one that still works has said that.
                session.signing.sign(b"", mechanism=pkcs11.Mechanism.EDDSA)
                raise VerificationError(
                    "this was not wrapped by the token's key", rule="token.wrapped"
                ) from None

        return self._do(work)

    def make_keys(self) -> bytes:
        """Make both keys in the token; returns the public signing key.

        Raises:
            ConfigError: there is a key under this label already, or the PIN is wrong.
            TransportError: the token is not there, or cannot do this.
        """
        try:
            session = self._log_in()
            if list(session.get_objects({pkcs11.Attribute.LABEL: self._key_label})):
                raise ConfigError("the token has keys of this label", rule="token.taken")
            _make(session, self._key_label)
        except pkcs11.PKCS11Error as error:
            self._stale = True
            raise _unreachable() from error
        return self.public

    def _do(self, work: Callable[[_Session], T]) -> T:
        try:
            if self._open is None:
                self._open = self._find(self._log_in())
            return work(self._open)
        except pkcs11.PKCS11Error as error:
            self._open, self._stale = None, True
            raise _unreachable() from error

    def _log_in(self) -> pkcs11.Session:
        # A second try with a wrong PIN may lock the token for good.
        if self._refused:
            raise _wrong_pin()
        library, wanted = pkcs11.lib(str(self._module)), {"token_label": self._label}
        if self._stale:
            # Some libraries see that a token is back only when they are started anew.
            library.reinitialize()
            self._stale = False
        try:
            return self._enter(library.get_token(**wanted))
        except pkcs11.NoSuchToken:
            library.reinitialize()
            return self._enter(library.get_token(**wanted))

    def _enter(self, token: pkcs11.Token) -> pkcs11.Session:
        try:
            return token.open(rw=True, user_pin=self._pin)
        except pkcs11.UserAlreadyLoggedIn:
            return token.open(rw=True)
        except (
            pkcs11.PinIncorrect,
            pkcs11.PinInvalid,
            pkcs11.PinLenRange,
            pkcs11.PinLocked,
            pkcs11.PinExpired,
        ):
            self._refused = True
            raise _wrong_pin() from None

    def _find(self, session: pkcs11.Session) -> _Session:
        kinds = pkcs11.ObjectClass
        signing, public, wrapping = (
            self._key(session, kind)
            for kind in (kinds.PRIVATE_KEY, kinds.PUBLIC_KEY, kinds.SECRET_KEY)
        )
        for secret in (signing, wrapping):
            if secret[pkcs11.Attribute.EXTRACTABLE] or not secret[pkcs11.Attribute.SENSITIVE]:
                raise ConfigError("the token's key can be read out", rule="token.extractable")
        point = bytes(public[pkcs11.Attribute.EC_POINT])
        # DER octet string, or the bare point as PKCS#11 3.0 has it.
        raw = point[-PUBLIC_KEY_SIZE:]
        if self._public and raw != self._public:
            raise ConfigError("another token is in its place", rule="token.other")
        return _Session(session, signing, wrapping, raw)

    def _key(self, session: pkcs11.Session, kind: pkcs11.ObjectClass) -> pkcs11.Object:
        named = {pkcs11.Attribute.CLASS: kind, pkcs11.Attribute.LABEL: self._key_label}
        found = list(session.get_objects(named))
        if len(found) != 1:
            raise ConfigError(f"the token has {len(found)} such keys, not 1", rule="token.key")
        return found[0]


def _make(session: pkcs11.Session, label: str) -> None:
    kept = {pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True}
    curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(_ED25519)}
    session.create_domain_parameters(pkcs11.KeyType.EC_EDWARDS, curve, local=True).generate_keypair(
        mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        store=True,
        label=label,
        private_template=kept,
    )
    session.generate_key(pkcs11.KeyType.AES, _AES_BITS, store=True, label=label, template=kept)


def _gcm(nonce: bytes, about: bytes) -> dict[str, object]:
    how = pkcs11.GCMParams(nonce, _ABOUT + about, _TAG_BITS)
    return {"mechanism": pkcs11.Mechanism.AES_GCM, "mechanism_param": how}


def _unreachable() -> TransportError:
    return TransportError("the token is not there, or does not answer", rule="token.absent")


def _wrong_pin() -> ConfigError:
    return ConfigError("the token refuses the PIN", rule="token.pin")
