"""The program that stands for a trailer: the real outbox and the real uplink, fed by ``bodies`` instead of cameras.

``python -m soaking.trailer SETTINGS`` runs until SIGTERM, or until its outbox cannot be used any more (exit 1: whoever
started it starts it again, as systemd would). It is told things by lines on standard input:

    clock SECONDS   its wall clock is off by so much from now on
    quiet           nothing more is captured; what is pending goes on being sent

One asyncio loop owns everything, as in the agent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import secrets
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_agent.errors import ConfigurationError, OutboxError
from edge_agent.outbox import Entry, Outbox, OutboxSettings
from edge_agent.provisioning import device_key
from edge_agent.records import CaptureTime
from edge_agent.uplink import Uplink, UplinkSettings
from edge_wire.clock import SystemClock
from edge_wire.logs import set_up_log
from edge_wire.messages import KIND_OF, Health
from soaking.bodies import Bodies, Detection
from soaking.captures import CaptureLog, digest_of

_ERROR_NS = 1_000_000
_HEALTH_S = 2.0


@dataclass(frozen=True, slots=True)
class TrailerSettings:
    """What a trailer is told at its start; paths as text, because it travels as JSON.

    Attributes:
        name: of this program; differs from ``device`` for a clone.
        device: its device id.
        agency: whose it is.
        host: the broker, as its certificate has it.
        port: of the link to it.
        ca: the broker's authority.
        certificate: the device's.
        key: its private key, the device key too.
        collector_key: PEM, pinned.
        outbox: its folder.
        log: the log of captures.
        status: where the uplink keeps its status.
        picture: a JPEG that crops and frames are made of.
        seed: of what it detects.
        rate_hz: detections a second; 0 captures nothing.
        keepalive_s: of MQTT: how soon a dead connection is noticed.
        quota_bytes: of the outbox.
        free_floor_bytes: what it leaves free.
        ballast_bytes: what it gives up when the disk is full.
    """

    name: str
    device: str
    agency: str
    host: str
    port: int
    ca: str
    certificate: str
    key: str
    collector_key: str
    outbox: str
    log: str
    status: str
    picture: str
    seed: int
    rate_hz: float
    keepalive_s: int = 4
    quota_bytes: int = 96 << 20
    free_floor_bytes: int = 16 << 20
    ballast_bytes: int = 8 << 20

    def write(self, path: Path) -> None:
        """Put it where the program reads it."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


class SteppedClock(SystemClock):
    """The machine's clocks, of which the wall clock can be set wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.offset_ns = 0

    def utc_ns(self) -> int:
        """UTC as this trailer believes it."""
        return super().utc_ns() + self.offset_ns

    def error_ns(self) -> int:
        """As if disciplined: the collector has to find out for itself."""
        return _ERROR_NS


class Trailer:
    """One run of the program, on an open outbox."""

    def __init__(self, settings: TrailerSettings, outbox: Outbox, clock: SteppedClock, log: CaptureLog) -> None:
        self._settings = settings
        self._outbox = outbox
        self._clock = clock
        self._log = log
        self._quiet = asyncio.Event()
        self._began_s = time.monotonic()
        self.uplink = Uplink(_uplink_settings(settings), outbox, clock, self._health)
        run = secrets.token_hex(3)
        self._random = random.Random(f"{settings.seed} {run}")
        self._bodies = Bodies(settings.name, run, settings.seed, Path(settings.picture).read_bytes())

    def obey(self, line: str) -> None:
        """Do what a line on standard input says."""
        match line.split():
            case ["clock", seconds]:
                self._clock.offset_ns = round(float(seconds) * 1e9)
            case ["quiet"]:
                self._quiet.set()
            case _:
                raise ConfigurationError(f"standard input: got {line!r}, expected `clock SECONDS` or `quiet`")

    async def detect(self) -> None:
        """Capture until told to be quiet."""
        if self._settings.rate_hz <= 0:
            return
        for belonging in self._bodies.passes():
            for detection in belonging:
                if self._quiet.is_set():
                    return
                await self._put(detection)
                await asyncio.sleep(self._random.expovariate(self._settings.rate_hz))

    async def _put(self, detection: Detection) -> None:
        captured = CaptureTime(self._clock.utc_ns(), self._clock.boot_ns(), self._clock.error_ns())
        body, token = detection.body, detection.token
        crop = detection.files[0].content if detection.files else b""
        named = getattr(body, "crop_sha256", b"").hex() if crop else ""
        self._log.intend(token, KIND_OF[type(body)], digest_of(body), captured.boot_ns, named)
        try:
            identity = await self._outbox.put_with_files(Entry(body, captured), detection.files)
        except OutboxError as error:
            self._log.failed(token, str(error))
            print(f"not captured: {error}", file=sys.stderr, flush=True)
            return
        self._log.stored(token, (identity.epoch, int(identity.stream), identity.sequence))

    async def _health(self) -> Health:
        state = await self._outbox.state()
        return Health(
            connection=self.uplink.status.connection,
            uptime_s=round(time.monotonic() - self._began_s),
            outbox_pending=state.pending,
            outbox_oldest_s=round(state.oldest_s or 0),
            last_ack_s=None,
            disk_free_bytes=1 << 30,
            clock_source="kernel",
            sources=(),
            models=(),
            version="soak",
        )


async def run(settings: TrailerSettings) -> None:
    """Run a trailer until SIGTERM.

    Raises:
        OutboxError: its outbox cannot be used.
        ConfigurationError: a file is missing.
    """
    clock = SteppedClock()
    key = device_key.load(Path(settings.key))
    outbox_settings = OutboxSettings(
        Path(settings.outbox),
        settings.device,
        quota_bytes=settings.quota_bytes,
        free_floor_bytes=settings.free_floor_bytes,
        ballast_bytes=settings.ballast_bytes,
    )
    with CaptureLog(Path(settings.log)) as log:
        async with await Outbox.open(outbox_settings, key, clock) as outbox:
            trailer = Trailer(settings, outbox, clock, log)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, trailer.uplink.stop)
            loop.add_reader(sys.stdin, lambda: _listen(loop, trailer))
            sending = asyncio.create_task(trailer.uplink.run())
            detecting = asyncio.create_task(trailer.detect())
            breaking = asyncio.create_task(_until_broken(outbox))
            print("ready", flush=True)
            try:
                await asyncio.wait([sending, breaking], return_when=asyncio.FIRST_COMPLETED)
            finally:
                loop.remove_reader(sys.stdin)
                detecting.cancel()
                breaking.cancel()
                trailer.uplink.stop()
                outcomes = await asyncio.gather(sending, detecting, breaking, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def _until_broken(outbox: Outbox) -> None:
    raise await outbox.wait_until_broken()


def _listen(loop: asyncio.AbstractEventLoop, trailer: Trailer) -> None:
    line = sys.stdin.readline()
    if line:
        trailer.obey(line)
    else:
        loop.remove_reader(sys.stdin)


def _uplink_settings(settings: TrailerSettings) -> UplinkSettings:
    return UplinkSettings(
        host=settings.host,
        port=settings.port,
        ca_path=Path(settings.ca),
        cert_path=Path(settings.certificate),
        key_path=Path(settings.key),
        device=settings.device,
        agency=settings.agency,
        collector_key_paths=(Path(settings.collector_key),),
        keepalive_s=settings.keepalive_s,
        connect_timeout_s=3.0,
        reconnect_min_s=0.2,
        reconnect_max_s=4.0,
        health_every_s=_HEALTH_S,
        status_path=Path(settings.status),
    )


def main() -> None:
    """Run the trailer whose settings the first argument names."""
    set_up_log(as_json=True, level=logging.INFO)
    settings = TrailerSettings(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    try:
        asyncio.run(run(settings))
    except (OutboxError, ConfigurationError) as error:
        print(f"{settings.name}: {error}", file=sys.stderr, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
