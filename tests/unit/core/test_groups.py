"""Devices and groups through the Rust core, in both suites, as the parties use them."""

import time
from collections.abc import Iterator

import pytest

from glasslock import _core
from glasslock.errors import GlasslockError, StaleEpoch, StateError, VerificationError, WireError

NOW = int(time.time())  # the engine judges lifetimes by the machine's clock
WRAP = bytes(range(32))
POLICY = b"policy extension of a test"
SUITES = pytest.mark.parametrize("suite", [_core.SUITE_HYBRID, _core.SUITE_CLASSIC])


class Device:
    """A device with a dictionary for a disk."""

    def __init__(self, name: bytes, suite: int = _core.SUITE_HYBRID) -> None:
        self.disk: dict[tuple[bytes, bytes], bytes] = {}
        self.engine, written = _core.Engine.create(WRAP, suite, name)
        self.store(written)

    def store(self, written: _core.WriteSet) -> None:
        for scope, key, value in written.rows:
            if value is None:
                self.disk.pop((scope, key), None)
            else:
                self.disk[scope, key] = value
        written.confirm()

    def rows(self, scope: bytes) -> list[tuple[bytes, bytes, bytes | None]]:
        return [(s, k, v) for (s, k), v in self.disk.items() if s == scope]

    def package(self, *, last_resort: bool = False) -> bytes:
        package, written = self.engine.key_package(NOW, last_resort)
        self.store(written)
        return package

    def create(self, group_id: bytes) -> tuple[_core.Group, bytes, bytes]:
        group, info, root, written = self.engine.create_group(group_id, POLICY)
        self.store(written)
        return group, info, root

    def join(self, welcome: bytes) -> tuple[_core.Group, bytes]:
        group, root, written = self.engine.stage_welcome(welcome).accept(self.engine)
        self.store(written)
        return group, root

    def merge(self, group: _core.Group, commit: bytes) -> bytes | None:
        root, written = group.stage(commit).accept()
        self.store(written)
        return root


@pytest.fixture
def pair() -> Iterator[tuple[Device, _core.Group, Device, _core.Group]]:
    alice, bob = Device(b"alice"), Device(b"bob")
    ours, _, _ = alice.create(b"group")
    commit, welcome, _, written = ours.commit(add=[bob.package()], remove=[], policy=None)
    alice.store(written)
    alice.merge(ours, commit)
    assert welcome is not None
    theirs, _ = bob.join(welcome)
    return alice, ours, bob, theirs


@SUITES
def test_members_derive_the_same_root_and_the_server_follows(suite: int) -> None:
    alice, bob = Device(b"alice", suite), Device(b"bob", suite)
    group, info, first = alice.create(b"group")
    public, _ = _public(info)
    commit, welcome, info, written = group.commit(add=[bob.package()], remove=[], policy=None)
    alice.store(written)
    staged = public.stage(commit, info)
    assert [m.identity for m in staged.preview.added] == [b"bob"]
    staged.accept().confirm()
    root = alice.merge(group, commit)
    assert welcome is not None
    invitation = bob.engine.stage_welcome(welcome).invitation
    assert (invitation.policy, invitation.epoch) == (POLICY, 1)
    joined, theirs = bob.join(welcome)
    assert root == theirs != first
    assert joined.view.context == group.view.context == public.view.context
    assert [m.identity for m in public.view.members] == [b"alice", b"bob"]


def test_a_root_is_given_once_and_survives_no_reload(
    pair: tuple[Device, _core.Group, Device, _core.Group],
) -> None:
    alice, ours, bob, theirs = pair
    commit, _, _, written = ours.commit(add=[], remove=[], policy=None)
    alice.store(written)
    reloaded = alice.engine.load_group(alice.rows(b"group"))
    assert reloaded.view.pending
    assert alice.merge(reloaded, commit) == bob.merge(theirs, commit)
    with pytest.raises(StaleEpoch):
        reloaded.stage(commit)


def test_a_staged_commit_changes_nothing_until_it_is_accepted(
    pair: tuple[Device, _core.Group, Device, _core.Group],
) -> None:
    alice, ours, bob, theirs = pair
    commit, _, _, written = ours.commit(add=[], remove=[], policy=b"another policy")
    alice.store(written)
    staged = theirs.stage(commit)
    assert (staged.preview.policy, staged.preview.own) == (b"another policy", False)
    assert theirs.view.policy == POLICY
    again = theirs.stage(commit)
    _, written = staged.accept()
    bob.store(written)
    with pytest.raises(StateError):
        again.accept()
    assert theirs.view.policy == b"another policy"


def test_an_abandoned_write_set_kills_its_handle(
    pair: tuple[Device, _core.Group, Device, _core.Group],
) -> None:
    alice, ours, _, _ = pair
    _, _, _, written = ours.commit(add=[], remove=[], policy=None)
    with pytest.raises(StateError):
        ours.commit(add=[], remove=[], policy=None)
    written.abandon()
    with pytest.raises(StateError):
        ours.clear_pending()
    fresh = alice.engine.load_group(alice.rows(b"group"))
    assert not fresh.view.pending
    del written


def test_rows_are_sealed_and_bound_to_their_place() -> None:
    alice = Device(b"alice")
    alice.create(b"group")
    rows = alice.rows(b"group")
    (a_scope, a_key, a_value), (_, b_key, b_value), *rest = rows
    swapped = [(a_scope, a_key, b_value), (a_scope, b_key, a_value), *rest]
    with pytest.raises(VerificationError):
        alice.engine.load_group(swapped)
    with pytest.raises(VerificationError):
        _core.Engine.load(bytes(32), alice.rows(b""))
    assert _core.Engine.load(WRAP, alice.rows(b"")).credential == alice.engine.credential


def test_a_welcome_looked_at_can_still_be_accepted_later() -> None:
    alice, bob = Device(b"alice"), Device(b"bob")
    group, _, _ = alice.create(b"group")
    commit, welcome, _, written = group.commit(add=[bob.package()], remove=[], policy=None)
    alice.store(written)
    assert welcome is not None
    looked_at = bob.engine.stage_welcome(welcome)
    accepted, _ = bob.join(welcome)
    assert accepted.view.epoch == 1
    with pytest.raises(StateError):
        looked_at.accept(bob.engine)
    with pytest.raises(VerificationError):
        bob.engine.stage_welcome(welcome)
    assert alice.merge(group, commit) is not None


def test_an_external_commit_is_parked_and_replaces_the_old_leaf(
    pair: tuple[Device, _core.Group, Device, _core.Group],
) -> None:
    alice, ours, bob, _ = pair
    commit, _, info, written = ours.commit(add=[], remove=[], policy=None)
    alice.store(written)
    alice.merge(ours, commit)
    parked = bob.engine.external_commit(info, bob.rows(b"group"))
    assert bob.engine.load_group(bob.rows(b"group")).view.epoch == 1
    staged = ours.stage(parked.commit)
    assert staged.preview.joined is not None
    assert staged.preview.joined.identity == b"bob"
    root, written = staged.accept()
    alice.store(written)
    for scope, key, value in parked.rows:
        if value is None:
            bob.disk.pop((scope, key), None)
        else:
            bob.disk[scope, key] = value
    rejoined = bob.engine.load_group(bob.rows(b"group"))
    assert parked.root == root
    assert rejoined.view.epoch == ours.view.epoch == 3
    assert len(rejoined.view.members) == 2


def test_the_server_refuses_a_group_info_of_another_epoch_or_key() -> None:
    alice, bob = Device(b"alice"), Device(b"bob")
    group, info, _ = alice.create(b"group")
    public, rows = _public(info)
    commit, _, right, written = group.commit(add=[bob.package()], remove=[], policy=None)
    alice.store(written)
    for wrong in (info, right[:-1] + bytes((right[-1] ^ 1,)), right[:200], commit):
        with pytest.raises(GlasslockError):
            public.stage(commit, wrong)
    middle = len(commit) // 2
    with pytest.raises(GlasslockError):
        public.stage(commit[:middle] + bytes((commit[middle] ^ 1,)) + commit[middle + 1 :], right)
    loaded = _core.PublicGroup.load(rows)
    loaded.stage(commit, right).accept().confirm()
    with pytest.raises(StaleEpoch):
        loaded.stage(commit, right)


def test_a_removed_member_gets_no_root(
    pair: tuple[Device, _core.Group, Device, _core.Group],
) -> None:
    alice, ours, bob, theirs = pair
    commit, _, _, written = ours.commit(add=[], remove=[theirs.view.own_leaf], policy=None)
    alice.store(written)
    staged = theirs.stage(commit)
    assert staged.preview.self_removed
    root, written = staged.accept()
    bob.store(written)
    assert root is None
    assert not theirs.view.active
    assert alice.merge(ours, commit) is not None


def test_key_packages_and_messages_can_be_read_without_a_group() -> None:
    bob = Device(b"bob")
    package = bob.package(last_resort=True)
    info = _core.key_package_info(package)
    assert info.last_resort
    assert (info.suite, info.member.identity) == (_core.SUITE_HYBRID, b"bob")
    assert info.member.signature_key == bob.engine.signature_key
    assert _core.message_info(package).kind == "key_package"
    for bad in (b"", package[:-1], package + b"\x00", bytes(100)):
        with pytest.raises(WireError):
            _core.message_info(bad)
    forged = package[:-1] + bytes((package[-1] ^ 1,))
    with pytest.raises(VerificationError):
        _core.key_package_info(forged)


def _public(info: bytes) -> tuple[_core.PublicGroup, list[tuple[bytes, bytes, bytes | None]]]:
    public, written = _core.PublicGroup.create(info)
    rows = written.rows
    written.confirm()
    return public, rows
