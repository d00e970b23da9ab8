"""Notices on topics, at a real mosquitto."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from broker_client import Client
from private_broker import PrivateBroker

from collector.alerts.sending.carriers import CarryError, tls_of
from collector.alerts.sending.content import Allowance
from collector.alerts.sending.records import Message
from collector.alerts.sending.topics import TopicBroker, TopicCarrier

PREFIX = "nightjar/alerts"
LISTENER = "nightjar.listener-cad"
ELSEWHERE = "elsewhere/alerts"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[PrivateBroker]:
    made = PrivateBroker(tmp_path / "broker", devices=["trailer-1"])
    made.add_notices(PREFIX, {LISTENER: ["springfield"]})
    with made as started:
        yield started


@pytest.fixture
def mailing(message: Message) -> Message:
    return replace(message, notice=replace(message.notice, target="topic:all"))


def carrier(broker: PrivateBroker, *, prefix: str = PREFIX, name: str = "nightjar.notices") -> TopicCarrier:
    tls = tls_of("routing.topics[0]", broker.authority, *broker.client(name))
    where = TopicBroker(broker.host, broker.port, name, tls, 10.0)
    topics = {"topic:all": (prefix, Allowance(frozenset({"plate"})))}
    return TopicCarrier(where, topics, "https://rtcc.example")


def listening(broker: PrivateBroker, name: str, topic: str) -> Client:
    client = Client(broker, broker.client(name))
    client.subscribe(topic)
    return client


async def test_listeners_hear_their_agency(broker: PrivateBroker, mailing: Message) -> None:
    client = listening(broker, LISTENER, f"{PREFIX}/springfield")
    by = carrier(broker)
    other = replace(mailing.facts, latest=replace(mailing.facts.latest, agency="shelbyville"))
    try:
        await by.carry(replace(mailing, facts=other))
        await by.carry(mailing)
        topic, content = client.next()
    finally:
        await by.close()
        client.close()
    assert topic == f"{PREFIX}/springfield"
    assert json.loads(content)["fields"] == {"plate": "7ABC123"}


async def test_a_device_hears_nothing(broker: PrivateBroker, mailing: Message) -> None:
    device = listening(broker, "trailer-1", f"{PREFIX}/springfield")
    device.subscribe("#")
    heard = listening(broker, LISTENER, f"{PREFIX}/springfield")
    by = carrier(broker)
    try:
        await by.carry(mailing)
        assert heard.next()[0] == f"{PREFIX}/springfield"
        # What it may hear comes after whatever it should not have heard.
        device.subscribe("nightjar/v1/+/trailer-1/down/#")
        collector = Client(broker, broker.collector)
        collector.publish("nightjar/v1/springfield/trailer-1/down/ack", b"sentinel")
        assert device.next()[1] == b"sentinel"
        collector.close()
    finally:
        await by.close()
        device.close()
        heard.close()


async def test_what_may_not_be_published_is_said(broker: PrivateBroker, mailing: Message) -> None:
    by = carrier(broker, prefix=ELSEWHERE)
    with pytest.raises(CarryError, match="topic elsewhere/alerts/springfield: ") as caught:
        await by.carry(mailing)
    assert "Not authorized" in str(caught.value) or "ended" in str(caught.value)
    await by.close()


async def test_it_goes_on_when_the_broker_is_back(broker: PrivateBroker, mailing: Message) -> None:
    by = carrier(broker)
    client = listening(broker, LISTENER, f"{PREFIX}/springfield")
    await by.carry(mailing)
    client.close()
    broker.stop()
    with pytest.raises(CarryError, match=r"broker 127.0.0.1:\d+: "):
        await by.carry(mailing)
    broker.start()
    client = listening(broker, LISTENER, f"{PREFIX}/springfield")
    await by.carry(mailing)
    assert client.next()[0] == f"{PREFIX}/springfield"
    client.close()
    await by.close()


async def test_a_certificate_of_nobody_is_not_let_in(broker: PrivateBroker, mailing: Message) -> None:
    broker.certify("stranger")
    by = carrier(broker, name="stranger")
    with pytest.raises(CarryError, match=r"broker 127.0.0.1:\d+: "):
        await by.carry(mailing)
    await by.close()


async def test_several_at_once_share_one_connection(broker: PrivateBroker, mailing: Message, clock: Any) -> None:
    by = carrier(broker)
    client = listening(broker, LISTENER, f"{PREFIX}/springfield")
    numbered = [replace(mailing, notice=replace(mailing.notice, id=number)) for number in range(20)]
    await asyncio.gather(*(by.carry(one) for one in numbered))
    heard = {json.loads(client.next()[1])["notice"] for _ in numbered}
    assert heard == set(range(20))
    client.close()
    await by.close()
    assert broker.log.read_text().count("as nightjar.notices") == 1
