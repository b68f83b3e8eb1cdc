"""A body opens one way only, and whatever is wrong with it has its own name."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from glasslock.errors import VerificationError, WireError
from glasslock.sealing.body import (
    BodyCommitment,
    BodyDamaged,
    BodyPadding,
    BodySignature,
    make_message,
    make_salt,
    open_body,
    padded_size,
    seal_body,
    signed_content,
    text_size,
)
from glasslock.signing import SigningKey
from glasslock.wire.carried import encode_carried
from glasslock.wire.codec import encode
from glasslock.wire.digest import derive
from glasslock.wire.envelope import MAX_PADDED, MessageHeader
from glasslock.wire.labels import Label

KEY, SLOT, PREVIOUS, FRESH = (bytes((n,)) * 32 for n in (1, 2, 3, 4))
SENDER = SigningKey.from_seed(bytes((5,)) * 32)
CONTENT = b"hello"


def made(content: bytes = CONTENT) -> tuple[MessageHeader, bytes]:
    return make_message(KEY, (SLOT, 5, PREVIOUS), content, FRESH, SENDER.sign)


def forged(padded: bytes, size: int | None = None) -> tuple[MessageHeader, bytes]:
    """Seal ``padded`` under the right key as a sender who ignores the padding rules would."""
    header = MessageHeader(SLOT, 5, bytes(16), PREVIOUS, len(padded) if size is None else size)
    both = derive(KEY, Label.BODY, header.digest, length=64)
    return header, both[32:] + AESGCM(both[:32]).encrypt(bytes(12), padded, header.encoded)


@pytest.mark.parametrize("content", [b"", CONTENT, b"x" * 300, b"y" * 65_000])
def test_what_was_sealed_opens(content: bytes):
    header, body = made(content)
    assert open_body(KEY, header, body, SENDER.public).content == content
    assert len(body) == 32 + header.size + 16


def test_content_over_the_limit_is_an_attachment():
    room = 65_536 - text_size(b"") - 2  # two more bytes tell the length
    assert text_size(bytes(room)) == 65_536
    with pytest.raises(WireError) as raised:
        made(bytes(room + 1))
    assert raised.value.rule == "body.length"


@pytest.mark.parametrize(
    ("length", "size"), [(0, 256), (252, 256), (253, 272), (1_000, 1_024), (65_536, MAX_PADDED)]
)
def test_sizes(length: int, size: int):
    assert padded_size(length) == size


def test_every_byte_of_a_body_counts():
    header, body = made()
    for at in range(len(body)):
        changed = body[:at] + bytes((body[at] ^ 1,)) + body[at + 1 :]
        with pytest.raises(BodyCommitment if at < 32 else BodyDamaged):
            open_body(KEY, header, changed, SENDER.public)


def test_another_key_or_header_is_refused_before_anything_is_decrypted():
    header, body = made()
    others = (
        MessageHeader(PREVIOUS, 5, header.salt, PREVIOUS, header.size),
        MessageHeader(SLOT, 6, header.salt, PREVIOUS, header.size),
        MessageHeader(SLOT, 5, bytes(16), PREVIOUS, header.size),
        MessageHeader(SLOT, 5, header.salt, SLOT, header.size),
        MessageHeader(SLOT, 5, header.salt, PREVIOUS, 272),
    )
    for other in others:
        with pytest.raises(BodyCommitment):
            open_body(KEY, other, body, SENDER.public)
    with pytest.raises(BodyCommitment):
        open_body(FRESH, header, body, SENDER.public)


def test_a_truncated_body_is_refused():
    header, body = made()
    with pytest.raises(BodyCommitment):
        open_body(KEY, header, body[:31], SENDER.public)
    for end in (32, 40, 48, len(body) - 1):
        with pytest.raises(BodyDamaged):
            open_body(KEY, header, body[:end], SENDER.public)


def test_wrong_padding_is_refused():
    text = encode((CONTENT, bytes(64)))
    right = len(text).to_bytes(4, "big") + text
    cases = {
        "a byte that is not zero": (right + bytes(255 - len(right)) + b"\x01", None),
        "more padding than needed": (right + bytes(272 - len(right)), None),
        "less padding than needed": (right, None),
        "a length past the end": (b"\xff" * 4 + bytes(252), None),
        "a length one past the end": ((253).to_bytes(4, "big") + bytes(252), None),
        "a size that is not the header's": (right + bytes(256 - len(right)), 272),
        "nothing": (b"", 256),
    }
    for name, (padded, size) in cases.items():
        header, body = forged(padded, size)
        with pytest.raises(BodyPadding) as raised:
            open_body(KEY, header, body, SENDER.public)
        assert raised.value.rule == "body.padding", name


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\x00",
        encode((CONTENT,)),
        encode((CONTENT, bytes(63))),
        encode((CONTENT, "x")),
        b"\xa0",
    ],
)
def test_a_text_of_another_shape_is_refused(text: bytes):
    padded = len(text).to_bytes(4, "big") + text
    header, body = forged(padded + bytes(256 - len(padded)))
    with pytest.raises(BodyPadding) as raised:
        open_body(KEY, header, body, SENDER.public)
    assert raised.value.rule == "body.text"


def test_a_message_by_another_signer_is_refused():
    header, body = made()
    for signer in (SigningKey.from_seed(bytes(32)).public, bytes(32), b"\xff" * 32):
        with pytest.raises(BodySignature):
            open_body(KEY, header, body, signer)


def test_a_signature_of_another_message_is_refused():
    header, _ = made()
    signature = SENDER.sign(Label.SIGN_MESSAGE, signed_content(header, b"other"))
    with pytest.raises(BodySignature):
        open_body(KEY, header, seal_body(KEY, header, CONTENT, signature), SENDER.public)


def test_a_header_with_another_size_than_its_text_seals_nothing():
    header, _ = made()
    with pytest.raises(WireError) as raised:
        seal_body(KEY, header, b"x" * 400, bytes(64))
    assert raised.value.rule == "body.size"


def test_a_cloned_machine_repeats_no_key():
    """Equal fresh bytes and another content: another salt, so another body key."""
    one, other = made()[0], made(b"other")[0]
    assert one.salt != other.salt
    assert make_salt(KEY, FRESH, CONTENT) == one.salt
    keys = {derive(KEY, Label.BODY, header.digest, length=64) for header in (one, other)}
    assert len(keys) == 2


def test_errors_show_no_content():
    header, body = made(b"a planted secret")
    with pytest.raises(VerificationError) as raised:
        open_body(KEY, header, body[:-1], SENDER.public)
    assert "planted" not in str(raised.value)


FIRST = (SLOT, 0, None)
NOTES = encode_carried([b"a note", b"another"])


@pytest.mark.parametrize("carried", [bytes(1_024), NOTES])
def test_message_0_carries_notes_that_are_signed(carried: bytes):
    header, body = make_message(KEY, FIRST, CONTENT, FRESH, SENDER.sign, carried)
    opened = open_body(KEY, header, body, SENDER.public)
    assert (opened.content, opened.carried) == (CONTENT, carried)
    assert header.size == padded_size(text_size(CONTENT, carried))
    for over in (None, encode_carried([b"other"])):
        signature = SENDER.sign(Label.SIGN_MESSAGE, signed_content(header, CONTENT, over))
        forged = seal_body(KEY, header, CONTENT, signature, carried)
        with pytest.raises(BodySignature):
            open_body(KEY, header, forged, SENDER.public)
    small = MessageHeader(SLOT, 0, header.salt, None, padded_size(text_size(CONTENT)))
    signature = SENDER.sign(Label.SIGN_MESSAGE, signed_content(small, CONTENT, carried))
    with pytest.raises(BodySignature):
        open_body(KEY, small, seal_body(KEY, small, CONTENT, signature), SENDER.public)


def test_message_0_may_carry_nothing():
    header, body = make_message(KEY, FIRST, CONTENT, FRESH, SENDER.sign)
    assert open_body(KEY, header, body, SENDER.public).carried is None
    assert header.size == 256


def test_another_message_carries_nothing():
    with pytest.raises(WireError) as raised:
        make_message(KEY, (SLOT, 5, PREVIOUS), CONTENT, FRESH, SENDER.sign, NOTES)
    assert raised.value.rule == "body.carried"
    size = padded_size(text_size(CONTENT, NOTES))
    header = MessageHeader(SLOT, 5, bytes(16), PREVIOUS, size)
    signature = SENDER.sign(Label.SIGN_MESSAGE, signed_content(header, CONTENT, NOTES))
    with pytest.raises(BodyPadding) as refused:
        open_body(KEY, header, seal_body(KEY, header, CONTENT, signature, NOTES), SENDER.public)
    assert refused.value.rule == "body.text"


@pytest.mark.parametrize("carried", [b"", NOTES[:-1], NOTES + b"\0"])
def test_what_is_carried_has_one_length(carried: bytes):
    size = padded_size(len(encode((CONTENT, bytes(64), carried))))
    header = MessageHeader(SLOT, 0, bytes(16), None, size)
    signature = SENDER.sign(Label.SIGN_MESSAGE, signed_content(header, CONTENT, carried))
    with pytest.raises(BodyPadding) as raised:
        open_body(KEY, header, seal_body(KEY, header, CONTENT, signature, carried), SENDER.public)
    assert raised.value.rule == "body.text"


def test_the_longest_text_has_room_for_what_it_carries():
    room = 65_536 - text_size(b"") - 2
    header, body = make_message(KEY, FIRST, bytes(room), FRESH, SENDER.sign, NOTES)
    assert open_body(KEY, header, body, SENDER.public).carried == NOTES
    assert header.size == MAX_PADDED
    for carried in (NOTES, None):
        text = encode((bytes(room + 1), bytes(64), *(() if carried is None else (carried,))))
        padded = len(text).to_bytes(4, "big") + text
        size = padded_size(len(text))
        header = MessageHeader(SLOT, 0, bytes(16), None, size)
        both = derive(KEY, Label.BODY, header.digest, length=64)
        sealed = AESGCM(both[:32]).encrypt(bytes(12), padded.ljust(size, b"\0"), header.encoded)
        with pytest.raises(BodyPadding):
            open_body(KEY, header, both[32:] + sealed, SENDER.public)


def test_a_cloned_machine_repeats_no_key_for_other_notes():
    salts = {make_salt(KEY, FRESH, CONTENT, each) for each in (None, bytes(1_024), NOTES)}
    assert len(salts) == 3
