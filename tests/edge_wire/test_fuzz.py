"""Whatever comes from outside is read or refused with a reason: no other error, no hang, bounded memory.

What is read is what the strict encoder would have written, and fits both databases. The quick ways through the decoder
(which INGEST's speed hangs on) give what the thorough ones give.

More of the same by hand: ``NIGHTJAR_FUZZ_EXAMPLES=200000 pytest tests/edge_wire/test_fuzz.py -p no:cacheprovider``.
"""

import dataclasses
import functools
import itertools
import math
import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_samples import DOWN, UP

from edge_wire import codec, cose, strict, topics
from edge_wire.cose import MAX_ENVELOPE_BYTES
from edge_wire.errors import MAX_TEXT, WireError

EXAMPLES = int(os.environ.get("NIGHTJAR_FUZZ_EXAMPLES", "200"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=5_000,  # ms; of microseconds, on a machine that may be busy
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize="NIGHTJAR_FUZZ_EXAMPLES" not in os.environ,
)

GOLDEN = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "golden").glob("*.c*"))]
UPS = [codec.encode(*sample) for sample in UP.values()]
PAYLOADS = UPS + [codec.encode(*sample) for sample in DOWN.values()]
READERS: dict[str, Callable[[bytes], object]] = {
    "decode_up": codec.decode_up,
    "decode_down": codec.decode_down,
    "decode_header": codec.decode_header,
    "decode_connection": codec.decode_connection,
    "parse an envelope": cose.parse,
    "read a public key": cose.load_spki,
    "load_strict": lambda data: strict.load_strict(data, max_bytes=MAX_ENVELOPE_BYTES),
    "load_strict tagged": lambda data: strict.load_strict(data, max_bytes=MAX_ENVELOPE_BYTES, tagged=True),
}
INT64 = 1 << 63

# Heads that announce much, nest, or are not allowed; and pieces that PostgreSQL would refuse.
_NASTY = list(
    map(
        bytes.fromhex,
        """
        1bffffffffffffffff 3bffffffffffffffff 1b8000000000000000 3b8000000000000000 5b7fffffffffffffff
        7bffffffff00000000 9b7fffffffffffffff bb7fffffffffffffff 9f bf 5f 7f ff 81 a1 c0 c2 d2 f0 f7 f818 f97e00 f97c00
        fbfff0000000000000 6100 63eda080 62c080 64f4908080 1800 190001 1a00000001 fa3f800000 f90000 f98000 a200000000
        a201000000
        """.split(),  # noqa: SIM905 - as a list literal it would be a line each
    )
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Bytes that were a message once: flipped, cut, repeated, spliced, and with heads put in that lie."""
    data = bytearray(draw(st.sampled_from(GOLDEN + PAYLOADS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "byte", "cut", "drop", "repeat", "splice", "nasty"])):
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "byte" if at < len(data):
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at:]
            case "drop":
                del data[at : at + draw(st.integers(1, 40))]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 40))] * draw(st.integers(1, 20))
            case "splice":
                data[at:] = draw(st.sampled_from(GOLDEN + PAYLOADS))[draw(st.integers(0, 60)) :]
            case "nasty":
                over = draw(st.integers(0, 3))
                data[at : at + over] = draw(st.sampled_from(_NASTY))
            case _:  # flipping a byte beyond the end
                pass
    return bytes(data)


_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 66), 1 << 66)
    | st.sampled_from([0, -1, INT64 - 1, INT64, -INT64, -INT64 - 1, 1 << 62])
    | st.floats()
    | st.binary(max_size=40)
    | st.text(max_size=20)
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(-2, 70) | st.text(max_size=2), inner),
    max_leaves=12,
)


@st.composite
def misfitted(draw: st.DrawFn) -> bytes:
    """A message with a field or two replaced by something else, encoded as a lenient encoder would."""
    items = dict(cbor2.loads(draw(st.sampled_from(PAYLOADS))))
    for key in draw(st.lists(st.sampled_from([*items, 40, 99]), min_size=1, max_size=3)):
        items[key] = draw(_values)
    return cbor2.dumps(items, canonical=draw(st.booleans()))


anything = st.one_of(st.binary(max_size=400), mutated(), misfitted(), _values.map(cbor2.dumps))


def read(reader: Callable[[bytes], object], data: bytes) -> object:
    """What ``reader`` makes of ``data``: a value, or the reason for which it refuses."""
    try:
        return reader(data)
    except WireError as refused:
        error = refused
    assert re.fullmatch(r"[a-z_]{3,20}", error.reason), error.reason
    assert len(str(error)) <= MAX_TEXT
    return error


@pytest.mark.parametrize("name", READERS)
@fuzz
@given(data=anything)
def test_anything_is_read_or_refused_with_a_reason(name: str, data: bytes) -> None:
    once, again = read(READERS[name], data), read(READERS[name], data)
    assert type(once) is type(again)
    if isinstance(once, WireError) and isinstance(again, WireError):
        assert (once.reason, str(once)) == (again.reason, str(again))


@fuzz
@given(data=anything)
def test_what_is_strict_is_what_the_encoder_writes(data: bytes) -> None:
    value = read(READERS["load_strict"], data)
    if not isinstance(value, WireError):
        assert cbor2.dumps(value, canonical=True) == data


@fuzz
@given(data=anything)
def test_the_quick_look_passes_only_what_the_thorough_one_passes(data: bytes) -> None:
    if strict._is_plain(data):
        assert strict._scan(data, 0, 0, tagged=False) == len(data)


@fuzz
@given(data=mutated() | st.binary(max_size=300))
def test_an_envelope_has_one_reading(data: bytes) -> None:
    quick = cose._parse_plain(data)
    if quick is not None:
        assert quick == cose._parse(data)
    envelope = read(cose.parse, data)
    if isinstance(envelope, cose.Envelope):
        parts = [envelope.protected, {}, envelope.payload, envelope.signature]
        assert cbor2.dumps(cbor2.CBORTag(18, parts)) == data


@fuzz
@given(data=anything)
def test_a_message_that_is_read_means_the_same_when_written_again(data: bytes) -> None:
    for decode in (codec.decode_up, codec.decode_down):
        message = read(decode, data)
        if isinstance(message, (codec.UpMessage, codec.DownMessage)):
            written = codec.encode(message.header, message.body)
            assert decode(written) == message
            assert codec.encode(message.header, message.body) == written
            if decode is codec.decode_up:
                assert codec.decode_header(data) == message.header


@fuzz
@given(data=anything)
def test_whatever_is_read_fits_both_databases(data: bytes) -> None:
    """NUL, a lone surrogate or an integer beyond int64 in one row makes PostgreSQL refuse the whole batch."""
    for decode in (codec.decode_up, codec.decode_down, codec.decode_header, codec.decode_connection):
        message = read(decode, data)
        if not isinstance(message, WireError):
            _check_fits(message)


def _check_fits(value: Any) -> None:
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            _check_fits(getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        for item in value:
            _check_fits(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_fits(key)
            _check_fits(item)
    elif isinstance(value, bool) or value is None:
        pass
    elif isinstance(value, int):
        assert -INT64 <= value < INT64
    elif isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, str):
        assert "\0" not in value
        value.encode("utf-8")
    else:
        assert isinstance(value, bytes)


@fuzz
@given(text=st.text(max_size=80) | st.from_regex(r"nightjar/v1/[a-z0-9-]+/[a-zA-Z0-9+#/ -]*/(up|down)/[a-z]+"))
def test_a_topic_is_read_or_refused(text: str) -> None:
    topic = read(
        lambda data: topics.parse(data.decode("utf-8", "surrogatepass")), text.encode("utf-8", "surrogatepass")
    )
    if isinstance(topic, WireError):
        assert topic.reason in {"bad_topic", "bad_name"}
    else:
        assert str(topic) == text
        _check_fits(topic)


_SIZE = MAX_ENVELOPE_BYTES
_HUGE = {
    "nested arrays": b"\x81" * (_SIZE - 1) + b"\0",
    "nested maps": b"\xa1\0" * (_SIZE // 2 - 1) + b"\0\0",
    "nested tags": b"\xd2" * (_SIZE - 1) + b"\0",
    "an array of zeroes": b"\x9a" + (_SIZE - 5).to_bytes(4, "big") + b"\0" * (_SIZE - 5),
    "an array of empty arrays": b"\x9a" + (_SIZE - 5).to_bytes(4, "big") + b"\x80" * (_SIZE - 5),
    "an array of empty maps": b"\x9a" + (_SIZE - 5).to_bytes(4, "big") + b"\xa0" * (_SIZE - 5),
    "an array of texts": b"\x9a" + ((_SIZE - 5) // 2).to_bytes(4, "big") + b"\x61a" * ((_SIZE - 5) // 2),
    "a long string": b"\x59\xff\xfc" + b"x" * (_SIZE - 4),
    "four thousand million items": b"\x9a\xff\xff\xff\xff" + b"\0" * (_SIZE - 5),
    "a string of 2^63 bytes": b"\x5b\x7f" + b"\xff" * 7 + b"x" * (_SIZE - 9),
    "a map of 2^62 pairs": b"\xbb\x3f" + b"\xff" * 7 + b"\0\0" * ((_SIZE - 9) // 2),
    "oversize by one": b"\0" * (_SIZE + 1),
    "a megabyte": b"\x81" * (1 << 20),
}
MOST_BYTES = 8 << 20
"""For 64 KiB: an empty list in a list takes 64 bytes of Python for one of CBOR; nothing takes more than twice that."""


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("case", _HUGE)
def test_memory_is_bounded_by_the_size_of_the_input(name: str, case: str) -> None:
    data = _HUGE[case]
    peak_bytes = _peak_bytes(lambda: read(READERS[name], data))
    assert peak_bytes < MOST_BYTES, f"{peak_bytes:,} bytes for {len(data):,}"


def test_a_field_that_fills_the_envelope_takes_no_more() -> None:
    """Delta-coded runs, slots and lists are unpacked in proportion: nothing in a message stands for much more of it."""
    fillings: list[list[Any]] = [[0] * 8_000, [b"A"] * 8_000, [1, 1 << 40] * 4_000, [[1, 1 << 40]] * 3_000]
    packed = [
        (sample, key)
        for sample in PAYLOADS
        for key, value in cbor2.loads(sample).items()
        if isinstance(value, (list, dict, tuple))
    ]
    assert packed
    for (sample, key), filling in itertools.product(packed, fillings):
        data = cbor2.dumps({**cbor2.loads(sample), key: filling}, canonical=True)
        decode = codec.decode_up if sample in UPS else codec.decode_down
        peak_bytes = _peak_bytes(functools.partial(read, decode, data))
        assert peak_bytes < MOST_BYTES, f"{peak_bytes:,} bytes, key {key}"


def _peak_bytes(run: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
