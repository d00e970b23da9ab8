"""Old bytes still decode, the code still writes them, and docs/wire.cddl says the same."""

from pathlib import Path

import cbor2
import pycddl
import pytest
from wire_samples import DOWN, EPOCH, GOLDEN, UP

from edge_wire import codec, cose
from edge_wire.errors import DecodeError

CDDL = pycddl.Schema((Path(__file__).parents[2] / "docs" / "wire.cddl").read_text(encoding="utf-8"))
ENVELOPE = (GOLDEN / "plate_read.cose").read_bytes()


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.cbor").read_bytes()


def test_every_kind_has_a_golden_file_and_every_file_a_kind() -> None:
    assert {path.stem for path in GOLDEN.glob("*.cbor")} == {*UP, *DOWN}


@pytest.mark.parametrize("name", [*UP, *DOWN])
def test_golden_bytes_are_what_the_cddl_says(name: str) -> None:
    CDDL.validate_cbor(golden(name))


@pytest.mark.parametrize("name", [*UP, *DOWN])
def test_the_cddl_refuses_a_message_that_lacks_what_the_code_demands(name: str) -> None:
    items = cbor2.loads(golden(name))
    decode = codec.decode_up if name in UP else codec.decode_down
    for key in items:
        broken = cbor2.dumps({k: v for k, v in items.items() if k != key}, canonical=True)
        try:
            decode(broken)
        except DecodeError:
            with pytest.raises(pycddl.ValidationError):
                CDDL.validate_cbor(broken)


@pytest.mark.parametrize("name", UP)
def test_up_messages_encode_to_and_decode_from_the_golden_bytes(name: str) -> None:
    header, body = UP[name]
    assert codec.encode(header, body) == golden(name)
    assert codec.decode_up(golden(name)) == codec.UpMessage(header, body)


@pytest.mark.parametrize("name", DOWN)
def test_down_messages_encode_to_and_decode_from_the_golden_bytes(name: str) -> None:
    header, body = DOWN[name]
    assert codec.encode(header, body) == golden(name)
    assert codec.decode_down(golden(name)) == codec.DownMessage(header, body)


def test_a_golden_envelope_still_verifies() -> None:
    CDDL.validate_cbor(ENVELOPE)
    envelope = cose.parse(ENVELOPE)
    CDDL.validate_cbor(envelope.payload)
    key = cose.load_spki((GOLDEN / "plate_read.spki").read_bytes())
    cose.verify(envelope, key, cose.external_aad("trailer-07", cose.Channel.DETECTION))
    assert codec.decode_up(envelope.payload).header.epoch == EPOCH
    assert envelope.kid == cose.key_id(key)


def test_what_a_newer_peer_adds_is_left_alone() -> None:
    items = cbor2.loads(golden("plate_read")) | {40: "from the future"}
    newer = cbor2.dumps(items, canonical=True)
    assert codec.decode_up(newer) == codec.UpMessage(*UP["plate_read"])
