"""COSE_Sign1: RFC 9052's own example, our round trip, and each thing that must not verify."""

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_wire import cose
from edge_wire.errors import DecodeError, SignatureError
from edge_wire.topics import Channel

KEY = ec.generate_private_key(ec.SECP256R1())
AAD = cose.external_aad("trailer-07", Channel.DETECTION)


def test_the_example_of_rfc_9052_appendix_c_2_1() -> None:
    x = int("bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff", 16)
    y = int("20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e", 16)
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    signature = bytes.fromhex(
        "8eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e"
        "2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36"
    )
    envelope = cose.Envelope(b"11", bytes.fromhex("a10126"), b"This is the content.", signature)
    cose.verify(envelope, key, b"")
    with pytest.raises(SignatureError):
        cose.verify(envelope, key, b"other external data")


def test_round_trip() -> None:
    envelope = cose.parse(cose.sign(b"payload", KEY, AAD))
    assert envelope.payload == b"payload"
    assert envelope.kid == cose.key_id(KEY.public_key())
    cose.verify(envelope, KEY.public_key(), AAD)


@pytest.mark.parametrize(
    "aad",
    [
        cose.external_aad("trailer-08", Channel.DETECTION),
        cose.external_aad("trailer-07", Channel.REPORT),
        cose.external_aad("trailer-07", Channel.ACK),
    ],
)
def test_bytes_moved_to_another_topic_do_not_verify(aad: bytes) -> None:
    with pytest.raises(SignatureError):
        cose.verify(cose.parse(cose.sign(b"payload", KEY, AAD)), KEY.public_key(), aad)


def test_another_key_does_not_verify() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(SignatureError):
        cose.verify(cose.parse(cose.sign(b"payload", KEY, AAD)), other, AAD)


def noticed(changed: bytes) -> bool:
    """Whether a collector that knows KEY would refuse these bytes, or look for another key."""
    try:
        parsed = cose.parse(changed)
        cose.verify(parsed, KEY.public_key(), AAD)
    except (SignatureError, DecodeError):
        return True
    return parsed.kid != cose.key_id(KEY.public_key())


def test_every_changed_byte_is_noticed() -> None:
    envelope = cose.sign(b"payload", KEY, AAD)
    for at in range(len(envelope)):
        assert noticed(envelope[:at] + bytes([envelope[at] ^ 1]) + envelope[at + 1 :]), f"byte {at}"
    assert not noticed(envelope)


@pytest.mark.parametrize(
    "parts",
    [
        ["not bytes", {}, b"", bytes(64)],
        [b"\xa0", {}, b"", bytes(64)],
        [cbor2.dumps({1: -35, 4: bytes(8)}), {}, b"", bytes(64)],
        [cbor2.dumps({1: -7, 4: bytes(9)}), {}, b"", bytes(64)],
        [cbor2.dumps({1: -7, 4: bytes(8)}), {4: b"x"}, b"", bytes(64)],
        [cbor2.dumps({1: -7, 4: bytes(8)}), {}, None, bytes(64)],
        [cbor2.dumps({1: -7, 4: bytes(8)}), {}, b"", bytes(63)],
        [cbor2.dumps({1: -7, 4: bytes(8)}), {}, b""],
    ],
)
def test_other_envelopes_are_refused(parts: list[object]) -> None:
    with pytest.raises(DecodeError):
        cose.parse(cbor2.dumps(cbor2.CBORTag(18, parts)))


def test_an_untagged_envelope_is_refused() -> None:
    parts = [cbor2.dumps({1: -7, 4: bytes(8)}), {}, b"", bytes(64)]
    with pytest.raises(DecodeError) as caught:
        cose.parse(cbor2.dumps(parts))
    assert caught.value.reason == "bad_envelope"


def test_an_oversize_envelope_is_refused_unread() -> None:
    with pytest.raises(DecodeError) as caught:
        cose.parse(bytes(cose.MAX_ENVELOPE_BYTES + 1))
    assert caught.value.reason == "oversize"


@pytest.mark.parametrize("der", [b"", b"junk", cose.spki(KEY.public_key())[:-1]])
def test_what_is_no_p256_key_is_refused(der: bytes) -> None:
    with pytest.raises(SignatureError):
        cose.load_spki(der)


def test_a_key_on_another_curve_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    with pytest.raises(SignatureError):
        cose.load_spki(cose.spki(other))


@pytest.mark.parametrize("length", [0, 1, 23, 24, 255, 256, 400, 40_000])
def test_the_one_form_of_an_envelope_is_taken_apart_as_the_strict_reader_does(length: int) -> None:
    envelope = cose.sign(bytes(length), KEY, b"aad")
    assert cose._parse_plain(envelope) == cose._parse(envelope)
    for at in range(min(len(envelope), 24)):
        for byte in (0, 0x18, 0x40, 0x58, 0x59, 0x5A, 0xFF, envelope[at] ^ 1):
            changed = envelope[:at] + bytes([byte]) + envelope[at + 1 :]
            quick = cose._parse_plain(changed)
            assert quick is None or quick == cose._parse(changed)
    for cut in (envelope[:-1], envelope + b"\0", envelope[:18], b""):
        assert cose._parse_plain(cut) is None
