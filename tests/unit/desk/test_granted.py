"""L5: what an order opens is what it grants, for random orders over random histories."""

import random

import pytest

from glasslock.ids import account_id
from glasslock.wire.order import Grant
from tests.unit.desk.cases import granted_slots, make_script
from tests.unit.desk.world import CLOCKS, START, World, make_policy, random_world

SHAPES = (((2, 3), (3, 5)), ((2, 2), (2, 2)), ((2, 4), (2, 3), (2, 2)))


def random_grants(world: World, chance: random.Random) -> list[Grant]:
    """One to three grants, each naming a sender, a conversation and some runs of slots."""
    first, last = START // CLOCKS.slot_seconds, world.time // CLOCKS.slot_seconds - 1
    pairs = sorted({(s.header.group_id, s.sender.account) for s in world.slots})
    grants = []
    for group_id, account in chance.sample(pairs, min(len(pairs), chance.randint(1, 3))):
        taus = sorted(t for t in range(first, last + 1) if chance.random() < 0.5) or [first]
        spans = [(taus[0], taus[0])]
        for tau in taus[1:]:
            if tau == spans[-1][1] + 1:
                spans[-1] = (spans[-1][0], tau)
            else:
                spans.append((tau, tau))
        grants.append(Grant(group_id, account_id(account), tuple(spans)))
    return grants


def random_quorum(shape: tuple[tuple[int, int], ...], chance: random.Random) -> list[int]:
    seats, first = [], 0
    for threshold, count in shape:
        seats += chance.sample(range(first, first + count), chance.randint(threshold, count))
        first += count
    return seats


@pytest.mark.parametrize("part", range(4))
def test_l5_opened_set_equals_granted_set_for_100_random_orders(part: int) -> None:
    opened_in_all = 0
    for number in range(25):
        chance = random.Random(f"{part} {number}")
        shape = chance.choice(SHAPES)
        world = random_world(make_policy(shape), f"{part} {number}")
        script = make_script(world, random_grants(world, chance))
        slots = {id(slot) for slot in granted_slots(world, script.order)}
        granted = {
            (group_id, sent.position): sent.content
            for group_id, line in world.lines.items()
            for sent in line
            if sent.slot is not None and id(sent.slot) in slots
        }
        seats = random_quorum(shape, chance) if slots else []
        found = script.open(script.bundle(), script.released(seats))
        opened = {(m.place.group_id, m.place.position): m.content for m in found.messages}
        assert opened == granted
        assert found.gaps == ()
        assert found.faults == ()
        opened_in_all += len(opened)
    assert opened_in_all > 25
