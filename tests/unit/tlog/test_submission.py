"""Submissions: signed for one log, by one key, and nothing longer than an entry may be."""

from __future__ import annotations

import dataclasses

import pytest

from glasslock.errors import BadSignature, GlasslockError, WireError
from glasslock.signing import SigningKey
from glasslock.tlog.submission import MAX_ENTRY, check_entry, decode_submission, submit

KEY = SigningKey.from_seed(b"\x05" * 32)
ORIGIN = "log.test/orders"


def test_a_submission_travels() -> None:
    sent = submit(KEY, ORIGIN, b"entry", immediate=True)
    got = decode_submission(sent.encode())
    assert got == sent
    got.verify(ORIGIN)
    assert (got.submitter, got.entry, got.immediate) == (KEY.public, b"entry", True)


def test_it_is_for_one_log_only() -> None:
    sent = submit(KEY, ORIGIN, b"entry")
    with pytest.raises(BadSignature):
        sent.verify("log.test/policy")


@pytest.mark.parametrize(
    "change",
    [
        {"entry": b"other"},
        {"immediate": True},
        {"submitter": SigningKey.from_seed(bytes(32)).public},
    ],
)
def test_nothing_in_it_can_be_changed(change: dict[str, object]) -> None:
    sent = submit(KEY, ORIGIN, b"entry")
    with pytest.raises(BadSignature):
        dataclasses.replace(sent, **change).verify(ORIGIN)  # type: ignore[arg-type]


def test_oversized_and_empty_entries_are_refused() -> None:
    check_entry(bytes(MAX_ENTRY))
    big = submit(KEY, ORIGIN, bytes(MAX_ENTRY))
    assert decode_submission(big.encode()) == big
    for wrong in (b"", bytes(MAX_ENTRY + 1)):
        with pytest.raises(WireError):
            submit(KEY, ORIGIN, wrong)
        with pytest.raises(WireError):
            decode_submission(dataclasses.replace(big, entry=wrong).encode())


def test_every_truncation_is_refused() -> None:
    data = submit(KEY, ORIGIN, b"entry").encode()
    for end in range(len(data)):
        with pytest.raises(GlasslockError):
            decode_submission(data[:end])
    with pytest.raises(WireError):
        decode_submission(data + b"\x00")
