"""Which policies a device knows, what it read of their logs, what its person accepted.

Judges what a group may name as its policy; knows no group, no store and no network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from glasslock.client.changes import SPLIT, Compared, OrdersRead
from glasslock.client.views import Views
from glasslock.errors import StateError, VerificationError
from glasslock.sealing.book import PolicyBook
from glasslock.wire.policy import Policy, PolicyExtension, decode_policy_extension

LogEntry = tuple[int, int, bytes]


class BookBehind(StateError):
    """The policy log must be read further before this can be judged."""

    slug = "book-behind"


@dataclass
class Policies:
    """Documents by digest, books by policy digest, and (group, policy) that a person accepted."""

    known: dict[bytes, Policy]
    books: dict[bytes, PolicyBook] = field(default_factory=dict)
    accepted: set[tuple[bytes, bytes]] = field(default_factory=set)
    views: Views = field(default_factory=Views)

    def log_read(self, policy: bytes, entries: Sequence[LogEntry], time: int) -> None:
        """Take in what a policy's log had: entries (index, time, bytes) that are proven in it.

        ``time`` is how fresh the log was, by its witnesses.
        """
        book = self.books.setdefault(policy, PolicyBook())
        for index, when, entry in entries:
            book.add(entry, index, when)
        book.seen(time)

    def orders_read(self, read: OrdersRead) -> None:
        """Take in how far the orders log of a policy was read."""
        policy, checkpoint = self.known.get(read.policy), read.replica.log.checkpoint
        if policy is not None and policy.access is not None and checkpoint is not None:
            self.views.read((read.policy, policy.access.orders_origin), checkpoint.note)

    def compared(self, found: Iterable[Compared]) -> None:
        """Take in how views of logs compare: a log with two pasts is read no further."""
        for each in found:
            self.views.compared(self.known, each)
            if each.outcome == SPLIT:
                self.freeze()

    def freeze(self) -> None:
        """Close the books of logs that have shown two pasts."""
        for digest, book in self.books.items():
            policy = self.known.get(digest)
            access = None if policy is None else policy.access
            if policy and access and self.views.frozen(policy, access.policy_origin):
                book.freeze()

    def book(self, policy: Policy) -> PolicyBook | None:
        """Return what was read of a policy's log, None when nothing was."""
        return self.books.get(policy.digest)

    def extension(self, policy: Policy) -> bytes:
        """Return the GroupContext extension that puts a group under ``policy``.

        Raises:
            BookBehind: its log was never read.
            VerificationError: the policy does not stand in its log, signed by all its seats.
        """
        if policy.access is None:
            return PolicyExtension(policy.digest, 0).encode()
        return PolicyExtension(policy.digest, self._read(policy).position(policy.digest)).encode()

    def named(self, extension: bytes, time: int) -> Policy:
        """Return the policy that a GroupContext names, in something of ``time`` (unix seconds).

        Raises:
            BookBehind: the document is not known, or its log was not read up to ``time``.
            VerificationError: the policy does not stand in its log where the group says, or the
                group is a canary.
        """
        wanted = decode_policy_extension(extension)
        if wanted.canary:
            raise VerificationError("a canary group is for drills only", rule="policy.canary")
        policy = self.known.get(wanted.policy)
        if policy is None:
            raise BookBehind("the policy of this group is not known", rule="policy.unknown")
        if policy.access is None:
            if wanted.position:
                raise VerificationError("no log has this policy", rule="policy.position")
            return policy
        book = self._read(policy)
        logged = book.policies.get(policy.digest)
        if logged is None or logged.index != wanted.position:
            if book.frozen:
                raise VerificationError("the policy's log shows two pasts", rule="policy.split")
            if book.time < time:
                raise BookBehind("the policy's log was not read so far", rule="policy.unread")
            text = "the policy stands elsewhere in its log"
            raise VerificationError(text, rule="policy.position")
        return policy

    def _read(self, policy: Policy) -> PolicyBook:
        book = self.book(policy)
        if book is None:
            raise BookBehind("the policy's log was not read yet", rule="policy.unread")
        return book
