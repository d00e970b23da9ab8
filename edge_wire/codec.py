"""Messages to deterministic CBOR and back.

``encode`` is the only writer and ``decode`` the only reader of payloads. Unknown keys are left alone: a newer peer may
say more than we understand, and the bytes are kept as they came.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from typing import Any, NamedTuple, TypeVar

import cbor2
import msgspec

from edge_wire.cose import MAX_ENVELOPE_BYTES
from edge_wire.errors import DecodeError
from edge_wire.messages import KIND_OF, KINDS, STREAM_OF, DownBody, DownHeader, Header, UpBody
from edge_wire.strict import load_strict

_Known = TypeVar("_Known")


@dataclass(frozen=True, slots=True)
class UpMessage:
    """A device's message."""

    header: Header
    body: UpBody


@dataclass(frozen=True, slots=True)
class DownMessage:
    """A collector's message."""

    header: DownHeader
    body: DownBody


def encode(header: Header | DownHeader, body: UpBody | DownBody) -> bytes:
    """Return the payload for a message."""
    return cbor2.dumps({0: KIND_OF[type(body)], **_to_keys(header), **_to_keys(body)}, canonical=True)


def decode_up(payload: bytes) -> UpMessage:
    """Read a device's payload.

    Raises:
        DecodeError: not strict CBOR, no known kind, or fields that do not fit it.
    """
    items, cls = _open(payload, up=True)
    message = UpMessage(_from_keys(items, Header), _from_keys(items, cls))
    stream = STREAM_OF[cls]
    if message.header.stream != stream or (message.header.sequence is None) != (stream is None):
        raise DecodeError("bad_field", f"{cls.__name__}: got stream {message.header.stream}, expected {stream}")
    return message


def decode_down(payload: bytes) -> DownMessage:
    """Read a collector's payload.

    Raises:
        DecodeError: not strict CBOR, no known kind, or fields that do not fit it.
    """
    items, cls = _open(payload, up=False)
    return DownMessage(_from_keys(items, DownHeader), _from_keys(items, cls))


def decode_header(payload: bytes) -> Header:
    """Read only who and which a device's payload is, for a message whose body nobody can use.

    Raises:
        DecodeError: not strict CBOR, or even the header does not fit.
    """
    return _from_keys(_load(payload), Header)


def _load(payload: bytes) -> dict[int, Any]:
    items = load_strict(payload, max_bytes=MAX_ENVELOPE_BYTES)
    if not isinstance(items, dict):
        raise DecodeError("not_a_map", "payload: expected a map")
    return items


def _open(payload: bytes, *, up: bool) -> tuple[dict[int, Any], type[Any]]:
    items = _load(payload)
    kind = items.get(0)
    cls = KINDS.get(kind) if isinstance(kind, int) else None
    if cls is None or (cls in STREAM_OF) != up:
        raise DecodeError("unknown_kind", f"payload: kind {kind!r} is not one that goes this way")
    return items, cls


def _to_keys(value: Any) -> dict[int, Any]:
    keyed = {}
    for item in fields(value):
        content = getattr(value, item.name)
        if content is None or (item.default is not MISSING and content == item.default):
            continue
        pack = item.metadata["pack"]
        keyed[item.metadata["key"]] = content if pack is None else pack(content)
    return keyed


class _Field(NamedTuple):
    name: str
    key: int
    unpack: Callable[[Any], Any] | None
    absent_is_none: bool


def _fields_of(cls: type[Any]) -> tuple[_Field, ...]:
    return tuple(
        _Field(
            item.name,
            item.metadata["key"],
            item.metadata["unpack"],
            item.default is MISSING and "None" in str(item.type),
        )
        for item in fields(cls)
    )


# Asked of the dataclasses once: each time it would take longer than decoding.
_FIELDS = {cls: _fields_of(cls) for cls in (Header, DownHeader, *KINDS.values())}
# msgspec looks into a class when it first converts to it, and crashes when two threads do that at once.
for _cls in _FIELDS:
    with suppress(msgspec.ValidationError):
        msgspec.convert({}, _cls, builtin_types=(bytes,))


def _from_keys(items: dict[int, Any], cls: type[_Known]) -> _Known:
    named: dict[str, Any] = {}
    for name, key, unpack, absent_is_none in _FIELDS[cls]:
        if key not in items:
            if absent_is_none:
                named[name] = None
            continue
        try:
            named[name] = items[key] if unpack is None else unpack(items[key])
        except (TypeError, ValueError) as error:
            raise DecodeError("bad_field", f"{cls.__name__}.{name}: {error}") from error
    try:
        return msgspec.convert(named, cls, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise DecodeError("bad_field", f"{cls.__name__}: {error}") from error


def encode_connection(epoch: int, connection: int) -> bytes:
    """Return the MQTT 5 correlation data that a device puts on everything it publishes over one connection.

    The collector copies it, unread and unsigned, into the signed header of its acks and commands: an ack that was
    recorded on another connection does not fit this one (PROTOCOL, invariant 6).
    """
    return cbor2.dumps([epoch, connection])


def decode_connection(correlation: bytes) -> tuple[int, int]:
    """Undo ``encode_connection``: epoch and connection number.

    Raises:
        DecodeError: it is not two unsigned integers.
    """
    items = load_strict(correlation, max_bytes=32)
    if not (isinstance(items, (list, tuple)) and len(items) == 2 and all(type(i) is int and i >= 0 for i in items)):
        raise DecodeError("bad_correlation", "correlation data: expected [epoch, connection]")
    return items[0], items[1]
