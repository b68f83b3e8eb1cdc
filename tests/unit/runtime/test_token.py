"""Keys on a token: they sign and wrap there, stay there, and a wrong token or PIN is named."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pkcs11
import pytest

from glasslock import signing
from glasslock.errors import GlasslockError, TransportError, VerificationError
from glasslock.runtime.token import Token
from glasslock.wire.labels import Label
from tests.conftest import NOT_CHECKED
from tests.outside.readers import Record
from tests.outside.softhsm import PIN, SoftHsm, soft_token
from tests.outside.tools import NotToBeHad

SECRET = b"a seed that rests on a disk 1234"


@pytest.fixture
def hsm(request: pytest.FixtureRequest, record_property: Record) -> Iterator[SoftHsm | None]:
    """A fresh token; a test without SoftHSM says so and shows nothing."""
    try:
        made = soft_token(sha256(request.node.name.encode()).hexdigest()[:32])
    except NotToBeHad as missing:
        record_property(NOT_CHECKED, str(missing))
        yield None
        return
    yield made
    if not made.tokens.exists():
        made.put_back()


def opened(hsm: SoftHsm, pin: str = PIN, key_label: str = "seat") -> Token:
    return Token(hsm.library, hsm.label, pin, key_label)


def ready(hsm: SoftHsm) -> Token:
    token = opened(hsm)
    token.make_keys()
    return token


def rule_of(work: object) -> str | None:
    assert callable(work)
    with pytest.raises(GlasslockError) as caught:
        work()
    return caught.value.rule


@pytest.mark.parametrize("size", [0, 1, 63, 64, 16_383, 16_384, 100_000])
def test_a_signature_made_in_the_token_is_like_any_other(hsm: SoftHsm | None, size: int) -> None:
    if hsm is None:
        return
    token, content = ready(hsm), b"x" * size
    signature = token.sign(Label.SIGN_RECORD, content)
    signing.verify(token.public, Label.SIGN_RECORD, content, signature)
    with pytest.raises(VerificationError):
        signing.verify(token.public, Label.SIGN_RELEASE, content, signature)
    assert signature == opened(hsm).sign(Label.SIGN_RECORD, content)


@pytest.mark.parametrize("size", [0, 1, 63, 64, 16_383, 16_384, 100_000])
def test_a_token_is_given_the_very_bytes_that_the_core_signs(size: int) -> None:
    key = signing.SigningKey.from_seed(bytes(32))
    content = signing.sign_content(Label.SIGN_RECORD, b"y" * size)
    plain = _ed25519(bytes(32), content)
    assert key.sign(Label.SIGN_RECORD, b"y" * size) == plain


def _ed25519(seed: bytes, content: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    return Ed25519PrivateKey.from_private_bytes(seed).sign(content)


def test_what_is_wrapped_opens_in_its_token_for_its_purpose(hsm: SoftHsm | None) -> None:
    if hsm is None:
        return
    token = ready(hsm)
    kept = token.wrap(SECRET, b"one key")
    assert SECRET not in kept
    assert kept != token.wrap(SECRET, b"one key")
    assert opened(hsm).unwrap(kept, b"one key") == SECRET
    bad = [kept[:-1], kept[:5], b"", bytes([kept[0] ^ 1]) + kept[1:], kept[:-1] + b"\x00"]
    for each in bad:
        assert rule_of(lambda each=each: token.unwrap(each, b"one key")) == "token.wrapped"
    assert rule_of(lambda: token.unwrap(kept, b"another key")) == "token.wrapped"
    other = opened(hsm, key_label="another")
    other.make_keys()
    assert rule_of(lambda: other.unwrap(kept, b"one key")) == "token.wrapped"
    # None of that made the token go away.
    assert token.unwrap(kept, b"one key") == SECRET


def test_a_wrong_pin_is_tried_once_and_never_again(hsm: SoftHsm | None) -> None:
    if hsm is None:
        return
    wrong = opened(hsm, pin="1357")
    assert rule_of(lambda: wrong.public) == "token.pin"
    # Were it asked, a token that is away would be another fault.
    hsm.pull_out()
    assert rule_of(lambda: wrong.public) == "token.pin"


def test_no_token_and_no_key_are_told_apart(hsm: SoftHsm | None) -> None:
    if hsm is None:
        return
    nowhere = Token(hsm.library, "no such token", PIN, "seat")
    assert rule_of(lambda: nowhere.public) == "token.absent"
    missing = Token(hsm.library.with_name("nothing.so"), hsm.label, PIN, "seat")
    assert rule_of(lambda: missing.public) == "token.absent"
    assert rule_of(lambda: opened(hsm).public) == "token.key"
    token = ready(hsm)
    assert rule_of(token.make_keys) == "token.taken"
    assert len(token.public) == 32


def test_a_key_that_can_leave_its_token_is_not_used(hsm: SoftHsm | None) -> None:
    if hsm is None:
        return
    ready(hsm)
    session = hsm.session()
    loose = {pkcs11.Attribute.EXTRACTABLE: True, pkcs11.Attribute.SENSITIVE: False}
    for key in session.get_objects(
        {pkcs11.Attribute.LABEL: "seat", pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY}
    ):
        key.destroy()
    session.generate_key(pkcs11.KeyType.AES, 256, store=True, label="seat", template=loose)
    assert rule_of(lambda: opened(hsm).public) == "token.extractable"


def test_two_keys_of_one_label_are_none(hsm: SoftHsm | None) -> None:
    if hsm is None:
        return
    ready(hsm)
    hsm.session().generate_key(pkcs11.KeyType.AES, 256, store=True, label="seat")
    assert rule_of(lambda: opened(hsm).public) == "token.key"


def test_a_token_that_is_pulled_out_works_again_when_it_is_back(hsm: SoftHsm | None) -> None:
    if hsm is None:
        return
    token = ready(hsm)
    kept, public = token.wrap(SECRET, b""), token.public
    for _ in range(2):
        hsm.pull_out()
        for work in (
            lambda: token.sign(Label.SIGN_RECORD, b""),
            lambda: token.unwrap(kept, b""),
            lambda: token.wrap(SECRET, b""),
        ):
            with pytest.raises(TransportError) as caught:
                work()
            assert caught.value.rule == "token.absent"
        hsm.put_back()
        assert token.unwrap(kept, b"") == SECRET
        signing.verify(public, Label.SIGN_RECORD, b"", token.sign(Label.SIGN_RECORD, b""))


def test_another_key_in_its_place_is_not_the_same_token(hsm: SoftHsm | None) -> None:
    if hsm is None:
        return
    token = ready(hsm)
    assert len(token.public) == 32
    hsm.pull_out()
    assert rule_of(lambda: token.sign(Label.SIGN_RECORD, b"")) == "token.absent"
    hsm.put_back()
    for each in list(hsm.session().get_objects({pkcs11.Attribute.LABEL: "seat"})):
        each.destroy()
    opened(hsm).make_keys()
    assert rule_of(lambda: token.sign(Label.SIGN_RECORD, b"")) == "token.other"
