"""What the provider keeps, as reads and writes on one database; decides nothing.

Callers hold a transaction around everything that belongs together; no method opens its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from glasslock.errors import StateError
from glasslock.ids import AccountId, DeviceId
from glasslock.mls import Device, KeyPackageInfo, PublicGroup, Roster, WriteSet, context_digest
from glasslock.provider.delivery import LeafSlot, Line
from glasslock.runtime.sqlite import Database
from glasslock.wire.api import MAX_FETCH, DeviceEntry, EntryItem, InboxItem
from glasslock.wire.entry import Head
from glasslock.wire.policy import Policy, decode_policy

# Group, position, time, kind, digest, head, data; sender, its q and the head of its own line;
# receipt; position of its slot's message 0 and number in the slot, for an envelope.
EntryRow: TypeAlias = tuple[
    bytes,
    int,
    int,
    str,
    bytes,
    bytes,
    bytes,
    AccountId,
    DeviceId,
    int,
    bytes,
    bytes,
    int | None,
    int | None,
]

WHOLE_LINE: Final = (1 << 63) - 1
EMPTY_DEVICE_HEAD: Final = bytes(32)
# Entries of one frame stop here, so that with their receipts they stay below ``api.MAX_FRAME``.
FRAME_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Unread:
    """Entries for a device, and the last position that it may read as things stand."""

    limit: int
    entries: list[EntryItem]


class Store:
    """The provider's tables over an open database."""

    def __init__(self, db: Database) -> None:
        """Take over ``db``, opened with ``glasslock.provider.schema.MIGRATIONS``."""
        self._db = db

    # -- devices ------------------------------------------------------------------------------

    def devices(self, account: str) -> dict[bytes, bytes]:
        """Return the signature keys of an account's devices, by device id."""
        rows = self._db.all(
            "SELECT device, signature_key FROM devices WHERE account = ?", (account,)
        )
        return dict(rows)

    def entries_of(self, account: str) -> list[DeviceEntry]:
        """Return how each of an account's devices came to it."""
        rows = self._db.all(
            "SELECT device, signature_key, possession, approver_key, approval FROM devices"
            " WHERE account = ? ORDER BY device",
            (account,),
        )
        return [DeviceEntry(*row) for row in rows]

    def register(self, device: Device, entry: DeviceEntry, now: int) -> None:
        """Enter a device, once."""
        self._db.execute(
            "INSERT INTO devices (account, device, signature_key, registered, head, possession,"
            " approver_key, approval) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                device.account,
                device.device,
                entry.signature_key,
                now,
                EMPTY_DEVICE_HEAD,
                entry.possession,
                entry.approver_key,
                entry.approval,
            ),
        )

    def device_line(self, device: Device) -> tuple[int, bytes]:
        """Return q and head of a device's own line."""
        row = self._db.one(
            "SELECT q, head FROM devices WHERE account = ? AND device = ?",
            (device.account, device.device),
        )
        return (0, EMPTY_DEVICE_HEAD) if row is None else (row[0], row[1])

    def move_device_lines(self, moved: Iterable[tuple[Device, tuple[int, bytes]]]) -> None:
        """Move devices' own lines to q and head."""
        self._db.executemany(
            "UPDATE devices SET q = ?, head = ? WHERE account = ? AND device = ?",
            [(q, head, device.account, device.device) for device, (q, head) in moved],
        )

    # -- KeyPackages --------------------------------------------------------------------------

    def put_key_packages(
        self, owner: Device, packages: Iterable[tuple[bytes, KeyPackageInfo]]
    ) -> None:
        """Keep KeyPackages; a new last-resort one replaces the old."""
        for data, info in packages:
            if info.last_resort:
                self._db.execute(
                    "DELETE FROM key_packages WHERE account = ? AND device = ? AND last_resort = 1",
                    (owner.account, owner.device),
                )
            self._db.execute(
                "INSERT INTO key_packages VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (owner.account, owner.device, info.reference, int(info.last_resort), data),
            )

    def claim_key_package(self, owner: Device) -> bytes | None:
        """Take one KeyPackage: a single-use one while there is one, else the last resort."""
        row = self._db.one(
            "SELECT reference, last_resort, package FROM key_packages"
            " WHERE account = ? AND device = ? ORDER BY last_resort, reference LIMIT 1",
            (owner.account, owner.device),
        )
        if row is None:
            return None
        reference, last_resort, package = row
        if not last_resort:
            self._db.execute(
                "DELETE FROM key_packages WHERE account = ? AND device = ? AND reference = ?",
                (owner.account, owner.device, reference),
            )
        return bytes(package)

    def can_be_invited(self, owner: Device) -> bool:
        """Say whether there is any KeyPackage of a device."""
        row = self._db.one(
            "SELECT 1 FROM key_packages WHERE account = ? AND device = ?",
            (owner.account, owner.device),
        )
        return row is not None

    def count_key_packages(self, owner: Device) -> int:
        """Return how many single-use KeyPackages a device has left."""
        row = self._db.one(
            "SELECT COUNT(*) FROM key_packages"
            " WHERE account = ? AND device = ? AND last_resort = 0",
            (owner.account, owner.device),
        )
        return 0 if row is None else int(row[0])

    # -- policies -----------------------------------------------------------------------------

    def put_policy(self, policy: Policy) -> None:
        """Keep a policy document."""
        self._db.execute(
            "INSERT INTO policies VALUES (?, ?) ON CONFLICT DO NOTHING",
            (policy.digest, policy.document),
        )

    def policy(self, digest: bytes) -> Policy | None:
        """Return the policy of a digest."""
        row = self._db.one("SELECT document FROM policies WHERE digest = ?", (digest,))
        return None if row is None else decode_policy(row[0])

    def policies(self) -> list[bytes]:
        """Return all policy documents."""
        return [row[0] for row in self._db.all("SELECT document FROM policies ORDER BY digest")]

    # -- groups -------------------------------------------------------------------------------

    def has_group(self, group_id: bytes) -> bool:
        """Say whether the group exists."""
        return self._db.one("SELECT 1 FROM groups WHERE group_id = ?", (group_id,)) is not None

    def public_group(self, group_id: bytes) -> PublicGroup:
        """Load the engine's public state of a group."""
        rows = self._db.all(
            "SELECT scope, key, value FROM public_rows WHERE scope = ?", (group_id,)
        )
        return PublicGroup.load([tuple(row) for row in rows])

    def apply(self, written: WriteSet) -> None:
        """Apply the engine's rows; the caller confirms after the commit."""
        for scope, key, value in written.rows:
            if value is None:
                self._db.execute(
                    "DELETE FROM public_rows WHERE scope = ? AND key = ?", (scope, key)
                )
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO public_rows VALUES (?, ?, ?)", (scope, key, value)
                )

    def put_group(self, line: Line, context: bytes, group_info: bytes) -> None:
        """Keep the state of a group after its creation or a commit."""
        head = line.head
        self._db.execute(
            "INSERT INTO groups (group_id, policy, epoch, context, position, time, head,"
            " group_info, since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (group_id) DO UPDATE SET policy = excluded.policy,"
            " epoch = excluded.epoch, context = excluded.context, position = excluded.position,"
            " time = excluded.time, head = excluded.head, group_info = excluded.group_info,"
            " since = excluded.since",
            (
                line.group_id,
                line.policy.digest,
                line.epoch,
                context,
                head.position,
                head.time,
                head.head,
                group_info,
                line.since,
            ),
        )

    def put_members(self, line: Line, before: Roster | None) -> list[Device]:
        """Record who joined and who left with the entry at ``line.head``; returns the new ones."""
        position = line.head.position
        old = set() if before is None else {leaf.device for leaf in before.leaves}
        new = {leaf.device for leaf in line.roster.leaves}
        for gone in old - new:
            self._db.execute(
                "UPDATE members SET gone = ? WHERE group_id = ? AND account = ? AND device = ?",
                (position, line.group_id, gone.account, gone.device),
            )
        for joined in new - old:
            self._db.execute(
                "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, NULL, ?)",
                (line.group_id, joined.account, joined.device, position, position),
            )
        return sorted(new - old)

    def membership(self, group_id: bytes, device: Device) -> tuple[int, int | None] | None:
        """Return the positions after which a device reads and up to which, if it ever did."""
        row = self._db.one(
            "SELECT joined, gone FROM members WHERE group_id = ? AND account = ? AND device = ?",
            (group_id, device.account, device.device),
        )
        return None if row is None else (row[0], row[1])

    def rejoined(self, group_id: bytes, device: Device, position: int) -> None:
        """Let a device that replaced its own leaf read from ``position`` on."""
        self._db.execute(
            "UPDATE members SET joined = ?, gone = NULL, acked = ?"
            " WHERE group_id = ? AND account = ? AND device = ?",
            (position, position, group_id, device.account, device.device),
        )

    def line(self, group_id: bytes, public: PublicGroup) -> Line:
        """Load what the delivery decisions need; raises ``StateError`` without the group."""
        row = self._db.one(
            "SELECT policy, position, time, head, since FROM groups WHERE group_id = ?",
            (group_id,),
        )
        if row is None:
            raise StateError("there is no such group", rule="store.group")
        policy = self.policy(row[0])
        if policy is None:
            raise StateError("the group's policy is missing", rule="store.policy")
        view = public.view
        slots = self._db.all(
            "SELECT leaf, epoch, tau, slot, count, last, opened FROM slots WHERE group_id = ?",
            (group_id,),
        )
        return Line(
            group_id,
            policy,
            view.epoch,
            context_digest(view.context),
            Roster.of(view.members),
            Head(row[1], row[2], row[3]),
            {leaf: LeafSlot(*rest) for leaf, *rest in slots},
            row[4],
        )

    def group_info(self, group_id: bytes) -> tuple[bytes, Head] | None:
        """Return the GroupInfo of the current epoch and the newest head."""
        row = self._db.one(
            "SELECT group_info, position, time, head FROM groups WHERE group_id = ?", (group_id,)
        )
        return None if row is None else (row[0], Head(row[1], row[2], row[3]))

    # -- entries ------------------------------------------------------------------------------

    def put_entries(self, rows: Iterable[EntryRow]) -> None:
        """Write accepted entries."""
        self._db.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
        )

    def move_lines(self, moved: Iterable[tuple[bytes, Head]]) -> None:
        """Move groups' lines to their newest heads."""
        self._db.executemany(
            "UPDATE groups SET position = ?, time = ?, head = ? WHERE group_id = ?",
            [(head.position, head.time, head.head, group_id) for group_id, head in moved],
        )

    def put_slots(self, slots: Iterable[tuple[tuple[bytes, int], LeafSlot]]) -> None:
        """Keep the newest slots of leaves, by group and leaf."""
        self._db.executemany(
            "INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    group_id,
                    leaf,
                    slot.epoch,
                    slot.tau,
                    slot.slot,
                    slot.count,
                    slot.last,
                    slot.opened,
                )
                for (group_id, leaf), slot in slots
            ],
        )

    def put_slot_starts(self, rows: Iterable[tuple[bytes, bytes, int]]) -> None:
        """Keep where slots began: group, slot, position of message 0."""
        self._db.executemany("INSERT INTO slot_starts VALUES (?, ?, ?)", rows)

    def keep_slots(self, group_id: bytes, leaves: Iterable[int]) -> None:
        """Drop the slots of all leaves but these."""
        kept = set(leaves)
        for (leaf,) in self._db.all("SELECT leaf FROM slots WHERE group_id = ?", (group_id,)):
            if leaf not in kept:
                self._db.execute(
                    "DELETE FROM slots WHERE group_id = ? AND leaf = ?", (group_id, leaf)
                )

    def head_at(self, group_id: bytes, position: int) -> bytes | None:
        """Return the running head after ``position``."""
        if position == 0:
            return Head.start(group_id).head
        row = self._db.one(
            "SELECT head FROM entries WHERE group_id = ? AND position = ?", (group_id, position)
        )
        return None if row is None else row[0]

    def place_of(self, group_id: bytes, digest: bytes, slot: bytes, m: int) -> int | None:
        """Return the position of an entry by its digest, and by its slot and number in it."""
        row = self._db.one(
            "SELECT e.position FROM slot_starts s JOIN entries e"
            " ON e.group_id = s.group_id AND e.opened = s.opened"
            " WHERE s.group_id = ? AND s.slot = ? AND e.m = ? AND e.digest = ?",
            (group_id, slot, m, digest),
        )
        return self.place_without_slot(group_id, digest) if row is None else int(row[0])

    def place_without_slot(self, group_id: bytes, digest: bytes) -> int | None:
        """Return the position of an entry by its digest alone: a handshake, or one from before."""
        row = self._db.one(
            "SELECT position FROM entries WHERE group_id = ? AND digest = ? AND opened IS NULL",
            (group_id, digest),
        )
        return None if row is None else int(row[0])

    def accepted(self, group_id: bytes, position: int, sender: Device) -> tuple[Any, ...] | None:
        """Return position, time, head, receipt, q and device head of what ``sender`` sent."""
        return self._db.one(
            "SELECT position, time, head, receipt, q, device_head FROM entries"
            " WHERE group_id = ? AND position = ? AND account = ? AND device = ?",
            (group_id, position, sender.account, sender.device),
        )

    def newest(self, group_id: bytes) -> int:
        """Return the last position of a line, 0 when there is none."""
        row = self._db.one("SELECT position FROM groups WHERE group_id = ?", (group_id,))
        return 0 if row is None else int(row[0])

    def entries(self, group_id: bytes, after: int, most: int) -> list[EntryItem]:
        """Return entries after ``after`` up to position ``most``, as many as a frame may have."""
        rows = self._db.execute(
            "SELECT position, time, kind, data, receipt FROM entries"
            " WHERE group_id = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?",
            (group_id, after, most, MAX_FETCH),
        )
        found: list[EntryItem] = []
        size = 0
        for position, time, kind, data, receipt in rows:
            size += len(data)
            if found and size > FRAME_BYTES:
                break
            found.append(EntryItem(position, time, kind, data, receipt))
        return found

    def unread(self, group_id: bytes, device: Device, after: int) -> Unread:
        """Return what a device reads of a line after ``after``, of one moment."""
        found = self.membership(group_id, device)
        if found is None:
            return Unread(0, [])
        joined, gone = found
        limit = WHOLE_LINE if gone is None else gone
        return Unread(limit, self.entries(group_id, max(after, joined), limit))

    # -- refusals -----------------------------------------------------------------------------

    def refusal(self, group_id: bytes, digest: bytes) -> tuple[Any, ...] | None:
        """Return slug, rule, message and epoch of a final refusal."""
        return self._db.one(
            "SELECT slug, rule, message, epoch FROM refusals WHERE group_id = ? AND digest = ?",
            (group_id, digest),
        )

    def has_refusals(self, group_id: bytes) -> bool:
        """Say whether any refusal is kept of a group."""
        row = self._db.one("SELECT 1 FROM refusals WHERE group_id = ? LIMIT 1", (group_id,))
        return row is not None

    def put_refusal(self, group_id: bytes, digest: bytes, verdict: tuple[Any, ...]) -> None:
        """Keep a refusal, so that the same bytes get the same verdict."""
        self._db.execute(
            "INSERT INTO refusals VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (group_id, digest, *verdict),
        )

    # -- inbox and cursors --------------------------------------------------------------------

    def put_inbox(self, device: Device, item: InboxItem) -> None:
        """Put something into a device's inbox; its seq is drawn here."""
        row = self._db.one(
            "SELECT COALESCE(MAX(seq), 0) + 1 FROM inbox WHERE account = ? AND device = ?",
            (device.account, device.device),
        )
        acked = self._db.one(
            "SELECT inbox_acked + 1 FROM devices WHERE account = ? AND device = ?",
            (device.account, device.device),
        )
        seq = max(row[0] if row else 1, acked[0] if acked else 1)
        self._db.execute(
            "INSERT INTO inbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                device.account,
                device.device,
                seq,
                item.kind,
                item.data,
                item.group_id,
                item.position,
                item.time,
                item.head,
            ),
        )

    def inbox(self, device: Device, after: int, limit: int) -> list[InboxItem]:
        """Return what waits for a device after ``after``."""
        rows = self._db.all(
            "SELECT seq, kind, data, group_id, position, time, head FROM inbox"
            " WHERE account = ? AND device = ? AND seq > ? ORDER BY seq LIMIT ?",
            (device.account, device.device, after, limit),
        )
        return [InboxItem(*row) for row in rows]

    def ack_inbox(self, device: Device, seq: int) -> None:
        """Drop what a device has stored."""
        self._db.execute(
            "UPDATE devices SET inbox_acked = MAX(inbox_acked, ?) WHERE account = ? AND device = ?",
            (seq, device.account, device.device),
        )
        self._db.execute(
            "DELETE FROM inbox WHERE account = ? AND device = ? AND seq <= ?",
            (device.account, device.device, seq),
        )

    def put_acks(self, acks: Iterable[tuple[tuple[bytes, Device], int]]) -> None:
        """Remember how far devices have stored lines."""
        self._db.executemany(
            "UPDATE members SET acked = MAX(acked, ?)"
            " WHERE group_id = ? AND account = ? AND device = ?",
            [
                (position, group_id, device.account, device.device)
                for (group_id, device), position in acks
            ],
        )
