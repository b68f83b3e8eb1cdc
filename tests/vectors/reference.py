"""The inputs of section 9's table, and its values computed by the product and by the oracle."""

from __future__ import annotations

from glasslock import _core
from glasslock.sealing import body, seal, slots
from glasslock.sealing.roster import DayRoster, SeatKey
from glasslock.wire.digest import derive, digest
from glasslock.wire.envelope import Close, Envelope, MessageHeader, Seen, SlotHeader
from glasslock.wire.labels import Label
from glasslock.wire.record import period_key_id
from glasslock.wire.seal import Tier1Header
from tests.vectors.oracle import bodies, seals, xwing
from tests.vectors.oracle import slots as own_slots
from tests.vectors.oracle.cbor import decode, encode
from tests.vectors.oracle.digests import h, kdf

R = bytes(range(0x30))
GROUP, EPOCH, LEAF = b"group one", 7, 3
POLICY, CONTEXT, CREDENTIAL = b"example policy", b"example group context", b"example credential"
SHAPE = ((2, 3), (3, 5))
SEEDS = [bytes([0x10 + j]) * 32 for j in range(8)]
DAYS = (20_553, 20_559)
FIRST, TAU = 1_973_128, 1_973_131
SIGNER, LAST, HEAD = bytes([0x20]) * 32, bytes([0x30]) * 32, bytes([0x31]) * 32
M, CONTENT, SIGNATURE = 5, b"hello", bytes([0x40]) * 64
FRESH, PREVIOUS = bytes([0x50]) * 32, bytes([0x60]) * 32

Values = dict[str, bytes]


def product_values() -> Values:
    policy = digest(Label.POLICY, POLICY)
    context = digest(Label.GROUP_CONTEXT, CONTEXT)
    credential = digest(Label.CREDENTIAL, CREDENTIAL)
    root = slots.root_secret(R, policy, GROUP, EPOCH, context)
    tree = slots.SlotTree.from_root(root)
    s_first, s = (slots.leaf_secret(tree.use(t)[0], LEAF, credential) for t in (FIRST, TAU))
    publics = [_core.xwing_public_key(seed) for seed in SEEDS]
    keys = [
        SeatKey(period_key_id(f"keyholder-{j}", *DAYS, public), public)
        for j, public in enumerate(publics)
    ]
    roster = DayRoster(policy, DAYS[0], SHAPE, tuple(keys))
    place = (policy, GROUP, EPOCH, context, LEAF, credential)
    tier1_header = Tier1Header(*place, DAYS[0], FIRST, roster.key_ids)
    tier1, first = seal.make_tier1(s_first, tier1_header, roster)
    close, seen = Close(EPOCH, FIRST, 2, LAST), Seen(41, HEAD)
    header = SlotHeader(*place, SIGNER, TAU, tier1.digest, close, seen)
    w = slots.slot_key(s, header.digest)
    chain = slots.chain_start(w)
    for m in range(M + 1):
        key, chain = slots.chain_step(chain, m)
    sealed = seal.make_seal(s, header, SHAPE, first.at(TAU))
    shares = seal._shares(s, w, header.digest, SHAPE)
    salt = body.make_salt(key, FRESH, CONTENT)
    size = body.padded_size(body.text_size(CONTENT))
    message = MessageHeader(header.digest, M, salt, PREVIOUS, size)
    envelope = Envelope(message.encoded, body.seal_body(key, message, CONTENT, SIGNATURE))
    seat_keys = first.keys[0], first.at(TAU).keys[7]
    assert seat_keys[0] is not None
    assert seat_keys[1] is not None
    return {
        "root": root,
        "S(3, 1973128)": s_first,
        "S(3, 1973131)": s,
        "key id 0": keys[0].key_id,
        "H1": tier1_header.digest,
        "coins, seat 0": derive(
            s_first, Label.COINS, tier1_header.digest, 0, keys[0].key_id, length=64
        ),
        "K(0, first)": seat_keys[0],
        "K(7, +3)": seat_keys[1],
        "tier1": tier1.digest,
        "Hh": header.digest,
        "W": w,
        "commitment": sealed.commitment,
        "share 0": shares[0],
        "share 7": shares[7],
        "seal_digest": sealed.digest,
        "k_5": key,
        "salt": salt,
        'H("sealed body")': envelope.tombstone().body_digest,
        "D": envelope.digest,
    }


def oracle_values() -> Values:
    policy, context = h("policy", POLICY), h("group context", CONTEXT)
    credential = h("credential", CREDENTIAL)
    root = own_slots.root(R, policy, GROUP, EPOCH, context)
    s_first, s = (
        own_slots.leaf_secret(own_slots.node_at(root, tau), LEAF, credential)
        for tau in (FIRST, TAU)
    )
    publics = [xwing.public_key(seed) for seed in SEEDS]
    ids = [seals.key_id(f"keyholder-{j}", *DAYS, public) for j, public in enumerate(publics)]
    place = [policy, GROUP, EPOCH, context, LEAF, credential]
    header1 = encode([*place, DAYS[0], FIRST, ids])
    encs, keys = seals.tier1(s_first, header1, list(publics))
    tier1 = seals.tier1_digest(h("tier 1 header", header1), encs)
    close, seen = [EPOCH, FIRST, 2, LAST], [41, HEAD]
    hh = own_slots.header_digest(encode([*place, SIGNER, TAU, tier1, close, seen]))
    w = own_slots.slot_key(s, hh)
    later = [seals.stepped(key, TAU - FIRST) for key in keys if key is not None]
    sealed = seals.seal(s, hh, SHAPE, list(later))
    shares = seals.shares(s, hh, SHAPE)
    key = own_slots.message_key(w, M)
    salt = bodies.salt(key, FRESH, CONTENT)
    message = bodies.message_header(hh, M, salt, PREVIOUS, len(bodies.text(CONTENT, SIGNATURE)))
    data = bodies.body(key, message, CONTENT, SIGNATURE)
    assert keys[0] is not None
    h1 = h("tier 1 header", header1)
    return {
        "root": root,
        "S(3, 1973128)": s_first,
        "S(3, 1973131)": s,
        "key id 0": ids[0],
        "H1": h1,
        "coins, seat 0": kdf(s_first, "coins", h1, 0, ids[0], length=64),
        "K(0, first)": keys[0],
        "K(7, +3)": later[7],
        "tier1": tier1,
        "Hh": hh,
        "W": w,
        "commitment": decode(sealed)[1],
        "share 0": shares[0],
        "share 7": shares[7],
        "seal_digest": seals.seal_digest(sealed),
        "k_5": key,
        "salt": salt,
        'H("sealed body")': h("sealed body", data),
        "D": bodies.envelope_digest(message, data),
    }
