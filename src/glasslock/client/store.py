"""What a device keeps, in one encrypted database: whole steps in, a session's start out.

Every ``Effects`` is one transaction: MLS rows, conversation states, messages, outbox and cursors
stand or fall together. Decides nothing and talks to nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from glasslock.client.alarms import RULES, Alarms
from glasslock.client.changes import SPLIT, Effects, Outgoing, Row
from glasslock.client.conversation import HEADS, Conversation
from glasslock.client.letters import Letters
from glasslock.client.policies import Policies
from glasslock.client.sending import Draft, read_place
from glasslock.client.session import Loaded, read_line
from glasslock.client.state import GroupState, decode_state
from glasslock.client.views import Views
from glasslock.errors import StorageError
from glasslock.mls import Device, Engine
from glasslock.runtime.sqlite import Database
from glasslock.sealing.book import PolicyBook
from glasslock.tlog.follow import Replica
from glasslock.tlog.merkle import leaf_hash
from glasslock.wire import api
from glasslock.wire.policy import Policy, decode_policy
from glasslock.wire.shape import Fields

DEVICE_SCOPE: Final = b""
# By the index of what is not settled: a start costs what waits, and not all that was ever written.
_WAITING: Final = "messages INDEXED BY messages_state WHERE state IN ('queued', 'sent', 'accepted')"


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a conversation as it is kept.

    ``state`` is received, queued, sent, accepted, ask (its author must look again before it is
    sent) or refused; ``time`` is unix seconds, the line's once there is a ``position``.
    """

    number: int
    group_id: bytes
    state: str
    account: str
    device: bytes
    content: bytes = field(repr=False)
    time: int
    position: int | None


class Store:
    """A device's tables over an open database."""

    def __init__(self, db: Database) -> None:
        """Take over ``db``, opened with ``glasslock.client.schema.MIGRATIONS``."""
        self._db = db
        self._journal = False
        self.letters = Letters(db)
        self.alarms = Alarms(db)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    # -- meta ---------------------------------------------------------------------------------

    def set_up(self, facts: dict[str, bytes], rows: Sequence[Row]) -> None:
        """Write what a new device starts from, in one transaction."""
        with self._db.transaction("create"):
            for name, value in facts.items():
                self._put_meta(name, value)
            self._put_rows(rows)

    def note(self, facts: dict[str, bytes], policies: Sequence[Policy] = ()) -> None:
        """Write facts and policy documents learnt outside a session."""
        with self._db.transaction("note"):
            for name, value in facts.items():
                self._put_meta(name, value)
            for policy in policies:
                self._put_policy(policy.digest, policy.document)

    def meta(self, name: str) -> bytes | None:
        """Return a fact, or None."""
        row = self._db.one("SELECT value FROM meta WHERE name = ?", (name,))
        return None if row is None else bytes(row[0])

    def _put_meta(self, name: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def _put_policy(self, digest: bytes, document: bytes) -> None:
        self._db.execute(
            "INSERT INTO policies VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, document)
        )

    # -- policy logs --------------------------------------------------------------------------

    def put_log(
        self, policy: bytes, replica: Replica, entries: Sequence[tuple[int, int, bytes]]
    ) -> None:
        """Keep how far a policy's log was read, with the new entries (index, time, bytes)."""
        checkpoint = replica.log.checkpoint
        if checkpoint is None:
            return
        with self._db.transaction("log"):
            self._db.executemany(
                "INSERT INTO log_entries VALUES (?, ?, ?, ?)",
                [(policy, index, time, entry) for index, time, entry in entries],
            )
            self._db.execute(
                "INSERT OR REPLACE INTO log_state VALUES (?, ?, ?, ?)",
                (policy, checkpoint.note, replica.state, checkpoint.median_time),
            )

    def replica(self, policy: bytes, start: Replica) -> Replica:
        """Return how far a policy's log was read; ``start`` when it never was.

        Raises:
            VerificationError: what is stored does not hold under the policy's quorum.
        """
        row = self._db.one("SELECT note, nodes FROM log_state WHERE policy = ?", (policy,))
        if row is None:
            return start
        return start.recall(row[0], row[1])

    def leaves(self, policy: bytes, first: int, end: int) -> list[bytes]:
        """Return the leaf hashes of entries ``first`` to ``end`` of a policy's log."""
        rows = self._db.all(
            "SELECT entry FROM log_entries WHERE policy = ? AND idx >= ? AND idx < ? ORDER BY idx",
            (policy, first, end),
        )
        return [leaf_hash(entry) for (entry,) in rows]

    def _views(self, known: dict[bytes, Policy]) -> Views:
        views = Views()
        for table, orders in (("log_state", False), ("orders_state", True)):
            for digest, note in self._db.all(f"SELECT policy, note FROM {table}"):  # noqa: S608 - ours
                access = known[digest].access if digest in known else None
                if access is not None:
                    origin = access.orders_origin if orders else access.policy_origin
                    views.read((digest, origin), note)
        for each in self.alarms.agreed():
            views.agree(each)
        for alarm in self.alarms.all():
            if alarm.rule == RULES[SPLIT] and alarm.policy in known:
                views.split(known[alarm.policy], alarm.origin)
        return views

    def _books(self) -> dict[bytes, PolicyBook]:
        books: dict[bytes, PolicyBook] = {}
        for policy, time in self._db.all("SELECT policy, time FROM log_state"):
            books[policy] = book = PolicyBook()
            rows = self._db.all(
                "SELECT entry, idx, time FROM log_entries WHERE policy = ? ORDER BY idx", (policy,)
            )
            for entry, index, when in rows:
                book.add(entry, index, when)
            book.seen(time)
        return books

    # -- a step -------------------------------------------------------------------------------

    def apply(self, effects: Effects) -> None:
        """Store one step whole, then let the engine go on.

        Raises:
            StorageError: nothing of it was stored; the session must be loaded again.
        """
        if effects.stores:
            self._journal = True
            try:
                with self._db.transaction("step"):
                    self._put_all(effects)
            except OverflowError as error:
                # A provider may give any number, the database has 63 bits for one.
                raise StorageError("a number cannot be kept", rule="store.number") from error
        for written in effects.written:
            written.confirm()

    def forget(self) -> None:
        """Empty the journal, which has pages from before what was erased; raises ``StorageError``.

        The database's own pages were overwritten in the transaction that erased.
        """
        if self._journal:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._journal = False

    def _put_all(self, effects: Effects) -> None:
        self._put_rows(effects.rows)
        self._put_heads(effects)
        # What is left behind goes with its heads, those of this step too.
        self._put_states(effects)
        self._put_messages(effects)
        self._put_rest(effects)
        self.letters.put(effects.letters, effects.letter_states)
        for read in effects.orders_read:
            self.letters.put_read(read)
        self.alarms.put(effects.heard, effects.compared)

    def _put_rows(self, rows: Sequence[Row]) -> None:
        # A later row may put back what an earlier one deleted, so that the last one counts. The
        # old value goes first: its pages, a megabyte for a thousand members, take the new one.
        last = {(scope, key): value for scope, key, value in rows}
        self._db.executemany("DELETE FROM mls_rows WHERE scope = ? AND key = ?", last)
        self._db.executemany(
            "INSERT INTO mls_rows VALUES (?, ?, ?)",
            [(*place, value) for place, value in last.items() if value is not None],
        )

    def _put_states(self, effects: Effects) -> None:
        for group_id, state in effects.states.items():
            if state is None:
                self._db.execute("DELETE FROM mls_rows WHERE scope = ?", (group_id,))
                self._db.execute("DELETE FROM groups WHERE group_id = ?", (group_id,))
                self._db.execute("DELETE FROM heads WHERE group_id = ?", (group_id,))
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO groups VALUES (?, ?, ?)",
                    (group_id, state.policy, state.encode()),
                )

    def _put_messages(self, effects: Effects) -> None:
        self._db.executemany(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    m.number,
                    m.group_id,
                    m.state,
                    m.account,
                    m.device,
                    m.content,
                    m.time,
                    m.position,
                    m.digest,
                    m.audience,
                )
                for m in effects.messages
            ],
        )
        self._db.executemany(
            "UPDATE messages SET state = ?, time = COALESCE(?, time),"
            " position = COALESCE(?, position), digest = COALESCE(?, digest),"
            " audience = COALESCE(?, audience) WHERE number = ?",
            [
                (m.state, m.time, m.position, m.digest, m.audience, m.number)
                for m in effects.message_states
            ],
        )

    def _put_heads(self, effects: Effects) -> None:
        if not effects.heads:
            return
        self._db.executemany("INSERT OR REPLACE INTO heads VALUES (?, ?, ?)", effects.heads)
        newest = {group_id: position for group_id, position, _ in effects.heads}
        self._db.executemany(
            "DELETE FROM heads WHERE group_id = ? AND position <= ?",
            [(group_id, position - HEADS) for group_id, position in newest.items()],
        )

    def _put_rest(self, effects: Effects) -> None:
        self._db.executemany(
            "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?)",
            [
                (o.number, o.group_id, o.digest, o.frame, o.message, o.place)
                for o in effects.outgoing
            ],
        )
        self._db.executemany(
            "DELETE FROM outbox WHERE number = ?", [(number,) for number in effects.settled]
        )
        self._db.executemany(
            "INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(r.group_id, r.position, r.rule, r.evidence) for r in effects.records],
        )
        for place, kept in effects.accepted.items():
            statement = (
                "INSERT INTO accepted VALUES (?, ?) ON CONFLICT DO NOTHING"
                if kept
                else "DELETE FROM accepted WHERE group_id = ? AND policy = ?"
            )
            self._db.execute(statement, place)
        for group_id, item in effects.invitations.items():
            if item is None:
                self._db.execute("DELETE FROM invitations WHERE group_id = ?", (group_id,))
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO invitations VALUES (?, ?)", (group_id, item)
                )
        for name, value in effects.meta.items():
            self._put_meta(name, value)

    # -- loading ------------------------------------------------------------------------------

    def load_engine(self, wrap_key: bytes) -> Engine:
        """Load the device's engine; raises ``VerificationError`` when its rows are damaged."""
        return Engine.load(wrap_key, self._rows(DEVICE_SCOPE))

    def load(self, device: Device, engine: Engine, provider_key: bytes) -> Loaded:
        """Return what a session starts from.

        Raises:
            StorageError: a stored value is damaged.
        """
        documents = self._db.all("SELECT digest, document FROM policies")
        known = {digest: decode_policy(document) for digest, document in documents}
        accepted = self._db.all("SELECT group_id, policy FROM accepted")
        yes = {(group, policy) for group, policy in accepted}
        policies = Policies(known, self._books(), yes, self._views(known))
        policies.freeze()
        outbox = {item.number: item for item in self._outbox()}
        loaded = Loaded(device, engine, provider_key, policies, outbox=outbox)
        for group_id, policy, state in self._db.all("SELECT group_id, policy, state FROM groups"):
            if policy not in known:
                raise StorageError("the policy of a conversation is missing", rule="store.policy")
            loaded.conversations[group_id] = self._conversation(
                engine, decode_state(state), known[policy], policies
            )
        for group_id, item in self._db.all("SELECT group_id, item FROM invitations"):
            loaded.invitations[group_id] = _inbox_item(item)
        line, inbox, resort = (self.meta(name) for name in ("line", "inbox", "last_resort"))
        if line is not None:
            loaded.device_line = read_line(line)
        loaded.inbox_seq = _number(inbox)
        loaded.last_resort = _number(resort)
        loaded.next_message = self._next("messages")
        loaded.next_outgoing = self._next("outbox")
        return loaded

    def _conversation(
        self, engine: Engine, state: GroupState, policy: Policy, policies: Policies
    ) -> Conversation:
        group = engine.load_group(self._rows(state.group_id))
        conversation = Conversation(
            group,
            state,
            policy,
            policies,
            heads=self._heads(state.group_id),
            committing=group.view.pending,
        )
        drafts = dict(self._drafts(state.group_id, "queued"))
        conversation.drafts = deque(drafts.values())
        sent = dict(self._drafts(state.group_id, "sent"))
        for item in self._outbox():
            if item.group_id == state.group_id and item.message in sent:
                draft = sent[item.message]
                conversation.in_flight[item.digest] = _placed(draft, item.place)
        for digest, position in self._unread(state):
            conversation.own.add(digest)
            if position is not None:
                conversation.own.promise(position, digest)
        return conversation

    def _heads(self, group_id: bytes) -> dict[int, bytes]:
        rows = self._db.all("SELECT position, head FROM heads WHERE group_id = ?", (group_id,))
        return dict(rows)

    def _drafts(self, group_id: bytes, state: str) -> Iterator[tuple[int, Draft]]:
        rows = self._db.all(
            f"SELECT number, content, audience FROM {_WAITING}"  # noqa: S608 - ours
            " AND state = ? AND group_id = ? ORDER BY number",
            (state, group_id),
        )
        for number, content, audience in rows:
            yield number, Draft(number, content, audience)

    def _unread(self, state: GroupState) -> Iterator[tuple[bytes, int | None]]:
        # Own envelopes that have not come back on the line.
        yield from self._db.all(
            f"SELECT digest, position FROM {_WAITING}"  # noqa: S608 - ours
            " AND state = 'sent' AND group_id = ? AND digest IS NOT NULL"
            " UNION ALL SELECT digest, position FROM messages INDEXED BY messages_place"
            " WHERE group_id = ? AND position > ? AND digest IS NOT NULL",
            (state.group_id, state.group_id, state.head.position),
        )

    def _outbox(self) -> list[Outgoing]:
        rows = self._db.all(
            "SELECT number, group_id, digest, frame, message, place FROM outbox ORDER BY number"
        )
        return [Outgoing(*row) for row in rows]

    def _rows(self, scope: bytes) -> list[Row]:
        rows = self._db.all("SELECT scope, key, value FROM mls_rows WHERE scope = ?", (scope,))
        return [(s, key, value) for s, key, value in rows]

    def _next(self, table: str) -> int:
        row = self._db.one(f"SELECT COALESCE(MAX(number), 0) + 1 FROM {table}")  # noqa: S608 - ours
        return 1 if row is None else int(row[0])

    # -- reading ------------------------------------------------------------------------------

    def messages(self, group_id: bytes, after: int = 0, limit: int = 1_000) -> list[Message]:
        """Return messages of a conversation in the order of this device, after ``after``."""
        rows = self._db.all(
            "SELECT number, group_id, state, account, device, content, time, position"
            " FROM messages WHERE group_id = ? AND number > ? ORDER BY number LIMIT ?",
            (group_id, after, limit),
        )
        return [Message(*row) for row in rows]

    def message(self, number: int) -> Message | None:
        """Return one message, or None."""
        row = self._db.one(
            "SELECT number, group_id, state, account, device, content, time, position"
            " FROM messages WHERE number = ?",
            (number,),
        )
        return None if row is None else Message(*row)

    def records(self, group_id: bytes) -> list[tuple[int, str]]:
        """Return position and rule of every refused entry."""
        rows = self._db.all(
            "SELECT position, rule FROM records WHERE group_id = ? ORDER BY position, rule",
            (group_id,),
        )
        return [(position, rule) for position, rule in rows]

    def evidence(self, group_id: bytes, position: int) -> bytes:
        """Return what was kept of a mismatch at ``position``, empty when there was none."""
        row = self._db.one(
            "SELECT evidence FROM records WHERE group_id = ? AND position = ?"
            " ORDER BY LENGTH(evidence) DESC LIMIT 1",
            (group_id, position),
        )
        return b"" if row is None else bytes(row[0])


def _number(data: bytes | None) -> int:
    if data is None:
        return 0
    fields = Fields.of(data, "number", 1)
    number = fields.uint()
    fields.close()
    return number


def _placed(draft: Draft, place: bytes | None) -> Draft:
    return draft if place is None else replace(draft, place=read_place(place))


def _inbox_item(data: bytes) -> api.InboxItem:
    item = api.decode_provider_frame(data)
    if not isinstance(item, api.InboxItem):
        raise StorageError("a stored invitation is damaged", rule="store.invitation")
    return item
