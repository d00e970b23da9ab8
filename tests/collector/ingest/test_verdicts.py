from dataclasses import replace
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.ingest.verdicts import Accepted, DeadLetter, Keys, Live, Refused, VerifyingKey, judge, signer
from edge_wire import codec, cose
from edge_wire.messages import Stream
from edge_wire.topics import Channel


def keys_of(device: Any) -> Keys:
    return {
        (device.id, cose.key_id(device.key.public_key())): VerifyingKey(device.key.public_key(), None),
        (device.id, cose.key_id(device.epoch_key.public_key())): VerifyingKey(
            device.epoch_key.public_key(), device.epoch
        ),
    }


def payload_of(device: Any, body: Any, **header: Any) -> bytes:
    return codec.encode(device.header(body, **header), body)


def test_a_genuine_read_is_accepted_with_its_identity(make: Any) -> None:
    device = make.device()
    device.read()
    outcome = judge(device.read(), keys_of(device))
    assert isinstance(outcome, Accepted)
    one = outcome.identity
    assert (one.device, one.epoch, one.stream, one.sequence) == ("lpr-1", 7, Stream.DETECTION, 2)


def test_presence_and_health_are_live_and_have_no_identity(make: Any) -> None:
    device = make.device()
    for body in (make.presence(1, True, "connected"), make.health()):
        outcome = judge(device.publish(body), keys_of(device))
        assert isinstance(outcome, Live)
        assert outcome.body == body


def test_an_open_is_accepted_under_the_device_key_only(make: Any) -> None:
    device = make.device()
    assert isinstance(judge(device.open(), keys_of(device)), Accepted)
    by_epoch_key = judge(device.open(key=device.epoch_key), keys_of(device))
    assert isinstance(by_epoch_key, Refused)
    assert by_epoch_key.reason == "wrong_key"


def test_the_device_key_vouches_for_epochs_and_nothing_else(make: Any) -> None:
    device = make.device()
    outcome = judge(device.read(key=device.key), keys_of(device))
    assert isinstance(outcome, Refused)
    assert outcome.reason == "wrong_key"


def test_an_epoch_key_signs_for_its_own_epoch_only(make: Any) -> None:
    device = make.device()
    outcome = judge(device.read(epoch=8), keys_of(device))
    assert isinstance(outcome, Refused)
    assert outcome.reason == "wrong_epoch"


def test_invariant_6_an_unsigned_message_is_refused(make: Any) -> None:
    device = make.device()
    received = device.read()
    broken = bytearray(received.payload)
    broken[-1] ^= 1
    outcome = judge(replace(received, payload=bytes(broken)), keys_of(device))
    assert isinstance(outcome, Refused)
    assert outcome.reason == "bad_signature"
    assert outcome.digest == replace(received, payload=bytes(broken)).digest


def test_invariant_6_a_stranger_s_signature_is_refused(make: Any) -> None:
    device = make.device()
    outcome = judge(device.read(key=ec.generate_private_key(ec.SECP256R1())), keys_of(device))
    assert isinstance(outcome, Refused)
    assert outcome.reason == "unknown_key"


def test_invariant_6_a_right_signature_on_another_channel_is_refused(make: Any) -> None:
    device = make.device()
    received = device.read()
    moved = replace(received, topic=received.topic.replace("detection", "report"))
    outcome = judge(moved, keys_of(device))
    assert isinstance(outcome, Refused)
    assert outcome.reason == "bad_signature"


def test_invariant_6_a_right_signature_on_another_device_s_topic_is_refused(make: Any) -> None:
    device = make.device()
    outcome = judge(device.read(topic_device="lpr-2"), keys_of(device))
    assert isinstance(outcome, Refused)
    assert outcome.reason == "unknown_key"
    # Even where the other device had the very same key, the signature names the device.
    borrowed = {("lpr-2", kid): key for (_, kid), key in keys_of(device).items()}
    outcome = judge(device.read(topic_device="lpr-2"), borrowed)
    assert isinstance(outcome, Refused)
    assert outcome.reason == "bad_signature"


def test_the_agency_in_the_topic_is_not_signed_and_not_believed(make: Any) -> None:
    device = make.device()
    received = device.read()
    moved = replace(received, topic=received.topic.replace("springfield", "shelbyville"))
    assert isinstance(judge(moved, keys_of(device)), Accepted)


@pytest.mark.parametrize(
    "topic",
    [
        "nightjar/v1/springfield/lpr-1/down/ack",
        "nightjar/v1/springfield/lpr-1/up/gossip",
        "nightjar/v1/springfield/LPR 1/up/detection",
        "elsewhere",
    ],
)
def test_a_topic_that_is_not_a_device_s_is_refused(make: Any, topic: str) -> None:
    device = make.device()
    outcome = judge(replace(device.read(), topic=topic), keys_of(device))
    assert isinstance(outcome, Refused)
    assert outcome.reason in ("bad_topic", "bad_name")


def test_a_row_on_the_wrong_channel_is_a_dead_letter(make: Any) -> None:
    device = make.device()
    outcome = judge(device.read(channel=Channel.REPORT), keys_of(device))
    assert isinstance(outcome, DeadLetter)
    assert (outcome.reason, outcome.identity.sequence) == ("wrong_channel", 1)


def test_an_unknown_kind_is_a_dead_letter_with_its_identity(make: Any) -> None:
    device = make.device()
    items = cbor2.loads(payload_of(device, make.plate_read()))
    outcome = judge(device.raw(cbor2.dumps({**items, 0: 99}, canonical=True)), keys_of(device))
    assert isinstance(outcome, DeadLetter)
    assert (outcome.reason, outcome.identity.sequence) == ("unknown_kind", 1)


def test_bad_fields_are_a_dead_letter(make: Any) -> None:
    device = make.device()
    items = cbor2.loads(payload_of(device, make.plate_read()))
    outcome = judge(device.raw(cbor2.dumps({**items, 10: "A" * 99}, canonical=True)), keys_of(device))
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason == "bad_field"


def test_a_payload_without_a_readable_header_has_no_identity_to_ack(make: Any) -> None:
    device = make.device()
    items = cbor2.loads(payload_of(device, make.plate_read()))
    for broken in ({**items, 1: "seven"}, {key: value for key, value in items.items() if key != 3}):
        outcome = judge(device.raw(cbor2.dumps(broken, canonical=True)), keys_of(device))
        assert isinstance(outcome, Refused)


def test_an_open_whose_key_is_no_key_is_a_dead_letter(make: Any) -> None:
    device = make.device()
    outcome = judge(device.open(public_key=b"nonsense"), keys_of(device))
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason == "bad_key"


def _with(items: dict[int, Any], key: int, raw: bytes) -> bytes:
    """The map with one value replaced by raw CBOR, in canonical order."""
    body = b"".join(
        cbor2.dumps(k) + (raw if k == key else cbor2.dumps(items[k], canonical=True)) for k in sorted(items)
    )
    return bytes([0xB8, len(items)]) + body if len(items) > 23 else bytes([0xA0 | len(items)]) + body


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x1b\x80\x00\x00\x00\x00\x00\x00\x00", "integer_range"),
        (b"\x18\x05", "not_shortest"),
        (b"\xf9\x7e\x00", "non_finite"),
        (b"\xf7", "simple_value"),
        (b"\xc1\x05", "tag"),
        (b"\x5f\x41a\xff", "indefinite_length"),
        (b"\x63a\x00b", "bad_text"),
        (b"\x63\xed\xa0\x80", "bad_text"),
        (b"\xa2\x01\x00\x01\x00", "duplicate_key"),
        (b"\xa2\x02\x00\x01\x00", "key_order"),
        (b"\xa1\x61a\x00", "key_type"),
        (b"\x81" * 9 + b"\x00", "too_deep"),
        (b"\x1c", "malformed"),
    ],
)
def test_what_strict_decoding_refuses_is_refused_however_well_it_is_signed(make: Any, raw: bytes, reason: str) -> None:
    device = make.device()
    items = cbor2.loads(payload_of(device, make.plate_read()))
    items[63] = 0
    outcome = judge(device.raw(_with(items, 63, raw)), keys_of(device))
    assert isinstance(outcome, Refused)
    assert outcome.reason == reason


def test_trailing_bytes_truncation_and_oversize_are_refused(make: Any) -> None:
    device = make.device()
    payload = payload_of(device, make.plate_read())
    assert judge(device.raw(payload + b"\x00"), keys_of(device)).reason == "trailing_bytes"
    assert judge(device.raw(payload[:-1]), keys_of(device)).reason in ("truncated", "bad_text")
    assert judge(device.envelope(device.read().payload + b"\x00"), keys_of(device)).reason == "trailing_bytes"
    assert judge(device.envelope(b"\x00" * 70_000), keys_of(device)).reason == "oversize"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(noise=st.binary(max_size=200))
def test_any_bytes_get_a_verdict(make: Any, noise: bytes) -> None:
    device = make.device()
    received = device.envelope(noise)
    assert isinstance(judge(received, {}), Refused)
    assert signer(received) is None or isinstance(signer(received), tuple)
    outcome = judge(device.raw(noise), keys_of(device))
    assert isinstance(outcome, Refused)
