"""The quorum file: which logs are believed, and which witnesses suffice (C2SP tlog-policy text).

Knows names, keys, thresholds and URLs; knows no checkpoint. Two quorums must share an honest
witness, or a log could show two histories: hence k of n with k >= floor(2n/3) + 1, witnesses
counted by key. A file that promises less is refused when it is read, not when it is relied on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from glasslock.errors import QuorumNotMet, WireError
from glasslock.tlog.encoding import decode_decimal
from glasslock.tlog.keys import KeyType
from glasslock.tlog.note import Verifier

MAX_FILE: Final = 262_144
MAX_LINES: Final = 1_024

_LOG_TYPES: Final = frozenset((KeyType.ED25519, KeyType.ML_DSA_44))
_WITNESS_TYPES: Final = frozenset((KeyType.COSIGNATURE, KeyType.ML_DSA_44))
_MIN_GROUP_WORDS: Final = 3


def smallest_safe(count: int) -> int:
    """Return the smallest safe threshold for ``count`` witnesses: floor(2n/3) + 1."""
    return 2 * count // 3 + 1


@dataclass(frozen=True, slots=True)
class LogKey:
    """A log's key, named after its origin, and where the log may be reached."""

    verifier: Verifier
    url: str | None = None

    @property
    def origin(self) -> str:
        """The log's origin."""
        return self.verifier.name


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness: its name in this file, its cosignature key, its submission prefix."""

    name: str
    verifier: Verifier
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """``needed`` of ``members`` (names of witnesses or earlier groups) must have cosigned."""

    name: str
    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuorumFile:
    """Logs, witnesses and the quorum over them, all checked; ``text`` is the file itself.

    ``needed`` of ``total`` describe the witness group that keeps the log from splitting its view.
    """

    logs: tuple[LogKey, ...]
    witnesses: tuple[WitnessKey, ...]
    groups: tuple[Group, ...]
    quorum: str
    needed: int
    total: int
    text: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> QuorumFile:
        """Read a quorum file.

        Raises:
            KeyRejected: a key is of the wrong type, malformed or unsafe.
            WireError: the text breaks the format, names or keys twice, or says ``quorum none``.
            QuorumNotMet: the quorum is too small to be safe (rule ``quorum.unsafe``).
        """
        return _Reader().read(text)

    @classmethod
    def of(cls, logs: Sequence[LogKey], witnesses: Sequence[WitnessKey], needed: int) -> QuorumFile:
        """Make the file of one flat group, ``needed`` of ``witnesses``; raises as ``parse``."""
        lines = [f"log {_with_url(log.verifier.vkey, log.url)}" for log in logs]
        lines += [f"witness {w.name} {_with_url(w.verifier.vkey, w.url)}" for w in witnesses]
        lines.append(f"group witnesses {needed} {' '.join(w.name for w in witnesses)}")
        lines.append("quorum witnesses")
        return cls.parse("\n".join(lines) + "\n")

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of the logs, in the order of the file, each once."""
        return tuple(dict.fromkeys(log.origin for log in self.logs))

    def log_keys(self, origin: str) -> tuple[Verifier, ...]:
        """Return the keys that sign for ``origin``, in the order of the file."""
        return tuple(log.verifier for log in self.logs if log.origin == origin)

    def log_url(self, origin: str) -> str | None:
        """Return where the log ``origin`` is reached, when the file says so."""
        return next((log.url for log in self.logs if log.origin == origin and log.url), None)

    def require(self, cosigned: Iterable[str]) -> None:
        """Check that the witnesses named in ``cosigned`` make up the quorum.

        Raises:
            QuorumNotMet: they do not.
        """
        met = set(cosigned) & {witness.name for witness in self.witnesses}
        count = len(met)
        for group in self.groups:
            if len(met.intersection(group.members)) >= group.needed:
                met.add(group.name)
        if self.quorum not in met:
            raise QuorumNotMet(
                f"{count} witnesses cosigned, and that is no quorum", rule="quorum.short"
            )


def _with_url(vkey: str, url: str | None) -> str:
    return vkey if url is None else f"{vkey} {url}"


class _Reader:
    """One pass over the lines of a quorum file; what it has seen so far."""

    def __init__(self) -> None:
        self.logs: list[LogKey] = []
        self.witnesses: dict[str, WitnessKey] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._keys: set[bytes] = set()
        self._members: set[str] = set()

    def read(self, text: str) -> QuorumFile:
        for words in _lines(text):
            match words[0]:
                case "log":
                    self._log(words)
                case "witness":
                    self._witness(words)
                case "group":
                    self._group(words)
                case "quorum":
                    self._quorum(words)
                case _:
                    raise WireError("a line of the quorum file is unknown", rule="quorum.line")
        if self.quorum is None:
            raise WireError("the quorum file names no quorum", rule="quorum.missing")
        safe = self._safe(self.quorum)
        if safe is None:
            raise QuorumNotMet("two quorums might share no honest witness", rule="quorum.unsafe")
        return QuorumFile(
            logs=tuple(self.logs),
            witnesses=tuple(self.witnesses.values()),
            groups=tuple(self.groups.values()),
            quorum=self.quorum,
            needed=safe[0],
            total=safe[1],
            text=text,
        )

    def _log(self, words: list[str]) -> None:
        if len(words) not in (2, 3):
            raise WireError("a log has a key and at most a URL", rule="quorum.log")
        verifier = self._key(words[1], _LOG_TYPES)
        self.logs.append(LogKey(verifier, words[2] if len(words) > 2 else None))

    def _witness(self, words: list[str]) -> None:
        if len(words) not in (3, 4):
            raise WireError("a witness has a name, a key and at most a URL", rule="quorum.witness")
        name = self._fresh(words[1])
        verifier = self._key(words[2], _WITNESS_TYPES)
        self.witnesses[name] = WitnessKey(name, verifier, words[3] if len(words) > 3 else None)

    def _group(self, words: list[str]) -> None:
        if len(words) <= _MIN_GROUP_WORDS:
            raise WireError("a group has a name, a threshold and members", rule="quorum.group")
        name, members = self._fresh(words[1]), tuple(words[3:])
        for member in members:
            # One place each: a witness under two groups would be counted twice.
            if member not in self.witnesses and member not in self.groups:
                raise WireError("a group names a member nobody defined", rule="quorum.member")
            if member in self._members:
                raise WireError("a name is a member twice", rule="quorum.member")
            self._members.add(member)
        self.groups[name] = Group(name, _threshold(words[2], len(members)), members)

    def _quorum(self, words: list[str]) -> None:
        if len(words) != 2 or self.quorum is not None:
            raise WireError("there is exactly one quorum line", rule="quorum.line")
        if words[1] == "none":
            raise WireError("a quorum of nobody is no quorum", rule="quorum.none")
        if words[1] not in self.witnesses and words[1] not in self.groups:
            raise WireError("the quorum is a name nobody defined", rule="quorum.member")
        self.quorum = words[1]

    def _fresh(self, name: str) -> str:
        if name == "none" or name in self.witnesses or name in self.groups:
            raise WireError("a name is defined twice", rule="quorum.name")
        return name

    def _key(self, vkey: str, allowed: frozenset[KeyType]) -> Verifier:
        verifier = Verifier.parse(vkey)
        if verifier.kind not in allowed:
            raise WireError("a key is of the wrong type for its role", rule="quorum.type")
        # Ed25519 cosignatures do not bind a name, so one key under two names would count as two;
        # and a log that is its own witness is none.
        if verifier.key in self._keys:
            raise WireError("a key stands twice in the quorum file", rule="quorum.key")
        self._keys.add(verifier.key)
        return verifier

    def _safe(self, name: str) -> tuple[int, int] | None:
        """Return (needed, total) of the group under ``name`` that makes it safe, or None.

        Safe is a witness, a group of witnesses with a safe threshold, or a group that needs all
        of its members when one of them is safe.
        """
        if name in self.witnesses:
            return 1, 1
        group = self.groups[name]
        count = len(group.members)
        if all(member in self.witnesses for member in group.members):
            return (group.needed, count) if group.needed >= smallest_safe(count) else None
        if group.needed < count:
            return None
        found = [safe for member in group.members if (safe := self._safe(member))]
        return max(found, key=lambda safe: safe[1]) if found else None


def _threshold(word: str, count: int) -> int:
    if word == "any":
        return 1
    if word == "all":
        return count
    needed = decode_decimal(word.encode(), rule="quorum.threshold")
    if not 1 <= needed <= count:
        raise WireError("a threshold is from 1 to the number of members", rule="quorum.threshold")
    return needed


def _lines(text: str) -> Iterable[list[str]]:
    """Yield the words of each line that says something; space and tab part words, nothing else."""
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise WireError("the quorum file is not valid Unicode", rule="quorum.text") from error
    if size > MAX_FILE or any(
        (char < " " and char not in "\t\n") or char == "\x7f" for char in text
    ):
        raise WireError("the quorum file has control characters or is too long", rule="quorum.text")
    *lines, rest = text.split("\n")
    if rest or len(lines) > MAX_LINES:
        raise WireError("the quorum file does not end in a newline", rule="quorum.text")
    for line in lines:
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        if words and not words[0].startswith("#"):
            yield words
