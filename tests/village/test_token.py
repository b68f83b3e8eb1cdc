"""A keyholder whose keys are on a token: it proves, releases and refuses like any other."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from glasslock.errors import ConfigError, GlasslockError, StateError
from glasslock.keyholder import keys
from glasslock.keyholder.config import KeyholderConfig
from glasslock.keyholder.keys import KEY_FILE, WRAPPED_FILE
from glasslock.sealing.releasing import check_release
from glasslock.wire.leaf import IntentLeaf, RefusalLeaf
from glasslock.wire.policy import Policy
from tests.conftest import NOT_CHECKED
from tests.outside.readers import Record
from tests.outside.softhsm import SoftHsm, soft_token
from tests.outside.tools import NotToBeHad
from tests.village import access
from tests.village.keyholders import KeyholderVillage, keyholder_village
from tests.village.test_keyholders import record_of, said


@pytest.fixture
def hsm(request: pytest.FixtureRequest, record_property: Record) -> Iterator[SoftHsm | None]:
    """A token with the key of seat 0; a test without SoftHSM says so and shows nothing."""
    try:
        made = soft_token(sha256(request.node.name.encode()).hexdigest()[:32])
    except NotToBeHad as missing:
        record_property(NOT_CHECKED, str(missing))
        yield None
        return
    made.take(access.Keyholder.of(0).signing.seed)
    yield made
    if not made.tokens.exists():
        made.put_back()


async def sit_down(place: KeyholderVillage, policy: Policy, hsm: SoftHsm) -> KeyholderConfig:
    """Have keyholder 0 serve with its token, in a fresh folder without a key file."""
    await place.daemons[0].stop()
    place.config(0, policy)
    folder = place.folder / "with-token"
    settings = hsm.settings(place.folder / "pins")
    place.daemons[0] = place.keyholder(0, policy, data=folder, token=settings)
    return place.daemons[0].config


async def test_a_token_in_a_seat_proves_its_period_key_and_releases(
    tmp_path: Path, hsm: SoftHsm | None
) -> None:
    if hsm is None:
        return
    async with keyholder_village(tmp_path) as (place, policy):
        config = await sit_down(place, policy, hsm)
        await place.fill_roster(policy)
        assert place.seats_filled(policy) == 4
        assert not (config.data / KEY_FILE).exists()
        # The seed is nowhere as it is, neither in the database's rows nor in memory at rest.
        for own in place.daemons[0].store.keys().values():
            assert own.seed is not None
            assert own.secret is not None
            assert own.secret not in own.seed
            (row,) = place.daemons[0].store.db.all(
                "SELECT seed FROM keys WHERE key_id = ?", (own.key_id,)
            )
            assert row == (own.seed,)
        group, _ = await place.talk(policy, 1)
        verdict = await place.ask(policy, group)
        await place.rounds(lambda: len(place.desk.releases) == 4)
        await place.rounds(lambda: not any(d.store.outbox() for d in place.daemons))
        _, record = await record_of(place, verdict)
        assert sorted(said(record, IntentLeaf)) == [0, 1, 2, 3]
        assert policy.access is not None
        for made in place.desk.releases:
            check_release(made, policy.access.seats[made.seat].signing_key)


async def test_a_token_pulled_out_during_a_release_goes_on_where_it_was(
    tmp_path: Path, hsm: SoftHsm | None
) -> None:
    """Out while the order is judged, and out between the intent and the sending: one release."""
    if hsm is None:
        return
    async with keyholder_village(tmp_path) as (place, policy):
        await sit_down(place, policy, hsm)
        await place.fill_roster(policy)
        group, _ = await place.talk(policy, 1)
        verdict = await place.ask(policy, group)
        index, ours = verdict.index or 0, [place.daemons[0]]
        # The bundle is fetched with a signed request, so the token is out from here on.
        await place.daemons[0]._read(place.daemons[0].orders_log)
        seated = place.daemons[0].seated
        assert seated is not None
        await place.daemons[0]._fetch(seated, place.daemons[0].ledger.orders[index])
        hsm.pull_out()
        for _ in range(3):
            place.clock.offset += 5
            await place.daemons[0].round()
        # It has said nothing at all: no release, and above all no refusal.
        assert not place.daemons[0].cases[index].answered
        hsm.put_back()
        place.clock.offset += 60
        await place.rounds(lambda: place.daemons[0].cases[index].answered, ours)
        decided = place.daemons[0].cases[index].release
        assert decided is not None
        hsm.pull_out()
        place.clock.offset += 60
        for _ in range(2):
            await place.daemons[0].round()
        hsm.put_back()
        place.clock.offset += 60
        await place.rounds(lambda: place.daemons[0].cases[index].sent, ours)
        await place.rounds(lambda: not place.daemons[0].store.outbox(), ours)
        _, record = await record_of(place, verdict)
        assert said(record, IntentLeaf) == [0]
        assert said(record, RefusalLeaf) == []
        assert dict.fromkeys(place.desk.bodies) == {decided: None}


async def test_a_seat_is_not_taken_with_another_token(tmp_path: Path, hsm: SoftHsm | None) -> None:
    if hsm is None:
        return
    async with keyholder_village(tmp_path) as (place, policy):
        config = await sit_down(place, policy, hsm)
        await place.fill_roster(policy)
        await place.daemons[0].stop()
        assert config.token is not None
        hsm.take(access.Keyholder.of(1).signing.seed, "another")
        other = replace_token(config, key_label="another")
        # Its wrapping key is not the one that the database's key was wrapped by.
        assert refusal(other) == "token.wrapped"
        (config.data / WRAPPED_FILE).rename(config.data / "aside")
        assert refusal(config) == "keyholder.wrapped"
        (config.data / "aside").rename(config.data / WRAPPED_FILE)
        place.daemons[0] = place.keyholder(
            0, policy, data=place.folder / "fresh", token=other.token
        )
        daemon = place.daemons[0]
        await daemon._read(daemon.policy_log)
        with pytest.raises(StateError) as caught:
            assert daemon.seated
        assert caught.value.rule == "keyholder.key"


async def test_settings_that_name_both_kinds_of_keys_are_refused(
    tmp_path: Path, hsm: SoftHsm | None
) -> None:
    if hsm is None:
        return
    async with keyholder_village(tmp_path) as (place, policy):
        both = place.config(0, policy, token=hsm.settings(place.folder / "pins"))
        assert refusal(both) == "keyholder.keys"
        loose = place.config(0, policy, data=place.folder / "new", token=both.token)
        assert loose.token is not None
        loose.token.pin_file.chmod(0o640)
        assert refusal(loose) == "files.private"
        with pytest.raises(ConfigError) as caught:
            keys.make_keys(place.config(0, policy))
        assert caught.value.rule == "keyholder.keys"


def replace_token(config: KeyholderConfig, **changes: object) -> KeyholderConfig:
    assert config.token is not None
    token = msgspec.structs.replace(config.token, **changes)
    return msgspec.structs.replace(config, token=token)


def refusal(config: KeyholderConfig) -> str | None:
    with pytest.raises(GlasslockError) as caught:
        keys.open_keys(config)
    return caught.value.rule
