"""What others carried of logs: each refusal alone, and what is not kept a second time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from glasslock.client.changes import AGREED, SPLIT, Compared, Effects, Heard
from glasslock.client.events import Warned
from glasslock.client.policies import Policies
from glasslock.client.views import MOST_KNOWN, Views
from glasslock.ids import account_id, device_id, keyholder_id
from glasslock.mls import Device
from glasslock.tlog.checkpoint import sign_head
from glasslock.tlog.note import Signer, format_note
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.carried import decode_carried, encode_carried
from glasslock.wire.policy import Access, Clocks, KeyholderClass, Limits, Policy, Seat

LOGS = {name: Signer.log(name, (name.encode() * 6)[:32]) for name in ("log/p1", "log/o1", "log/x1")}
STRANGER = Signer.log("log/p1", bytes(32))
WITNESS = Signer.witness("w", bytes(32))
QUORUM = QuorumFile.of(
    [LogKey(each.verifier) for each in LOGS.values()], [WitnessKey("w", WITNESS.verifier)], 1
)
PETER = Device(account_id("peter"), device_id(bytes(16)))
WHERE = (b"group", 7, 1_900_000_000)


def policy_of(name: str = "sealed") -> Policy:
    seats = tuple(
        Seat(keyholder_id(f"k{n}"), f"Person {n}", bytes((n + 1,)) * 32) for n in range(4)
    )
    classes = (KeyholderClass("one", 2, seats[:2]), KeyholderClass("two", 2, seats[2:]))
    access = Access(classes, bytes(32), QUORUM.text, "log/p1", "log/o1", Limits())
    return Policy(name, "test", bytes(32), Clocks(), access)


POLICY = policy_of()
NONE = Policy("none", "none", bytes(32), Clocks(), None)


def claim(origin: str, size: int, root: int = 1, signer: Signer | None = None) -> bytes:
    head = TreeHead(origin, size, bytes((root,)) * 32)
    return format_note(head.body, [(signer or LOGS[origin]).sign(head.body)])


def views(*origins: str) -> Views:
    made = Views()
    for origin in origins or ("log/p1", "log/o1"):
        head = TreeHead(origin, 5, bytes(32))
        made.read((POLICY.digest, origin), sign_head(head, [LOGS[origin]]))
    return made


def heard(made: Views, carried: bytes | Sequence[bytes], policy: Policy = POLICY) -> Effects:
    effects = Effects()
    field = carried if isinstance(carried, bytes) else encode_carried(carried)
    made.hear(effects, policy, PETER, WHERE, field)
    return effects


def test_what_is_held_is_carried_the_policy_log_first() -> None:
    assert Views().carried(NONE) is None
    assert Views().carried(POLICY) == bytes(1_024)
    made = views()
    notes = decode_carried(made.carried(POLICY) or b"")
    assert [note.split(b"\n")[0] for note in notes] == [b"log/p1", b"log/o1"]
    assert heard(made, notes).empty
    made.read((POLICY.digest, "log/p1"), claim("log/p1", 6))
    assert decode_carried(made.carried(POLICY) or b"")[0] == claim("log/p1", 6)


def test_what_a_log_signed_is_kept_for_comparison() -> None:
    note = claim("log/o1", 9)
    effects = heard(views(), [note])
    assert effects.heard == [
        Heard(POLICY.digest, "log/o1", "peter", bytes(16), b"group", WHERE[2], 9, b"\1" * 32, note)
    ]
    assert effects.events == []
    assert heard(views("log/p1"), [note]).empty
    assert heard(views(), [note], NONE).empty


@pytest.mark.parametrize(
    ("carried", "rule"),
    [
        (b"\xff" * 1_024, "carried.notes"),
        (bytes(1_023) + b"x", "carried.padding"),
        (encode_carried([b"junk"]), "note.separator"),
        (encode_carried([claim("log/x1", 9)]), "claim.origin"),
        (encode_carried([claim("log/p1", 9, signer=STRANGER)]), "claim.unsigned"),
        (encode_carried([claim("log/p1", 9, signer=LOGS["log/o1"])]), "claim.unsigned"),
        (encode_carried([claim("log/p1", 9).replace(b"\n9\n", b"\n8\n")]), "note.signature"),
    ],
)
def test_what_no_log_said_is_named_once(carried: bytes, rule: str) -> None:
    made = views()
    effects = heard(made, carried)
    assert effects.heard == []
    (warned,) = effects.events
    assert isinstance(warned, Warned)
    assert (warned.group_id, warned.position, warned.rule) == (b"group", 7, rule)
    assert "peter" in warned.text
    assert bytes(16).hex() in warned.text
    assert heard(made, carried).empty


def test_a_later_shard_is_another_tree() -> None:
    made = views()
    made.read(
        (POLICY.digest, "log/o1"), sign_head(TreeHead("log/x1", 9, bytes(32)), [LOGS["log/x1"]])
    )
    notes = decode_carried(made.carried(POLICY) or b"")
    assert [note.split(b"\n")[0] for note in notes] == [b"log/p1"]
    assert heard(made, [claim("log/o1", 9)]).empty


def test_what_agreed_is_not_asked_again_and_not_remembered_without_end() -> None:
    made, note = views(), claim("log/p1", 9)
    (found,) = heard(made, [note]).heard
    made.compared({POLICY.digest: POLICY}, Compared(found, AGREED, 9))
    assert heard(made, [note]).empty
    assert heard(made, [claim("log/p1", 9, root=2)]).heard
    for size in range(MOST_KNOWN):
        made.agree((POLICY.digest, "log/p1", size, bytes(32)))
    assert heard(made, [note]).heard


def test_a_log_with_two_pasts_is_frozen_under_every_policy() -> None:
    other = policy_of("another")
    policies = Policies({each.digest: each for each in (POLICY, other)}, views=views())
    for each in (POLICY, other):
        policies.log_read(each.digest, [], 5)
    (found,) = heard(policies.views, [claim("log/p1", 9)]).heard
    policies.compared([Compared(found, SPLIT, 9, b"proof")])
    assert policies.views.frozen(other, "log/p1")
    assert not policies.views.frozen(POLICY, "log/o1")
    assert all(book.frozen for book in policies.books.values())
    assert heard(policies.views, [claim("log/p1", 10)]).empty
    assert heard(policies.views, [claim("log/o1", 10)]).heard
