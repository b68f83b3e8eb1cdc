"""A policy is founded, signed and logged with the commands that its keyholders would type."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from glasslock.cli.keyholder import app
from glasslock.errors import ConfigError, GlasslockError, StateError, WireError
from glasslock.sealing.book import PolicyBook
from glasslock.signing import SigningKey
from glasslock.wire.policy import Policy, decode_policy
from tests.village.institutions import ORDERS
from tests.village.keyholders import OpenLogs
from tests.village.logs import ORIGIN
from tests.village.village import Clock

CLASSES = {"judicial": ("north", "south"), "independent": ("privacy", "science")}
NAMES = [name for names in CLASSES.values() for name in names]
PROVIDER = SigningKey.from_seed(b"\x31" * 32)
REGISTRY = SigningKey.from_seed(b"\x32" * 32)


class Desk:
    """A shell in which the commands are typed."""

    def __init__(self, folder: Path, quorum: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.quorum = folder / "quorum"
        self.quorum.write_text(quorum, encoding="utf-8")

    async def type(self, *words: str) -> str:
        self._capsys.readouterr()
        await asyncio.to_thread(app, list(words), standalone_mode=False)
        return self._capsys.readouterr().out.strip()

    def settings(self, name: str, policy: str = "") -> str:
        path = self.folder / f"{name}.toml"
        path.write_text(
            f'data = "{self.folder / name}"\nname = "{name}"\nquorum = "{self.quorum}"\n'
            f'policy_origin = "{ORIGIN}"\norders_origin = "{ORDERS}"\n'
            f'provider = "http://127.0.0.1:1"\npolicy = "{policy}"\n',
            encoding="utf-8",
        )
        return str(path)

    def draft(self, keys: dict[str, str], threshold: int = 2, orders: str = ORDERS) -> str:
        lines = ['name = "two locks"', 'family = "test"', 'quorum = "quorum"']
        lines += [f'provider_key = "{PROVIDER.public.hex()}"']
        lines += [f'registry_key = "{REGISTRY.public.hex()}"']
        lines += [f'policy_origin = "{ORIGIN}"', f'orders_origin = "{orders}"']
        lines += ["[limits]", "retention_days = 7", "[clocks]", "slot_seconds = 60"]
        for group, names in CLASSES.items():
            lines += ["[[classes]]", f'name = "{group}"', f"threshold = {threshold}"]
            for name in names:
                lines += ["[[classes.seats]]", f'keyholder = "{name}"', f'key = "{keys[name]}"']
                lines += [f'legal_person = "Office of {name}"']
        path = self.folder / "draft.toml"
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)


async def test_a_policy_is_founded_signed_and_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = OpenLogs(tmp_path / "logs", Clock())
    await logs.open()
    try:
        desk = Desk(tmp_path, logs.quorum, capsys)
        keys = {name: await desk.type("key", desk.settings(name)) for name in NAMES}
        assert await desk.type("key", desk.settings("north")) == keys["north"]
        document = str(tmp_path / "policy")
        digest = await desk.type("found", desk.draft(keys), document)
        policy = read_policy(document)
        assert policy.digest.hex() == digest
        assert policy.access is not None
        assert policy.access.shape == ((2, 2), (2, 2))
        assert (policy.access.limits.retention_days, policy.clocks.slot_seconds) == (7, 60)
        signatures = [await desk.type("sign", desk.settings(name), document) for name in NAMES]
        publish = ("publish-policy", document, "--config", desk.settings("north"))
        with pytest.raises(StateError) as caught:
            await desk.type(*publish, *signatures[:3])
        assert caught.value.rule == "policy.signatures"
        with pytest.raises(WireError):
            await desk.type(*publish, "no hex")
        # In any order: each signature finds its seat.
        assert await desk.type(*publish, *signatures[::-1]) == "0"
        _, entries = await logs.read(logs.replica())
        book = PolicyBook()
        for each in entries:
            book.add(each.entry, each.index, each.checkpoint.median_time)
        assert list(book.policies) == [policy.digest]
        await _look(desk, digest)
    finally:
        await logs.close()


def read_policy(document: str) -> Policy:
    return decode_policy(Path(document).read_bytes())


async def _look(desk: Desk, digest: str) -> None:
    """Without a daemon nothing is known of the log yet, and that is said."""
    for verb in ("pending", "periods"):
        with pytest.raises(StateError) as caught:
            await desk.type(verb, desk.settings("north", digest), "--json")
        assert caught.value.rule == "keyholder.policy"
    with pytest.raises(ConfigError):
        await desk.type("pending", desk.settings("north", "beef"))
    with pytest.raises(WireError):
        await desk.type("answer", desk.settings("north", digest), "00", "perhaps")
    assert "ahead_days" in await desk.type("settings")


async def test_nobody_signs_a_policy_that_is_not_theirs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = OpenLogs(tmp_path / "logs", Clock())
    await logs.open()
    try:
        desk = Desk(tmp_path, logs.quorum, capsys)
        keys = {name: await desk.type("key", desk.settings(name)) for name in NAMES}
        document = str(tmp_path / "policy")

        async def refused(name: str, draft: str) -> str | None:
            await desk.type("found", draft, document)
            with pytest.raises(GlasslockError) as caught:
                await desk.type("sign", desk.settings(name), document)
            return caught.value.rule

        assert await refused("stranger", desk.draft(keys)) == "keyholder.seat"
        swapped = {**keys, "north": keys["south"], "south": keys["north"]}
        assert await refused("north", desk.draft(swapped)) == "keyholder.key"
        assert await refused("north", desk.draft(keys, orders="other/log")) == "release.pinned"
        with pytest.raises(WireError):
            await desk.type("found", desk.draft(keys, threshold=3), document)
        with pytest.raises(ConfigError):
            await desk.type("found", desk.draft({**keys, "north": "00"}), document)
    finally:
        await logs.close()
