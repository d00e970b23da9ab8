"""Strict CBOR: one scan that refuses whatever a lenient decoder would accept, before that decoder sees the bytes.

Accepted is deterministic CBOR (RFC 8949 §4.2) of bounded size and depth: shortest heads, definite lengths, map keys
that are integers in ascending order (so none twice), integers within int64, finite floats in their shortest form,
text that is UTF-8 without NUL, the simple values false, true and null, and no tag (18 where the caller says so).
Every other byte string has a reason by which it is counted.

What devices really send is passed over quickly, by the heads that occur in it; whatever else comes is looked at again,
item by item, and only that scan refuses.
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
    if not _is_plain(data):
        end = _scan(data, 0, 0, tagged)
        if end != len(data):
            raise DecodeError("trailing_bytes", f"byte {end}: {len(data) - end} bytes follow the item")
    return cbor2.loads(data)


def _is_plain(data: bytes) -> bool:
    """Whether ``data`` is one item that ``_scan`` accepts; False where it takes ``_scan`` to tell."""
    try:
        return _skip(data, 0, 0) == len(data)
    except IndexError:
        return False


def _skip(data: bytes, at: int, depth: int) -> int:
    """Return where the item at ``at`` ends; ``_BEYOND`` all bytes if it is not plain.

    Raises:
        IndexError: the bytes end before the item does.
    """
    head = data[at]
    if length := _LENGTH[head]:
        return at + length
    major, low = head >> 5, head & 31
    if major == 7 or low > 27 or depth >= _MAX_DEPTH:
        return _BEYOND
    at += 1
    argument = low
    if low > 23:
        begins, at = at, at + _ARGUMENT_BYTES[low]
        argument = int.from_bytes(data[begins:at], "big")
        if argument < _SHORTEST[low]:
            return _BEYOND
    if major <= 1:
        return at if argument < _INT64 else _BEYOND
    if major == 2:
        return at + argument
    if major == 3:
        text = data[at : at + argument]
        return at + argument if text.isascii() and 0 not in text else _BEYOND
    if major == 4:
        for _ in range(argument):
            at += _LENGTH[data[at]] or _skip(data, at, depth + 1) - at
        return at
    return _skip_map(data, at, argument, depth) if major == 5 else _BEYOND


def _skip_map(data: bytes, at: int, pairs: int, depth: int) -> int:
    """Go on as ``_skip`` does behind the head of a map: plain keys are 0 to 255, ascending."""
    previous = -1
    for _ in range(pairs):
        key = data[at]
        at += 1
        if key > 23:
            if key != 24 or data[at] < 24:
                return _BEYOND
            key = data[at]
            at += 1
        if key <= previous:
            return _BEYOND
        previous = key
        at += _LENGTH[data[at]] or _skip(data, at, depth + 1) - at
    return at


def _lengths() -> bytes:
    """How long an item is where its first byte alone tells, 0 elsewhere."""
    known = dict.fromkeys((*range(24), *range(0x20, 0x38), 0xF4, 0xF5, 0xF6), 1)
    known |= {0x40 + length: 1 + length for length in range(24)}
    return bytes(known.get(head, 0) for head in range(256))


_LENGTH = _lengths()
_BEYOND = 1 << 62


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
