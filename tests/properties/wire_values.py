"""Generated values of every structure on the wire, with decoder and encoder: one line each.

Knows how values look, not what they mean. A new decoder gets one line in ``TABLE``.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import strategies as st

from glasslock.ids import keyholder_id
from glasslock.wire import (
    api,
    carried,
    codec,
    contact,
    drill,
    entry,
    envelope,
    gap,
    leaf,
    manifest,
    notice,
    order,
    policy,
    preview,
    record,
    release,
    shard,
)
from glasslock.wire import credential as credentials
from glasslock.wire import seal as seals

Values = st.SearchStrategy[Any]


@dataclass(frozen=True)
class Case:
    """A decoder with the encoder that it must undo and values to try.

    ``one_spelling``: what decodes, encodes to the same bytes. ``cbor_at``: where CBOR begins.
    """

    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    values: Values
    one_spelling: bool = True
    cbor_at: Callable[[bytes], int] = lambda _: 0


def _encoded(value: Any) -> bytes:  # noqa: ANN401
    return bytes(value.encoded)


def _encode(value: Any) -> bytes:  # noqa: ANN401
    return bytes(value.encode())


def _document(value: Any) -> bytes:  # noqa: ANN401
    return bytes(value.document)


def _after_line(data: bytes) -> int:
    return data.find(b"\n") + 1


def _credential(value: tuple[str, bytes]) -> bytes:
    identity = codec.encode(value)
    size = len(identity)
    length = bytes([size]) if size < 64 else (size | 0x4000).to_bytes(2, "big")
    return b"\0\1" + length + identity


def built(cls: type, *parts: Values, **named: Values) -> Values:
    return st.builds(cls, *parts, **named)


def sized(*sizes: int) -> Values:
    return st.one_of(*(st.binary(min_size=size, max_size=size) for size in sizes))


# Big byte strings cost the generator much and say little: a digest spun out is as good.
def long(size: int) -> Values:
    return st.binary(min_size=1, max_size=8).map(lambda seed: (seed * size)[:size])


u32, u64 = st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1)
positive = st.integers(1, (1 << 64) - 1)
digests, signatures = sized(32), sized(64)
groups = st.binary(min_size=1, max_size=64)
texts = st.text(min_size=1, max_size=12)
_letters = "abcxyz0189"
names = st.text(_letters, min_size=1, max_size=30) | st.builds(
    "{}{}{}".format,
    st.sampled_from(_letters),
    st.text(_letters + "._-", max_size=62),
    st.sampled_from(_letters),
)
encs = long(1_120)


def per_seat(values: Values, most: int = 4) -> Values:
    return st.lists(st.none() | values, min_size=1, max_size=most).map(tuple)


def several(values: Values, least: int = 0, most: int = 3) -> Values:
    return st.lists(values, min_size=least, max_size=most).map(tuple)


# -- any CBOR value -------------------------------------------------------------------------
cbor_values = st.recursive(
    st.none() | u64 | st.binary(max_size=40) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=12,
)

# -- entries --------------------------------------------------------------------------------
receipt_leaves = built(
    entry.ReceiptLeaf, groups, u64, u64, digests, digests, st.none() | digests, st.none() | digests
)
receipts = st.tuples(st.integers(0, 1 << 19), st.integers(1, 1 << 19)).flatmap(
    lambda two: built(
        entry.Receipt,
        receipt_leaves,
        st.just(two[0]),
        st.just(two[0] + two[1]),
        digests,
        several(digests, most=20),
        signatures,
    )
)

# -- envelopes ------------------------------------------------------------------------------
closes = built(envelope.Close, u64, u32, st.integers(1, (1 << 32) - 1), digests)
slot_headers = built(
    envelope.SlotHeader,
    digests,
    groups,
    u64,
    digests,
    u32,
    digests,
    digests,
    u32,
    st.none() | digests,
    st.none() | closes,
    built(envelope.Seen, u64, digests),
)
openings = built(
    envelope.Opening,
    slot_headers.map(_encoded) | st.binary(max_size=1_024),
    st.none() | digests,
    st.none() | signatures,
    st.none() | st.binary(max_size=90),
)


def _message_headers(first: Values, size: Values) -> Values:
    return first.flatmap(
        lambda is_first: built(
            envelope.MessageHeader,
            digests,
            st.just(0) if is_first else st.integers(1, (1 << 32) - 1),
            sized(16),
            st.none() if is_first else digests,
            size,
        )
    )


def _with_opening(cls: type, small: bool) -> Values:  # noqa: FBT001
    sizes = st.integers(1, 300) if small else st.integers(1, envelope.MAX_PADDED)
    return _message_headers(st.booleans(), sizes).flatmap(
        lambda header: built(
            cls,
            st.just(header.encoded),
            long(32 + header.size + 16) if small else digests,
            openings if header.m == 0 else st.none(),
        )
    )


# -- seals ----------------------------------------------------------------------------------
tier1_headers = built(
    seals.Tier1Header, digests, groups, u64, digests, u32, digests, u32, u32, per_seat(digests, 32)
)
seal_values = built(
    seals.Seal, digests, digests, per_seat(built(seals.SealedShare, sized(48), digests), 12)
)
uploads = built(seals.SealUpload, seal_values.map(_encoded), st.none() | per_seat(encs))

# -- policies -------------------------------------------------------------------------------
clocks = st.integers(1, 1 << 20).flatmap(
    lambda seconds: built(
        policy.Clocks,
        st.just(seconds),
        st.integers(1, 1_440),
        st.integers(0, 3 * seconds),
        st.integers(1, 3_650),
        st.integers(1, 600),
    )
)
limits = built(policy.Limits, *[u32] * 10)
shapes = several(
    st.integers(0, 3).flatmap(lambda more: st.tuples(st.just(2), st.just(2 + more))), 2
)


def _access(shape: tuple[tuple[int, int], ...], salt: bytes) -> Values:
    classes, number = [], 0
    for threshold, count in shape:
        seats = []
        for _ in range(count):
            key = (bytes([number]) + salt).ljust(32, b"\1")[:32]
            seats.append(policy.Seat(keyholder_id(f"holder-{number}"), f"Person {number}", key))
            number += 1
        classes.append(policy.KeyholderClass(f"class {len(classes)}", threshold, tuple(seats)))
    registry = digests.map(lambda key: b"\xff" + key[1:])
    return built(policy.Access, st.just(tuple(classes)), registry, texts, texts, texts, limits)


accesses = st.tuples(shapes, st.binary(max_size=31)).flatmap(lambda two: _access(*two))
policies = built(policy.Policy, texts, texts, digests, clocks, st.none() | accesses)


def _signed(value: policy.Policy) -> Values:
    seats = 0 if value.access is None else len(value.access.seats)
    return built(policy.SignedPolicy, st.just(value), several(signatures, seats, seats))


signed_policies = policies.flatmap(_signed)
extensions = built(policy.PolicyExtension, digests, u64, st.booleans())

# -- policy log -----------------------------------------------------------------------------
holders = names.map(keyholder_id)
period_keys = st.tuples(st.integers(0, (1 << 32) - 8), st.integers(0, 6)).flatmap(
    lambda two: built(
        record.PeriodKeyRecord,
        holders,
        st.just(two[0]),
        st.just(two[0] + two[1]),
        long(1_216),
        signatures,
    )
)


def _proof_record(step: str, data: Values) -> Values:
    return built(record.ProofRecord, st.just(step), digests, holders, data, signatures)


def _authority_record(role: str) -> Values:
    key = digests if role in (record.ISSUING, record.COUNTERSIGNER) else long(1_216)
    return built(
        record.AuthorityRecord,
        texts,
        st.just(role),
        texts,
        texts,
        key,
        u64,
        u64,
        digests,
        signatures,
    )


records = st.one_of(
    built(record.PolicyRecord, signed_policies),
    period_keys,
    _proof_record("challenge", encs),
    _proof_record("answer", digests),
    _proof_record("reveal", signatures),
    built(
        record.EndRecord,
        st.sampled_from(("revoked", "destroyed")),
        digests,
        holders,
        u64,
        signatures,
    ),
    *(_authority_record(role) for role in record.ROLES),
)

seat_digests = several(st.one_of(st.none(), digests), 1, 6)
drills = st.one_of(
    built(
        drill.DrillRecord,
        digests,
        holders,
        digests,
        u32,
        u64,
        seat_digests,
        seat_digests,
        st.binary(min_size=1, max_size=90),
        signatures,
    ),
    built(drill.DrillPart, digests, encs),
    built(drill.DrillAnswer, digests, holders, digests, digests, signatures),
    built(drill.DrillAnswer, digests, holders, st.none(), st.none(), signatures),
    built(drill.DrillSecret, digests, digests, signatures),
)

# -- orders ---------------------------------------------------------------------------------


def _spans(steps: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    out, at = [], 0
    for free, length in steps:
        out.append((at + free, at + free + length))
        at += free + length + 2
    return tuple(out)


spans = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.integers(0, 1 << 20)), min_size=1, max_size=4
)
grants = st.lists(names, min_size=2, max_size=2, unique=True).flatmap(
    lambda two: built(
        order.Grant,
        groups,
        st.just(two[0]),
        spans.map(_spans),
        st.none() | st.just(two[1]),
    )
)
orders = built(
    order.Order,
    texts,
    *[digests] * 5,
    texts,
    texts,
    *[u64] * 4,
    several(grants, 1),
)
issued_orders = built(order.IssuedOrder, orders.map(_document), signatures, signatures)
opened_fields = built(notice.Field, texts, st.binary(min_size=1, max_size=60), digests)
field_lists = several(opened_fields | digests, 1)
passes = st.tuples(u64, signatures)
methods = st.sampled_from([gap.GET, gap.POST])
errands = built(gap.Errand, texts, methods, texts, st.binary(max_size=60), several(passes, 0, 2))
positions = built(gap.Position, texts, st.binary(max_size=60), several(digests, 0, 3))
errand_files = built(
    gap.Errands,
    sized(16),
    digests,
    texts,
    several(positions, 2, 2),
    several(st.tuples(texts, texts), 0, 2),
    several(errands, 0, 2),
)
answers = built(gap.Answered, texts, methods, texts, digests, st.none() | st.binary(max_size=60))
carried_files = built(
    gap.Carried,
    sized(16),
    several(answers, 0, 3).filter(
        lambda all_: len({(a.place, a.method, a.path, a.asked) for a in all_}) == len(all_)
    ),
)
contact_keys = built(contact.ContactKey, digests, digests, digests)
letters = built(notice.Letter, texts, u64, field_lists)
seat_numbers = st.integers(0, 31)
class_rows = st.dictionaries(texts, st.tuples(u32, u32), max_size=3).map(
    lambda rows: tuple((name, *rows[name]) for name in sorted(rows))
)
signed_parts = st.one_of(
    built(leaf.OrderLeaf, digests, texts, texts, texts, st.integers(0, 3), st.integers(0, 3), u64),
    built(leaf.IntentLeaf, u64, seat_numbers, digests),
    built(leaf.DoneLeaf, u64, seat_numbers, digests, u32),
    built(leaf.RefusalLeaf, u64, st.none(), texts, texts),
    built(leaf.RefusalLeaf, u64, seat_numbers, texts, texts, sized(16)),
    built(leaf.ReportLeaf, u64, u32, u32, digests),
    built(leaf.IngestLeaf, u32, u64, st.integers(1, (1 << 32) - 1), digests),
    built(leaf.UnauthenticatedLeaf, u32, st.integers(1, (1 << 32) - 1)),
    built(leaf.ExtendLeaf, u64, st.integers(1, (1 << 32) - 1), u64, texts, digests, signatures),
    built(leaf.CloseLeaf, u64, st.sampled_from(leaf.OUTCOMES)),
    st.lists(u64, min_size=2, max_size=2, unique=True).flatmap(
        lambda ends: built(
            leaf.CountsLeaf, u32, st.just(min(ends)), st.just(max(ends)), class_rows, u32
        )
    ),
    built(leaf.RemovalLeaf, u32, texts, st.integers(0, 3), st.integers(1, (1 << 32) - 1)),
)
leaves = built(leaf.SignedLeaf, signed_parts, digests, signatures) | built(
    leaf.DisclosureLeaf, u64, field_lists
)
released = built(release.ReleasedSlot, digests, digests, sized(80), sized(48))
releases = built(
    release.Release,
    digests,
    seat_numbers,
    long(1_168),
    long(1_168),
    several(released, 1),
    signatures,
)

previews = built(preview.Preview, digests, u64, built(preview.Numbers, *[u32] * 7), signatures)

# -- manifests ------------------------------------------------------------------------------
head_proofs = built(
    manifest.HeadProof,
    u32,
    st.integers(0, 1 << 20),
    st.integers(1, 1 << 20),
    digests,
    positive,
    digests,
    several(digests, most=20),
)
listed = built(
    manifest.ListedEntry, u64, st.sampled_from(["handshake", "envelope", "tombstone"]), digests
)
lines = built(manifest.GroupLine, groups, st.none() | head_proofs, several(listed, 1), head_proofs)
device_lines = built(
    manifest.DeviceLine,
    names,
    sized(16),
    st.none() | head_proofs,
    several(digests, 1),
    head_proofs,
)
kept_tier1s = built(
    manifest.KeptTier1,
    tier1_headers.map(_encoded),
    per_seat(encs, 2),
    st.binary(min_size=1, max_size=60),
)
manifests = several(kept_tier1s, 1, 2).flatmap(
    lambda tier1s: built(
        manifest.Manifest,
        digests,
        several(lines, 1, 2),
        several(device_lines, 0, 2),
        st.just(tier1s),
        several(
            built(
                manifest.KeptSlot,
                groups,
                positive,
                _with_opening(envelope.Tombstone, small=False).map(_encode),
                seal_values.map(_encoded),
                st.integers(0, len(tier1s) - 1),
            ),
            0,
            2,
        ),
        several(
            built(manifest.NextSlot, groups, positive, st.binary(min_size=1, max_size=60)), 0, 2
        ),
    )
)


places = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
shard_leaves = st.one_of(
    built(shard.ShardEnd, texts, several(texts, 1), places),
    built(shard.Genesis, positive, texts, st.binary(min_size=1, max_size=60)),
)


# -- frames, from their annotations -----------------------------------------------------------
def typed(kind: Any) -> Values:  # noqa: ANN401
    """Values of a frame field's type."""
    plain = {int: st.integers(-(1 << 63), (1 << 64) - 1), str: texts, bytes: st.binary(max_size=40)}
    if kind is type(None):
        return st.none()
    if kind == api.Count:
        return st.integers(0, (1 << 63) - 1)
    if kind in plain:
        return plain[kind]
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return st.one_of(*(typed(each) for each in typing.get_args(kind)))
    if typing.get_origin(kind) is list:
        return st.lists(typed(*typing.get_args(kind)), max_size=3)
    hints = typing.get_type_hints(kind, include_extras=True)
    return built(kind, **{f.name: typed(hints[f.name]) for f in msgspec.structs.fields(kind)})


def _named(*cases: Case) -> dict[str, Case]:
    return {case.decode.__name__: case for case in cases}


TABLE: dict[str, Case] = _named(
    Case(codec.decode, codec.encode, cbor_values),
    Case(api.decode_device_frame, api.encode_frame, typed(api.DeviceFrame), one_spelling=False),
    Case(api.decode_provider_frame, api.encode_frame, typed(api.ProviderFrame), one_spelling=False),
    Case(
        carried.decode_carried,
        carried.encode_carried,
        several(st.binary(min_size=1, max_size=254), most=carried.MAX_CARRIED),
    ),
    Case(credentials.decode_credential, _credential, st.tuples(names, sized(16))),
    Case(entry.decode_receipt_leaf, _encode, receipt_leaves),
    Case(entry.decode_receipt, _encode, receipts),
    Case(drill.decode_drill, drill.encode_drill, drills, cbor_at=_after_line),
    Case(envelope.decode_slot_header, _encoded, slot_headers),
    Case(
        envelope.decode_message_header,
        _encoded,
        _message_headers(st.booleans(), st.integers(1, envelope.MAX_PADDED)),
    ),
    Case(envelope.decode_envelope, _encode, _with_opening(envelope.Envelope, small=True)),
    Case(envelope.decode_tombstone, _encode, _with_opening(envelope.Tombstone, small=False)),
    Case(leaf.decode_leaf, leaf.encode_leaf, leaves, cbor_at=_after_line),
    Case(manifest.decode_manifest, _encoded, manifests),
    Case(gap.decode_errands, _encode, errand_files, cbor_at=_after_line),
    Case(gap.decode_carried, _encode, carried_files, cbor_at=_after_line),
    Case(contact.decode_contact, _encode, contact_keys),
    Case(notice.decode_letter, _encode, letters),
    Case(order.decode_order, _document, orders),
    Case(order.decode_issued_order, _encode, issued_orders),
    Case(policy.decode_policy, _document, policies),
    Case(policy.decode_signed_policy, _encode, signed_policies),
    Case(policy.decode_policy_extension, _encode, extensions),
    Case(record.decode_record, record.encode_record, records, cbor_at=_after_line),
    Case(preview.decode_preview, _encode, previews),
    Case(release.decode_release, _encode, releases),
    Case(seals.decode_tier1_header, _encoded, tier1_headers),
    Case(seals.decode_seal, _encoded, seal_values),
    Case(seals.decode_seal_upload, _encode, uploads),
    Case(shard.decode_shard_leaf, _encode, shard_leaves, cbor_at=_after_line),
)
