"""Topics are built and parsed in one place; whatever is not ours is refused."""

import pytest

from edge_wire.errors import TopicError
from edge_wire.topics import Channel, Topic, parse, subscription


@pytest.mark.parametrize("channel", list(Channel))
def test_every_channel_comes_back(channel: Channel) -> None:
    topic = Topic("pd-7", "trailer-07", channel)
    assert parse(str(topic)) == topic


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "nightjar/v1/pd/trailer/up",
        "nightjar/v2/pd/trailer/up/detection",
        "nightjar/v1/pd/trailer/up/ack",
        "nightjar/v1/pd/trailer/down/detection",
        "nightjar/v1/pd/trailer/up/detection/more",
        "nightjar/v1/pd/Trailer/up/detection",
        "nightjar/v1//trailer/up/detection",
        "nightjar/v1/pd/trailer\n/up/detection",
        "nightjar/v1/pd/" + "t" * 41 + "/up/detection",
    ],
)
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(TopicError):
        parse(topic)


def test_subscriptions() -> None:
    assert subscription(Channel.DETECTION) == "nightjar/v1/+/+/up/detection"
    assert subscription(Channel.ACK, agency="pd", device="trailer-07") == "nightjar/v1/pd/trailer-07/down/ack"
    assert subscription(Channel.MEDIA, share="c") == "$share/c/nightjar/v1/+/+/up/media"
