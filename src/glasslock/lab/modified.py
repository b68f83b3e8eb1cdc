"""A changed client: real engine, keys and store of a member, one function of it replaced.

The replacement is in force only while this client makes its own envelopes, which it does without
giving way; nobody else in the process ever runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from glasslock.client import Client, sealed, sending
from glasslock.client.sealed import Sealed
from glasslock.client.sending import OpenedSlot
from glasslock.client.state import Tier
from glasslock.errors import StateError
from glasslock.sealing.seal import Tier1, make_seal, make_tier1
from glasslock.wire.envelope import Opening, SlotHeader
from glasslock.wire.seal import Seal, SealedShare

Made = tuple[SlotHeader, Sealed, Tier]
Maker = Callable[..., Made]


def modified(
    client: Client, group: bytes, *, seconds: int = 0, **functions: Callable[..., Any]
) -> None:
    """Have a client use ``functions`` in place of those of its sending half, in one conversation.

    A replacement must be named like what it replaces. ``seconds`` is how far its clock is ahead.
    Without any change it is honest again.
    """
    talk: Any = client._session.conversations[group]
    honest = type(talk).send

    def send(effects: Any, sign: Any, now: int, *facts: Any) -> bool:  # noqa: ANN401
        kept = {name: getattr(sending, name) for name in functions}
        try:
            for name, function in functions.items():
                setattr(sending, name, function)
            return bool(honest(talk, effects, sign, now + seconds, *facts))
        finally:
            for name, function in kept.items():
                setattr(sending, name, function)

    talk.send = send


def sealing(change: Callable[[Seal], Seal]) -> Maker:
    """Return a maker of seals that changes each seal and has the result signed."""

    def make(policy: Any, book: Any, _tier: Any, header: Any, secret: Any, now: Any) -> Made:  # noqa: ANN401
        header, made, tier = sealed.make(policy, book, None, header, secret, now)
        return header, replace(made, seal=change(made.seal)), _over(tier)

    return make


def first_tier(change: Callable[[Tier1], Tier1]) -> Maker:
    """Return a maker that changes the encapsulations and makes everything else fit them."""

    def make(policy: Any, book: Any, _tier: Any, header: Any, secret: Any, now: Any) -> Made:  # noqa: ANN401
        named, made, tier = sealed.make(policy, book, None, header, secret, now)
        if made.tier1 is None:
            raise StateError("a first slot brings a tier 1", rule="lab.modified")
        roster = book.rosters(policy, made.tier1.header.day, now)[0]
        _, keys = make_tier1(secret, made.tier1.header, roster)
        tier1 = change(made.tier1)
        named = replace(named, tier1=tier1.digest)
        seal = make_seal(secret, named, policy.access.shape, keys)
        return named, Sealed(seal, tier1), _over(tier)

    return make


def opening(change: Callable[[Opening], Opening]) -> type[OpenedSlot]:
    """Return a slot whose opening is changed after it was signed, and sent with what it names."""

    class Changed(OpenedSlot):
        def opening(self, me: Any) -> Opening:  # noqa: ANN401
            return change(super().opening(me))

        def upload(self) -> bytes | None:
            bare = change(Opening(b"", b"", b"", b""))
            return None if bare == Opening(b"") else super().upload()

    return Changed


def _over(tier: Tier) -> Tier:
    """Return a tier of a day that is over: readers refused it, so the next slot brings its own."""
    return replace(tier, day=0)


def flipped(data: bytes, at: int = 0) -> bytes:
    """Return ``data`` with one bit changed."""
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def commitment(at: int) -> Maker:
    """Return a maker that is wrong in the seal's commitment to the slot key."""
    return sealing(lambda seal: replace(seal, commitment=flipped(seal.commitment, at)))


def share(seat: int, at: int, part: str = "sealed") -> Maker:
    """Return a maker that is wrong in one keyholder's ``sealed`` share or its ``commit``."""

    def change(seal: Seal) -> Seal:
        rows: list[SealedShare | None] = list(seal.rows)
        row = rows[seat]
        if row is not None:
            changed = flipped(getattr(row, part), at)
            rows[seat] = replace(row, **{part: changed})
        return replace(seal, rows=tuple(rows))

    return sealing(change)


def encapsulation(seat: int, at: int) -> Maker:
    """Return a maker that is wrong in what is encapsulated to one keyholder."""

    def change(tier1: Tier1) -> Tier1:
        encs: list[bytes | None] = list(tier1.encs)
        enc = encs[seat]
        encs[seat] = None if enc is None else flipped(enc, at)
        return replace(tier1, encs=tuple(encs))

    return first_tier(change)
