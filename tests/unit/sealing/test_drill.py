"""A drill is judged by the log alone: who gave a working share in time, and who made it falsely."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from glasslock.errors import GlasslockError, VerificationError, WireError
from glasslock.sealing.drill import (
    Drill,
    DrillBook,
    MadeDrill,
    Making,
    State,
    check_drill,
    make_drill,
)
from glasslock.sealing.roster import Logged
from glasslock.sealing.seal import make_seal, make_tier1
from glasslock.sealing.shares import Share, combine, open_seat, open_share, slot_signed_content
from glasslock.sealing.slots import slot_key
from glasslock.wire.drill import (
    DrillAnswer,
    Drilled,
    DrillRecord,
    DrillSecret,
    decode_drill,
    encode_drill,
)
from glasslock.wire.envelope import SlotHeader
from glasslock.wire.labels import Label
from glasslock.wire.seal import Tier1Header, decode_seal, encapsulation_digests
from tests.unit.desk.world import make_policy, seat_key, secret
from tests.unit.keyholder.test_period import DAY, NOW, TODAY, Log, actors

# 2 of 3 and 2 of 3; seat 5 had no key when the drill's day began.
SHAPE = ((2, 3), (2, 3))
LOG = Log()
EVERYBODY = actors(SHAPE)
for step in range(5):
    for actor in EVERYBODY[:5]:
        actor.act(LOG, NOW + step)
POLICY = EVERYBODY[0].policy
D = TODAY + 2
BEGIN = D * DAY + 100
BY = BEGIN + DAY
FRESH = secret("nonce") + secret("seed")


def made(maker: int = 0, fresh: bytes = FRESH, by: int = BY) -> MadeDrill:
    roster = LOG.book.rosters(POLICY, D, BEGIN)[0]
    return make_drill(POLICY, roster, maker, by, fresh, seat_key(maker))


@dataclass
class Board:
    """The drills of a log."""

    book: DrillBook = field(default_factory=DrillBook)
    count: int = 1_000

    def add(self, *records: Drilled, time: int = BEGIN) -> None:
        for record in records:
            assert self.book.add(encode_drill(record), self.count, time)
            self.count += 1

    @property
    def drill(self) -> Drill:
        (drill,) = self.book.of(POLICY, LOG.book)
        return drill

    def states(self, at: int = BEGIN) -> list[str]:
        return [state.value for state in self.book.result(self.drill, at).seats]

    def making(self) -> Making:
        return self.book.result(self.drill, BEGIN).making


def board(drill: MadeDrill | None = None) -> Board:
    found = Board()
    drill = drill or made()
    found.add(drill.record, *drill.parts)
    return found


def share_of(drill: Drill, seat: int, encs: dict[bytes, bytes]) -> Share:
    (key,) = EVERYBODY[seat].own.values()
    assert key.seed is not None
    opened = open_seat(drill.slot, seat, key.seed, key.key_id, encs[drill.enc_digest(seat)])
    return open_share(drill.slot, opened)


def answer(
    seat: int, share: Share | None, context: bytes, signer: int | None = None
) -> DrillAnswer:
    name = EVERYBODY[seat].seated.name
    bare = DrillAnswer(context, name, None, None)
    if share is not None:
        bare = replace(bare, share=share.share, blind=share.blind)
    key = seat_key(seat if signer is None else signer)
    return replace(bare, signature=key.sign(Label.SIGN_RECORD, bare.signed_part()))


def shown(context: bytes, seed: bytes, signer: int = 0) -> DrillSecret:
    bare = DrillSecret(context, seed)
    signature = seat_key(signer).sign(Label.SIGN_RECORD, bare.signed_part())
    return replace(bare, signature=signature)


def right(found: Board, seat: int) -> DrillAnswer:
    drill = found.drill
    return answer(seat, share_of(drill, seat, found.book.parts), drill.record.context)


def test_all_but_the_maker_pass_and_their_shares_open_the_canary() -> None:
    found, drill = board(), made()
    assert found.states() == ["maker", "waiting", "waiting", "waiting", "waiting", "vacant"]
    found.add(*(right(found, seat) for seat in range(1, 5)))
    assert found.states() == ["maker", "passed", "passed", "passed", "passed", "vacant"]
    assert found.making() is Making.OPEN
    found.add(shown(drill.record.context, drill.secret))
    assert found.making() is Making.RIGHT
    shares = {seat: share_of(found.drill, seat, found.book.parts) for seat in range(1, 5)}
    slot = found.drill.slot
    assert combine(slot, shares) == slot_key(drill.secret, slot.header.digest)


def test_what_is_no_working_share_in_time_is_none() -> None:
    found = board()
    context = found.drill.record.context
    others = share_of(found.drill, 2, found.book.parts)
    found.add(
        # The share of another seat; the word that there is none; bytes that are no share.
        answer(1, replace(others, seat=1), context),
        answer(2, None, context),
        answer(3, Share(3, bytes(32), bytes(32)), context),
    )
    found.add(right(found, 4), time=BY + 1)
    assert found.states(BY + 1)[1:5] == ["failed", "failed", "failed", "late"]
    # The first answer counts: who finds its key afterwards needs another drill.
    found.add(right(found, 1), right(found, 2))
    assert found.states()[1:3] == ["failed", "failed"]


def test_who_says_nothing_is_silent_when_the_time_is_over() -> None:
    found = board()
    found.add(right(found, 1))
    assert found.states(BY)[1:5] == ["passed", "waiting", "waiting", "waiting"]
    assert found.states(BY + 1)[1:5] == ["passed", "silent", "silent", "silent"]


def test_an_answer_is_its_seats_own() -> None:
    """Neither in the name of another, nor for a seat that the drill left out."""
    found = board()
    context = found.drill.record.context
    share = share_of(found.drill, 1, found.book.parts)
    found.add(answer(1, share, context, signer=2), answer(5, replace(share, seat=5), context))
    assert found.states() == ["maker", "waiting", "waiting", "waiting", "waiting", "vacant"]


def test_after_the_secret_was_shown_a_share_shows_nothing() -> None:
    """Anybody could give it."""
    found, drill = board(), made()
    found.add(right(found, 1))
    found.add(shown(drill.record.context, drill.secret, signer=3))
    found.add(right(found, 2))
    found.add(shown(drill.record.context, drill.secret))
    found.add(right(found, 3))
    assert found.states()[1:5] == ["passed", "passed", "void", "void"]


def test_a_maker_that_blames_others_falsely_is_found_out() -> None:
    """It seals what a seat cannot read: that seat can only say that it has no share."""
    honest = made()
    seal = decode_seal(honest.record.seal)
    row = seal.rows[1]
    assert row is not None
    rows = (seal.rows[0], replace(row, sealed=row.sealed[::-1]), *seal.rows[2:])
    false = replace(seal, rows=rows)
    header = honest.record.slot_header(POLICY.clocks.slots_per_day, seat_key(0).public)
    content = slot_signed_content(header.digest, false.digest)
    signature = seat_key(0).sign(Label.SIGN_SLOT, content)
    found = Board()
    found.add(replace(honest.record, seal=false.encoded, signature=signature), *honest.parts)
    with pytest.raises(VerificationError):
        right(found, 1)
    found.add(shown(found.drill.record.context, honest.secret))
    assert found.making() is Making.FALSE


def real_slot() -> tuple[DrillRecord, Tier1Header, SlotHeader, MadeDrill]:
    """Seal a slot of a conversation; return a drill record that is made of its parts."""
    drill = made()
    roster = LOG.book.rosters(POLICY, D, BEGIN)[0]
    tau = D * POLICY.clocks.slots_per_day
    group = (POLICY.digest, b"a group", 3, secret("a group's context"), 1, secret("credential"))
    tier1, keys = make_tier1(secret("S"), Tier1Header(*group, D, tau, roster.key_ids), roster)
    base = drill.record.slot_header(POLICY.clocks.slots_per_day, seat_key(0).public)
    header = SlotHeader(*group, seat_key(0).public, tau, tier1.digest, None, base.seen)
    seal = make_seal(secret("S"), header, roster.shape, keys)
    record = replace(drill.record, encs=encapsulation_digests(tier1.encs), seal=seal.encoded)
    return record, tier1.header, header, drill


def test_the_seal_of_a_conversation_is_no_drill() -> None:
    record, _, real, _ = real_slot()
    seal = decode_seal(record.seal)
    drilled = record.slot_header(POLICY.clocks.slots_per_day, seat_key(0).public)
    # The member's own signature, and one that its maker gives it as a drill.
    for header in (real, drilled):
        content = slot_signed_content(header.digest, seal.digest)
        signed = replace(record, signature=seat_key(0).sign(Label.SIGN_SLOT, content))
        with pytest.raises(GlasslockError) as caught:
            check_drill(POLICY, LOG.book, Logged(signed, 1, BEGIN))
        assert caught.value.slug == ("bad-signature" if header is real else "verification")
        assert caught.value.rule == ("slot.signature" if header is real else "slot.seal")


def test_the_rows_of_a_conversation_under_a_drills_header_open_nothing() -> None:
    """The most that a maker can take from a real seal: its rows and its encapsulations."""
    record, tier1_header, _, _ = real_slot()
    drilled = record.slot_header(POLICY.clocks.slots_per_day, seat_key(0).public)
    seal = replace(decode_seal(record.seal), slot=drilled.digest)
    signature = seat_key(0).sign(Label.SIGN_SLOT, slot_signed_content(drilled.digest, seal.digest))
    taken = replace(record, seal=seal.encoded, signature=signature)
    roster = LOG.book.rosters(POLICY, D, BEGIN)[0]
    tier1, _ = make_tier1(secret("S"), tier1_header, roster)
    found = Board()
    found.add(taken)
    encs = dict(zip(encapsulation_digests(tier1.encs), tier1.encs, strict=True))
    for seat in range(1, 5):
        with pytest.raises(VerificationError) as caught:
            share_of(found.drill, seat, encs)  # type: ignore[arg-type]
        assert caught.value.rule == "share.unreadable"


def rule(record: DrillRecord, time: int = BEGIN) -> str | None:
    with pytest.raises(VerificationError) as caught:
        check_drill(POLICY, LOG.book, Logged(record, 1, time))
    return caught.value.rule


def test_a_drill_keeps_to_its_dates() -> None:
    record = made().record
    assert rule(record, BY) == "drill.date"
    assert rule(record, BY - DAY // 24 + 1) == "drill.date"
    assert rule(made(by=BEGIN + 7 * DAY + 1).record) == "drill.date"
    assert rule(record, D * DAY - 1) == "drill.day"
    check_drill(POLICY, LOG.book, Logged(record, 1, BY - DAY // 24))


def test_a_drill_is_of_its_policy_its_keys_and_its_maker() -> None:
    record = made().record
    assert rule(replace(record, keyholder="keyholder-9")) == "drill.seat"  # type: ignore[arg-type]
    assert rule(replace(record, keyholder="keyholder-1")) == "slot.signature"  # type: ignore[arg-type]
    assert rule(replace(record, answer_by=record.answer_by + 1)) == "slot.signature"
    other = make_policy(((2, 2), (2, 4)))
    assert rule(replace(record, policy=other.digest)) == "slot.policy"
    roster = LOG.book.rosters(POLICY, D, BEGIN)[0]
    others = replace(roster, seats=(roster.seats[1], roster.seats[0], *roster.seats[2:]))
    swapped = make_drill(POLICY, others, 0, BY, FRESH, seat_key(0)).record
    assert rule(swapped) == "roster.stale"


def test_a_drill_that_is_written_again_changes_nothing() -> None:
    found, drill = board(), made()
    found.add(replace(drill.record, signature=bytes(64)), time=BEGIN + 5)
    assert [each.index for each in found.book.of(POLICY, LOG.book)] == [1_000]
    found.add(right(found, 1))
    found.add(drill.record, time=BEGIN + 9)
    assert (found.drill.index, found.states()[1]) == (1_000, "passed")


def test_two_drills_from_the_same_hand_have_nothing_in_common() -> None:
    one, other = made(), made(by=BY + 1)
    assert one.secret == other.secret
    assert one.record.context != other.record.context
    found = board(one)
    found.add(other.record, *other.parts)
    first, second = found.book.of(POLICY, LOG.book)
    share = share_of(first, 1, found.book.parts)
    found.add(answer(1, share, second.record.context))
    assert found.book.result(second, BEGIN).seats[1] is State.FAILED


def test_half_an_answer_is_none() -> None:
    found = board()
    whole = right(found, 1)
    with pytest.raises(WireError) as caught:
        decode_drill(encode_drill(replace(whole, blind=None)))
    assert caught.value.rule == "drill.half"
