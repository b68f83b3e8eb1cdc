"""Random slots as plain data, and what the product and the oracle make of each, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from glasslock import _core
from glasslock.ids import keyholder_id
from glasslock.sealing import body, seal, shares, slots
from glasslock.sealing.roster import DayRoster, SeatKey
from glasslock.signing import SigningKey
from glasslock.wire.digest import digest
from glasslock.wire.entry import Head
from glasslock.wire.envelope import Close, Envelope, Opening, Seen, SlotHeader
from glasslock.wire.labels import Label
from glasslock.wire.policy import Access, Clocks, KeyholderClass, Limits, Policy, Seat
from glasslock.wire.record import period_key_id
from glasslock.wire.seal import Tier1Header, encapsulation_digests
from tests.vectors.oracle import bodies, seals, streams, xwing
from tests.vectors.oracle import slots as own_slots
from tests.vectors.oracle.cbor import decode, encode
from tests.vectors.oracle.digests import h, public_key, sign

POOL = [bytes([n]) * 32 for n in range(40)]
TAUS = (0, 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
LENGTHS = (0, 1, 23, 24, 180, 181, 182, 183, 255, 256, 900, 4_000)

Values = dict[str, bytes]


@dataclass(frozen=True)
class Inputs:
    """Everything that goes into one slot and one message of it."""

    exported: bytes
    group_id: bytes
    epoch: int
    context: bytes
    leaf: int
    credential: bytes
    sender: bytes
    shape: tuple[tuple[int, int], ...]
    signing_keys: tuple[bytes, ...]
    per_day: int
    first: int
    tau: int
    low: int
    seeds: tuple[bytes | None, ...]
    close: tuple[int, int, int, bytes] | None
    seen: tuple[int, bytes]
    m: int
    content: bytes
    carried: bytes | None
    fresh: bytes
    previous: bytes
    line: tuple[int, int, bytes]
    quorum: tuple[int, ...]

    @property
    def day(self) -> int:
        return self.tau // self.per_day

    @property
    def days(self) -> tuple[int, int]:
        """The days that every period key serves."""
        return max(0, self.day - 2), max(0, self.day - 2) + 6


def _shape(chance: Random) -> tuple[tuple[int, int], ...]:
    out = []
    for _ in range(chance.choice((2, 2, 2, 2, 3, 4))):
        threshold = chance.choice((2, 2, 2, 3, 3, 4))
        out.append((threshold, threshold + chance.choice((0, 0, 1, 1, 2))))
    return tuple(out)


def _seats(
    chance: Random, shape: tuple[tuple[int, int], ...]
) -> tuple[tuple[bytes | None, ...], tuple[int, ...]]:
    """Seeds per seat, some seats vacant, and one smallest quorum of those that are filled."""
    filled: list[bytes | None] = list(chance.sample(POOL, sum(n for _, n in shape)))
    quorum: list[int] = []
    first = 0
    for threshold, count in shape:
        vacant = chance.sample(range(first, first + count), chance.randint(0, count - threshold))
        for seat in vacant:
            filled[seat] = None
        rest = [seat for seat in range(first, first + count) if seat not in vacant]
        quorum += chance.sample(rest, threshold)
        first += count
    return tuple(filled), tuple(quorum)


def draw(number: int) -> Inputs:
    """Return the inputs of random slot ``number``: the same on every run."""
    chance = Random(f"slot {number}")
    shape = _shape(chance)
    seeds, quorum = _seats(chance, shape)
    per_day = chance.choice((1, 2, 24, 96, 96, 1_440))
    tau = chance.choice((*TAUS, *(chance.getrandbits(32) for _ in range(20))))
    first = max(tau // per_day * per_day, tau - chance.choice((0, 0, 1, 2, 7, 30)))
    close = (chance.getrandbits(64), chance.getrandbits(32), 1 + chance.getrandbits(20))
    return Inputs(
        exported=chance.randbytes(chance.choice((32, 48))),
        group_id=chance.randbytes(chance.randint(1, 64)),
        epoch=chance.choice((0, 23, 24, chance.getrandbits(64))),
        context=chance.randbytes(60),
        leaf=chance.choice((0, 249, chance.getrandbits(32))),
        credential=chance.randbytes(40),
        sender=chance.randbytes(32),
        shape=shape,
        signing_keys=tuple(chance.randbytes(32) for _ in seeds),
        per_day=per_day,
        first=first,
        tau=tau,
        low=chance.choice((0, first, max(0, first - 1), chance.randint(0, first))),
        seeds=seeds,
        close=None if chance.random() < 0.3 else (*close, chance.randbytes(32)),
        seen=(chance.getrandbits(64), chance.randbytes(32)),
        m=chance.choice((0, 0, 0, 1, 5, 40)),
        content=chance.randbytes(chance.choice((*LENGTHS, chance.randint(0, 2_000)))),
        carried=chance.choice((None, chance.randbytes(1_024))),
        fresh=chance.randbytes(32),
        previous=chance.randbytes(32),
        line=(chance.getrandbits(40), chance.getrandbits(33), chance.randbytes(32)),
        quorum=quorum,
    )


def _policy(given: Inputs) -> Policy:
    classes, number = [], 0
    for c, (threshold, count) in enumerate(given.shape):
        seats = []
        for _ in range(count):
            key = given.signing_keys[number]
            seats.append(Seat(keyholder_id(f"keyholder-{number}"), f"Person {number}", key))
            number += 1
        classes.append(KeyholderClass(f"class {c}", threshold, tuple(seats)))
    access = Access(tuple(classes), bytes(32), "quorum 1", "log.test/p", "log.test/o", Limits())
    return Policy("random", "family", bytes(32), Clocks(slots_per_day=given.per_day), access)


def by_product(given: Inputs) -> Values:
    policy = _policy(given)
    context = digest(Label.GROUP_CONTEXT, given.context)
    credential = digest(Label.CREDENTIAL, given.credential)
    root = slots.root_secret(given.exported, policy.digest, given.group_id, given.epoch, context)
    tree = slots.SlotTree.from_root(root).advance(given.low)
    t_first, rest = tree.use(given.first)
    t = t_first if given.tau == given.first else rest.advance(given.first).use(given.tau)[0]
    s_first, s = (slots.leaf_secret(node, given.leaf, credential) for node in (t_first, t))
    seats = [
        None if seed is None else _seat_key(f"keyholder-{j}", given.days, seed)
        for j, seed in enumerate(given.seeds)
    ]
    roster = DayRoster(policy.digest, given.day, given.shape, tuple(seats))
    place = (policy.digest, given.group_id, given.epoch, context, given.leaf, credential)
    tier1, first = seal.make_tier1(
        s_first, Tier1Header(*place, given.day, given.first, roster.key_ids), roster
    )
    sender = SigningKey.from_seed(given.sender)
    close = None if given.close is None else Close(*given.close)
    header = SlotHeader(*place, sender.public, given.tau, tier1.digest, close, Seen(*given.seen))
    sealed = seal.make_seal(s, header, given.shape, first.at(given.tau))
    content = shares.slot_signed_content(header.digest, sealed.digest)
    signature = sender.sign(Label.SIGN_SLOT, content)
    facts = shares.SlotFacts(
        header.encoded,
        sealed.digest,
        signature,
        sealed.encoded,
        tier1.header.encoded,
        encapsulation_digests(tier1.encs),
    )
    slot = shares.verify_slot(facts, policy)
    opened = {}
    for j in given.quorum:
        seat, seed, enc = roster.seats[j], given.seeds[j], tier1.encs[j]
        assert seat is not None
        assert seed is not None
        assert enc is not None
        opened[j] = shares.open_share(slot, shares.open_seat(slot, j, seed, seat.key_id, enc))
    w = shares.combine(slot, opened)
    assert w == slots.slot_key(s, header.digest)
    opening = Opening(header.encoded, sealed.digest, signature, tier1.header.encoded)
    return {
        "policy": policy.digest,
        "root": root,
        "S": s,
        "tier 1 header": tier1.header.encoded,
        "encs": b"".join(enc for enc in tier1.encs if enc is not None),
        "tier1": tier1.digest,
        "slot header": header.encoded,
        "seal": sealed.encoded,
        "slot signature": signature,
        "W": w,
        "shares": b"".join(opened[j].share for j in given.quorum),
        **_message_by_product(given, w, header.digest, opening),
    }


def _seat_key(keyholder: str, days: tuple[int, int], seed: bytes) -> SeatKey:
    public = _core.xwing_public_key(seed)
    return SeatKey(period_key_id(keyholder, *days, public), public)


def _message_by_product(given: Inputs, w: bytes, slot: bytes, opening: Opening) -> Values:
    chain = slots.chain_start(w)
    for m in range(given.m + 1):
        key, chain = slots.chain_step(chain, m)
    sender = SigningKey.from_seed(given.sender)
    place = (slot, given.m, given.previous if given.m else None)
    carried = None if given.m else given.carried
    message, data = body.make_message(key, place, given.content, given.fresh, sender.sign, carried)
    opened = body.open_body(key, message, data, sender.public)
    assert (opened.content, opened.carried) == (given.content, carried)
    envelope = Envelope(message.encoded, data, None if given.m else opening)
    position, time, before = given.line
    return {
        "key": key,
        "message header": message.encoded,
        "body": data,
        "D": envelope.digest,
        "envelope": envelope.encode(),
        "head": Head(position, time, before).next(time + 1, envelope.digest).head,
    }


def by_oracle(given: Inputs) -> Values:
    policy, context = h("policy", _own_policy(given)), h("group context", given.context)
    credential = h("credential", given.credential)
    root = own_slots.root(given.exported, policy, given.group_id, given.epoch, context)
    s_first, s = (
        own_slots.leaf_secret(own_slots.node_at(root, tau), given.leaf, credential)
        for tau in (given.first, given.tau)
    )
    publics = [None if seed is None else xwing.public_key(seed) for seed in given.seeds]
    ids = [
        None if public is None else seals.key_id(f"keyholder-{j}", *given.days, public)
        for j, public in enumerate(publics)
    ]
    place = [policy, given.group_id, given.epoch, context, given.leaf, credential]
    header1 = encode([*place, given.day, given.first, ids])
    encs, keys = seals.tier1(s_first, header1, publics)
    tier1 = seals.tier1_digest(h("tier 1 header", header1), encs)
    signer = public_key(given.sender)
    header = encode([*place, signer, given.tau, tier1, given.close, given.seen])
    hh, steps = own_slots.header_digest(header), given.tau - given.first
    sealed = seals.seal(s, hh, given.shape, [k and seals.stepped(k, steps) for k in keys])
    digest_ = seals.seal_digest(sealed)
    signature = sign(given.sender, "slot", seals.slot_content(hh, digest_))
    seals.check(
        header,
        sealed,
        header1,
        encs,
        seal_digest=digest_,
        signature=signature,
        policy=policy,
        shape=given.shape,
        slots_per_day=given.per_day,
    )
    opened = {}
    for j in given.quorum:
        seed, enc = given.seeds[j], encs[j]
        assert seed is not None
        assert enc is not None
        key = seals.stepped(seals.unseal(seed, header1, j, enc), steps)
        opened[j] = seals.open_share(sealed, j, key)
    w = seals.combine(given.shape, opened)
    assert seals.commitment(w, hh) == decode(sealed)[1]
    opening = [header, digest_, signature, header1]
    return {
        "policy": policy,
        "root": root,
        "S": s,
        "tier 1 header": header1,
        "encs": b"".join(enc for enc in encs if enc is not None),
        "tier1": tier1,
        "slot header": header,
        "seal": sealed,
        "slot signature": signature,
        "W": w,
        "shares": b"".join(opened[j] for j in given.quorum),
        **_message_by_oracle(given, w, hh, opening),
    }


def _own_policy(given: Inputs) -> bytes:
    numbers = iter(range(len(given.seeds)))
    classes = [
        [
            f"class {c}",
            threshold,
            [
                [f"keyholder-{j}", f"Person {j}", given.signing_keys[j]]
                for j in (next(numbers) for _ in range(count))
            ],
        ]
        for c, (threshold, count) in enumerate(given.shape)
    ]
    day = 86_400
    limits = [64, 16, 5_000, 90 * day, 100, 0, 540 * day, day, 3_600, 30]
    access = [classes, bytes(32), "quorum 1", "log.test/p", "log.test/o", limits]
    clocks = [900, given.per_day, 120, 30, 600]
    return encode([1, "random", "family", bytes(32), clocks, access])


def _message_by_oracle(given: Inputs, w: bytes, hh: bytes, opening: list[bytes]) -> Values:
    key = own_slots.message_key(w, given.m)
    carried = None if given.m else given.carried
    salt = bodies.salt(key, given.fresh, given.content, carried)
    length = len(bodies.text(given.content, bytes(64), carried))
    previous = given.previous if given.m else None
    message = bodies.message_header(hh, given.m, salt, previous, length)
    signed = bodies.message_content(message, given.content, carried)
    signature = sign(given.sender, "message", signed)
    data = bodies.body(key, message, given.content, signature, carried)
    signer = public_key(given.sender)
    assert bodies.open_body(key, message, data, signer) == given.content
    own_opening = None if given.m else opening
    d = bodies.envelope_digest(message, data, own_opening)
    position, time, before = given.line
    return {
        "key": key,
        "message header": message,
        "body": data,
        "D": d,
        "envelope": encode([message, data, own_opening]),
        "head": streams.step(before, position + 1, time + 1, d),
    }
