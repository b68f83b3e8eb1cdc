"""Notes: the traps that kinder parsers fall into, each by name."""

from __future__ import annotations

import base64

import pytest

from glasslock.errors import BadSignature, GlasslockError, KeyRejected, WireError
from glasslock.tlog.keys import KeyType
from glasslock.tlog.note import (
    MAX_SIGNATURES,
    SignatureLine,
    Signer,
    Verifier,
    format_note,
    open_note,
    parse_note,
    parse_signatures,
)

# The example of the signed-note specification, made by another implementation.
SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1E"
    "RYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

SIGNER = Signer.log("log.test/a", b"\x07" * 32)
BODY = b"log.test/a\n5\nline\n"


def signed(body: bytes = BODY, signer: Signer = SIGNER) -> bytes:
    return format_note(body, [signer.sign(body)])


def test_the_specification_example_verifies() -> None:
    key = Verifier.parse(SPEC_VKEY)
    assert key.vkey == SPEC_VKEY
    assert open_note(parse_note(SPEC_NOTE), [key]) == {key: 0}


@pytest.mark.parametrize("kind", list(KeyType))
def test_each_type_signs_and_verifies(kind: KeyType) -> None:
    signer = Signer.of("log.test/a", kind, b"\x09" * 32)
    body = b"log.test/a\n5\n" + base64.b64encode(bytes(32)) + b"\n"
    note = parse_note(format_note(body, [signer.sign(body, time=77)]))
    again = Verifier.parse(signer.vkey)
    assert again == signer.verifier
    assert open_note(note, [again]) == {again: 0 if kind is KeyType.ED25519 else 77}


def test_every_changed_byte_of_a_note_is_refused() -> None:
    raw = signed()
    key = SIGNER.verifier
    for at in range(len(raw)):
        bad = raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
        try:
            found = open_note(parse_note(bad), [key])
        except (WireError, BadSignature):
            continue
        # What still parses may only be a line that no longer claims to be by this key.
        assert found == {}


def test_text_is_split_at_the_last_blank_line() -> None:
    body = b"first\n\nsecond\n"
    assert parse_note(signed(body)).body == body


def test_text_without_lines_is_a_newline_only_note() -> None:
    with pytest.raises(WireError):
        parse_note(b"\n\n" + SIGNER.sign(b"").encode())


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(BODY, id="no signatures"),
        pytest.param(signed()[:-1], id="no final newline"),
        pytest.param(signed() + b"\n", id="blank line at the end"),
        pytest.param(signed() + b"x\n", id="text after the signatures"),
        pytest.param(signed().replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(signed().replace(b"line", b"l\tne"), id="tab"),
        pytest.param(signed().replace(b"line", b"l\x0bne"), id="vertical tab"),
        pytest.param(signed().replace(b"line", b"l\x00ne"), id="NUL"),
        pytest.param(signed().replace(b"line", b"l\xffne"), id="not UTF-8"),
        pytest.param(signed().replace("\u2014".encode(), b"-"), id="ASCII dash"),
        pytest.param(signed().replace(b"log.test/a ", b"log.test/a  "), id="two spaces"),
        pytest.param(signed().replace(b"=\n", b"\n"), id="padding missing"),
        pytest.param(signed().replace(b"=\n", b"=\n "), id="space at the end"),
        pytest.param(signed().replace(b"\x94 log.test/a", b"\x94 "), id="no name"),
        pytest.param(b"x" * 262_145 + signed(), id="too long"),
    ],
)
def test_malformed_notes_are_refused(raw: bytes) -> None:
    with pytest.raises(WireError):
        parse_note(raw)


@pytest.mark.parametrize("space", ["\u0085", "\u2028", "\u00a0", "\u3000"])
def test_unicode_separators_do_not_split_lines(space: str) -> None:
    # str.splitlines would end a line here and let a second "line" hide in the text.
    body = f"origin{space}5\n".encode()
    assert parse_note(signed(body)).body == body
    with pytest.raises(WireError):
        parse_signatures(f"\u2014 a{space}b AAAAAAA=\n".encode())


def test_a_name_with_a_plus_is_refused() -> None:
    with pytest.raises(WireError):
        parse_signatures("\u2014 a+b AAAAAAA=\n".encode())
    with pytest.raises(WireError):
        Signer.log("a+b", bytes(32))


@pytest.mark.parametrize(
    "text", ["AAAAAAB=", "AAAA AAA=", "AAAAAAA", "AAAAAAA==", "AAAAAA-_", "AAAA"]
)
def test_base64_that_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        parse_signatures(f"\u2014 name {text}\n".encode())


def test_unknown_keys_are_ignored_even_with_one_name_or_id_alike() -> None:
    mine = SIGNER.sign(BODY)
    others = [
        SignatureLine("someone.else", mine.key_id, b"\x01" * 64),
        SignatureLine(mine.name, b"\x00\x01\x02\x03", b"\x01" * 64),
        SignatureLine("quite.another", b"\x03\x02\x01\x00", b"?"),
    ]
    note = parse_note(format_note(BODY, [*others, mine]))
    assert open_note(note, [SIGNER.verifier]) == {SIGNER.verifier: 0}


def test_a_known_key_that_fails_refuses_the_whole_note() -> None:
    mine = SIGNER.sign(BODY)
    forged = SignatureLine(mine.name, mine.key_id, bytes(64))
    for lines in ([mine, forged], [forged, mine], [forged]):
        with pytest.raises(BadSignature):
            open_note(parse_note(format_note(BODY, lines)), [SIGNER.verifier])


def test_a_signature_over_other_text_fails() -> None:
    note = format_note(BODY, [SIGNER.sign(b"other\n")])
    with pytest.raises(BadSignature):
        open_note(parse_note(note), [SIGNER.verifier])


def test_a_cosignature_covers_its_time() -> None:
    witness = Signer.witness("w.test", b"\x08" * 32)
    line = witness.sign(BODY, time=1_000)
    later = SignatureLine(line.name, line.key_id, (2_000).to_bytes(8, "big") + line.blob[8:])
    with pytest.raises(BadSignature):
        witness.verifier.verify(BODY, later)
    beyond = SignatureLine(line.name, line.key_id, (1 << 63).to_bytes(8, "big") + line.blob[8:])
    with pytest.raises(BadSignature):
        witness.verifier.verify(BODY, beyond)
    with pytest.raises(BadSignature):
        witness.verifier.verify(BODY, SignatureLine(line.name, line.key_id, b"short"))
    with pytest.raises(WireError):
        witness.sign(BODY, time=-1)


def test_a_changed_ml_dsa_time_fails() -> None:
    signer = Signer.ml_dsa("log.test/a", b"\x09" * 32)
    body = b"log.test/a\n5\n" + base64.b64encode(bytes(32)) + b"\n"
    line = signer.sign(body, time=5)
    flipped = SignatureLine(line.name, line.key_id, (6).to_bytes(8, "big") + line.blob[8:])
    with pytest.raises(BadSignature):
        signer.verifier.verify(body, flipped)
    with pytest.raises(BadSignature):
        signer.verifier.verify(BODY, line)


def test_one_key_keeps_its_latest_time() -> None:
    witness = Signer.witness("w.test", b"\x08" * 32)
    lines = [witness.sign(BODY, time=time) for time in (10, 30, 20)]
    note = parse_note(format_note(BODY, lines))
    assert open_note(note, [witness.verifier]) == {witness.verifier: 30}


def test_sixteen_signatures_are_accepted_and_a_flood_is_not() -> None:
    lines = [Signer.witness(f"w{n}", bytes((n,)) * 32).sign(BODY, time=1) for n in range(65)]
    assert len(parse_note(format_note(BODY, lines[:MAX_SIGNATURES])).signatures) == 64
    with pytest.raises(WireError):
        format_note(BODY, lines)


@pytest.mark.parametrize("body", [b"no newline", b"a\tb\n", b"\xff\n", b""])
def test_text_that_cannot_be_a_note_is_not_signed(body: bytes) -> None:
    with pytest.raises(WireError):
        format_note(body, [SIGNER.sign(body)])


def test_vkey_with_plus_signs_in_its_base64_is_read() -> None:
    for n in range(200):
        signer = Signer.log("a", n.to_bytes(32, "big"))
        if signer.vkey.count("+") > 2:
            assert Verifier.parse(signer.vkey) == signer.verifier
            return
    pytest.fail("no key with a plus sign in 200")


def _vkey(name: str, data: bytes, key_id: str) -> str:
    return f"{name}+{key_id}+{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "a+b",
        SPEC_VKEY.replace("530d903a", "530d903b"),
        SPEC_VKEY.replace("530d903a", "530D903A"),
        SPEC_VKEY.replace("example.com/foo", "example.com/fop"),
        SPEC_VKEY + "\n",
        " " + SPEC_VKEY,
        SPEC_VKEY[:-1],
        SPEC_VKEY[:-4],
        SPEC_VKEY.replace("+AekyeRrm", "+BekyeRrm"),
        _vkey("a", b"", "00000000"),
        _vkey("a", b"\x02" + bytes(32), "00000000"),
    ],
)
def test_malformed_vkeys_are_refused(vkey: str) -> None:
    with pytest.raises((WireError, KeyRejected)):
        Verifier.parse(vkey)


# All eight points of small order have one of these five y; with the sign bit, and unreduced.
_P = 2**255 - 19
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


@pytest.mark.parametrize("y", [0, 1, _P - 1, _ORDER_8, _P - _ORDER_8, _P, _P + 1])
@pytest.mark.parametrize("sign", [0, 1])
def test_small_order_keys_are_refused(y: int, sign: int) -> None:
    key = (y | sign << 255).to_bytes(32, "little")
    for kind in (KeyType.ED25519, KeyType.COSIGNATURE):
        with pytest.raises(KeyRejected):
            Verifier.of("a", kind, key)


def test_the_order_8_constant_is_of_order_8() -> None:
    d = -121665 * pow(121666, -1, _P) % _P

    def double_y(y: int) -> int:
        # From x^2 = (y^2 - 1) / (d y^2 + 1): y(2P) = (y^2 + x^2) / (1 - d x^2 y^2).
        xx = (y * y - 1) * pow(d * y * y + 1, -1, _P) % _P
        return (y * y + xx) * pow(1 - d * xx * y * y, -1, _P) % _P

    # Doubling order 8 gives order 4 (y = 0), then order 2 (y = -1), then the identity (y = 1).
    orbit = [double_y(_ORDER_8), double_y(0), double_y(_P - 1)]
    assert orbit == [0, _P - 1, 1]


def test_keys_of_the_wrong_length_are_refused() -> None:
    for kind in KeyType:
        with pytest.raises(KeyRejected):
            Verifier.of("a", kind, bytes(31))
        with pytest.raises(KeyRejected):
            Signer.of("a", kind, bytes(31))


def test_two_known_keys_with_one_name_and_id_are_refused() -> None:
    with pytest.raises(WireError):
        open_note(parse_note(signed()), [SIGNER.verifier, SIGNER.verifier])


def test_seeds_do_not_show() -> None:
    signer = Signer.log("a", b"\xa5" * 32)
    assert "a5a5" not in repr(signer)
    assert "\\xa5" not in repr(signer)


def test_errors_are_ours() -> None:
    for raw in (b"\xe2", b"\n\n\xe2\x80\x94 ", "\u2014 \u2014 \u2014\n\n".encode()):
        with pytest.raises(GlasslockError):
            parse_note(raw)
