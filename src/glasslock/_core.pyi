"""The Rust waist as Python sees it: MLS, X-Wing with given coins, secret sharing, codec, hashes.

Bytes in, bytes out; only the codec takes and gives plain values. Failures are the classes of
``glasslock.errors``. Calls release the GIL, but for codec and hashes, which are too short for it; a
panic becomes ``StateError`` with rule ``core.panic`` and the handle is of no further use.

Persistence contract: an operation that changes state returns a ``WriteSet``. The caller applies
its rows in the transaction that stores everything else belonging to the same step, then calls
``confirm()``. Until then the handle refuses every further change; after ``abandon()``, or when the
set is dropped, the handle is dead and is loaded again from stored rows. _Row values are sealed
under the wrap key and bound to their place (AES-256-GCM); Python never sees an MLS secret but the
root of an epoch.
"""

from typing import Final, TypeAlias, final

__all__ = [
    "POLICY_EXTENSION",
    "ROOT_COMPONENT",
    "SUITE_CLASSIC",
    "SUITE_HYBRID",
    "CommitPreview",
    "Engine",
    "Group",
    "GroupView",
    "Invitation",
    "KeyPackageInfo",
    "Member",
    "MessageInfo",
    "ParkedJoin",
    "PublicGroup",
    "PublicGroupView",
    "PublicStaged",
    "StagedCommit",
    "StagedWelcome",
    "WriteSet",
    "cbor_decode",
    "cbor_encode",
    "derive_labelled",
    "digest_labelled",
    "ed25519_public_key",
    "key_package_info",
    "message_info",
    "shamir_combine",
    "shamir_share",
    "shamir_shares",
    "sign_with_label",
    "verify_with_label",
    "xwing_check_public_key",
    "xwing_decapsulate",
    "xwing_encapsulate",
    "xwing_encapsulate_batch",
    "xwing_public_key",
]

_Row: TypeAlias = tuple[bytes, bytes, bytes | None]
_Value: TypeAlias = int | bytes | str | tuple[_Value, ...] | None
_Encodable: TypeAlias = int | bytes | str | tuple[_Encodable, ...] | list[_Encodable] | None

SUITE_HYBRID: Final[int]
SUITE_CLASSIC: Final[int]
POLICY_EXTENSION: Final[int]
ROOT_COMPONENT: Final[int]

def cbor_encode(value: _Encodable) -> bytes:
    """Encode as deterministic CBOR; exact types only. Raises ``WireError``."""

def cbor_decode(data: bytes, limit: int) -> _Value:
    """Decode one item that fills ``data``, at most ``limit`` bytes; raises ``WireError``."""

def digest_labelled(label: str, parts: tuple[_Encodable, ...]) -> bytes:
    """Return ``H(label, parts...)``, 32 bytes; raises ``WireError``."""

def derive_labelled(key: bytes, label: str, parts: tuple[_Encodable, ...], length: int) -> bytes:
    """Return ``KDF(key, label, parts...; length)``; raises ``WireError``."""

def xwing_public_key(seed: bytes) -> bytes:
    """Return the 1,216-byte public key of a 32-byte seed (draft-connolly-cfrg-xwing-kem)."""

def xwing_check_public_key(public: bytes) -> None:
    """Raise ``KeyRejected`` for a wrong length, the FIPS 203 modulus check, a low-order half."""

def xwing_encapsulate(public: bytes, coins: bytes) -> tuple[bytes, bytes]:
    """Return ``(shared secret, enc)`` for 64 bytes of coins; raises ``KeyRejected``."""

def xwing_encapsulate_batch(items: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Encapsulate to many ``(public, coins)`` in one call; raises ``KeyRejected``."""

def xwing_decapsulate(seed: bytes, enc: bytes) -> bytes:
    """Return the shared secret; a manipulated enc gives another one. Raises ``KeyRejected``."""

def shamir_share(constant: bytes, coefficients: list[bytes], x: int) -> bytes:
    """Evaluate the sharing polynomial at ``x`` from 1 to 255; raises ``StateError``."""

def shamir_shares(constant: bytes, coefficients: list[bytes], count: int) -> list[bytes]:
    """Return the shares at x = 1 to ``count``; raises ``StateError``."""

def shamir_combine(shares: list[tuple[int, bytes]]) -> bytes:
    """Interpolate at 0 from ``(x, share)``; raises ``StateError`` for senseless input."""

def ed25519_public_key(seed: bytes) -> bytes:
    """Return the public key of an RFC 8032 seed; raises ``KeyRejected``."""

def sign_with_label(seed: bytes, label: str, content: bytes) -> bytes:
    """SignWithLabel (RFC 9420 5.1.2) under ``"glasslock/1 " + label``; raises ``KeyRejected``."""

def verify_with_label(public: bytes, label: str, content: bytes, signature: bytes) -> None:
    """Verify strictly; raises ``BadSignature`` or ``KeyRejected``."""

@final
class Member:
    """A device in a group, or about to be: ``leaf`` is 0 while it has none."""

    leaf: int
    identity: bytes
    signature_key: bytes
    credential: bytes

@final
class GroupView:
    """What a group is at the moment; ``context`` is the GroupContext as TLS bytes."""

    group_id: bytes
    epoch: int
    own_leaf: int
    active: bool
    pending: bool
    context: bytes
    policy: bytes
    members: list[Member]

@final
class PublicGroupView:
    """What the Delivery Service knows of a group."""

    group_id: bytes
    epoch: int
    suite: int
    context: bytes
    policy: bytes
    members: list[Member]

@final
class Invitation:
    """What a Welcome invites to, readable before it is accepted."""

    group_id: bytes
    epoch: int
    own_leaf: int
    sender: int
    context: bytes
    policy: bytes
    members: list[Member]

@final
class CommitPreview:
    """What a commit would do; ``sender`` is None for an external commit (then ``joined``)."""

    epoch: int
    sender: int | None
    own: bool
    self_removed: bool
    added: list[Member]
    joined: Member | None
    removed: list[int]
    context: bytes
    policy: bytes

@final
class KeyPackageInfo:
    """What a verified KeyPackage says; ``not_before`` in unix seconds."""

    reference: bytes
    suite: int
    member: Member
    not_before: int
    last_resort: bool

@final
class MessageInfo:
    """``kind``: commit, proposal, application, private, welcome, group_info or key_package."""

    kind: str
    group_id: bytes
    epoch: int

@final
class WriteSet:
    """Rows to store; no value means delete."""

    @property
    def rows(self) -> list[_Row]:
        """The rows, in no order."""

    def confirm(self) -> None:
        """Say that the rows are durable: the handles may be used again."""

    def abandon(self) -> None:
        """Say that the rows will not be stored: the handles are dead."""

@final
class Engine:
    """A device: leaf key, credential, KeyPackages."""

    @staticmethod
    def create(wrap_key: bytes, suite: int, identity: bytes) -> tuple[Engine, WriteSet]:
        """Make a device with a fresh leaf key; raises ``WireError`` for an unknown suite."""

    @staticmethod
    def load(wrap_key: bytes, rows: list[_Row]) -> Engine:
        """Load a device from the rows of scope ``b""``; raises ``VerificationError``."""

    @property
    def suite(self) -> int:
        """MLS cipher suite number."""

    @property
    def signature_key(self) -> bytes:
        """Raw Ed25519 public key of the leaf."""

    @property
    def credential(self) -> bytes:
        """MLS Credential as TLS bytes."""

    def sign(self, label: str, content: bytes) -> bytes:
        """Sign with the leaf key under a label of ours."""

    def key_package(self, now: int, last_resort: bool) -> tuple[bytes, WriteSet]:
        """Make a KeyPackage (an MLSMessage); ``now`` in unix seconds."""

    def create_group(self, group_id: bytes, policy: bytes) -> tuple[Group, bytes, bytes, WriteSet]:
        """Create a group of one: ``(group, GroupInfo with tree, root, rows)``."""

    def load_group(self, rows: list[_Row]) -> Group:
        """Load a group from the rows of its scope; raises ``StateError`` when there is none."""

    def stage_welcome(self, welcome: bytes) -> StagedWelcome:
        """Decrypt and verify a Welcome; stores nothing. Raises ``VerificationError``."""

    def external_commit(self, group_info: bytes, old_rows: list[_Row]) -> ParkedJoin:
        """Prepare to enter by external commit, replacing the own old leaf if it still stands."""

@final
class StagedWelcome:
    """A Welcome that verified."""

    @property
    def invitation(self) -> Invitation:
        """What it invites to."""

    def accept(self, engine: Engine) -> tuple[Group, bytes, WriteSet]:
        """Join: ``(group, root, rows of device and group)``."""

@final
class ParkedJoin:
    """An external commit before its verdict: on acceptance store ``rows``, then load the group."""

    @property
    def commit(self) -> bytes:
        """The commit to send."""

    @property
    def group_info(self) -> bytes:
        """GroupInfo of the epoch it starts."""

    @property
    def rows(self) -> list[_Row]:
        """What to store on acceptance."""

    @property
    def view(self) -> GroupView:
        """The group as it will be."""

    @property
    def root(self) -> bytes:
        """Root of the epoch it starts."""

@final
class Group:
    """A group of which this device is a member."""

    @property
    def view(self) -> GroupView:
        """What the group is at the moment."""

    def commit(
        self, *, add: list[bytes], remove: list[int], policy: bytes | None
    ) -> tuple[bytes, bytes | None, bytes, WriteSet]:
        """Prepare a commit: ``(commit, Welcome, GroupInfo, rows)``; renews the own leaf."""

    def clear_pending(self) -> WriteSet:
        """Drop an own commit that was refused."""

    def stage(self, handshake: bytes) -> StagedCommit:
        """Verify a commit, the own pending one included; changes nothing. Raises ``StaleEpoch``."""

@final
class StagedCommit:
    """A commit that verified."""

    @property
    def preview(self) -> CommitPreview:
        """What it would do."""

    def accept(self) -> tuple[bytes | None, WriteSet]:
        """Merge: ``(root of the new epoch, rows)``; no root when this device was removed."""

@final
class PublicGroup:
    """A group as the Delivery Service sees it; its rows hold no secret and are not sealed."""

    @staticmethod
    def create(group_info: bytes) -> tuple[PublicGroup, WriteSet]:
        """Take a new group from its creator's GroupInfo; raises ``VerificationError``."""

    @staticmethod
    def load(rows: list[_Row]) -> PublicGroup:
        """Load from rows; raises ``StateError``."""

    @property
    def view(self) -> PublicGroupView:
        """What is known of the group."""

    def stage(self, handshake: bytes, group_info: bytes) -> PublicStaged:
        """Verify a commit and the GroupInfo it leads to; changes nothing. Raises ``StaleEpoch``."""

@final
class PublicStaged:
    """A commit that the Delivery Service may take."""

    @property
    def preview(self) -> CommitPreview:
        """What it would do."""

    def accept(self) -> WriteSet:
        """Move to the next epoch; raises ``VerificationError`` when the tree does not fit."""

def key_package_info(package: bytes) -> KeyPackageInfo:
    """Verify and read a KeyPackage; raises ``WireError`` or ``VerificationError``."""

def message_info(message: bytes) -> MessageInfo:
    """Read what an MLSMessage is; raises ``WireError``."""
