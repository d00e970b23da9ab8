"""Each thing that strict decoding refuses, by its reason; and nothing that the strict encoder writes is refused."""

from typing import Any

import cbor2
import pytest
import wire_samples
from hypothesis import given
from hypothesis import strategies as st

from edge_wire import codec, strict
from edge_wire.errors import DecodeError
from edge_wire.strict import load_strict

REFUSED = {
    "oversize": "58c8" + "00" * 200,
    "trailing_bytes": "0000",
    "truncated": "42aa",
    "too_deep": "81" * 12 + "00",
    "duplicate_key": "a201000100",
    "key_order": "a202000100",
    "key_type": "a1616100",
    "tag": "c11a514b67b0",
    "indefinite_length": "9f01ff",
    "not_shortest": "1801",
    "non_finite": "f97e00",
    "integer_range": "1bffffffffffffffff",
    "simple_value": "f7",
    "bad_text": "6200" + "00",
    "malformed": "1c",
}
MORE = {
    "indefinite text": ("indefinite_length", "7f6161ff"),
    "indefinite bytes": ("indefinite_length", "5f4161ff"),
    "indefinite map": ("indefinite_length", "bf0102ff"),
    "NaN in 64 bits": ("non_finite", "fb7ff8000000000000"),
    "infinity": ("non_finite", "f97c00"),
    "negative beyond int64": ("integer_range", "3bffffffffffffffff"),
    "lone surrogate": ("bad_text", "63eda080"),
    "NUL in text": ("bad_text", "63610062"),
    "a float that fits 16 bits": ("not_shortest", "fb3ff0000000000000"),
    "a long head for a map": ("not_shortest", "b80100" + "00"),
    "an array announced but not there": ("truncated", "9b7fffffffffffffff"),
    "bytes announced but not there": ("truncated", "5b7fffffffffffffff"),
    "a big integer tag": ("tag", "c249010000000000000000"),
    "tag 18 inside": ("tag", "81d28443a10126a04040"),
    "nothing": ("truncated", ""),
    "a bare break": ("simple_value", "ff"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_each_reason(reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        load_strict(bytes.fromhex(REFUSED[reason]), max_bytes=100)
    assert caught.value.reason == reason


@pytest.mark.parametrize("case", MORE)
def test_other_forms(case: str) -> None:
    reason, text = MORE[case]
    with pytest.raises(DecodeError) as caught:
        load_strict(bytes.fromhex(text), max_bytes=100)
    assert caught.value.reason == reason


def test_cbor2_alone_would_accept_what_we_refuse() -> None:
    # The reason for the scan: if this ever fails, the library has become strict itself.
    accepted = [reason for reason in ("duplicate_key", "indefinite_length", "non_finite", "not_shortest", "tag")]
    for reason in accepted:
        cbor2.loads(bytes.fromhex(REFUSED[reason]))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(max_size=40)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 1000), inner, max_size=4),
    max_leaves=8,
)


@given(values)
def test_deterministic_cbor_is_accepted(value: Any) -> None:
    data = cbor2.dumps(value, canonical=True)
    assert load_strict(data, max_bytes=4096) == value


@given(st.binary(max_size=64))
def test_what_is_accepted_is_the_one_encoding_of_its_value(data: bytes) -> None:
    try:
        value = load_strict(data, max_bytes=64)
    except DecodeError:
        return
    assert cbor2.dumps(value, canonical=True) == data


@given(values, st.data())
def test_no_prefix_of_an_item_is_an_item(value: Any, data: st.DataObject) -> None:
    encoded = cbor2.dumps(value, canonical=True)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(DecodeError):
        load_strict(encoded[:cut], max_bytes=4096)


# Heads of every kind, so that what is drawn is often nearly right.
_heads = st.sampled_from(
    [*range(0x18, 0x1C), 0x38, 0x40, 0x43, 0x58, 0x59, 0x61, 0x78, 0x80, 0x82, 0x98, 0xA0, 0xA1, 0xF6]
)


@given(
    st.lists(_heads | st.integers(0, 255), max_size=24).map(bytes)
    | values.map(lambda v: cbor2.dumps(v, canonical=True))
)
def test_what_is_passed_over_quickly_the_scan_accepts_too(data: bytes) -> None:
    if strict._is_plain(data):
        assert strict._scan(data, 0, 0, False) == len(data)


@pytest.mark.parametrize("depth", range(12))
@pytest.mark.parametrize("core", ["00", "40", "80", "a0", "a10000", "1818"])
def test_depth_is_bounded_alike(depth: int, core: str) -> None:
    data = bytes.fromhex("81" * depth + core)
    try:
        accepted = strict._scan(data, 0, 0, False) == len(data)
    except DecodeError:
        accepted = False
    assert accepted or not strict._is_plain(data)


def test_what_devices_send_is_passed_over_quickly() -> None:
    for header, body in wire_samples.UP.values():
        assert strict._is_plain(codec.encode(header, body))
