"""The edge agent's configuration. ``docs/edge-agent-config.md`` and the JSON schema are generated from this file."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from edge_agent.inference.manifest import load_manifest, packaged_folder
from edge_agent.telemetry.nut import UpsAddress
from edge_wire.yaml_config import ConfigPath, Settings, from_folder

DEFAULT_PATH = Path("/etc/nightjar/edge-agent.yaml")
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*:")

Id = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]


class Origin(Settings):
    """Where `x_m` and `y_m` count from."""

    lat: Annotated[float, Field(ge=-90, le=90)]
    """Degrees north, WGS 84."""
    lon: Annotated[float, Field(ge=-180, le=180)]
    """Degrees east, WGS 84."""


class Place(Settings):
    """Where something stands: `{lat, lon}`, or `{x_m, y_m, origin}` in a plan of the site.

    The plan is the azimuthal equidistant plane around its origin, x to the east and y to the north. Heights of all
    devices of a site count from the same level.
    """

    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Degrees north, WGS 84; seven decimals are a centimetre."""
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    """Degrees east, WGS 84."""
    altitude_m: Annotated[float, Field(ge=-500, le=9000)] | None = None
    """With `lat` and `lon`: height above sea level; without it, taken as level with the others."""
    x_m: Annotated[float, Field(ge=-100_000, le=100_000)] | None = None
    """Metres east of `origin`."""
    y_m: Annotated[float, Field(ge=-100_000, le=100_000)] | None = None
    """Metres north of `origin`."""
    z_m: Annotated[float, Field(ge=-500, le=9000)] | None = None
    """With `x_m` and `y_m`: metres above the plan's level; without it, 0."""
    origin: Origin | None = None
    """With `x_m` and `y_m`: where they count from."""
    error_m: Annotated[float, Field(gt=0, le=10_000)] = 5.0
    """How far off it may be: 0.1 if surveyed, 1 on an aerial picture, 5 by a telephone."""

    @model_validator(mode="after")
    def _one_form(self) -> Place:
        by_degrees = {"lat": self.lat, "lon": self.lon, "altitude_m": self.altitude_m}
        by_plan = {"x_m": self.x_m, "y_m": self.y_m, "z_m": self.z_m, "origin": self.origin}
        given = [[name for name, value in form.items() if value is not None] for form in (by_degrees, by_plan)]
        if all(given):
            raise ValueError(f"{{lat, lon}} or {{x_m, y_m, origin}}, not of both; got {', '.join(given[0] + given[1])}")
        needed = ("x_m", "y_m", "origin") if given[1] else ("lat", "lon")
        missing = [name for name in needed if name not in given[0] + given[1]]
        if missing:
            raise ValueError(f"{{lat, lon}} or {{x_m, y_m, origin}}; {', '.join(missing)} is missing")
        return self


class Device(Settings):
    """Who this device is."""

    id: Id
    """The device's id: fixed for ever, and the common name of its certificate."""
    agency: Id
    """The agency it stands in topics for; the collector decides by its own assignment."""
    deployment: Annotated[str, Field(min_length=1, max_length=40)]
    """Which site, aim and period this is; a new one for each place and each re-aiming."""
    key: ConfigPath
    """The device's private key (PEM, P-256): signs what opens an epoch, and authenticates to the broker."""
    certificate: ConfigPath
    """The device's certificate (PEM) for that key."""
    position: Place | None = None
    """Where it stands; a shot is pinpointed only from microphones of which that is known."""


class Broker(Settings):
    """Where detections go."""

    host: Annotated[str, Field(min_length=1)]
    """Host name or address, as the broker's certificate has it."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8883
    """TCP port; TLS always."""
    ca: ConfigPath
    """Certificate (PEM) of the authority that signed the broker's."""
    collector_keys: Annotated[tuple[ConfigPath, ...], Field(min_length=1)]
    """Public keys (PEM) whose acknowledgements and commands this device obeys."""


class Models(Settings):
    """Which networks."""

    dir: ConfigPath | None = None
    """A folder to look in for model files before what came with the package; else the places of docs/models.md."""
    plates: Annotated[str, Field(min_length=1)] | None = None
    """Which set of plate networks, by its name in `edge-agent models list`; without it, the best that is there."""
    trust_digests: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = ()
    """SHA-256 of model files that the manifest does not know and that you vouch for."""
    provider: Literal["auto", "cpu", "cuda", "openvino"] = "auto"
    """What networks run on; `auto` takes the fastest there is, a named one is used or refused. See docs/models.md."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """How many of the cores that are there one run of a network may use; several cameras share them better at 1."""


class FilePlayback(Settings):
    """How recorded footage is played; live sources leave these alone."""

    pace: Literal["realtime", "fast"] = "realtime"
    """Files only: `realtime` plays at the recorded speed, `fast` as fast as it can be read."""
    starts_at: Literal["now"] | datetime = "now"
    """Files only: when the recording began, `now` or a UTC time such as 2026-11-21T10:00:00Z."""

    @field_validator("starts_at", mode="before")
    @classmethod
    def _has_zone(cls, value: object) -> object:
        # Before pydantic's own reading, which takes a number for seconds since 1970.
        if isinstance(value, str) and value != "now":
            with suppress(ValueError):
                value = datetime.fromisoformat(value)
        if value != "now" and not (isinstance(value, datetime) and value.tzinfo is not None):
            raise ValueError('"now" or a time with its zone, such as 2026-11-21T10:00:00Z')
        return value


class Camera(FilePlayback):
    """One camera."""

    id: Id
    """The camera's id; keep it when the camera is replaced by one that looks at the same."""
    url: Annotated[str, Field(min_length=1)]
    """`rtsp://…` (password percent-encoded, never shown), a USB camera, or pictures or a video; see docs/cameras.md."""
    transport: Literal["tcp", "udp"] = "tcp"
    """RTSP only: `tcp` loses nothing; `udp` has less delay on a bad link, and pictures torn by it are left out."""
    ca: ConfigPath | None = None
    """`rtsps://` only: certificate (PEM) of the camera or of the authority that signed it; without it, the system's."""
    decoder: Literal["auto", "software", "cuda", "qsv", "vaapi"] = "auto"
    """RTSP and USB: `auto` decodes in hardware where there is some that can be opened, else in software."""
    role: Literal["lpr", "overview"] = "lpr"
    """`lpr` reads plates (usually infrared), `overview` shows the scene in colour."""
    pair: Id | None = None
    """The camera that looks at the same lane in the other role: reads of the `lpr` camera then carry the frame of the
    `overview` camera nearest in time. Either of the two may name the other."""
    plates: bool | None = None
    """Whether plates are read in its pictures; without it, unless it is the `overview` camera of a pair."""
    lane: Annotated[int, Field(ge=1, le=32)] | None = None
    """Lane number, from 1 at the kerb."""
    direction: Literal["N", "NE", "E", "SE", "S", "SW", "W", "NW"] | None = None
    """Where the lane's traffic goes."""
    face: Literal["front", "rear"] | None = None
    """Which end of vehicles it sees."""
    fps: Annotated[float, Field(gt=0, le=240)] | None = None
    """Folders of pictures only: they are one scene at this rate; without it each picture is a pass of its own."""
    latency_ms: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """RTSP and USB: from exposure to arrival, if known; taken off the arrival where the camera's clock is no use."""

    @field_validator("url")
    @classmethod
    def _known_kind(cls, value: str, info: ValidationInfo) -> str:
        if value.startswith(("rtsp://", "rtsps://")):
            # Where the host ends is otherwise guesswork: FFmpeg connects to "admin" for rtsp://admin:5/x@camera.
            if re.search(r"[/?#].*@", value.partition("://")[2], re.DOTALL):
                raise ValueError(
                    "@ / ? # percent-encoded (%40 %2F %3F %23) in user and password, and @ behind the host"
                )
            return value
        if _SCHEME.match(value):
            raise ValueError("rtsp://…, rtsps://…, /dev/v4l/by-id/…, /dev/videoN, or a picture, folder or video file")
        return value if value.isdecimal() else str(from_folder(Path(value), info))

    @model_validator(mode="after")
    def _ca_where_there_is_tls(self) -> Camera:
        if self.ca is not None and not self.url.startswith("rtsps://"):
            raise ValueError("`ca` is for rtsps:// alone; nothing would be checked by it")
        return self


class Microphone(FilePlayback):
    """One microphone."""

    id: Id
    """The microphone's id; keep it when the microphone is replaced by one at the same place."""
    source: Annotated[str, Field(min_length=1)]
    """`device:NAME` for a sound card by a part of its name or its path below /dev/snd/by-id, `device` for the only
    one; or a recording or a folder of recordings. See docs/microphones.md."""
    model: str = "gunshot"
    """Which gunshot set, by its name in `edge-agent models list`: `gunshot`, `gunshot-research` (not for commercial or
    government use; see its card), `gunshot-mn04` (to be pulled first)."""
    position: Place | None = None
    """Where it stands, if apart from the device, such as on a mast; without it, where the device does."""
    latency_ms: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Sound cards: from the membrane to the sample (converter, USB), if known; taken off every time."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """A shot is reported from this probability on; without it, from where the model's own card draws the line."""

    @field_validator("source")
    @classmethod
    def _from_folder(cls, value: str, info: ValidationInfo) -> str:
        if value == "device" or value.startswith("device:"):
            return value
        if _SCHEME.match(value):
            raise ValueError("device, device:NAME, or a recording or a folder of recordings")
        return str(from_folder(Path(value), info))

    @field_validator("model")
    @classmethod
    def _known_set(cls, value: str) -> str:
        known = [each.name for each in load_manifest(packaged_folder()) if each.kind == "gunshot"]
        if value not in known:
            raise ValueError(f"one of {', '.join(known)}")
        return value


class Plates(Settings):
    """How plates are read."""

    pad: Annotated[float, Field(ge=0, le=0.5)] = 0.12
    """How much of the box's size is added on each side before the OCR; 0 reads as fast-alpr does (docs/plates.md)."""
    at_once: Annotated[int, Field(ge=1, le=64)] | None = None
    """How many pictures are read at once, each on `models.threads` cores; without it, as many as there are cores."""
    frame_quota_bytes: Annotated[int, Field(ge=0)] = 2_000_000_000
    """Room for frames and crops that are kept in case they are asked for; the oldest go first."""


class Clips(Settings):
    """Which seconds of sound are kept around a shot; no other sound is ever stored."""

    before_s: Annotated[float, Field(ge=0, le=3)] = 1.0
    """Seconds before the shot."""
    after_s: Annotated[float, Field(ge=1, le=7)] = 3.0
    """Seconds after it."""
    keep_h: Annotated[float, Field(ge=0, le=8760)] = 72
    """How long they stay on the device; 0: until their room is needed."""
    quota_bytes: Annotated[int, Field(ge=0)] = 500_000_000
    """Their room, apart from that of frames; the oldest go first. 0: none are made, and nobody can listen."""


class OutboxRoom(Settings):
    """How much room what waits for the collector may take, and what is left of the disk."""

    quota_bytes: Annotated[int, Field(ge=1_000_000)] = 8 << 30
    """Rows and their files together; beyond it the least valuable go, each unsent row named in a loss record."""
    free_floor_bytes: Annotated[int, Field(ge=0)] = 512 << 20
    """So much is left free on the disk; below it pictures, clips and old reports go, but no read and no shot."""
    ballast_bytes: Annotated[int, Field(ge=0, le=1 << 30)] = 16 << 20
    """A file of this size is given up when the disk is full, because deleting takes room too. 0: none."""

    @model_validator(mode="after")
    def _ballast_fits(self) -> OutboxRoom:
        if self.ballast_bytes * 2 > self.quota_bytes:
            raise ValueError(
                f"a `ballast_bytes` of at most half of `quota_bytes`, not {self.ballast_bytes} of {self.quota_bytes}"
            )
        return self


class UplinkLimits(Settings):
    """What sending may cost."""

    max_kbps: Annotated[int, Field(ge=8, le=10_000_000)] | None = None
    """Kilobits a second, upwards, TLS included; without it, as fast as the link is."""
    monthly_bytes: Annotated[int, Field(ge=1_000_000)] | None = None
    """The data plan, both ways together; from 80 % of it on the device alarms. It never stops sending."""
    billing_day: Annotated[int, Field(ge=1, le=31)] = 1
    """On which day of the month, UTC, the plan begins anew; the last one where the month has no such day."""
    metered: bool = False
    """Whether every byte costs: only crops up to 4 KB are sent unasked, and health every 300 s."""
    unacked_after_s: Annotated[int, Field(ge=2, le=3_600)] = 10
    """Rows that wait so long without the collector's ack: connected, but not working."""


class Power(Settings):
    """What feeds the device; see docs/power.md."""

    ups: str | None = None
    """The UPS or charger as Network UPS Tools names it, `NAME@HOST` or `NAME@HOST:PORT`; without it, none is asked."""

    @field_validator("ups")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return value if value is None else str(UpsAddress.parse(value))


METERED_CROP_BYTES = 4_096
_METERED_HEALTH_S = 300


class AgentConfig(Settings):
    """Everything an edge agent is told."""

    data_dir: ConfigPath = Path("/var/lib/nightjar/edge-agent")
    """The outbox, its journal, pictures and clips; on a disk that survives power cuts."""
    device: Device
    broker: Broker
    models: Models = Models()
    plates: Plates = Plates()
    clips: Clips = Clips()
    outbox: OutboxRoom = OutboxRoom()
    uplink: UplinkLimits = UplinkLimits()
    power: Power = Power()
    cameras: tuple[Camera, ...] = ()
    microphones: tuple[Microphone, ...] = ()
    keep_stored_h: Annotated[int, Field(ge=0, le=8760)] = 24
    """How long rows stay after the collector stored them; 0 where the law says so."""
    health_every_s: Annotated[int, Field(ge=5, le=3600)] = 60
    """How often the device says how it is without a change; never oftener than every 300 s where `uplink.metered`."""

    @property
    def outbox_folder(self) -> Path:
        """Where the outbox lies."""
        return self.data_dir / "outbox"

    @property
    def health_pause_s(self) -> int:
        """How long between two healths without a change."""
        return max(self.health_every_s, _METERED_HEALTH_S) if self.uplink.metered else self.health_every_s

    @property
    def crops_up_to_bytes(self) -> int | None:
        """Larger crops wait until they are asked for; None: none does."""
        return METERED_CROP_BYTES if self.uplink.metered else None

    def place_of(self, microphone: Microphone) -> Place | None:
        """Return where ``microphone`` stands, if that is known."""
        return microphone.position or self.device.position

    def overview_of(self, camera: Camera) -> Camera | None:
        """Return the overview camera that shows what the ``lpr`` camera ``camera`` reads, if one is paired with it."""
        paired = self.pair_of(camera)
        return paired if camera.role == "lpr" else None

    def pair_of(self, camera: Camera) -> Camera | None:
        """Return the camera of the other role that is paired with ``camera``, whichever of the two names the other."""
        others = (c for c in self.cameras if c.role != camera.role and (c.id == camera.pair or c.pair == camera.id))
        return next(others, None)

    def reads_plates(self, camera: Camera) -> bool:
        """Whether plates are read in the pictures of ``camera``."""
        if camera.plates is not None:
            return camera.plates
        return camera not in [self.overview_of(other) for other in self.cameras]

    @model_validator(mode="after")
    def _ids_once_and_pairs_known(self) -> AgentConfig:
        ids = [camera.id for camera in self.cameras] + [microphone.id for microphone in self.microphones]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"each camera and microphone has an id of its own, but these stand twice: {twice}")
        cameras = {camera.id: camera.role for camera in self.cameras}
        lost = sorted({camera.pair for camera in self.cameras if camera.pair and camera.pair not in cameras})
        if lost:
            raise ValueError(f"`pair` names a camera of this device, but there is none called {lost}")
        same = sorted(camera.id for camera in self.cameras if camera.pair and cameras[camera.pair] == camera.role)
        if same:
            raise ValueError(f"`pair` names a camera in the other role (`lpr`, `overview`); not so that of {same}")
        shown = [self.overview_of(camera) for camera in self.cameras]
        idle = sorted(camera.id for camera in self.cameras if not self.reads_plates(camera) and camera not in shown)
        if idle:
            raise ValueError(f"`plates: false` is for the overview camera of a pair; nothing would be done with {idle}")
        if not ids:
            raise ValueError("at least one camera or microphone")
        return self
