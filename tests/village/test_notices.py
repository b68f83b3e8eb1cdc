"""Letters about orders: a person's own device believes the log and nobody else."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from glasslock.cli.notice import _print_standing
from glasslock.client import Client, NoticeReceived, Warned
from glasslock.ids import account_id, device_id
from glasslock.mls import Device
from glasslock.orders.commitment import Facts, _hide, _key, disclose
from glasslock.orders.ledger import sign_leaf
from glasslock.provider.intake import LoggedCase
from glasslock.signing import SigningKey
from glasslock.tlog.checkpoint import verify_checkpoint
from glasslock.tlog.quorum import QuorumFile
from glasslock.wire import api
from glasslock.wire.codec import encode
from glasslock.wire.leaf import OrderLeaf, encode_leaf
from glasslock.wire.notice import Field, Letter, decode_letter
from glasslock.wire.policy import Policy
from tests.village.institutions import ORDERS, OrdersVillage, orders_village
from tests.village.test_orders_intake import grant, talk
from tests.village.test_orders_public import glasslock
from tests.village.village import event, until, village


async def ordered(place: OrdersVillage, policy: Policy) -> tuple[LoggedCase, Client, Client]:
    """Have an order about Alice and Bob logged; nobody is told of it yet."""
    group, (alice, bob) = await talk(place, policy, 1)
    place.clock.offset += 4
    order = place.order(policy, grant(place, group), grant(place, group, "bob"))
    verdict = await place.submit(order)
    assert place.people.provider is not None
    case = place.people.provider.orders._cases.at(ORDERS, verdict.index or 0)
    assert case is not None
    return case, alice, bob


def post(place: OrdersVillage, client: Client, letter: bytes) -> None:
    """Put a letter into a device's inbox, as a provider can that lies."""
    provider = place.people.provider
    assert provider is not None
    device = Device(account_id(client.account), device_id(client.device))
    with provider._db.transaction("notice"):
        provider._store.put_inbox(device, api.InboxItem(0, "notice", letter))
    provider._connections[device].inbox_grew()


async def test_the_persons_reached_are_told_and_check_it_themselves(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        case, alice, bob = await ordered(place, policy)
        laptop = await place.people.person("alice", "laptop")
        assert alice.notices() == []
        place.clock.offset += 700
        await place.work()
        for device in (alice, laptop, bob):
            notice = (await event(device, NoticeReceived)).notice
            assert (notice.account, notice.named) == (device.account, True)
            assert (notice.origin, notice.index) == (ORDERS, case.index)
            assert notice.policy == policy.digest
            assert notice.authority == "the issuing (owner of issuing, court)"
            assert notice.countersigner == "the countersigner (owner of countersigner, court)"
            assert (notice.reference, notice.offence) == ("CASE 7", "fraud")
            assert notice.disclose_by == case.leaf.disclose_by
            assert "review" in notice.contest
            assert len(notice.conversations) == 1
            assert device.notices() == [notice]
        alice = await place.people.restart(alice)
        assert len(alice.notices()) == 1


async def test_a_letter_waits_until_the_log_shows_the_disclosure(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        case, alice, _ = await ordered(place, policy)
        post(place, alice, case.letters()["alice"])
        await until(alice._store.letters.pending)
        await alice._running.noticing.check()
        assert alice.notices() == []
        place.clock.offset += 700
        await place.work()
        assert (await event(alice, NoticeReceived)).notice.index == case.index
        assert len(alice.notices()) == 1


async def test_a_forged_letter_is_refused_by_name(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        case, alice, _ = await ordered(place, policy)
        stranger = await foreign_order(place, case)
        place.clock.offset += 700
        await place.work()
        await event(alice, NoticeReceived)
        letter = decode_letter(case.letters()["alice"])
        forged = {
            "notice.leaf": replace(letter, index=0),
            "notice.provider": replace(letter, index=stranger),
            "notice.person": decode_letter(case.letters()["bob"]),
            "commitment.opening": changed(letter, "offence", "something else"),
            "commitment.withheld": hidden(letter, "contest", case.facts, case.secret),
            "notice.policy": replace(letter, origin="log.test/other"),
        }
        for rule, each in forged.items():
            post(place, alice, each.encode())
            warned = await event(alice, Warned)
            assert warned.rule == rule
        post(place, alice, b"no letter")
        await event(alice, Warned)
        post(place, alice, changed(letter, "policy", bytes(32)).encode())
        assert (await event(alice, Warned)).rule == "notice.policy"
        assert len(alice.notices()) == 1


async def foreign_order(place: OrdersVillage, case: LoggedCase) -> int:
    """Log the same order by somebody who is not the provider, disclosed; returns its index."""
    mallory = SigningKey.from_seed(b"\x66" * 32)
    leaf = replace(case.leaf, accounts=3)
    (index,) = await place.orders_log.add(encode_leaf(sign_leaf(leaf, mallory)))
    again = replace(case, index=index)
    await place.orders_log.add(encode_leaf(disclose(again.index, case.facts, case.secret)))
    assert isinstance(leaf, OrderLeaf)
    return index


def changed(letter: Letter, label: str, value: str | bytes) -> Letter:
    """Say something else in one field."""
    return replace(
        letter,
        fields=tuple(
            replace(each, value=encode(value))
            if isinstance(each, Field) and each.label == label
            else each
            for each in letter.fields
        ),
    )


def hidden(letter: Letter, label: str, facts: Facts, secret: bytes) -> Letter:
    """Withhold a field that everybody may know; the commitment still holds."""
    value = dict(facts.fields)[label]
    kept = _hide(label, value, _key(secret, label))
    return replace(
        letter,
        fields=tuple(
            kept if isinstance(each, Field) and each.label == label else each
            for each in letter.fields
        ),
    )


LONELY = """
import asyncio, sys
from pathlib import Path
from glasslock.client import Client, MessageSent
from glasslock.mls import SUITE_CLASSIC

async def main():
    client = await Client.create(Path(sys.argv[2]), sys.argv[1], "alice", suite=SUITE_CLASSIC)
    await client.register()
    async with client:
        group = await client.create_conversation()
        await client.send(group, "to myself")
        async for event in client.events():
            if isinstance(event, MessageSent):
                break
        assert client.notices() == []
    law = ("glasslock.orders", "glasslock.desk", "glasslock.keyholder", "glasslock.client.notices")
    print(sorted(name for name in sys.modules if name.startswith(law)))

asyncio.run(main())
"""


@pytest.mark.parametrize("face", ["", "import glasslock.cli.client\n"])
async def test_a_conversation_without_access_never_loads_the_law(tmp_path: Path, face: str) -> None:
    async with village(tmp_path / "village") as place:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            face + LONELY,
            place.url,
            str(tmp_path / "alice"),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
        assert out.decode().strip() == "[]"


async def test_a_person_asks_the_log_how_orders_stand(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        case, alice, bob = await ordered(place, policy)
        (standing,) = await bob.standing()
        assert (standing.policy, standing.origin) == (policy.digest, ORDERS)
        assert (standing.orders, standing.disclosed, standing.overdue) == (1, (), ())
        # Due, and nobody has told: seen by the witnesses' clocks.
        place.clock.offset += 700
        await place.orders_log.add(b"the time goes on")
        (standing,) = await alice.standing()
        assert standing.overdue == (case.index,)
        await place.work()
        await event(alice, NoticeReceived)
        (standing,) = await alice.standing()
        assert standing.disclosed == standing.letters == (case.index,)
        assert standing.overdue == ()
        quorum = QuorumFile.parse(policy.access.quorum if policy.access else "")
        proven = verify_checkpoint(standing.checkpoint, quorum, origin=ORDERS)
        assert (proven.size, proven.median_time) == (standing.size, standing.time)


async def test_who_has_no_letter_is_told_what_that_rests_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with orders_village(tmp_path) as (place, policy):
        await ordered(place, policy)
        carol = await place.people.person("carol")
        await carol.close()
        code, out = await glasslock("notice", "status", carol._folder)
        assert code == 0
        assert "1 orders, 0 disclosed, 0 overdue, 0 told to you" in out
        assert "no opening concerning you is told or overdue up to" in out
        assert "rests on" not in out
        code, out = await glasslock("notice", "status", carol._folder, "--json")
        (line,) = json.loads(out)
        assert (code, line["policy"], line["overdue"]) == (0, policy.digest.hex(), [])
        assert line["checkpoint"].startswith(ORDERS)
        carol = await place.people.restart(carol)
        place.clock.offset += 700
        await place.work()
        (standing,) = await carol.standing()
        assert (len(standing.disclosed), standing.letters, standing.overdue) == (1, (), ())
        _print_standing(standing)
        assert "rests on the keyholders" in capsys.readouterr().out
        _print_standing(replace(standing, overdue=(7,)))
        assert "OVERDUE, and nobody says whose: orders 7" in capsys.readouterr().out
