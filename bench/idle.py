"""What an agent costs that has nothing to do, as a share of one core; beside a bare MQTT client in the same run.

    python bench/idle.py [--seconds 60] [--json]

Three programs run side by side, connected over TLS to one real mosquitto, with a stand-in for the collector:

    paho      a bare paho client with the same keep-alive, subscribed to its own channel: the connection alone
    link      a real outbox and uplink, health every 60 s
    agent     a whole agent with one microphone, whose recording has ended

Each measures its own CPU time, all threads and the kernel's part, over the same seconds, after ten to settle.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import soundfile
from cryptography.hazmat.primitives.asymmetric import ec
from far_side import AGENCY, DEVICE, FarSide
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.app import Agent
from edge_agent.config import AgentConfig
from edge_agent.outbox import Outbox, OutboxSettings
from edge_agent.provisioning.device_key import FileDeviceKey
from edge_agent.uplink import Uplink, UplinkSettings
from edge_wire.clock import SystemClock
from edge_wire.logs import set_up_log
from edge_wire.messages import Health
from edge_wire.topics import Channel, Topic

KEEPALIVE_S, HEALTH_S, SETTLE_S = 30, 60, 10.0
PARTS = ("paho", "link", "agent")
OTHERS = ("bench-2", "bench-3")


async def measured(seconds: float) -> float:
    """Percent of one core that this program takes from now on."""
    await asyncio.sleep(SETTLE_S)
    began_s, cpu_s = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    return 100 * (time.process_time() - cpu_s) / (time.monotonic() - began_s)


def files(settings: dict[str, str], name: str) -> tuple[Path, Path]:
    """Certificate and key of a device."""
    folder = Path(settings["clients"])
    return folder / f"{name}.pem", folder / f"{name}.key"


async def bare_paho(settings: dict[str, str], seconds: float) -> float:
    """A client that only stays connected."""
    context = ssl.create_default_context(cafile=settings["authority"])
    context.load_cert_chain(*files(settings, OTHERS[0]))
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, client_id=OTHERS[0])
    client.username = OTHERS[0]
    client.tls_set_context(context)
    client.connect(settings["host"], int(settings["port"]), KEEPALIVE_S, clean_start=True)
    client.subscribe(str(Topic(AGENCY, OTHERS[0], Channel.ACK)), 1)
    client.loop_start()
    percent = await measured(seconds)
    assert client.is_connected(), "the bare client was thrown off"
    client.disconnect()
    client.loop_stop()
    return percent


async def outbox_and_uplink(settings: dict[str, str], seconds: float) -> float:
    """An agent without sources."""
    certificate, key = files(settings, OTHERS[1])
    uplink_settings = UplinkSettings(
        settings["host"],
        int(settings["port"]),
        Path(settings["authority"]),
        certificate,
        key,
        OTHERS[1],
        AGENCY,
        (Path(settings["pinned"]),),
        keepalive_s=KEEPALIVE_S,
        health_every_s=HEALTH_S,
        status_path=Path(settings["folder"]) / "uplink.json",
        data_use_path=Path(settings["folder"]) / "data-use.json",
    )
    clock, folder = SystemClock(), Path(settings["folder"]) / "outbox"
    device_key = FileDeviceKey(ec.generate_private_key(ec.SECP256R1()))
    outbox_settings = OutboxSettings(folder, OTHERS[1], ballast_bytes=0)
    async with await Outbox.open(outbox_settings, device_key, clock) as outbox:

        async def health() -> Health:
            state = await outbox.state()
            return Health(uplink.status.connection, 1, state.pending, 0, None, 0, "kernel", (), (), "0.1.0")

        uplink = Uplink(uplink_settings, outbox, clock, health)
        running = asyncio.create_task(uplink.run())
        percent = await measured(seconds)
        assert uplink.status.state == "working", f"the link did not work: {uplink.status.reason}"
        uplink.stop()
        await running
    return percent


async def whole_agent(settings: dict[str, str], seconds: float) -> float:
    """``edge-agent run`` with a recording that is over at once."""
    folder = Path(settings["folder"])
    soundfile.write(folder / "quiet.flac", np.zeros(16_000), 16_000)
    certificate, key = files(settings, DEVICE)
    config = AgentConfig.model_validate(
        {
            "data_dir": folder / "agent",
            "device": {
                "id": DEVICE,
                "agency": AGENCY,
                "deployment": "bench",
                "key": key,
                "certificate": certificate,
            },
            "broker": {
                "host": settings["host"],
                "port": int(settings["port"]),
                "ca": settings["authority"],
                "collector_keys": [settings["pinned"]],
            },
            "microphones": [{"id": "mast", "source": str(folder / "quiet.flac"), "pace": "fast"}],
            "health_every_s": HEALTH_S,
        }
    )
    agent = Agent(config)
    running = asyncio.create_task(agent.run())
    measuring = asyncio.create_task(measured(seconds))
    await asyncio.wait((running, measuring), return_when=asyncio.FIRST_COMPLETED)
    assert measuring.done(), "the agent ended by itself"
    agent.stop()
    await running
    return measuring.result()


WORK = dict(zip(PARTS, (bare_paho, outbox_and_uplink, whole_agent), strict=True))


def start(part: str, settings: dict[str, str], seconds: float) -> subprocess.Popen[str]:
    """Run one part as a program of its own."""
    command = [sys.executable, __file__, "--seconds", str(seconds), "--part", part, "--settings", json.dumps(settings)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each is watched")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--settings", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        set_up_log(level=logging.ERROR)
        print(asyncio.run(WORK[arguments.part](arguments.settings, arguments.seconds)))
        return
    with tempfile.TemporaryDirectory() as temporary, FarSide(Path(temporary)) as far:
        for other in OTHERS:
            far.broker.add_device(other)
        settings = {
            "host": far.broker.host,
            "port": str(far.broker.port),
            "authority": str(far.broker.authority),
            "clients": str(far.broker.client(DEVICE).certificate.parent),
            "pinned": str(far.pinned),
            "folder": temporary,
        }
        running = {part: start(part, settings, arguments.seconds) for part in PARTS}
        percent = {part: float(program.communicate()[0]) for part, program in running.items()}
    result = {
        "seconds": arguments.seconds,
        "percent_of_a_core": {part: round(value, 3) for part, value in percent.items()},
        "link_to_paho": round(percent["link"] / percent["paho"], 2),
        "agent_to_paho": round(percent["agent"] / percent["paho"], 2),
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"percent of one core over {arguments.seconds:g} s")
    for part, value in percent.items():
        print(f"  {part:<8}{value:7.3f}   {value / percent['paho']:6.2f} × bare paho")


if __name__ == "__main__":
    main()
