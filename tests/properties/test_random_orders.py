"""Random orders on one shared history: what is opened is what was granted, and was foreseen.

Sealing, the provider's store and freezing, the log, keyholders and desk are the product's, in one
process. What an order may open is said here by a rule of its own over what was said in plain.
``make orders`` makes 1,000; the tests make a tenth.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain, combinations

import pytest

from glasslock.casefile.findings import Opening
from glasslock.casefile.proving import Logs, ProvenCase, prove_case
from glasslock.desk.evidence import open_case
from glasslock.desk.releases import accept_releases
from glasslock.errors import GlasslockError
from glasslock.ids import account_id
from glasslock.keyholder.release import Plan, intent_entry, release
from glasslock.keyholder.watch import Bundle
from glasslock.lab.interpolate import at_zero
from glasslock.orders.authority import Register
from glasslock.orders.proportion import compare, verify_preview
from glasslock.orders.review import Refusal
from glasslock.sealing.releasing import take_share
from glasslock.sealing.seal import slot_key_commitment
from glasslock.sealing.shares import Tier1s, verify_listed
from glasslock.wire.api import KeptEntry
from glasslock.wire.order import Grant, Order
from glasslock.wire.policy import Policy
from glasslock.wire.preview import Numbers, Preview
from tests.properties.order_history import (
    CLOCKS,
    FIRST,
    LIMITS,
    MEMBERS,
    MOVED,
    History,
    Keyholders,
    Said,
)
from tests.unit.desk.cases import KEYS, make_order, records_of, sign_order
from tests.unit.desk.world import PROVIDER, secret

ORDERS = int(os.environ.get("GLASSLOCK_ORDERS", "100"))
EXHAUSTIVE, FEW_SLOTS = 20, 5
SEED = 3
PEOPLE = ("alice", "bob", "carol", "dave", "erin", "nobody")
Spans = tuple[tuple[int, int], ...]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    made = History(tmp_path_factory.mktemp("provider"), SEED)
    yield made
    made.provider.db.close()


# -- orders at random, and what each may open -------------------------------------------------


def spans_at(chance: random.Random, last: int) -> Spans:
    """Up to three runs of slots, in the written time or a little before or after it."""
    start = chance.randrange(FIRST - 8, last)
    end = min(start + chance.choice((20, 90, 190, 230)), last + 3)
    edges = sorted(chance.sample(range(start, end), min(end - start, 6) // 2 * 2))
    pairs = list(zip(edges[::2], edges[1::2], strict=True))
    kept = [pairs[0]]
    for first, end in pairs[1:]:
        if first > kept[-1][1] + 1:
            kept.append((first, end))
    # Most of the time has passed when an order is made; now and then one reaches on.
    if chance.random() < 0.04:
        return (*kept[:-1], (kept[-1][0], last + 1))
    return tuple((a, min(b, last)) for a, b in kept if a <= last) or ((last, last),)


def order_at(history: History, number: int) -> tuple[Order, Policy]:
    chance = random.Random(f"order {SEED} {number}")
    policy = history.sealed if chance.random() < 0.85 else history.other
    mine = [group_id for group_id, ever in history.ever.items() if policy.digest in ever]
    stray = chance.random() < 0.1
    grants = []
    for _ in range(chance.choice((1, 1, 2, 3, 4))):
        group_id = chance.choice([*MEMBERS, b"no such"] if stray else mine)
        members = MEMBERS.get(group_id, ("alice",))
        account = chance.choice(members if chance.random() < 0.85 else PEOPLE)
        others = [None, None, *(each for each in PEOPLE if each != account)]
        recipient = chance.choice(others)
        spans = spans_at(chance, history.time // CLOCKS.slot_seconds - 1)
        to = None if recipient is None else account_id(recipient)
        grants.append(Grant(group_id, account_id(account), spans, to))
    order = make_order(policy, grants, history.time)
    return replace(order, reference=f"order {number}"), policy


def granted(history: History, order: Order) -> list[Said]:
    """What an order may reach: said by a granted sender, there and then, under its policy."""
    return [said for said in named(history, order) if said.policy == order.policy]


def named(history: History, order: Order) -> list[Said]:
    """What was said by a granted sender, there and then, under whatever policy."""
    return [
        said
        for said in history.said
        if any(
            (grant.group_id, grant.account) == (said.group_id, said.account)
            and any(first <= said.tau <= last for first, last in grant.spans)
            for grant in order.grants
        )
    ]


def numbers(order: Order, reached: Sequence[Said], removed: int) -> Numbers:
    slots = {(said.group_id, said.device, said.tau) for said in reached}
    people = {grant.recipient or grant.account for grant in order.grants}
    return Numbers(
        named=len(people),
        third_parties=len({grant.account for grant in order.grants} - people),
        conversations=len({group_id for group_id, _, _ in slots}),
        slots=len(slots),
        days=len({tau // CLOCKS.slots_per_day for _, _, tau in slots}),
        messages=len(reached),
        removed=removed,
    )


def refused_for(history: History, order: Order) -> set[str]:
    """The rules by which an order must be refused, if any: which one is named is open."""
    rules = set()
    named = [
        (grant.group_id, grant.account, tau)
        for grant in order.grants
        for first, last in grant.spans
        for tau in range(first, last + 1)
    ]
    if len(named) != len(set(named)):
        rules.add("order.overlap")
    if len(named) > LIMITS.slots:
        rules.add("order.slots")
    people = {each for grant in order.grants for each in (grant.account, grant.recipient)}
    if len(people - {None}) > LIMITS.accounts:
        rules.add("order.accounts")
    if (max(tau for _, _, tau in named) + 1) * CLOCKS.slot_seconds > order.issued:
        rules.add("order.future")
    if any(order.policy not in history.ever.get(g.group_id, set()) for g in order.grants):
        rules.add("order.conversation")
    return rules


# -- one order from its preview to its opening ------------------------------------------------


@dataclass
class Opened:
    """What came of an admitted order, and all that its desk had for it."""

    case: ProvenCase
    entries: list[KeptEntry]
    releases: dict[int, bytes]
    preview: Preview
    opening: Opening


class Trial:
    """The same keyholders and desk, order after order."""

    def __init__(self, history: History) -> None:
        self.history = history
        policies = (history.sealed, history.other)
        ledger, now = history.provider.ledger, history.time
        self.keyholders = {p.digest: Keyholders(p, ledger, now) for p in policies}
        self.logs = {
            p.digest: Logs(p, Register(p, records_of(p).values()), ledger) for p in policies
        }

    def run(self, number: int, *, everybody: bool = False) -> tuple[Order, Opened | str]:
        """Return an order with what came of it: opened, or the rule that refused it."""
        provider = self.history.provider
        order, policy = order_at(self.history, number)
        refused = self._refused_preview(order)
        verdict = provider.submit(order, secret("r", number))
        if refused is not None:
            # What a preview refuses is refused as an order too, by this rule or an earlier one.
            assert not verdict.admitted
            assert {refused, verdict.rule} <= refused_for(self.history, order)
            return order, verdict.rule or ""
        preview = provider.preview(order)
        verify_preview(preview, order, PROVIDER.public)
        if not verdict.admitted:
            return order, verdict.rule or ""
        kept = provider.orders._cases.bundle(verdict.commitment)
        assert kept is not None
        assert verdict.index is not None
        entries = provider.orders._cases.evidence(kept.number)
        bundle = Bundle(kept.issued, kept.secret, kept.manifest)
        releases = self._release(number, verdict.index, order, bundle, everybody=everybody)
        case = prove_case(
            sign_order(order), kept.secret, verdict.index, kept.manifest, self.logs[policy.digest]
        )
        opening = open_case(case, entries, list(releases.values()), KEYS)
        return order, Opened(case, entries, releases, preview, opening)

    def _refused_preview(self, order: Order) -> str | None:
        try:
            self.history.provider.preview(order)
        except GlasslockError as error:
            return error.rule
        return None

    def _release(
        self, number: int, index: int, order: Order, bundle: Bundle, *, everybody: bool
    ) -> dict[int, bytes]:
        """Have a quorum at random, or everybody, judge and release; announced in the log."""
        keyholders = self.keyholders[order.policy]
        access, chance = keyholders.policy.access, random.Random(f"quorum {number}")
        assert access is not None
        seats: list[int] = []
        first = 0
        for threshold, count in access.shape:
            seats += chance.sample(range(first, first + count), count if everybody else threshold)
            first += count
        released = {}
        for seat in sorted(seats):
            plan = keyholders.decide(seat, index, order, bundle)
            if isinstance(plan, Refusal):
                # Nobody releases nothing.
                assert (plan.rule, granted(self.history, order)) == ("release.empty", [])
                continue
            assert isinstance(plan, Plan), plan
            made = release(plan, b"".join(secret("fresh", number, seat, n) for n in range(3)))
            ledger = keyholders.ledger
            entry = intent_entry(keyholders.seated(seat), index, made)
            ledger.add(entry, ledger.size, self.history.time)
            released[seat] = made.encode()
        return released


def under_another(history: History, order: Order) -> set[tuple[bytes, int, str]]:
    """Where a desk cannot know that a message was under another policy (docs/limitations.md)."""
    return {
        (said.group_id, said.position, rule)
        for said in named(history, order)
        for rule in ("evidence.missing", "manifest.left-out")
        if said.group_id == MOVED and said.policy != order.policy
    }


def check_opened(history: History, order: Order, found: Opened) -> int:
    """Hold an opening against what was granted; returns how many messages it has."""
    reached, opening = granted(history, order), found.opening
    removed = {(said.group_id, said.position) for said in reached} & history.removed
    wanted = {
        (said.group_id, said.position, said.account, said.content)
        for said in reached
        if (said.group_id, said.position) not in removed
    }
    there = [
        (m.place.group_id, m.place.position, m.place.account, m.content) for m in opening.messages
    ]
    assert len(there) == len(set(there))
    assert set(there) == wanted
    gaps = {(gap.place.group_id, gap.place.position, gap.rule) for gap in opening.gaps}
    gaps -= under_another(history, order)
    assert gaps == {(*place, "message.removed") for place in removed}
    assert opening.faults == ()
    # What was handed over is no more than that either, opened or not.
    assert {(e.group_id, e.position) for e in found.entries} == {
        (said.group_id, said.position) for said in reached
    }
    proportion = compare(found.preview, order, opening.reach, CLOCKS)
    assert proportion.differences == ()
    assert proportion.found == found.preview.numbers == numbers(order, reached, len(removed))
    slots = {(said.group_id, said.device, said.tau) for said in reached}
    assert len(opening.keys) == opening.opened_slots == opening.slots == len(slots)
    return len(there)


def test_what_is_opened_is_what_was_granted_and_was_foreseen(history: History) -> None:
    trial, opened, empty, refused = Trial(history), 0, 0, {}
    for number in range(ORDERS):
        order, found = trial.run(number)
        rules = refused_for(history, order)
        if isinstance(found, Opened):
            assert rules == set(), number
            count = check_opened(history, order, found)
            opened, empty = opened + (count > 0), empty + (count == 0)
        else:
            assert found in rules, (number, found, rules)
            refused[found] = refused.get(found, 0) + 1
    assert opened + empty + sum(refused.values()) == ORDERS
    # The orders are of all kinds, or the test says little.
    assert opened > ORDERS // 3
    assert empty > 0
    assert {"order.overlap", "order.future", "order.conversation"} <= refused.keys()


# -- every set of shares ----------------------------------------------------------------------


def below(seats: Sequence[int], policy: Policy) -> bool:
    assert policy.access is not None
    first = 0
    for threshold, count in policy.access.shape:
        if sum(first <= seat < first + count for seat in seats) < threshold:
            return True
        first += count
    return False


class Guesses:
    """What an attacker interpolates of an order's first slot, enough or not; has both case keys."""

    def __init__(self, found: Opened) -> None:
        case, slot = found.case, found.case.checked.slots[0]
        given = list(found.releases.values())
        accepted, _ = accept_releases(given, case.admitted, case.access, case.record, KEYS)
        place, self._shape = slot.header.digest, case.access.shape
        self._shares = {
            each.release.seat: take_share(each.release, each.keys, each.slots[place]).share
            for each in accepted
        }
        tier1 = (slot.tier1.header, slot.tier1.encs)
        sealed = verify_listed(slot.opening, slot.kept.seal, tier1, case.policy, Tier1s())
        self._place, self._sealed = place, sealed.seal.commitment

    def right(self, seats: Sequence[int]) -> bool:
        """Say whether the shares of ``seats`` give the slot key."""
        parts, first = [], 0
        for _, count in self._shape:
            mine = [j for j in range(count) if first + j in seats]
            points = {1 + j: self._shares[first + j] for j in mine}
            parts.append(at_zero(points) if points else bytes(32))
            first += count
        key = reduce(lambda one, two: bytes(a ^ b for a, b in zip(one, two, strict=True)), parts)
        return slot_key_commitment(key, self._place) == self._sealed


def test_no_set_of_shares_below_a_threshold_opens_anything(history: History) -> None:
    trial, tried, sets, opening_sets = Trial(history), 0, 0, 0
    number = ORDERS
    while tried < EXHAUSTIVE:
        number += 1
        _, found = trial.run(number, everybody=True)
        if not isinstance(found, Opened) or not 0 < found.opening.slots <= FEW_SLOTS:
            continue
        tried += 1
        every, whole, guesses = sorted(found.releases), found.opening, Guesses(found)
        for seats in chain.from_iterable(combinations(every, n) for n in range(len(every) + 1)):
            sets += 1
            given = [found.releases[seat] for seat in seats]
            opening = open_case(found.case, found.entries, given, KEYS)
            if below(seats, found.case.policy):
                assert (opening.messages, opening.keys, opening.opened_slots) == ((), {}, 0)
                assert not guesses.right(seats)
                continue
            opening_sets += 1
            assert opening.messages == whole.messages
            assert opening.keys == whole.keys
            assert guesses.right(seats)
    assert sets == EXHAUSTIVE * 64
    assert 0 < opening_sets < sets // 2
