"""Messages keep their meaning over the wire; what does not fit its kind is refused with the field's name."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from statistics import median

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import DOWN, UP, header

from edge_wire import codec, cose
from edge_wire.errors import DecodeError
from edge_wire.messages import Stream
from edge_wire.topics import Channel


def changed(name: str, key: int, value: object) -> bytes:
    """The sample's payload with one key set, or removed when ``value`` is None."""
    items = cbor2.loads(codec.encode(*(UP | DOWN)[name]))
    items = {k: v for k, v in items.items() if k != key}
    return cbor2.dumps(items if value is None else items | {key: value}, canonical=True)


@pytest.mark.parametrize(
    ("name", "key", "value", "reason"),
    [
        ("plate_read", 0, 99, "unknown_kind"),
        ("plate_read", 0, "read", "unknown_kind"),
        ("plate_read", 0, 16, "unknown_kind"),
        ("plate_read", 0, None, "unknown_kind"),
        ("plate_read", 1, None, "bad_field"),
        ("plate_read", 1, -1, "bad_field"),
        ("plate_read", 2, 3, "bad_field"),
        ("plate_read", 2, 9, "bad_field"),
        ("plate_read", 2, None, "bad_field"),
        ("plate_read", 3, 0, "bad_field"),
        ("plate_read", 3, None, "bad_field"),
        ("plate_read", 7, "one", "bad_field"),
        ("plate_read", 9, 1, "bad_field"),
        ("plate_read", 10, "A" * 25, "bad_field"),
        ("plate_read", 11, [b"7"], "bad_field"),
        ("plate_read", 11, [b"\x00\x80"], "bad_field"),
        ("plate_read", 11, [b""], "bad_field"),
        ("plate_read", 11, "7ABC", "bad_field"),
        ("plate_read", 16, bytes(31), "bad_field"),
        ("plate_read", 18, [1, 2, 3], "bad_field"),
        ("plate_read", 19, 256, "bad_field"),
        ("plate_read", 21, [["US-CA"]], "bad_field"),
        ("plate_read", 22, 5, "bad_field"),
        ("media", 7, 9, "bad_field"),
        ("health", 3, 7, "bad_field"),
        ("loss_record", 9, [0, 1], "bad_field"),
        ("loss_record", 9, [1], "bad_field"),
        ("loss_record", 9, [(1 << 63) - 1, 5], "bad_field"),
    ],
)
def test_fields_that_do_not_fit_are_refused(name: str, key: int, value: object, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        codec.decode_up(changed(name, key, value))
    assert caught.value.reason == reason


def test_a_down_message_is_no_up_message_and_the_reverse() -> None:
    with pytest.raises(DecodeError):
        codec.decode_up(codec.encode(*DOWN["ack"]))
    with pytest.raises(DecodeError):
        codec.decode_down(codec.encode(*UP["open"]))


def test_a_payload_that_is_no_map_is_refused() -> None:
    with pytest.raises(DecodeError) as caught:
        codec.decode_up(cbor2.dumps([1, 2]))
    assert caught.value.reason == "not_a_map"


def test_the_header_of_an_unknown_kind_can_still_be_read() -> None:
    assert codec.decode_header(changed("plate_read", 0, 99)) == UP["plate_read"][0]


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_decoder(data: bytes) -> None:
    for decode in (codec.decode_up, codec.decode_down, codec.decode_header, codec.decode_connection, cose.parse):
        with pytest.raises(DecodeError):
            decode(data)


@given(st.sampled_from(sorted(UP)), st.integers(0, 30), st.integers(-(1 << 63), (1 << 63) - 1) | st.text(max_size=5))
def test_no_changed_field_crashes_the_decoder(name: str, key: int, value: object) -> None:
    with contextlib.suppress(DecodeError):
        codec.decode_up(changed(name, key, value))


def test_the_connection_travels_as_correlation_data() -> None:
    assert codec.decode_connection(codec.encode_connection(1 << 62, 7)) == (1 << 62, 7)


def test_a_read_without_its_crop_is_at_most_400_bytes_signed_at_the_median(assets: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    aad = cose.external_aad("trailer-07", Channel.DETECTION)
    sizes = []
    for line in (assets / "data/match/dev/reads.jsonl").read_text(encoding="utf-8").splitlines():
        slots = tuple(tuple(slot.items()) for slot in json.loads(line)["slots"])
        text = "".join(max(slot, key=lambda pair: pair[1])[0] for slot in slots).replace("_", "")
        # Everything that a camera that stands still fills in.
        read = replace(UP["plate_read"][1], text=text, slots=slots, revision=0, position=None)
        sizes.append(len(cose.sign(codec.encode(header(Stream.DETECTION, 70_000), read), key, aad)))
    assert len(sizes) == 4_064
    assert median(sizes) <= 400
