"""Strict CBOR: one scan that refuses whatever a lenient decoder would accept, before that decoder sees the bytes.

Accepted is deterministic CBOR (RFC 8949 §4.2) of bounded size and depth: shortest heads, definite lengths, map keys
that are integers in ascending order (so none twice), integers within int64, finite floats in their shortest form,
text that is UTF-8 without NUL, the simple values false, true and null, and no tag (18 where the caller says so).
Every other byte string has a reason by which it is counted.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import cbor2

from edge_wire.errors import DecodeError

_MAX_DEPTH = 8
_INT64 = 1 << 63
_SHORTEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
_ARGUMENT_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}


def load_strict(data: bytes, *, max_bytes: int, tagged: bool = False) -> Any:
    """Decode ``data``.

    Args:
        data: one CBOR item and nothing behind it.
        max_bytes: longer input is refused unread.
        tagged: whether the outermost item may carry tag 18.

    Returns:
        ints, floats, bytes, str, bool, None, lists and dicts; a ``CBORTag`` when ``tagged``.

    Raises:
        DecodeError: with the reason.
    """
    if len(data) > max_bytes:
        raise DecodeError("oversize", f"got {len(data)} bytes, at most {max_bytes}")
    end = _scan(data, 0, 0, tagged)
    if end != len(data):
        raise DecodeError("trailing_bytes", f"byte {end}: {len(data) - end} bytes follow the item")
    return cbor2.loads(data)


def _scan(data: bytes, at: int, depth: int, tagged: bool) -> int:
    """Check the item at ``at`` and return where it ends."""
    if depth > _MAX_DEPTH:
        raise DecodeError("too_deep", f"byte {at}: nested deeper than {_MAX_DEPTH}")
    if at >= len(data):
        raise DecodeError("truncated", f"byte {at}: an item is missing")
    major, low = data[at] >> 5, data[at] & 31
    if major == 7:
        return _scan_simple(data, at, low)
    argument, body = _argument(data, at, low)
    if major <= 1:
        if argument >= _INT64:
            raise DecodeError("integer_range", f"byte {at}: integer outside int64")
        return body
    if major in (2, 3):
        return _scan_string(data, at, body, argument, text=major == 3)
    if major == 6:
        if not tagged or argument != 18 or depth:
            raise DecodeError("tag", f"byte {at}: tag {argument} is not allowed here")
        return _scan(data, body, depth + 1, False)
    if major == 4:
        _check_room(data, at, body, argument)
        for _ in range(argument):
            body = _scan(data, body, depth + 1, False)
        return body
    return _scan_map(data, at, body, argument, depth)


def _argument(data: bytes, at: int, low: int) -> tuple[int, int]:
    if low < 24:
        return low, at + 1
    if low == 31:
        raise DecodeError("indefinite_length", f"byte {at}: indefinite length")
    if low > 27:
        raise DecodeError("malformed", f"byte {at}: reserved additional information {low}")
    end = at + 1 + _ARGUMENT_BYTES[low]
    if end > len(data):
        raise DecodeError("truncated", f"byte {at}: head is cut off")
    argument = int.from_bytes(data[at + 1 : end], "big")
    if argument < _SHORTEST[low]:
        raise DecodeError("not_shortest", f"byte {at}: {argument} has a shorter form")
    return argument, end


def _check_room(data: bytes, at: int, body: int, items: int) -> None:
    # Each item takes a byte at least: a huge announced count is refused before anything is allocated for it.
    if items > len(data) - body:
        raise DecodeError("truncated", f"byte {at}: {items} items announced, {len(data) - body} bytes left")


def _scan_string(data: bytes, at: int, body: int, length: int, *, text: bool) -> int:
    if length > len(data) - body:
        raise DecodeError("truncated", f"byte {at}: string of {length} bytes announced, {len(data) - body} left")
    if text:
        try:
            value = data[body : body + length].decode("utf-8")
        except UnicodeDecodeError as error:
            raise DecodeError("bad_text", f"byte {at}: text is not UTF-8 (or holds a lone surrogate)") from error
        if "\0" in value:
            raise DecodeError("bad_text", f"byte {at}: text holds NUL")
    return body + length


def _scan_map(data: bytes, at: int, body: int, pairs: int, depth: int) -> int:
    _check_room(data, at, body, 2 * pairs)
    previous = b""
    for _ in range(pairs):
        if body < len(data) and data[body] >> 5 > 1:
            raise DecodeError("key_type", f"byte {body}: map keys are integers")
        end = _scan(data, body, depth + 1, False)
        key = data[body:end]
        if key == previous:
            raise DecodeError("duplicate_key", f"byte {body}: key stands twice")
        if key < previous:
            raise DecodeError("key_order", f"byte {body}: keys are not in ascending order")
        previous = key
        body = _scan(data, end, depth + 1, False)
    return body


def _scan_simple(data: bytes, at: int, low: int) -> int:
    if low in (20, 21, 22):
        return at + 1
    if low not in (25, 26, 27):
        raise DecodeError("simple_value", f"byte {at}: only false, true, null and floats are allowed")
    end = at + 1 + _ARGUMENT_BYTES[low]
    if end > len(data):
        raise DecodeError("truncated", f"byte {at}: float is cut off")
    form = {25: ">e", 26: ">f", 27: ">d"}
    value = struct.unpack(form[low], data[at + 1 : end])[0]
    if not math.isfinite(value):
        raise DecodeError("non_finite", f"byte {at}: float is not finite")
    if low > 25 and _fits(value, form[low - 1]):
        raise DecodeError("not_shortest", f"byte {at}: float has a shorter form")
    return end


def _fits(value: float, form: str) -> bool:
    try:
        return bool(struct.unpack(form, struct.pack(form, value))[0] == value)
    except OverflowError:
        return False
