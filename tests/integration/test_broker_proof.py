"""What a collector finds out at start about a real mosquitto: each right too wide, and that silence is proof."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker_client import Client
from private_broker import ClientFiles, PrivateBroker

from collector.errors import ConfigurationError
from collector.fleet import broker_access, certificates
from collector.fleet.broker_probing import prove
from collector.ingest.link import BrokerSettings

PROBE = broker_access.PROBE
OTHERS = "nightjar/v1/+/+"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[PrivateBroker]:
    broker = PrivateBroker(tmp_path / "broker")
    yield broker
    broker.stop()


def access(broker: PrivateBroker, files: ClientFiles, port: int | None = None) -> BrokerSettings:
    return BrokerSettings(broker.host, port or broker.port, broker.authority, *files)


async def prove_at(broker: PrivateBroker) -> None:
    async with asyncio.timeout(60):
        await prove(access(broker, broker.collector), access(broker, broker.probe))


def grant(broker: PrivateBroker, *rights: tuple[str, str]) -> None:
    """Give the probe's role more than a device's; before the broker starts."""
    path = broker.authority.parent / "dynamic-security.json"
    state = json.loads(path.read_bytes())
    [role] = [role for role in state["roles"] if role["rolename"] == PROBE]
    role["acls"] += [{"acltype": kind, "topic": topic, "priority": 0, "allow": True} for kind, topic in rights]
    path.write_text(json.dumps(state))


async def test_a_broker_as_it_should_be_is_proven(broker: PrivateBroker) -> None:
    broker.start()
    await prove_at(broker)
    await prove_at(broker)  # and again at the next start


@pytest.mark.parametrize(
    ("rights", "found"),
    [
        (
            [("subscribePattern", "#"), ("publishClientReceive", f"{OTHERS}/down/#")],
            r"may receive nightjar/v1/proof-\w+/nightjar-nobody/down/ack, which is not its own, through '",
        ),
        (
            [("subscribePattern", f"{OTHERS}/up/#"), ("publishClientReceive", f"{OTHERS}/up/#")],
            r"may receive nightjar/v1/\+/\+/up/last, which is not its own, through 'nightjar/v1/\+/\+/up/#'",
        ),
        (
            [("subscribePattern", f"$share/x/{OTHERS}/up/#"), ("publishClientReceive", f"{OTHERS}/up/#")],
            r"may receive nightjar/v1/\+/\+/up/proof, which is not its own, through '\$share/x/nightjar",
        ),
        (
            # It may not receive, and is served nothing; but each message that its membership is given is gone.
            [("subscribePattern", f"$share/nightjar/{OTHERS}/up/#")],
            r"may join '\$share/nightjar/nightjar/v1/proof-\w+/nightjar-probe/up/proof': \d of 8 messages",
        ),
        ([("publishClientSend", f"{OTHERS}/up/#")], "may publish to nightjar/v1/proof-.*/nightjar-nobody/up/detection"),
        ([("publishClientSend", f"{OTHERS}/up/presence")], "may publish to .*/nightjar-nobody/up/presence"),
        ([("publishClientSend", f"nightjar/v1/+/{PROBE}/#")], "may publish to its own down"),
        (
            [
                ("publishClientSend", "$CONTROL/#"),
                ("subscribePattern", "$CONTROL/#"),
                ("publishClientReceive", "$CONTROL/#"),
            ],
            r"may publish to \$CONTROL/dynamic-security/v1, and so give itself every right",
        ),
    ],
    ids=["downs", "ups", "share", "swallow", "forge", "forge-presence", "answer-itself", "control"],
)
async def test_each_right_that_is_too_wide_is_named(
    broker: PrivateBroker, rights: list[tuple[str, str]], found: str
) -> None:
    grant(broker, *rights)
    broker.start()
    with pytest.raises(ConfigurationError, match=found) as refused:
        await prove_at(broker)
    assert "configs/mosquitto/README.md" in str(refused.value)


class AclFileBroker(PrivateBroker):
    """The same, with mosquitto's own list of rights instead of the plugin."""

    def _fill(self, template: str) -> str:
        rights = self.authority.parent / "acl"
        rights.write_text(
            f"user {broker_access.COLLECTOR}\n"
            f"topic read {OTHERS}/up/#\ntopic write {OTHERS}/down/#\n"
            "pattern write nightjar/v1/+/%u/up/#\npattern read nightjar/v1/+/%u/down/#\n"
        )
        lines = [line for line in super()._fill(template).splitlines() if not line.startswith("plugin")]
        return "\n".join([*lines, f"acl_file {rights}", ""])


async def test_a_plain_acl_file_is_found_out(tmp_path: Path) -> None:
    """Mosquitto's own list grants `$share` to whoever may connect: the trap that the plugin is there for."""
    with (
        AclFileBroker(tmp_path / "broker") as broker,
        pytest.raises(ConfigurationError, match=r"may join '\$share/nightjar/"),
    ):
        await prove_at(broker)


async def test_a_probe_without_rights_proves_nothing(broker: PrivateBroker) -> None:
    path = broker.authority.parent / "dynamic-security.json"
    state = json.loads(path.read_bytes())
    [role] = [role for role in state["roles"] if role["rolename"] == PROBE]
    role["acls"] = [acl for acl in role["acls"] if acl["acltype"] != "publishClientSend"]
    path.write_text(json.dumps(state))
    broker.start()
    with pytest.raises(ConfigurationError, match=r"could not be tried: the probe's connection ended"):
        await prove_at(broker)


async def test_a_probe_that_is_not_let_in_proves_nothing(broker: PrivateBroker, tmp_path: Path) -> None:
    stranger, key = certificates.create_authority("another"), certificates.new_key()
    files = ClientFiles(tmp_path / "probe.pem", tmp_path / "probe.key")
    files.certificate.write_bytes(certificates.issue_device(stranger, certificates.public_key(key), PROBE))
    files.key.write_bytes(key)
    broker.start()
    with pytest.raises(ConfigurationError, match=r"expected: nightjar-probe is let in with broker.probe_certificate"):
        await prove(access(broker, broker.collector), access(broker, files))


async def test_a_devices_own_certificate_is_no_probe(broker: PrivateBroker) -> None:
    files = broker.certify("trailer-1")
    with pytest.raises(ConfigurationError, match=r"got common name \['trailer-1'\], expected nightjar-probe"):
        await prove(access(broker, broker.collector), access(broker, files))


def serve(folder: Path, **broker: object) -> subprocess.CompletedProcess[str]:
    """Run ``collector serve`` until it ends."""
    config = folder / "collector.yaml"
    settings = {"data_dir": str(folder / "data"), "broker": broker, "http": {"host": "127.0.0.1", "port": 0}}
    config.write_text(json.dumps(settings), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "collector"), "serve", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_collector_does_not_run_beside_a_broker_that_lets_devices_read(broker: PrivateBroker, tmp_path: Path) -> None:
    grant(broker, ("subscribePattern", f"{OTHERS}/up/#"), ("publishClientReceive", f"{OTHERS}/up/#"))
    broker.add_device("trailer-1")
    broker.start()
    away = Client(broker, broker.collector, clean_start=False)
    away.subscribe(f"{OTHERS}/up/detection")
    away.close()
    device = Client(broker, broker.client("trailer-1"))
    device.publish("nightjar/v1/pd/trailer-1/up/detection", b"read")
    device.close()
    access = {"host": broker.host, "port": broker.port, "ca": str(broker.authority)}
    access |= {"certificate": str(broker.collector.certificate), "key": str(broker.collector.key)}
    without = serve(tmp_path, **access)
    assert (without.returncode, without.stdout) == (2, "")
    assert "broker.probe_certificate: got none" in without.stderr
    access |= {"probe_certificate": str(broker.probe.certificate), "probe_key": str(broker.probe.key)}
    ended = serve(tmp_path, **access)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "a device can do what none may, tried as nightjar-probe" in ended.stderr
    # Nothing was taken: it still waits at the broker.
    back = Client(broker, broker.collector, clean_start=False)
    assert back.next() == ("nightjar/v1/pd/trailer-1/up/detection", b"read")
    back.close()


async def test_it_waits_for_a_broker_that_is_not_there_yet(broker: PrivateBroker) -> None:
    proving = asyncio.create_task(prove_at(broker))
    await asyncio.to_thread(broker.start)
    await proving


async def test_it_can_be_ended_while_it_waits(broker: PrivateBroker) -> None:
    proving = asyncio.create_task(prove_at(broker))
    await asyncio.sleep(0)
    proving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await proving


async def test_what_waits_for_the_collector_goes_on_waiting(broker: PrivateBroker) -> None:
    """The proof goes past a queue of any length, and takes nothing out of it."""
    broker.add_device("trailer-1")
    broker.start()
    away = Client(broker, broker.collector, clean_start=False)
    away.subscribe(f"{OTHERS}/up/detection")
    away.close()
    device = Client(broker, broker.client("trailer-1"))
    sent = [str(number).encode() for number in range(300)]
    for payload in sent:
        device.publish("nightjar/v1/pd/trailer-1/up/detection", payload)
    device.close()
    await prove_at(broker)
    back = Client(broker, broker.collector, clean_start=False)
    assert [back.next()[1] for _ in sent] == sent
    back.close()


async def test_two_collectors_prove_it_at_one_time(broker: PrivateBroker) -> None:
    second = broker.add_collector("nightjar.collector-2")
    broker.start()
    async with asyncio.timeout(60):
        await asyncio.gather(
            prove(access(broker, broker.collector), access(broker, broker.probe)),
            prove(access(broker, second), access(broker, broker.probe)),
        )


def test_collectors_share_what_devices_send(broker: PrivateBroker) -> None:
    names = ("nightjar.collector", "nightjar.collector-2")
    broker.add_collector(names[1])
    broker.add_device("trailer-1")
    broker.start()
    collectors = [Client(broker, broker.client(name)) for name in names]
    for collector in collectors:
        assert collector.subscribe(f"$share/nightjar/{OTHERS}/up/detection") == "Granted QoS 1"
        assert collector.subscribe(f"$share/other/{OTHERS}/up/detection") == "Not authorized"
    device = Client(broker, broker.client("trailer-1"))
    for number in range(10):
        device.publish("nightjar/v1/pd/trailer-1/up/detection", str(number).encode())
    halves = [sorted(collector.next()[1] for _ in range(5)) for collector in collectors]
    assert sorted(halves[0] + halves[1]) == [str(number).encode() for number in range(10)]
    for client in (*collectors, device):
        client.close()
