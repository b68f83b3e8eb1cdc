"""C2SP signed notes: strict parsing, verifier keys, signing. Knows no checkpoint and no quorum.

Signatures are checked over the bytes that came in, never over a note written again. A signature by
an unknown key is ignored; one by a known key that fails refuses the whole note.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from glasslock.errors import KeyRejected, WireError
from glasslock.tlog.encoding import check_text, decode_base64, encode_base64
from glasslock.tlog.keys import SCHEMES, SEED_SIZE, KeyType
from glasslock.tlog.treehead import check_name

# A post-quantum line is about 3.3 kB: room for 64 of them and a long text.
MAX_NOTE: Final = 262_144
MAX_SIGNATURES: Final = 64
KEY_ID_SIZE: Final = 4

_DASH: Final = "\u2014 ".encode()
_VKEY_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature line: who says it signed (``name``, ``key_id``), and the signature bytes."""

    name: str
    key_id: bytes
    blob: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the line with its newline."""
        data = encode_base64(self.key_id + self.blob)
        return _DASH + self.name.encode() + b" " + data + b"\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note: ``body`` is what is signed, ``raw`` what came. Nothing is verified."""

    body: bytes
    signatures: tuple[SignatureLine, ...]
    raw: bytes = field(repr=False)


def parse_note(raw: bytes) -> Note:
    """Split a note at its last blank line; every byte must be as the format says.

    Raises:
        WireError: too long, not UTF-8, control characters, no or too many signature lines, a
            malformed line, or no newline at the end.
    """
    if len(raw) > MAX_NOTE:
        raise WireError("a note is too long", rule="note.length")
    check_text(raw, rule="note.text")
    body, blank, lines = raw.rpartition(b"\n\n")
    if not blank or not body:
        raise WireError("a note has no signatures", rule="note.separator")
    return Note(body=body + b"\n", signatures=parse_signatures(lines), raw=raw)


def parse_signatures(lines: bytes) -> tuple[SignatureLine, ...]:
    """Return the signature lines in ``lines``, one or more, each ending in a newline.

    Raises:
        WireError: a malformed line, none, or more than ``MAX_SIGNATURES``.
    """
    # split, and not splitlines: that one also breaks at U+0085, U+2028 and others.
    *parts, rest = lines.split(b"\n")
    if rest or not 1 <= len(parts) <= MAX_SIGNATURES:
        raise WireError("a note has 1 to 64 whole signature lines", rule="note.lines")
    return tuple(_parse_line(part) for part in parts)


def _parse_line(line: bytes) -> SignatureLine:
    if not line.startswith(_DASH):
        raise WireError("a signature line begins with a dash", rule="note.line")
    name, space, data = line[len(_DASH) :].partition(b" ")
    if not space:
        raise WireError("a signature line has a name and a signature", rule="note.line")
    blob = decode_base64(data, rule="note.base64")
    if len(blob) <= KEY_ID_SIZE:
        raise WireError("a signature line has a name and a signature", rule="note.line")
    text = check_name(check_text(name, rule="note.name"), rule="note.name")
    return SignatureLine(name=text, key_id=blob[:KEY_ID_SIZE], blob=blob[KEY_ID_SIZE:])


def format_note(body: bytes, signatures: Iterable[SignatureLine]) -> bytes:
    """Return the note of ``body`` and ``signatures``, and check that it parses back to them.

    Raises:
        WireError: they make no valid note.
    """
    lines = tuple(signatures)
    raw = body + b"\n" + b"".join(line.encode() for line in lines)
    note = parse_note(raw)
    if note.body != body or note.signatures != lines:
        raise WireError("this text cannot be signed as a note", rule="note.text")
    return raw


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name: what a vkey says. ``key`` is raw, ``key_id`` four bytes."""

    name: str
    kind: KeyType
    key: bytes = field(repr=False)
    key_id: bytes

    @classmethod
    def of(cls, name: str, kind: KeyType, key: bytes) -> Verifier:
        """Make the verifier of a raw public key.

        Raises:
            KeyRejected: the key is malformed or unsafe.
            WireError: the name cannot be a key name.
        """
        check_name(name, rule="vkey.name")
        SCHEMES[kind].check_key(key)
        seed = name.encode() + b"\n" + bytes((kind,)) + key
        return cls(name, kind, key, hashlib.sha256(seed).digest()[:KEY_ID_SIZE])

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """Read ``name+hex(key id)+base64(type || key)``.

        Raises:
            KeyRejected: the key is of an unknown type, malformed or unsafe.
            WireError: the text is no vkey, or its key id is not the key's.
        """
        # base64 may itself contain plus signs, so only the first two of them part.
        parts = vkey.split("+", _VKEY_PARTS - 1)
        if len(parts) != _VKEY_PARTS or not vkey.isprintable():
            raise WireError("a vkey has a name, a key id and a key", rule="vkey.parts")
        name, key_id, text = parts
        data = decode_base64(text.encode(), rule="vkey.base64")
        if not data or data[0] not in set(SCHEMES):
            raise KeyRejected("a vkey is of an unknown type", rule="vkey.type")
        verifier = cls.of(name, KeyType(data[0]), data[1:])
        if verifier.key_id.hex() != key_id:
            raise WireError("a vkey's key id is not its key's", rule="vkey.id")
        return verifier

    @property
    def vkey(self) -> str:
        """The verifier key as text."""
        key = encode_base64(bytes((self.kind,)) + self.key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"

    def knows(self, line: SignatureLine) -> bool:
        """Say whether ``line`` claims to be by this key (name and key id, both)."""
        return line.name == self.name and line.key_id == self.key_id

    def verify(self, body: bytes, line: SignatureLine) -> int:
        """Return the time (POSIX seconds) that ``line`` states over ``body``, 0 for none.

        Raises:
            BadSignature: the signature does not verify.
        """
        return SCHEMES[self.kind].verify(self.key, self.name, body, line.blob)


@dataclass(frozen=True, slots=True)
class Signer:
    """A secret key under a name; its representation shows the public half only."""

    seed: bytes = field(repr=False)
    verifier: Verifier

    @classmethod
    def of(cls, name: str, kind: KeyType, seed: bytes) -> Signer:
        """Make the signer of a 32-byte seed; raises as ``Verifier.of``."""
        if len(seed) != SEED_SIZE:
            raise KeyRejected("a signing seed has 32 bytes", rule="vkey.seed")
        return cls(seed, Verifier.of(name, kind, SCHEMES[kind].public(seed)))

    @classmethod
    def log(cls, origin: str, seed: bytes) -> Signer:
        """Make a log's Ed25519 key (type 0x01); its name is the log's origin."""
        return cls.of(origin, KeyType.ED25519, seed)

    @classmethod
    def witness(cls, name: str, seed: bytes) -> Signer:
        """Make a witness's Ed25519 cosignature key (type 0x04)."""
        return cls.of(name, KeyType.COSIGNATURE, seed)

    @classmethod
    def ml_dsa(cls, name: str, seed: bytes) -> Signer:
        """Make an ML-DSA-44 key (type 0x06) of a log or a witness."""
        return cls.of(name, KeyType.ML_DSA_44, seed)

    @property
    def name(self) -> str:
        """The key name."""
        return self.verifier.name

    @property
    def vkey(self) -> str:
        """The public half as a vkey."""
        return self.verifier.vkey

    def sign(self, body: bytes, *, time: int = 0) -> SignatureLine:
        """Sign note text ``body``; ``time`` (POSIX seconds) is stated by timed types only.

        Raises:
            WireError: the time is out of range, or the type signs checkpoints only.
        """
        scheme = SCHEMES[self.verifier.kind]
        blob = scheme.sign(self.seed, self.name, body, time)
        return SignatureLine(self.name, self.verifier.key_id, blob)


def open_note(note: Note, known: Sequence[Verifier]) -> dict[Verifier, int]:
    """Verify every line by a known key and return each key's latest stated time.

    Keys that did not sign are not in the answer; which of them had to is the caller's question.

    Raises:
        BadSignature: a line by a known key does not verify.
        WireError: two known keys share name and key id, so that no line can tell them apart.
    """
    by_id = {(key.name, key.key_id): key for key in known}
    if len(by_id) != len(known):
        raise WireError("two known keys have one name and key id", rule="note.known")
    found: dict[Verifier, int] = {}
    for line in note.signatures:
        key = by_id.get((line.name, line.key_id))
        if key is not None:
            # A key may have signed twice; its latest statement is the one that says most.
            found[key] = max(found.get(key, 0), key.verify(note.body, line))
    return found
