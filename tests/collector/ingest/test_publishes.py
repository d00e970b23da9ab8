"""Publishes are cut out of what arrives whole and in order; the MQTT client that reads the rest has the last word."""

import contextlib
import select
import socket
import ssl
import struct
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers

from collector.fleet import certificates
from collector.ingest.publishes import Publish, PublishSocket, take_publishes

PINGRESP, PUBACK = b"\xd0\x00", b"\x40\x02\x00\x07"
USUAL = st.builds(
    Publish,
    st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), min_size=1, max_size=60),
    st.binary(max_size=400),
    st.none() | st.binary(max_size=100),
    st.booleans(),
    st.integers(1, 65_535),
    st.integers(0, 1),
).map(lambda one: one if one.qos else one._replace(number=0))


def packet_of(one: Publish, **more: object) -> bytes:
    """Return a publish as a broker writes it (MQTT 5, 3.3)."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    if one.correlation is not None:
        properties.CorrelationData = one.correlation
    for name, value in more.items():
        setattr(properties, name, value)
    topic, number = one.topic.encode(), struct.pack("!H", one.number) if one.qos else b""
    packed = properties.pack()  # type: ignore[no-untyped-call]  # the same
    body = b"".join((struct.pack("!H", len(topic)), topic, number, packed, one.payload))
    size = VariableByteIntegers.encode(len(body))  # type: ignore[no-untyped-call]  # the same
    return bytes([0x30 | one.qos << 1 | one.retained]) + size + body


def taken(*portions: bytes) -> tuple[list[Publish], bytes, bytes]:
    """Return the publishes, the rest and what is unfinished of bytes that come in portions."""
    publishes: list[Publish] = []
    others, unfinished = b"", b""
    for portion in portions:
        more, unfinished = take_publishes(unfinished + portion, publishes)
        others += more
    return publishes, others, unfinished


@given(st.lists(USUAL | st.sampled_from([PINGRESP, PUBACK]), max_size=5), st.lists(st.integers(0, 2_000)))
def test_whatever_the_portions_publishes_and_the_rest_come_in_order(
    packets: list[Publish | bytes], cuts: list[int]
) -> None:
    stream = b"".join(one if isinstance(one, bytes) else packet_of(one) for one in packets)
    ends = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    publishes, others, unfinished = taken(*(stream[first:last] for first, last in pairwise(ends)))
    assert publishes == [one for one in packets if isinstance(one, Publish)]
    assert others == b"".join(one for one in packets if isinstance(one, bytes))
    assert unfinished == b""


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_of_any_bytes_none_are_lost(portions: list[bytes]) -> None:
    publishes, others, unfinished = taken(*portions)
    if not publishes:
        assert others + unfinished == b"".join(portions)


ONE = Publish("a/b", b"payload", b"\x01\x02", False, 5, 1)


@pytest.mark.parametrize(
    "packet",
    [
        packet_of(ONE, ContentType="text"),
        packet_of(ONE._replace(correlation=None), MessageExpiryInterval=60),
        packet_of(ONE._replace(correlation=bytes(200))),
        packet_of(ONE._replace(qos=2)),
        packet_of(ONE).replace(b"a/b", b"a/\xff"),
        b"\x36" + packet_of(ONE)[1:],
        b"\x32\x01\x00",
        b"\x32\x02\x00\x05",
        b"\x32\x07\x00\x01a\x00\x05\x05\x09",
        b"\x32\x0a\x00\x01a\x00\x05\x09\x09\x00\x06abc"[:12],
    ],
)
def test_any_other_form_is_left_to_the_client(packet: bytes) -> None:
    assert taken(packet, PINGRESP) == ([], packet + PINGRESP, b"")


def test_a_length_of_five_digits_is_left_to_the_client_with_all_behind_it() -> None:
    broken = b"\x30\xff\xff\xff\xff\x01" + packet_of(ONE)
    assert taken(packet_of(ONE), broken) == ([ONE], broken, b"")


def test_over_tls_the_reader_sees_only_what_is_not_a_publish(tmp_path: Path) -> None:
    authority = certificates.create_authority("test")
    key = certificates.new_key()
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    (tmp_path / "key.pem").write_bytes(key)
    certificate = certificates.issue_server(authority, certificates.public_key(key), ["localhost"])
    (tmp_path / "server.pem").write_bytes(certificate)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(tmp_path / "server.pem", tmp_path / "key.pem")
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.sslsocket_class = PublishSocket
    near, far = socket.socketpair()
    near.settimeout(10)
    far.settimeout(10)
    packet = packet_of(ONE)

    def serve() -> None:
        with serving.wrap_socket(far, server_side=True) as served:
            for portion in (packet + packet[:5], packet[5:] + PUBACK + packet, packet):
                served.sendall(portion)
            served.recv(1)
            with contextlib.suppress(OSError):
                served.unwrap()

    server = threading.Thread(target=serve)
    server.start()
    came: list[Publish] = []
    with context.wrap_socket(near, server_hostname="localhost") as reader:
        assert isinstance(reader, PublishSocket)
        reader.on_publishes = came.extend
        reader.setblocking(False)

        def read(most_bytes: int) -> bytes:
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    return reader.recv(most_bytes)
                assert select.select([reader], [], [], 10)[0]

        assert read(1) == PUBACK[:1]
        assert came == [ONE, ONE, ONE]
        assert reader.pending() == 3
        assert read(100) == PUBACK[1:]
        assert reader.pending() == 0
        while len(came) < 4:
            with contextlib.suppress(ssl.SSLWantReadError):
                reader.recv(1)
        reader.sendall(b".")
        assert read(1) == b""
        assert came == [ONE, ONE, ONE, ONE]
    server.join(10)
