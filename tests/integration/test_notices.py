"""An alert reaches everybody whom a route names, over the real collector: people, a webhook, a mailbox and a topic."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import Message
from pathlib import Path
from typing import Any

import yaml
from aiosmtpd.controller import Controller
from broker_client import Client
from chain import AGENCY, Chain
from support import eventually
from tls_receiver import Authority, TlsReceiver
from wire_samples import UP

from edge_agent.outbox import Outbox, OutboxSettings
from edge_agent.provisioning import device_key
from edge_agent.records import CaptureTime
from edge_agent.uplink import Uplink, UplinkSettings
from edge_wire.clock import SystemClock
from edge_wire.messages import PlateRead

DEVICE = "trailer-1"
LISTENER = "nightjar.listener-cad"
WAIT_S = 60


def test_an_alert_reaches_everybody_whom_a_route_names(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "receivers")
    chain = Chain(tmp_path / "chain", [DEVICE])
    notices = chain.broker.add_notices("nightjar/alerts", {LISTENER: [AGENCY]})
    with TlsReceiver(authority, mutual=True) as receiver, _mailbox(authority) as (port, mails):
        secret = tmp_path / "cad.secret"
        secret.write_text("s" * 64)
        secret.chmod(0o600)
        certificate, key = authority.client("nightjar.notices")
        mutual = {"ca": str(authority.file), "certificate": str(certificate), "key": str(key)}
        settings = yaml.safe_load(chain.collector_config.read_text())
        settings["routing"] = {
            "page": "https://rtcc.example",
            "mail": {"host": "localhost", "port": port, "ca": str(authority.file), "sender": "rtcc@pd.example"},
            "webhooks": [
                {"name": "cad", "url": receiver.url, "secret_file": str(secret), "fields": ["plate", "list"], **mutual}
            ],
            "topics": [{"name": "board", "certificate": str(notices.certificate), "key": str(notices.key)}],
            "routes": [
                {
                    "name": "all",
                    "lists": ["stolen"],
                    "people": ["ada"],
                    "webhooks": ["cad"],
                    "topics": ["board"],
                    "email": ["duty@pd.example"],
                }
            ],
        }
        chain.collector_config.write_text(yaml.safe_dump(settings))
        hotlist = tmp_path / "stolen.csv"
        hotlist.write_text("plate,state,reason\n7ABC123,CA,stolen\n")
        with chain:
            listener = Client(chain.broker, chain.broker.client(LISTENER))
            listener.subscribe(f"nightjar/alerts/{AGENCY}")
            token, _ = chain.operator("ada")
            chain.import_hotlist(hotlist, "stolen")
            asyncio.run(_put_read(chain))
            came = receiver.came.get(timeout=WAIT_S)
            topic, published = listener.next()
            mail = mails.get(timeout=WAIT_S)
            listener.close()
            eventually(lambda: bool(_alerts(chain, token)[0].get("notified")))
            (alert,) = _alerts(chain, token)
    assert alert["notified"] == ["ada"]
    assert came.client == "nightjar.notices"
    assert came.told["alert"] == alert["id"]
    assert came.told["fields"] == {"plate": "7ABC123", "list": "stolen"}
    assert came.told["record"] == "NOT CONFIRMED"
    assert topic == f"nightjar/alerts/{AGENCY}"
    assert json.loads(published)["fields"] == {}
    assert f"https://rtcc.example/#alert={alert['id']}" in str(mail.get_payload())
    assert b"7ABC123" not in bytes(mail)
    log = chain.log("collector").read_text()
    assert "s" * 64 not in log
    assert "LETMEIN" not in log
    assert "duty@pd.example" not in log


@contextmanager
def _mailbox(authority: Authority) -> Iterator[tuple[int, queue.Queue[Message]]]:
    """A mail server's port, and what it takes."""
    came: queue.Queue[Message] = queue.Queue()

    class Postbox:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
            came.put(message_from_bytes(envelope.content, policy=policy.default))
            return "250 OK"

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("localhost", "127.0.0.1"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(Postbox(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True)
    controller.start()
    try:
        yield port, came
    finally:
        controller.stop()


def _alerts(chain: Chain, token: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(f"{chain.url}/api/alerts", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["alerts"]
    return found


async def _put_read(chain: Chain) -> None:
    """Put a read of the listed plate into the device's outbox, and wait until it is acknowledged."""
    _, body = UP["plate_read"]
    assert isinstance(body, PlateRead)
    slots = tuple(((one, 0.999),) for one in "7ABC123")
    read = replace(body, track=1, revision=0, final=True, slots=slots)
    files, clock = chain.broker.client(DEVICE), SystemClock()
    settings = UplinkSettings(
        host=chain.broker.host,
        port=chain.broker.port,
        ca_path=chain.broker.authority,
        cert_path=files.certificate,
        key_path=files.key,
        device=DEVICE,
        agency=AGENCY,
        collector_key_paths=(chain.folder / "collector" / "collector-key.pub.pem",),
    )
    key = device_key.load(files.key)
    async with await Outbox.open(OutboxSettings(chain.folder / "outbox", DEVICE), key, clock) as outbox:
        uplink = Uplink(settings, outbox, clock)
        sending = asyncio.create_task(uplink.run())
        await outbox.put(read, CaptureTime(clock.utc_ns(), clock.boot_ns(), 1_000_000))
        async with asyncio.timeout(WAIT_S):
            while (await outbox.state()).pending:  # noqa: ASYNC110 - the outbox tells nobody that it is empty
                await asyncio.sleep(0.05)
        uplink.stop()
        await sending
