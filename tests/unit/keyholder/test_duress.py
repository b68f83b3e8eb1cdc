"""A refusal under duress: one reader can tell, and a store does not."""

from __future__ import annotations

from itertools import product

import pytest

from glasslock.errors import ConfigError, StateError, WireError
from glasslock.keyholder import duress
from glasslock.keyholder.duress import AGREED, DURESS, NO_MARK, Code, Told
from glasslock.orders.ledger import Ledger, sign_leaf
from glasslock.wire.contact import ContactKey, decode_contact
from glasslock.wire.leaf import MARK, RefusalLeaf, decode_leaf, encode_leaf
from tests.unit.desk.world import PROVIDER, seat_key, secret
from tests.unit.keyholder.bench import Bench

SALT = b"salt of a test.."
REFUSE, HELP = secret("a code, stretched"), secret("another code, stretched")
FRESH = secret("agreed chain") + secret("duress chain") + b"\x00"
COMMITMENT = secret("an order")


def both(coin: int = 0) -> tuple[Code, ...]:
    return duress.arrange(SALT, REFUSE, HELP, FRESH[:64] + bytes([coin]))


def told(*marks: bytes | None, contact: ContactKey | None = None) -> list[str]:
    """What a contact reads of refusals with these marks, each of an order of its own."""
    key = contact or duress.contact_key(seat_key(2).public, FRESH)
    return [each.meaning for each in duress.read_marks(key, ledger_of(*marks))]


def ledger_of(*marks: bytes | None) -> Ledger:
    bench, ledger = Bench(), Ledger()
    bench.script.log()
    leaf = bench.record.leaf
    for number, mark in enumerate(marks):
        order = sign_leaf(leaf, PROVIDER)
        ledger.add(encode_leaf(order), 2 * number, 1_000 + number)
        no = RefusalLeaf(2 * number, 2, "release.person", "no", mark)
        ledger.add(encode_leaf(sign_leaf(no, seat_key(2))), 2 * number + 1, 1_000 + number)
    assert ledger.invalid == 0
    return ledger


def commitment() -> bytes:
    bench = Bench()
    bench.script.log()
    return bench.record.leaf.commitment


def answer(codes: tuple[Code, ...], stretched: bytes) -> tuple[bytes, tuple[Code, ...]]:
    """The mark of a refusal with a code, and the codes afterwards."""
    entered = duress.find(codes, stretched)
    return duress.mark(entered.key, commitment()), duress.stepped(codes)


@pytest.mark.parametrize("coin", [0, 1])
def test_only_the_contact_reads_which_code_was_used(coin: int) -> None:
    codes, marks = both(coin), []
    said = [REFUSE, HELP, REFUSE, REFUSE, HELP]
    for each in said:
        mark, codes = answer(codes, each)
        marks.append(mark)
    words = {REFUSE: AGREED, HELP: DURESS}
    assert told(*marks, bytes(MARK)) == [*(words[each] for each in said), NO_MARK]
    stranger = duress.contact_key(seat_key(2).public, secret("x") + secret("y") + b"\x00")
    assert told(*marks, contact=stranger) == [NO_MARK] * 5
    # Another keyholder's refusals are not this contact's business.
    other = duress.contact_key(seat_key(3).public, FRESH)
    assert told(*marks, contact=other) == []


def test_a_mark_is_of_one_order() -> None:
    key = both()[0].key
    assert duress.mark(key, COMMITMENT) != duress.mark(key, secret("another order"))
    mark, _ = answer(both(), HELP)
    (read,) = duress.read_marks(duress.contact_key(seat_key(2).public, FRESH), ledger_of(mark))
    assert read == Told(0, 1_000, "release.person", DURESS)
    moved = duress.mark(duress.find(both(), HELP).key, COMMITMENT)
    assert told(moved) == [NO_MARK]


def test_what_is_stored_after_a_refusal_makes_none_of_the_marks_before() -> None:
    """Both chains step, whichever was used, so nothing tells how often either was."""
    for used in (REFUSE, HELP):
        codes = both()
        before = {code.key for code in codes}
        mark, after = answer(codes, used)
        assert not before & {code.key for code in after}
        assert mark not in {duress.mark(code.key, commitment()) for code in after}
        assert [code.verifier for code in after] == [code.verifier for code in codes]
    assert answer(both(), REFUSE)[1] == answer(both(), HELP)[1]


def test_the_order_of_the_codes_is_chance() -> None:
    """Neither the row nor the verifier says which code is for duress."""
    assert both(0) == both(1)[::-1]
    assert {both(coin)[0].verifier for coin in (0, 1)} == {
        duress.verifier(REFUSE),
        duress.verifier(HELP),
    }
    assert len({code.salt for code in both()}) == 1


def test_a_code_that_was_not_agreed_is_refused() -> None:
    for codes, wrong in product((both(0), both(1)), (secret("a guess"), b"")):
        with pytest.raises(StateError) as caught:
            duress.find(codes, wrong)
        assert caught.value.rule == "keyholder.code"


@pytest.mark.parametrize(("first", "second"), [("same code", "same code"), ("short", "long one")])
def test_two_codes_differ_and_are_no_guess(first: str, second: str) -> None:
    for codes in ((first, second), (second, first)):
        with pytest.raises(ConfigError) as caught:
            duress.check_codes(*codes)
        assert caught.value.rule == "keyholder.codes"
    duress.check_codes("north wind", "south wind")


def test_every_refusal_of_a_keyholder_has_a_mark_and_the_providers_has_none() -> None:
    for seat, mark in ((2, None), (None, bytes(MARK))):
        leaf = sign_leaf(RefusalLeaf(0, seat, "a rule", "a ground", mark), PROVIDER)
        with pytest.raises(WireError) as caught:
            decode_leaf(encode_leaf(leaf))
        assert caught.value.rule == "leaf.mark"
    for mark in (bytes(MARK - 1), bytes(MARK + 1)):
        leaf = sign_leaf(RefusalLeaf(0, 2, "a rule", "a ground", mark), PROVIDER)
        with pytest.raises(WireError):
            decode_leaf(encode_leaf(leaf))


def test_a_contacts_file_is_read_as_it_was_written() -> None:
    key = duress.contact_key(seat_key(2).public, FRESH)
    assert decode_contact(key.encode()) == key
    assert (key.agreed, key.duress) == (FRESH[:32], FRESH[32:64])
    assert secret("duress chain").hex() not in repr(key)
