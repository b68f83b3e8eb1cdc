"""What a manifest must hold, a second time (sections 4 and 5, A.7 and A.8); knows no log.

Everything is plain lists in the protocol's order; ingest roots come as they stand in the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tests.vectors.oracle import seals, slots, streams
from tests.vectors.oracle.bodies import tombstone_digest
from tests.vectors.oracle.cbor import Invalid, Item, decode, encode
from tests.vectors.oracle.digests import h, verify

DEVICE_START = bytes(32)


def need(holds: bool, what: str) -> None:  # noqa: FBT001
    if not holds:
        raise Invalid(what)


def root_of(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes:
    """The root that an inclusion path leads to (RFC 9162 2.1.3.2)."""
    need(index < count, "an index outside its tree")
    fn, sn, node = index, count - 1, hashlib.sha256(b"\0" + leaf).digest()
    for step in path:
        need(sn > 0, "a path that is too long")
        if fn & 1 or fn == sn:
            node = hashlib.sha256(b"\1" + step + node).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = hashlib.sha256(b"\1" + node + step).digest()
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "a path that is too short")
    return node


def check_proof(proof: Item, roots: Item) -> None:
    interval, index, count, blind, position, head, path = proof
    logged = {each[0]: each for each in roots}
    need(interval in logged and logged[interval][2] == count, "an interval that was not logged")
    leaf = h("ingest", blind, position, head)
    need(root_of(leaf, index, count, path) == logged[interval][3], "a head that is not proven")


def check_line(line: Item) -> None:
    group_id, before, entries, after = line
    position, head, last = 0, streams.start(group_id), 0
    if before is not None:
        position, head = before[4], before[5]
    for time, _, d in entries:
        need(time >= last, "time that runs back")
        position, last = position + 1, time
        head = streams.step(head, position, time, d)
    need([position, head] == after[4:6], "a line that does not lead to its head")


def check_device(line: Item) -> None:
    _, _, before, entries, after = line
    q, head = (0, DEVICE_START) if before is None else (before[4], before[5])
    for d in entries:
        q, head = q + 1, streams.device_next(head, q + 1, d)
    need([q, head] == after[4:6], "a device's line that is not whole")


def identity(credential: bytes) -> Item:
    """[account, device] of a basic credential whose identity is under 64 bytes."""
    need(credential[:2] == b"\0\1" and credential[2] == len(credential) - 3, "a credential")
    return decode(credential[3:])


def opening_of(tombstone: bytes) -> tuple[Item, bytes, Item]:
    """(slot header, D, opening) of a tombstone that opens a slot."""
    header, body, opening = decode(tombstone)
    need(opening is not None, "a slot without its opening")
    need(slots.header_digest(opening[0]) == decode(header)[0], "an opening of another slot")
    return decode(opening[0]), tombstone_digest(header, body, opening), opening


def listed(manifest: Item, group_id: bytes, position: int, d: bytes) -> None:
    """What opens a slot stands in the line that was fixed before the order."""
    for line in manifest[1]:
        first = 1 if line[1] is None else line[1][4] + 1
        if line[0] == group_id and 0 <= position - first < len(line[2]):
            _, kind, digest = line[2][position - first]
            need(kind != "handshake" and digest == d, "an entry that was not stored")
            return
    raise Invalid("an entry outside its line")


def check_slot(kept: Item, manifest: Item, order: Item, policy: Item) -> list[Item]:
    """[account, device, tau, position] of a granted slot, seal and all."""
    group_id, position, first, seal, number = kept
    need(number < len(manifest[3]), "a tier 1 that is not there")
    tier1_header, encs, credential = manifest[3][number]
    header, d, opening = opening_of(first)
    listed(manifest, group_id, position, d)
    need(header[:2] == [order[2], group_id], "a slot of another policy or group")
    need(header[5] == h("credential", credential), "a slot of another credential")
    account, device = identity(credential)
    granted = any(
        grant[:2] == [group_id, account] and any(a <= header[7] <= b for a, b in grant[4])
        for grant in order[13]
    )
    need(granted, "a slot that is not granted")
    owned = [line for line in manifest[2] if line[:2] == [account, device]]
    need(len(owned) == 1 and d in owned[0][3], "a device's line that is short")
    seals.check(
        opening[0],
        seal,
        tier1_header,
        encs,
        seal_digest=opening[1],
        signature=opening[2],
        policy=order[2],
        shape=[(threshold, len(seats)) for _, threshold, seats in policy[5][0]],
        slots_per_day=policy[4][1],
    )
    return [account, device, header[7], position]


def check_authorities(order: Item, issued: Item, entries: list[bytes], policy: Item) -> None:
    """Who signed: four records of the registry key, named by digest, and two signatures."""
    known = {}
    for entry in entries:
        part, signature = decode(entry.partition(b"\n")[2])
        if verify(policy[5][1], "log record", part, signature):
            known[h("log entry", entry)] = decode(part)
    roles = ("issuing", "countersigner", "agency", "court-registry")
    acting = [known.get(digest) for digest in order[3:7]]
    need([each and each[1] for each in acting] == list(roles), "an authority of no register")
    document, signature, countersignature = issued
    need(verify(acting[0][4], "order issue", document, signature), "not issued")
    content = encode([document, signature])
    need(verify(acting[1][4], "order countersign", content, countersignature), "not countersigned")


def check(manifest: Item, issued: Item, entries: list[bytes], policy: bytes, roots: Item) -> Item:
    """[[account, device, tau, position]] of a manifest that fits its order."""
    order, document = decode(issued[0]), decode(policy)
    need(order[2] == h("policy", policy), "an order under another policy")
    check_authorities(order, issued, entries, document)
    need(manifest[0] == h("order", issued[0]), "a manifest of another order")
    groups = [line[0] for line in manifest[1]]
    wanted = {grant[0] for grant in order[13]}
    need(len(groups) == len(set(groups)) and set(groups) == wanted, "other conversations")
    for line in manifest[1]:
        check_line(line)
        spans = [span for grant in order[13] if grant[0] == line[0] for span in grant[4]]
        begin = min(span[0] for span in spans) * document[4][0] - document[4][2]
        need(line[1] is None or line[1][4] == 0 or line[2][0][0] < begin, "a line that begins late")
    for device in manifest[2]:
        check_device(device)
    proofs = [proof for line in manifest[1] for proof in (line[1], line[3])]
    proofs += [proof for line in manifest[2] for proof in (line[2], line[4])]
    for proof in proofs:
        if proof is not None:
            check_proof(proof, roots)
    found = [check_slot(kept, manifest, order, document) for kept in manifest[4]]
    need(len({tuple(each) for each in found}) == len(found), "a slot that stands twice")
    for group_id, position, first in manifest[5]:
        header, d, _ = opening_of(first)
        listed(manifest, group_id, position, d)
        before = [each for each in found if each[3] < position]
        need(bool(before) and header[9] is not None, "a next slot that follows nothing")
    return found
