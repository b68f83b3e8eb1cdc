"""Signed requests: only the same method, path, time and body verify, and only for a minute."""

from __future__ import annotations

import pytest

from glasslock.errors import BadSignature, Denied
from glasslock.orders.requests import check_headers, signed_headers
from glasslock.signing import SigningKey

KEY = SigningKey.from_seed(b"\x07" * 32)
NOW = 1_800_000_000


def test_a_signed_request_names_its_key() -> None:
    headers = signed_headers(KEY, "GET", "/v1/orders/aa", NOW)
    assert check_headers(headers, "GET", "/v1/orders/aa", b"", NOW + 60) == KEY.public


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "/a", b"x"), ("GET", "/b", b"x"), ("GET", "/a", b"y")],
)
def test_another_request_is_not_signed(method: str, path: str, body: bytes) -> None:
    headers = signed_headers(KEY, "GET", "/a", NOW, b"x")
    with pytest.raises(BadSignature):
        check_headers(headers, method, path, body, NOW)


@pytest.mark.parametrize("late", [-61, 61])
def test_a_request_ages(late: int) -> None:
    with pytest.raises(Denied) as caught:
        check_headers(signed_headers(KEY, "GET", "/a", NOW), "GET", "/a", b"", NOW + late)
    assert caught.value.rule == "request.time"


@pytest.mark.parametrize("name", ["glasslock-key", "glasslock-time", "glasslock-signature"])
@pytest.mark.parametrize("value", [None, "", "zz", "-1", "é" * 32, "9" * 5_000])
def test_headers_that_are_none(name: str, value: str | None) -> None:
    headers = signed_headers(KEY, "GET", "/a", NOW)
    del headers[name]
    if value is not None:
        headers[name] = value
    with pytest.raises(Denied) as caught:
        check_headers(headers, "GET", "/a", b"", NOW)
    assert caught.value.rule == "request.headers"
