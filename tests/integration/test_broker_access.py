"""What each certificate can do at a real mosquitto, judged by what is delivered.

A forbidden subscription may be granted and only its delivery filtered, so no test believes an answer. The broker has
one thread: once it has answered a forbidden request, a permitted message sent after that (the sentinel) comes after
whatever the forbidden one might have caused.
"""

import json
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from broker_client import TIMEOUT_S, Client
from private_broker import CONFIGURATION, BrokerError, ClientFiles, PrivateBroker

from collector.fleet import broker_access, certificates

ALL_UPS = "nightjar/v1/+/+/up/#"
VICTIM_UP = "nightjar/v1/pd/victim/up/detection"
VICTIM_DOWN = "nightjar/v1/pd/victim/down/ack"
THIEF_UP = "nightjar/v1/pd/thief/up/detection"
THIEF_DOWN = "nightjar/v1/pd/thief/down/ack"


Connect = Callable[..., Client]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[PrivateBroker]:
    with PrivateBroker(tmp_path / "broker", devices=["victim", "thief"]) as started:
        yield started


@pytest.fixture
def connect(broker: PrivateBroker) -> Iterator[Connect]:
    """Connects under a name; at the end every connection is closed."""
    clients: list[Client] = []

    def open_one(name: str, **options: object) -> Client:
        client = Client(broker, broker.client(name), **options)  # type: ignore[arg-type]  # handed through as they are
        clients.append(client)
        return client

    yield open_one
    for client in clients:
        client.close()


@pytest.fixture
def collector(connect: Connect) -> Client:
    client = connect(broker_access.COLLECTOR)
    client.subscribe(ALL_UPS)
    return client


def is_let_in(broker: PrivateBroker, context: ssl.SSLContext | None) -> bool:
    """Whether a CONNECT gets an answer; with TLS 1.3 a refusal of the certificate shows only after the handshake."""
    packet = b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc"
    try:
        with socket.create_connection((broker.host, broker.port), timeout=TIMEOUT_S) as plain:
            link = plain if context is None else context.wrap_socket(plain, server_hostname=broker.host)
            with link:
                link.sendall(packet)
                return link.recv(1) == b"\x20"
    except (ssl.SSLError, ConnectionError):
        return False


def tls(broker: PrivateBroker, files: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(broker.authority))
    if files is not None:
        context.load_cert_chain(*files)
    return context


def test_a_device_reaches_the_collector_and_is_answered(connect: Connect, collector: Client) -> None:
    device = connect("victim")
    device.subscribe("nightjar/v1/+/victim/down/#")
    device.publish(VICTIM_UP, b"read")
    assert collector.next() == (VICTIM_UP, b"read")
    collector.publish(VICTIM_DOWN, b"ack")
    assert device.next() == (VICTIM_DOWN, b"ack")


@pytest.mark.parametrize("retain", [False, True], ids=["live", "retained"])
@pytest.mark.parametrize("topic", [VICTIM_UP, "nightjar/v1/other/victim/up/presence"])
def test_a_device_cannot_speak_for_another(connect: Connect, collector: Client, topic: str, retain: bool) -> None:
    victim = connect("victim")
    connect("thief").publish(topic, b"forged", retain=retain)
    victim.publish(VICTIM_UP, b"sentinel")
    assert collector.next() == (VICTIM_UP, b"sentinel")


def test_a_device_cannot_forge_acks_or_commands(connect: Connect, collector: Client) -> None:
    victim = connect("victim")
    victim.subscribe("nightjar/v1/+/victim/down/#")
    connect("thief").publish(VICTIM_DOWN, b"forged")
    collector.publish(VICTIM_DOWN, b"sentinel")
    assert victim.next() == (VICTIM_DOWN, b"sentinel")


def test_a_device_cannot_change_who_may_do_what(connect: Connect, collector: Client) -> None:
    victim = connect("victim")
    connect("thief").publish(broker_access.CONTROL_TOPIC, broker_access.removal("victim"))
    victim.publish(VICTIM_UP, b"sentinel")
    assert collector.next() == (VICTIM_UP, b"sentinel")


@pytest.mark.parametrize(
    "topic",
    [
        "#",
        "+/+/+/+/+/+",
        "nightjar/#",
        ALL_UPS,
        "nightjar/v1/+/+/down/#",
        "nightjar/v1/+/victim/#",
        "nightjar/v1/+/victim/down/#",
        VICTIM_DOWN,
        VICTIM_UP,
        "$share/g/#",
        f"$share/g/{ALL_UPS}",
        f"$share/g/{VICTIM_DOWN}",
        "$share/g/nightjar/v1/+/+/down/#",
    ],
)
def test_a_device_reads_nothing_of_others(connect: Connect, collector: Client, topic: str) -> None:
    victim, thief = connect("victim"), connect("thief")
    victim.publish(VICTIM_UP, b"kept", retain=True)
    thief.subscribe(THIEF_DOWN)
    thief.subscribe(topic)
    victim.publish(VICTIM_UP, b"live")
    collector.publish(VICTIM_DOWN, b"ack")
    collector.publish(THIEF_DOWN, b"sentinel")
    assert thief.next() == (THIEF_DOWN, b"sentinel")


@pytest.mark.parametrize("topic", [f"$share/g/{ALL_UPS}", "$share/g/nightjar/#", f"$share/g/{VICTIM_UP}"])
def test_a_device_swallows_no_share_of_the_detections(connect: Connect, collector: Client, topic: str) -> None:
    victim, thief = connect("victim"), connect("thief")
    thief.subscribe(topic)
    sent = [str(number).encode() for number in range(20)]
    for payload in sent:
        victim.publish(VICTIM_UP, payload)
    assert [collector.next()[1] for _ in sent] == sent


def test_a_device_cannot_take_over_anothers_session(connect: Connect, collector: Client) -> None:
    victim = connect("victim")
    victim.subscribe(VICTIM_DOWN)
    thief = connect("thief", client_id="victim")
    thief.publish(THIEF_UP, b"still a thief")
    collector.publish(VICTIM_DOWN, b"ack")
    assert victim.next() == (VICTIM_DOWN, b"ack")


def test_a_will_speaks_for_its_own_device_only(connect: Connect, collector: Client) -> None:
    presence = "nightjar/v1/pd/{}/up/presence"
    victim = connect("victim")
    connect("thief", will=presence.format("victim"))
    connect("thief", will=presence.format("thief"))  # takes over: the first connection dies, and its will with it
    connect("thief")
    victim.publish(VICTIM_UP, b"sentinel")
    assert collector.next() == (presence.format("thief"), b"will")
    assert collector.next() == (VICTIM_UP, b"sentinel")


def test_the_collector_cannot_speak_for_a_device(connect: Connect, collector: Client, broker: PrivateBroker) -> None:
    device = connect("victim")
    collector.publish(VICTIM_UP, b"forged")
    assert collector.end()  # a forbidden publish costs the connection
    again = connect(broker_access.COLLECTOR)
    again.subscribe(ALL_UPS)
    device.publish(VICTIM_UP, b"sentinel")
    assert again.next() == (VICTIM_UP, b"sentinel")


def test_a_packet_of_any_size_is_not_taken(connect: Connect, collector: Client) -> None:
    device = connect("victim")
    device.send(VICTIM_UP, bytes(200_000))
    # The reason is lost when the reset overtakes it; that the connection ends is what counts.
    assert device.end() in {"Packet too large", "Unspecified error"}
    connect("victim").publish(VICTIM_UP, bytes(66_000))  # larger than any envelope: for the collector to refuse
    assert collector.next() == (VICTIM_UP, bytes(66_000))


def test_only_a_certificate_of_our_authority_opens(broker: PrivateBroker, tmp_path: Path) -> None:
    key = certificates.new_key()
    stranger = certificates.create_authority("Nightjar throwaway authority")
    forged = ClientFiles(tmp_path / "forged.pem", tmp_path / "forged.key")
    forged.certificate.write_bytes(certificates.issue_device(stranger, certificates.public_key(key), "victim"))
    forged.key.write_bytes(key)
    assert is_let_in(broker, tls(broker, broker.client("victim")))
    assert not is_let_in(broker, tls(broker, forged)), "a certificate of another authority"
    assert not is_let_in(broker, tls(broker, None)), "no certificate"
    assert not is_let_in(broker, None), "no TLS"


def test_the_brokers_own_certificate_does_not_open(broker: PrivateBroker) -> None:
    folder = broker.authority.parent
    assert not is_let_in(broker, tls(broker, (folder / "broker.pem", folder / "broker.key")))


def test_a_certificate_alone_gives_no_rights(broker: PrivateBroker, connect: Connect, collector: Client) -> None:
    broker.certify("stranger")
    stranger, victim = connect("stranger"), connect("victim")
    stranger.subscribe("nightjar/v1/+/stranger/down/#")
    stranger.publish("nightjar/v1/pd/stranger/up/detection", b"forged")
    victim.publish(VICTIM_UP, b"sentinel")
    assert collector.next() == (VICTIM_UP, b"sentinel")


def test_a_device_is_added_and_removed_while_the_broker_runs(
    broker: PrivateBroker, connect: Connect, collector: Client
) -> None:
    topic = "nightjar/v1/pd/late/up/detection"
    victim = connect("victim")
    broker.add_device("late")
    broker.add_device("late")  # once more changes nothing
    late = connect("late")
    late.publish(topic, b"read")
    assert collector.next() == (topic, b"read")
    broker.remove_device("late")
    assert late.end() == "Administrative action"
    connect("late").publish(topic, b"forged")
    victim.publish(VICTIM_UP, b"sentinel")
    assert collector.next() == (VICTIM_UP, b"sentinel")
    with pytest.raises(BrokerError, match="deleteClient"):
        broker.remove_device("late")


@pytest.mark.parametrize("end", [PrivateBroker.stop, PrivateBroker.kill], ids=["stopped", "killed"])
def test_rights_given_while_it_ran_outlive_the_broker(
    broker: PrivateBroker, connect: Connect, end: Callable[[PrivateBroker], None]
) -> None:
    broker.add_device("late")
    port = broker.port
    end(broker)
    assert not broker.running
    broker.add_device("later")
    broker.start()
    assert broker.port == port
    collector = connect(broker_access.COLLECTOR)
    collector.subscribe(ALL_UPS)
    for name in ("late", "later"):
        topic = f"nightjar/v1/pd/{name}/up/detection"
        connect(name).publish(topic, b"read")
        assert collector.next() == (topic, b"read")


def test_what_waits_for_the_collector_outlives_an_orderly_restart(broker: PrivateBroker, connect: Connect) -> None:
    away = connect(broker_access.COLLECTOR, clean_start=False)
    away.subscribe(ALL_UPS)
    away.close()
    device = connect("victim")
    device.publish(VICTIM_UP, b"read")
    broker.restart()
    assert connect(broker_access.COLLECTOR, clean_start=False).next() == (VICTIM_UP, b"read")


def test_a_device_that_made_its_own_key_keeps_it(broker: PrivateBroker) -> None:
    public = certificates.public_key(certificates.new_key())
    files = broker.add_device("own-key", public)
    assert files.certificate.exists()
    assert not files.key.exists()


def test_secrets_are_for_their_owner_only(broker: PrivateBroker) -> None:
    folder = broker.authority.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    keys = list(folder.rglob("*.key"))
    assert len(keys) >= 5  # authority, broker, collector, fleet, devices
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def test_a_broker_that_does_not_start_says_why(tmp_path: Path) -> None:
    broker = PrivateBroker(tmp_path)
    (tmp_path / "broker.pem").write_text("no certificate")
    with pytest.raises(BrokerError, match=r"its log:[\s\S]*Unable to load server certificate"):
        broker.start()
    assert not broker.running


@pytest.mark.parametrize("content", ["no JSON", "{}"])
def test_an_unreadable_list_of_rights_gives_nobody_any(tmp_path: Path, content: str) -> None:
    broker = PrivateBroker(tmp_path, devices=["victim"])
    (tmp_path / "dynamic-security.json").write_text(content)
    with broker:
        client = Client(broker, broker.client("victim"))
        assert client.subscribe(VICTIM_DOWN) == "Not authorized"
        assert client.publish(VICTIM_UP, b"read") == "Not authorized"
        client.close()


def test_every_setting_has_its_reason_beside_it() -> None:
    blocks = [block.splitlines() for block in CONFIGURATION.read_text().split("\n\n")]
    without = [block for block in blocks if not all(line.startswith("#") for line in block) and block[0][0] != "#"]
    assert not without


def test_the_plugin_kept_what_was_rendered(broker: PrivateBroker) -> None:
    """The plugin reads what we write as we mean it: after a change of its own, its file says the same."""
    broker.add_device("late")
    state = json.loads((broker.authority.parent / "dynamic-security.json").read_bytes())
    expected = json.loads(broker_access.render(["victim", "thief", "late"]))
    assert state["defaultACLAccess"] == expected["defaultACLAccess"]
    assert sorted(map(json.dumps, state["clients"])) == sorted(map(json.dumps, expected["clients"]))
