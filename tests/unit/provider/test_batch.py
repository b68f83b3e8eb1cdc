"""What a member, a stranger or a forger asks of the provider and does not get; real groups."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from glasslock.client.enrolment import make_entry
from glasslock.ids import account_id, device_id
from glasslock.mls import SUITE_CLASSIC, Device, Engine, Group, Roster, WriteSet
from glasslock.provider.archive import Archive
from glasslock.provider.batch import Batcher, Request
from glasslock.provider.schema import MIGRATIONS
from glasslock.provider.store import Store
from glasslock.runtime.sqlite import Database
from glasslock.signing import SigningKey
from glasslock.wire import api
from glasslock.wire.policy import Clocks, Policy, PolicyExtension

NOW = int(time.time())  # the engine judges lifetimes by the machine's clock
KEY = SigningKey.from_seed(b"\x01" * 32)
POLICY = Policy("none", "none", KEY.public, Clocks())
FOREIGN = Policy("none", "none", SigningKey.from_seed(b"\x02" * 32).public, Clocks())
GROUP = b"group"
NAMED = PolicyExtension(POLICY.digest, 0).encode()


class Person:
    """A device with its keys, and its groups in memory."""

    def __init__(self, account: str, device: str = "phone") -> None:
        self.device = Device(account_id(account), device_id(device.encode().ljust(16, b"\0")))
        self._rows: dict[tuple[bytes, bytes], bytes | None] = {}
        self.engine, written = Engine.create(b"\x07" * 32, SUITE_CLASSIC, self.device.identity())
        self.keep(written)

    def keep(self, written: WriteSet) -> None:
        self._rows.update({(scope, key): value for scope, key, value in written.rows})
        written.confirm()

    def package(self, made: int = NOW, *, last_resort: bool = False) -> bytes:
        package, written = self.engine.key_package(made, last_resort)
        self.keep(written)
        return package

    def create(self, group_id: bytes = GROUP, policy: bytes = NAMED) -> tuple[Group, bytes]:
        group, info, _, written = self.engine.create_group(group_id, policy)
        self.keep(written)
        return group, info

    def commit(
        self, group: Group, add: list[bytes] | None = None, policy: bytes | None = None
    ) -> api.SubmitHandshake:
        commit, welcome, info, written = group.commit(add=add or [], remove=[], policy=policy)
        self.keep(written)
        return api.SubmitHandshake(1, GROUP, commit, info, welcome)

    def merge(self, group: Group, commit: bytes) -> None:
        self.keep(group.stage(commit).accept()[1])


class Place:
    """A provider's batches over a store of its own."""

    def __init__(self, folder: Path) -> None:
        db = Database.open(folder / "provider.db", MIGRATIONS)
        self.store = Store(db)
        self.batcher = Batcher(db, self.store, Archive(db), KEY)
        self._db = db
        for policy in (POLICY, FOREIGN):
            with db.transaction("start"):
                self.store.put_policy(policy)

    def know(self, *people: Person) -> None:
        with self._db.transaction("register"):
            for each in people:
                self.store.register(
                    each.device, make_entry(KEY.public, each.device, each.engine, None), NOW
                )

    def ask(self, by: Person, frame: api.DeviceFrame) -> api.ProviderFrame | None:
        (answer,) = self.batcher.run([Request(by.device, frame, NOW)]).answers
        return answer

    def rule(self, by: Person, frame: api.DeviceFrame) -> str | None:
        answer = self.ask(by, frame)
        assert isinstance(answer, api.Refused), answer
        return answer.rule


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def alice(place: Place) -> Person:
    person = Person("alice")
    place.know(person)
    return person


@pytest.fixture
def group(place: Place, alice: Person) -> Group:
    made, info = alice.create()
    assert isinstance(place.ask(alice, api.CreateGroup(1, GROUP, info)), api.Done)
    return made


def add(place: Place, alice: Person, group: Group, *others: Person) -> list[Group]:
    """Have others in the group."""
    place.know(*others)
    frame = alice.commit(group, [each.package() for each in others])
    assert isinstance(place.ask(alice, frame), api.Accepted)
    alice.merge(group, frame.commit)
    joined = []
    for each in others:
        assert frame.welcome is not None
        theirs, _, written = each.engine.stage_welcome(frame.welcome).accept(each.engine)
        each.keep(written)
        joined.append(theirs)
    return joined


@pytest.mark.usefixtures("group")
def test_a_group_is_made_once_by_its_only_member(place: Place, alice: Person) -> None:
    bob = Person("bob")
    place.know(bob)
    _, info = bob.create()
    assert place.rule(bob, api.CreateGroup(1, GROUP, info)) == "create.exists"
    assert place.rule(alice, api.CreateGroup(1, b"another", info)) == "create.group"
    _, info = alice.create(b"another")
    assert place.rule(bob, api.CreateGroup(1, b"another", info)) == "create.member"
    unknown = Person("alice")
    _, info = unknown.create(b"another")
    assert place.rule(alice, api.CreateGroup(1, b"another", info)) == "create.member"
    grown = bob.commit(bob.create(b"fourth")[0]).group_info
    assert place.rule(bob, api.CreateGroup(1, b"fourth", grown)) == "create.group"


def test_a_provider_serves_its_own_policies_only(place: Place, alice: Person, group: Group) -> None:
    for policy in (FOREIGN.digest, bytes(32)):
        extension = PolicyExtension(policy, 0).encode()
        _, info = alice.create(b"another", extension)
        assert place.rule(alice, api.CreateGroup(1, b"another", info)) == "create.policy"
    frame = alice.commit(group, policy=PolicyExtension(FOREIGN.digest, 0).encode())
    assert place.rule(alice, frame) == "create.policy"


def test_nobody_commits_in_the_name_of_another(place: Place, alice: Person, group: Group) -> None:
    bob = Person("bob")
    add(place, alice, group, bob)
    frame = alice.commit(group)
    assert place.rule(bob, frame) == "handshake.sender"
    assert isinstance(place.ask(alice, frame), api.Accepted)


def outsider(place: Place, by: Person) -> api.SubmitHandshake:
    """An external commit of ``by`` from what the provider has stored."""
    stored = place.store.group_info(GROUP)
    assert stored is not None
    parked = by.engine.external_commit(stored[0], [])
    return api.SubmitHandshake(1, GROUP, parked.commit, parked.group_info)


@pytest.mark.usefixtures("group")
def test_who_enters_by_itself_is_known_and_of_an_account_inside(place: Place) -> None:
    mallory, laptop = Person("mallory"), Person("alice", "laptop")
    assert place.rule(laptop, outsider(place, laptop)) == "handshake.key"
    place.know(mallory, laptop)
    assert place.rule(mallory, outsider(place, mallory)) == "handshake.uninvited"
    assert place.rule(mallory, outsider(place, laptop)) == "handshake.joiner"
    again = Person("alice", "laptop")
    assert place.rule(laptop, outsider(place, again)) == "handshake.key"
    assert isinstance(place.ask(laptop, outsider(place, laptop)), api.Accepted)


def test_only_registered_devices_are_added(place: Place, alice: Person, group: Group) -> None:
    bob = Person("bob")
    frame = alice.commit(group, [bob.package()])
    assert place.rule(alice, frame) == "handshake.added"
    place.know(Person("bob"))
    alice.keep(group.clear_pending())
    assert place.rule(alice, alice.commit(group, [bob.package()])) == "handshake.added"


def test_a_welcome_goes_with_who_is_added(place: Place, alice: Person, group: Group) -> None:
    bob = Person("bob")
    place.know(bob)
    frame = alice.commit(group, [bob.package()])
    bare = api.SubmitHandshake(1, GROUP, frame.commit, frame.group_info)
    assert place.rule(alice, bare) == "handshake.welcome"
    wrong = api.SubmitHandshake(1, GROUP, frame.commit, frame.group_info, frame.commit)
    assert place.rule(alice, wrong) == "handshake.welcome"
    assert place.store.inbox(bob.device, 0, 1 << 20) == []
    assert isinstance(place.ask(alice, frame), api.Accepted)
    assert len(place.store.inbox(bob.device, 0, 1 << 20)) == 1
    assert place.store.newest(GROUP) == 1


def test_the_same_commit_is_its_senders_only(place: Place, alice: Person, group: Group) -> None:
    bob = Person("bob")
    add(place, alice, group, bob)
    frame = alice.commit(group)
    assert isinstance(place.ask(alice, frame), api.Accepted)
    assert isinstance(place.ask(alice, frame), api.Accepted)
    assert place.rule(bob, frame) == "delivery.duplicate"


def test_a_member_stays_who_it_was_added_as(place: Place, alice: Person) -> None:
    group, info = alice.create()
    assert isinstance(place.ask(alice, api.CreateGroup(1, GROUP, info)), api.Done)
    kept = place.batcher._group(GROUP)
    (leaf,) = kept.line.roster.leaves
    before = Roster((replace(leaf, signer=bytes(32)),))
    kept.line = replace(kept.line, roster=before)
    # MLS lets a committer put another key into its leaf: to the provider this one has done so.
    assert place.rule(alice, alice.commit(group)) == "roster.changed"
    assert place.batcher._group(GROUP).line.epoch == 0


def test_a_group_shows_itself_to_its_own(place: Place, alice: Person, group: Group) -> None:
    bob, mallory = Person("bob"), Person("mallory")
    add(place, alice, group, bob)
    place.know(mallory)
    assert isinstance(place.ask(bob, api.GetGroupInfo(1, GROUP)), api.GroupInfo)
    assert place.rule(mallory, api.GetGroupInfo(1, GROUP)) == "group-info.member"
    assert place.rule(mallory, api.Follow(1, GROUP, 0)) == "follow.member"
    assert place.ask(bob, api.Follow(1, GROUP, 0)) == api.Following(1, 1)
    assert place.rule(mallory, api.GetSeal(1, GROUP, bytes(32))) == "seal.member"
    assert place.rule(bob, api.GetSeal(1, GROUP, bytes(32))) == "seal.slot"
    assert place.rule(bob, api.GetGroupInfo(1, b"no group")) == "delivery.group"


def test_key_packages_are_fresh_and_their_devices_own(place: Place, alice: Person) -> None:
    bob = Person("bob")
    place.know(bob)
    old = alice.package(NOW - 40 * 86_400)
    for frame, rule in (
        (api.PutKeyPackages(1, [bob.package()]), "directory.owner"),
        (api.PutKeyPackages(1, [old]), "key-package.age"),
        (api.PutKeyPackages(1, [alice.package(last_resort=True)]), "directory.last-resort"),
        (api.PutKeyPackages(1, [], alice.package()), "directory.last-resort"),
        (api.PutKeyPackages(1, [alice.package()] * 101), "directory.packages"),
    ):
        assert place.rule(alice, frame) == rule
    assert place.rule(alice, api.ClaimKeyPackages(1, "nobody")) == "claim.account"
    assert place.store.count_key_packages(alice.device) == 0
    package = alice.package()
    assert isinstance(place.ask(alice, api.PutKeyPackages(1, [package])), api.Done)
    answer = place.ask(bob, api.ClaimKeyPackages(1, "alice"))
    assert isinstance(answer, api.KeyPackages)
    assert [each.package for each in answer.packages] == [package]
