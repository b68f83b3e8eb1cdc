r"""What stands in the policy log: one frozen value per record type; knows no log and no verdict.

An entry is ``glasslock/1 <type>\n`` followed by deterministic CBOR. A record that somebody vouches
for carries the signature over its body under ``log record``; who must have signed is for the
reader to judge (``glasslock.sealing.roster``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from glasslock.errors import WireError
from glasslock.ids import KeyholderId, keyholder_id
from glasslock.wire.codec import encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.policy import SignedPolicy, decode_signed_policy
from glasslock.wire.shape import DIGEST, SIGNATURE, U32, Fields, expect_text

MAGIC: Final = b"glasslock/1 "
PERIOD_KEY_SIZE: Final = 1_216
ENCAPSULATION_SIZE: Final = 1_120

ISSUING, COUNTERSIGNER, AGENCY, REGISTRY = "issuing", "countersigner", "agency", "court-registry"
ROLES: Final = (ISSUING, COUNTERSIGNER, AGENCY, REGISTRY)


@dataclass(frozen=True)
class PolicyRecord:
    """A policy that its keyholders signed."""

    signed: SignedPolicy

    def body(self) -> bytes:
        """Return the bytes after the magic line."""
        return self.signed.encode()


@dataclass(frozen=True)
class PeriodKeyRecord:
    """A keyholder's encryption key for whole policy days ``first_day`` to ``last_day``."""

    keyholder: KeyholderId
    first_day: int
    last_day: int
    public_key: bytes
    signature: bytes = b"\x00" * SIGNATURE

    @cached_property
    def key_id(self) -> bytes:
        """``H("period key", keyholder, first_day, last_day, public key)`` (section 3)."""
        return period_key_id(self.keyholder, self.first_day, self.last_day, self.public_key)

    def signed_part(self) -> bytes:
        """Return what the keyholder's signing key signs."""
        return encode((self.keyholder, self.first_day, self.last_day, self.public_key))

    def body(self) -> bytes:
        """Return the bytes after the magic line."""
        return encode(
            (self.keyholder, self.first_day, self.last_day, self.public_key, self.signature)
        )


@dataclass(frozen=True)
class ProofRecord:
    """One step of the proof that a period key is possessed (section 6).

    ``step`` is ``challenge`` (data = enc), ``answer`` (data = KDF(ss, "proof", key id)) or
    ``reveal`` (data = the 64 coins). ``challenger`` names who made the challenge that the step
    belongs to; the challenger signs challenge and reveal, the key's owner signs the answer.
    """

    step: str
    key_id: bytes
    challenger: KeyholderId
    data: bytes
    signature: bytes = b"\x00" * SIGNATURE

    def signed_part(self) -> bytes:
        """Return what the step's author signs."""
        return encode((self.step, self.key_id, self.challenger, self.data))

    def body(self) -> bytes:
        """Return the bytes after the magic line."""
        return encode((self.step, self.key_id, self.challenger, self.data, self.signature))


@dataclass(frozen=True)
class EndRecord:
    """A period key is revoked (from now on) or destroyed (for ever); signed by its keyholder."""

    kind: str
    key_id: bytes
    keyholder: KeyholderId
    time: int
    signature: bytes = b"\x00" * SIGNATURE

    def signed_part(self) -> bytes:
        """Return what the keyholder's signing key signs."""
        return encode((self.kind, self.key_id, self.keyholder, self.time))

    def body(self) -> bytes:
        """Return the bytes after the magic line."""
        return encode((self.kind, self.key_id, self.keyholder, self.time, self.signature))


@dataclass(frozen=True)
class AuthorityRecord:
    """A body that may act in an order, in exactly one role, under a policy's registry key.

    ``key`` is an Ed25519 key for roles that sign (issuing, countersigner) and an X-Wing key for
    those that receive (agency, court-registry). ``owner`` names the legal person: an issuing
    authority and its countersigner must differ in it.
    """

    name: str
    role: str
    owner: str
    authority_class: str
    key: bytes
    not_before: int
    not_after: int
    policy: bytes
    signature: bytes = b"\x00" * SIGNATURE

    def signed_part(self) -> bytes:
        """Return what the policy's registry key signs."""
        return encode(
            (
                self.name,
                self.role,
                self.owner,
                self.authority_class,
                self.key,
                self.not_before,
                self.not_after,
                self.policy,
            )
        )

    def body(self) -> bytes:
        """Return the bytes after the magic line."""
        return encode((self.signed_part(), self.signature))


Record: TypeAlias = PolicyRecord | PeriodKeyRecord | ProofRecord | EndRecord | AuthorityRecord

_TYPES: Final[dict[type[Record], str]] = {
    PolicyRecord: "policy",
    PeriodKeyRecord: "period-key",
    ProofRecord: "period-proof",
    EndRecord: "period-end",
    AuthorityRecord: "authority",
}


def period_key_id(keyholder: str, first_day: int, last_day: int, public_key: bytes) -> bytes:
    """Return the key id that seats name (section 3)."""
    return digest(Label.PERIOD_KEY, keyholder, first_day, last_day, public_key)


def encode_record(record: Record) -> bytes:
    """Return the log entry of ``record``."""
    return MAGIC + _TYPES[type(record)].encode() + b"\n" + record.body()


def split_entry(entry: bytes) -> tuple[str, bytes]:
    """Split a log entry into its type and CBOR body; raises ``WireError``."""
    head, newline, body = entry.partition(b"\n")
    if not newline or not head.startswith(MAGIC) or len(head) > 64:
        raise WireError("a log entry does not begin with its type", rule="record.magic")
    try:
        return head[len(MAGIC) :].decode("ascii"), body
    except UnicodeDecodeError as error:
        raise WireError("a log entry has a strange type", rule="record.magic") from error


def decode_record(entry: bytes) -> Record:
    """Decode a policy-log entry; raises ``WireError`` for any other type or shape."""
    kind, body = split_entry(entry)
    if kind == "policy":
        return PolicyRecord(decode_signed_policy(body))
    if kind == "period-key":
        return _period_key(Fields.of(body, "period key", 5))
    if kind == "period-proof":
        return _proof(Fields.of(body, "period proof", 5))
    if kind == "period-end":
        return _end(Fields.of(body, "period end", 5))
    if kind == "authority":
        return _authority(Fields.of(body, "authority", 2))
    raise WireError("no such record in the policy log", rule="record.type")


def _keyholder(fields: Fields) -> KeyholderId:
    return keyholder_id(expect_text(fields.any()))


def _period_key(fields: Fields) -> PeriodKeyRecord:
    record = PeriodKeyRecord(
        _keyholder(fields),
        fields.uint(U32),
        fields.uint(U32),
        fields.exactly(PERIOD_KEY_SIZE),
        fields.exactly(SIGNATURE),
    )
    if not record.first_day <= record.last_day < record.first_day + 7:
        raise WireError("a period key serves one to seven days", rule="record.period")
    return record


def _proof(fields: Fields) -> ProofRecord:
    sizes = {"challenge": ENCAPSULATION_SIZE, "answer": DIGEST, "reveal": 64}
    step = fields.text(16)
    if step not in sizes:
        raise WireError("no such step in a proof of possession", rule="record.proof")
    return ProofRecord(
        step,
        fields.digest(),
        _keyholder(fields),
        fields.exactly(sizes[step]),
        fields.exactly(SIGNATURE),
    )


def _end(fields: Fields) -> EndRecord:
    kind = fields.text(16)
    if kind not in ("revoked", "destroyed"):
        raise WireError("a period key is revoked or destroyed", rule="record.end")
    return EndRecord(
        kind, fields.digest(), _keyholder(fields), fields.uint(), fields.exactly(SIGNATURE)
    )


def _authority(outer: Fields) -> AuthorityRecord:
    fields = Fields.of(outer.bytes(8_192), "authority body", 8)
    name, role = fields.text(64, 1), fields.text(32)
    if role not in ROLES:
        raise WireError("no such role", rule="record.role")
    owner, authority_class = fields.text(256, 1), fields.text(64, 1)
    key = fields.exactly(DIGEST if role in (ISSUING, COUNTERSIGNER) else PERIOD_KEY_SIZE)
    return AuthorityRecord(
        name,
        role,
        owner,
        authority_class,
        key,
        fields.uint(),
        fields.uint(),
        fields.digest(),
        outer.exactly(SIGNATURE),
    )
