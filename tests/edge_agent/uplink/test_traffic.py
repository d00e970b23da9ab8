"""Words for what goes out, and its size on the wire."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.uplink.link import Outbound
from edge_agent.uplink.traffic import sent_bytes, word_for
from edge_wire import codec, cose
from edge_wire.messages import (
    STREAM_OF,
    Header,
    Health,
    LossRecord,
    Media,
    Part,
    Presence,
    ShotArrival,
    ShotClip,
    Statement,
)

BODIES = {
    "shot": ShotArrival("m1", "d1", 1, (("gunshot", 0.9),), "m", -100, -900, False, 48_000),
    "shot-clip": ShotClip("m1", ((1, 1),), bytes(32), bytes(32), 4_000),
    "crop": Media(Part.CROP, bytes(32), 0, 4, b"crop", 7, track=1),
    "recording": Media(Part.RECORDING, bytes(32), 0, 4, b"flac", 7, sequence=1),
    "statement": Statement(()),
    "loss": LossRecord(7, 1, ((1, 2),), "evicted"),
    "health": Health(1, 1, 2, 3, None, 4, "ntp", (), (), "0.1"),
    "presence": Presence(1, True, ""),
}


@pytest.mark.parametrize("word", BODIES)
def test_a_message_is_counted_by_what_it_is(word):
    stream = STREAM_OF[type(BODIES[word])]
    payload = codec.encode(Header(7, 1, 2, 3, stream, None if stream is None else 1), BODIES[word])
    assert word_for(cose.sign(payload, ec.generate_private_key(ec.SECP256R1()), b"")) == word


@pytest.mark.parametrize("envelope", [b"", b"nonsense"])
def test_what_nobody_can_read_is_counted_too(envelope):
    assert word_for(envelope) == "other"


def test_the_size_is_mqtts_and_a_record_of_tls_for_each_16_kib():
    topic = "nightjar/v1/pd/trailer-1/up/detection"
    read = Outbound(topic, bytes(400), bytes(11))
    assert sent_bytes(read) == 400 + len(topic) + 11 + 13 + 22
    part = Outbound(topic, bytes(24_800), bytes(11))
    assert sent_bytes(part) == 24_800 + len(topic) + 11 + 13 + 44
