"""What anybody learns of orders: the commands that read logs and letters from public addresses."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from glasslock.client import NoticeReceived
from glasslock.orders.ledger import sign_leaf
from glasslock.wire.leaf import DoneLeaf, IntentLeaf, ReportLeaf, encode_leaf
from tests.village.institutions import ISSUER, ORDERS, OrdersVillage, orders_village
from tests.village.logs import ORIGIN
from tests.village.test_orders_intake import grant, talk
from tests.village.village import event

EXIT_VERIFICATION = 4
EXIT_FINDINGS = 10
DAY = 86_400


async def glasslock(*arguments: object) -> tuple[int, str]:
    """Run a command as a person does; returns exit code and standard output."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("glasslock")),
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, (out or err).decode()


async def verified(place: OrdersVillage, origin: str) -> dict[str, Any]:
    quorum = place.people.folder / "quorum"
    code, out = await glasslock("log", "verify", "--quorum", quorum, "--origin", origin, "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


async def test_anybody_replays_both_logs_and_verifies_a_letter(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        group, (alice, _) = await talk(place, policy, 1)
        place.clock.offset += 4
        order = place.order(policy, grant(place, group), disclose_by=place.clock.now() + 20)
        verdict = await place.submit(order)
        index = verdict.index or 0
        seat = place.keyholders[0].signing
        for leaf, key in (
            (IntentLeaf(index, 0, bytes(32)), seat),
            (DoneLeaf(index, 0, bytes(32), 1), seat),
            (DoneLeaf(index, 1, bytes(32), 1), place.keyholders[1].signing),
            (ReportLeaf(index, 3, 0, bytes(32)), ISSUER),
        ):
            await place.orders_log.add(encode_leaf(sign_leaf(leaf, key)))
        await place.orders_log.add(b"nothing")
        place.clock.offset += 30
        await place.orders_log.add(b"nothing more")
        seen = await verified(place, ORDERS)
        assert (seen["kind"], seen["cosigned"]) == ("orders", 4)
        assert (seen["orders"], seen["intents"], seen["done"], seen["reports"]) == (1, 1, 2, 1)
        assert (seen["unannounced"], seen["exceeding"], seen["overdue"]) == (1, 1, 1)
        assert (seen["disclosures"], seen["invalid"]) == (0, 2)
        await monitored(place, tmp_path)
        await place.work()
        notice = (await event(alice, NoticeReceived)).notice
        seen = await verified(place, ORDERS)
        assert (seen["disclosures"], seen["overdue"]) == (1, 0)
        quorum = place.people.folder / "quorum"
        public = ("--quorum", quorum, "--origin", ORDERS, "--policies", ORIGIN, "--json")
        strict = json.loads((await glasslock("log", "verify", *public))[1])
        assert (strict["orders"], strict["done"], strict["strangers"]) == (1, 2, 0)
        policies = await verified(place, ORIGIN)
        assert policies["kind"] == "policy"
        assert (policies["policies"], policies["authorities"]) == (1, 4)
        assert policies["vetted"] == policies["period_keys"] == 4
        await letters(place, tmp_path, notice.number, alice._folder)


async def monitored(place: OrdersVillage, folder: Path) -> None:
    """A stranger's monitor finds all that is wrong in both logs, in its text, JSON and page."""
    page = folder / "page.html"
    command = ("monitor", "--quorum", place.people.folder / "quorum", "--max-age", 10 * DAY)
    code, out = await glasslock(*command, "--json", "--page", page)
    told = json.loads(out)
    assert code == EXIT_FINDINGS
    assert {log["kind"] for log in told["logs"]} == {"policy", "orders"}
    expected = {"order.overdue", "order.exceeding", "release.unannounced", "leaf.invalid"}
    # The village's clock moves by an entry that is no record.
    expected.add("record.invalid")
    assert {each["rule"] for each in told["findings"]} == expected
    assert told["statistics"]["by_class"]["court"]["opened"] == 1
    shown = page.read_text(encoding="utf-8")
    assert all(rule in shown for rule in expected)
    state = ("--state", folder / "monitor")
    code, out = await glasslock(*command, *state)
    assert (code, out) == await glasslock(*command, *state)
    assert code == EXIT_FINDINGS
    assert all(rule in out for rule in expected)


async def letters(place: OrdersVillage, folder: Path, number: int, device: Path) -> None:
    """Read a notice on the device, give it on, have it verified; and one that was changed."""
    alice = next(each for each in place.people.clients if each._folder == device)
    await alice.close()
    place.people.clients.remove(alice)
    # A command has the machine's clock.
    place.clock.offset = 0
    code, out = await glasslock("notice", "list", device, "--json")
    assert (code, [each["notice"] for each in json.loads(out)]) == (0, [number])
    saved = folder / "letter"
    code, out = await glasslock("notice", "show", device, number, "--save", saved)
    assert code == 0
    assert "CASE 7" in out
    quorum = place.people.folder / "quorum"
    public = ("--quorum", quorum, "--origin", ORDERS)
    code, out = await glasslock("notice", "verify", saved, *public, "--json")
    assert code == 0
    assert json.loads(out)["account"] == "alice"
    saved.write_bytes(saved.read_bytes().replace(b"fraud", b"theft"))
    assert (await glasslock("notice", "verify", saved, *public))[0] == EXIT_VERIFICATION
    other = ("--quorum", quorum, "--origin", ORIGIN)
    assert (await glasslock("notice", "verify", saved, *other))[0] == EXIT_VERIFICATION


async def test_a_log_that_its_witnesses_do_not_know_is_not_believed(tmp_path: Path) -> None:
    async with orders_village(tmp_path / "a") as (place, _):
        mine = place.people.folder / "quorum"
        async with orders_village(tmp_path / "b") as (other, _):
            arguments = ("log", "verify", other.logs.url, "--quorum", mine, "--origin", ORIGIN)
            assert (await glasslock(*arguments))[0] == EXIT_VERIFICATION
