"""Who may come near a device: its provider, those it invites, who invites it, a clone of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from glasslock.client.enrolment import Approval, LinkRequest, approve, make_entry
from glasslock.client.events import Failed, Warned
from glasslock.client.running import Running
from glasslock.errors import GlasslockError, StateError, VerificationError
from glasslock.mls import SUITE_CLASSIC, SUITE_HYBRID
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply, build_app
from glasslock.runtime.service import bind
from glasslock.wire import api
from glasslock.wire.labels import Label
from tests.bench.client_scene import (
    GROUP,
    KEY,
    NOW,
    POLICY,
    PROVIDER,
    AtWork,
    Member,
    Stopped,
    Writer,
    found,
    found_store,
    opened,
)
from tests.unit.client.scene import arrive, deliver, settle, told
from tests.village.serving import Serving


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[AtWork, Member]]:
    """A device, and the engine that it was loaded from: its own other self."""
    _, reader = found(2, SUITE_CLASSIC)
    path = tmp_path / "device.db"
    found_store(path, reader)
    work = AtWork(path)
    try:
        yield work, reader
    finally:
        work.close()


def test_a_clone_of_a_device_is_found_out(scene: tuple[AtWork, Member]) -> None:
    work, clone = scene
    arrive(work, deliver(*Writer(clone).batch(1, b"as if I had said it")))
    warned = [event for event in told(work) if isinstance(event, Warned)]
    assert [event.rule for event in warned] == ["receive.clone"]
    assert work.store.messages(GROUP) == []


def test_a_provider_that_lives_in_another_time_is_not_logged_in_to(
    scene: tuple[AtWork, Member],
) -> None:
    session = scene[0].running.session
    skew = POLICY.clocks.skew_seconds
    for apart in (0, 2 * skew, -2 * skew):
        session.received(api.Challenge(bytes(32), NOW + apart), NOW)
    for apart in (2 * skew + 1, -2 * skew - 1):
        with pytest.raises(VerificationError) as caught:
            session.received(api.Challenge(bytes(32), NOW + apart), NOW)
        assert caught.value.rule == "session.clock"


def invited(
    work: AtWork, answer: list[api.DeviceKeyPackage], *entries: api.DeviceEntry
) -> GlasslockError | None:
    """Invite Carol, whose KeyPackages the provider says are ``answer``; returns why it failed."""
    running = work.running

    async def invite() -> None:
        await running.operate(lambda: running.session.membership.invite(GROUP, "carol"))

    inviting = work.loop.create_task(invite())
    settle(work)
    (asked,) = map(api.decode_device_frame, work.wire.sent)
    assert isinstance(asked, api.ClaimKeyPackages)
    arrive(work, api.KeyPackages(asked.id, answer, [], list(entries)))
    if not inviting.done():
        inviting.cancel()
        return None
    error = inviting.exception()
    assert isinstance(error, GlasslockError)
    return error


def entered(member: Member, approval: Approval | None = None) -> api.DeviceEntry:
    return make_entry(PROVIDER.public, member.device, member.engine, approval)


def offered(*members: Member) -> list[api.DeviceKeyPackage]:
    return [api.DeviceKeyPackage(each.device.device, each.package) for each in members]


def linked(new: Member, old: Member) -> api.DeviceEntry:
    """How ``new`` came to the account of ``old``, which approved it."""
    request = LinkRequest(new.device.account, new.device.device, new.engine.signature_key)
    return entered(new, approve(PROVIDER.public, old.device, old.engine, request))


def test_devices_that_approved_each_other_are_invited_and_a_stranger_is_named(
    scene: tuple[AtWork, Member],
) -> None:
    carol, laptop, ghost = (Member.make("carol", SUITE_CLASSIC) for _ in range(3))
    entries = (entered(carol), linked(laptop, carol))
    # The provider cannot have carol sign for its own device: it says nothing, or signs itself.
    forged = linked(ghost, ghost)
    assert invited(scene[0], offered(carol, laptop, ghost), *entries, forged) is None
    warned = [event for event in told(scene[0]) if isinstance(event, Warned)]
    assert [event.rule for event in warned] == ["invite.stranger"]
    commits = [api.decode_device_frame(each) for each in scene[0].wire.sent]
    assert sum(isinstance(each, api.SubmitHandshake) for each in commits) == 1


def test_an_account_has_one_first_device(scene: tuple[AtWork, Member]) -> None:
    carol, ghost = (Member.make("carol", SUITE_CLASSIC) for _ in range(2))
    error = invited(scene[0], offered(carol, ghost), entered(carol), entered(ghost))
    assert error is not None
    assert error.rule == "linking.first"


def test_a_key_package_is_under_the_key_that_was_vouched_for(scene: tuple[AtWork, Member]) -> None:
    carol, other = (Member.make("carol", SUITE_CLASSIC) for _ in range(2))
    entry = msgspec.structs.replace(entered(other), device=carol.device.device)
    content = api.possession_content(
        PROVIDER.public, "carol", entry.device, entry.signature_key, None
    )
    signed = other.engine.sign(Label.SIGN_POSSESSION, content)
    entry = msgspec.structs.replace(entry, possession=signed)
    error = invited(scene[0], offered(carol), entry)
    assert error is not None
    assert error.rule == "invite.key"


def test_a_key_package_is_of_whom_it_is_asked_for(scene: tuple[AtWork, Member]) -> None:
    carol, mallory = Member.make("carol", SUITE_CLASSIC), Member.make("mallory", SUITE_CLASSIC)
    error = invited(scene[0], [api.DeviceKeyPackage(carol.device.device, mallory.package)])
    assert error is not None
    assert error.rule == "invite.identity"


def test_a_key_package_is_of_the_groups_suite(scene: tuple[AtWork, Member]) -> None:
    carol = Member.make("carol", SUITE_HYBRID)
    error = invited(scene[0], [api.DeviceKeyPackage(carol.device.device, carol.package)])
    assert error is not None
    assert error.rule == "invite.suite"


def test_a_key_package_is_fresh(scene: tuple[AtWork, Member]) -> None:
    carol = Member.make("carol", SUITE_CLASSIC)
    old, written = carol.engine.key_package(NOW - 40 * 86_400, last_resort=False)
    written.confirm()
    error = invited(scene[0], [api.DeviceKeyPackage(carol.device.device, old)])
    assert error is not None
    assert error.rule == "key-package.age"


def test_a_welcome_is_to_the_group_that_it_says(scene: tuple[AtWork, Member]) -> None:
    work, reader = scene
    alice = Member.make("alice", SUITE_CLASSIC)
    package, written = work.running.session.engine.key_package(NOW, last_resort=False)
    written.confirm()
    extension = reader.members.view.policy
    group, _, _, written = alice.engine.create_group(b"the real one", extension)
    written.confirm()
    _, welcome, _, written = group.commit(add=[package], remove=[], policy=None)
    written.confirm()
    assert welcome is not None
    item = api.InboxItem(1, "welcome", welcome, b"another one", 1, NOW, bytes(32))
    arrive(work, item)
    told_of = [event for event in told(work) if isinstance(event, Failed | Warned)]
    assert [event.rule for event in told_of] == ["join.group"]


def test_a_device_is_let_into_its_own_account_only(scene: tuple[AtWork, Member]) -> None:
    _, reader = scene
    wanted = LinkRequest("mallory", bytes(16), bytes(32))
    with pytest.raises(StateError) as caught:
        approve(PROVIDER.public, reader.device, reader.engine, wanted)
    assert caught.value.rule == "link.account"


async def test_another_provider_at_the_same_address_is_told_apart(tmp_path: Path) -> None:
    async def health(_request: HttpRequest) -> Reply:
        return Reply(msgspec.msgpack.encode(api.Health(bytes(32), bytes(32), NOW)))

    async def policies(_request: HttpRequest) -> Reply:
        return Reply(msgspec.msgpack.encode([]))

    path = tmp_path / "device.db"
    await asyncio.to_thread(found_store, path, found(2, SUITE_CLASSIC)[1])
    serving = Serving(bind("127.0.0.1", 0))
    await serving.start(
        build_app([HttpRoute("GET", api.HEALTH, health), HttpRoute("GET", api.POLICIES, policies)])
    )
    store = opened(path)
    running = Running(store, KEY, Stopped())
    running.url = serving.url
    try:
        with pytest.raises(VerificationError) as caught:
            await running.learn_policies()
        assert caught.value.rule == "client.provider"
    finally:
        store.close()
        await serving.stop()
