"""Ingest roots: what the provider had stored by a time, fixed before any order (section 4).

Knows leaves, blinds and roots; knows no store and no log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.wire.codec import encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label


@dataclass(frozen=True, slots=True)
class TouchedLine:
    """A line that grew in an interval: its name, newest position and head, and 32 random bytes."""

    line: bytes
    position: int
    head: bytes
    blind: bytes


def ingest_leaf(touched: TouchedLine) -> bytes:
    """Return ``H("ingest", b, position, head)``."""
    return digest(Label.INGEST, touched.blind, touched.position, touched.head)


def ingest_root(touched: Sequence[TouchedLine]) -> bytes:
    """Return the RFC 9162 root over an interval's lines, in the order of their names."""
    return root_of(leaf_hash(ingest_leaf(item)) for item in touched)


def line_name(kind: str, *parts: str | bytes) -> bytes:
    """Return the name of a group's or a device's line among the ingest leaves."""
    return encode((kind, *parts))
