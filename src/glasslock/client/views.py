"""What this device was shown of its logs, held against what others of a conversation were shown.

Pure: says what goes into message 0, takes in what came with one, remembers which logs have shown
two pasts. Fetches nothing: what cannot be judged by what is held waits for ``comparing``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from glasslock.client.changes import AGREED, SPLIT, Compared, Effects, Heard
from glasslock.client.events import Warned
from glasslock.errors import GlasslockError
from glasslock.mls import Device
from glasslock.tlog.claim import Claim, shorten, verify_claim
from glasslock.tlog.keys import KeyType
from glasslock.tlog.quorum import QuorumFile
from glasslock.wire.carried import decode_carried, encode_carried
from glasslock.wire.policy import Access, Policy

# A log under a policy: the policy's digest, the log's origin.
Place = tuple[bytes, str]
# What a log was found to have signed: its size and root.
Known = tuple[bytes, str, int, bytes]
MOST_KNOWN: Final = 256


@dataclass(frozen=True, slots=True)
class Split:
    """A log that has shown two pasts, with the keys that signed them."""

    origin: str
    keys: frozenset[bytes]


def origins(access: Access) -> tuple[str, ...]:
    """Return the logs that a policy names, in the order in which they are carried."""
    return tuple(dict.fromkeys((access.policy_origin, access.orders_origin)))


class Views:
    """The newest checkpoint of each log that this device has verified, and what others carried."""

    def __init__(self) -> None:
        """Begin with nothing read and nothing heard."""
        self._notes: dict[Place, bytes] = {}
        self._claims: dict[Place, bytes | None] = {}
        self._quorums: dict[bytes, QuorumFile] = {}
        self._agreed: dict[Known, None] = {}
        self._splits: list[Split] = []
        self._warned: set[Device] = set()

    def quorum(self, policy: Policy) -> QuorumFile:
        """Return a policy's quorum file; the policy has access."""
        found = self._quorums.get(policy.digest)
        if found is None:
            text = "" if policy.access is None else policy.access.quorum
            found = self._quorums[policy.digest] = QuorumFile.parse(text)
        return found

    # -- what is carried ----------------------------------------------------------------------

    def read(self, place: Place, note: bytes) -> None:
        """Take in the newest checkpoint of a log that this device has verified.

        One that has gone on to a later shard, whose origin and tree are others, is compared no
        more.
        """
        self._claims.pop(place, None)
        if note.partition(b"\n")[0] == place[1].encode():
            self._notes[place] = note
        else:
            self._notes.pop(place, None)

    def carried(self, policy: Policy) -> bytes | None:
        """Return what message 0 of a slot carries under ``policy``, None where there is no log."""
        if policy.access is None:
            return None
        held = (self._claim(policy, origin) for origin in origins(policy.access))
        return encode_carried(each for each in held if each is not None)

    def _claim(self, policy: Policy, origin: str) -> bytes | None:
        place = (policy.digest, origin)
        note = self._notes.get(place)
        if note is not None and place not in self._claims:
            self._claims[place] = shorten(note, self.quorum(policy), origin)
        return self._claims.get(place)

    # -- what is heard ------------------------------------------------------------------------

    def hear(
        self,
        effects: Effects,
        policy: Policy,
        sender: Device,
        where: tuple[bytes, int, int],
        carried: bytes | None,
    ) -> None:
        """Take in what a device carried in an entry at ``where`` (group, position, time).

        What is no claim of one of the policy's logs proves nothing: its device is named once.
        """
        if policy.access is None or carried is None:
            return
        group_id, position, time = where
        try:
            for claim in self._new(policy, policy.access, carried):
                head = claim.head
                effects.heard.append(
                    Heard(
                        policy.digest,
                        head.origin,
                        sender.account,
                        sender.device,
                        group_id,
                        time,
                        head.size,
                        head.root,
                        claim.note,
                    )
                )
        except GlasslockError as error:
            if sender not in self._warned:
                self._warned.add(sender)
                text = f"device {sender.device.hex()} of {sender.account} carries what no log said"
                rule = error.rule or error.slug
                effects.events.append(Warned(group_id, rule, position, f"{text}: {error}"))

    def _new(self, policy: Policy, access: Access, carried: bytes) -> Iterator[Claim]:
        """Yield the claims that are still to be compared."""
        named = origins(access)
        own = [self._claim(policy, origin) for origin in named]
        for note in decode_carried(carried):
            if note in own:
                continue
            claim = verify_claim(note, self.quorum(policy), named)
            head = claim.head
            place = (policy.digest, head.origin)
            known = (*place, head.size, head.root) in self._agreed
            # A log that this device does not read is nothing to compare with.
            if place in self._notes and not known and not self.frozen(policy, head.origin):
                yield claim

    # -- what was found -----------------------------------------------------------------------

    def agree(self, known: Known) -> None:
        """Remember that a log's tree had this root: it is not asked for again."""
        self._agreed[known] = None
        while len(self._agreed) > MOST_KNOWN:
            del self._agreed[next(iter(self._agreed))]

    def split(self, policy: Policy, origin: str) -> None:
        """Take nothing more from a log: it has shown two pasts."""
        self._splits.append(Split(origin, self._keys(policy, origin)))

    def frozen(self, policy: Policy, origin: str) -> bool:
        """Say whether the log ``origin`` of a policy has shown two pasts, under any policy."""
        return any(
            each.origin == origin and not each.keys.isdisjoint(self._keys(policy, origin))
            for each in self._splits
        )

    def _keys(self, policy: Policy, origin: str) -> frozenset[bytes]:
        keys = self.quorum(policy).log_keys(origin)
        return frozenset(key.key for key in keys if key.kind == KeyType.ED25519)

    def compared(self, known: Mapping[bytes, Policy], found: Compared) -> None:
        """Take in how a comparison ended."""
        heard = found.heard
        if found.outcome == AGREED:
            self.agree((heard.policy, heard.origin, heard.size, heard.root))
        elif found.outcome == SPLIT and heard.policy in known:
            self.split(known[heard.policy], heard.origin)
