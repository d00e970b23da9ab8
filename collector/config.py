"""The collector's configuration. ``docs/collector-config.md`` and the JSON schema are generated from this file."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from edge_wire.yaml_config import ConfigPath, Settings

_PASSWORD = re.compile(r"[^/]*//[^/]*:[^/]*@")
DEFAULT_PATH = Path("/etc/nightjar/collector.yaml")


class Broker(Settings):
    """Where detections come from."""

    host: Annotated[str, Field(min_length=1)]
    """Host name or address, as the broker's certificate has it."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8883
    """TCP port; TLS always."""
    ca: ConfigPath
    """Certificate (PEM) of the authority that signed the broker's."""
    certificate: ConfigPath
    """The collector's own certificate (PEM); its common name is the MQTT user and client id."""
    key: ConfigPath
    """The private key (PEM) of that certificate."""
    share: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] | None = None
    """The group in which several collectors on one PostgreSQL share what devices send (an MQTT 5 shared subscription;
    the broker's access rules allow `nightjar`). Each has a certificate of its own. Without it this is the only one."""
    probe_certificate: ConfigPath | None = None
    """Certificate (PEM) of the device `nightjar-probe`, with which `collector serve` proves at start that a device can
    neither read nor forge what others send, nor swallow a share of it. It does not run without."""
    probe_key: ConfigPath | None = None
    """The private key (PEM) of that certificate."""

    @model_validator(mode="after")
    def _whole_probe(self) -> Broker:
        if (self.probe_certificate is None) != (self.probe_key is None):
            raise ValueError("`probe_certificate` and `probe_key` together, or neither")
        return self


class Http(Settings):
    """Where the API and the operators' page are served."""

    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback needs `certificate` and `key`."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8443
    """TCP port; 0 takes a free one and says which."""
    certificate: ConfigPath | None = None
    """Certificate (PEM) for HTTPS."""
    key: ConfigPath | None = None
    """Its private key (PEM)."""

    @property
    def page_address(self) -> str | None:
        """Where the operators' page is; None where the port is left open."""
        if self.port == 0:
            return None
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.certificate is None else 'https'}://{host}:{self.port}"

    @model_validator(mode="after")
    def _https_except_on_loopback(self) -> Http:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` together, or neither")
        if self.certificate is None and not is_loopback(self.host):
            raise ValueError(
                f"`certificate` and `key`, because {self.host} is not loopback and is served by HTTPS only"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether ``host`` is an address that only this machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Passages(Settings):
    """Which reads are of one vehicle."""

    within_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    """Reads of one site belong to one passage if they could first read the plate within so many seconds."""


class Air(Settings):
    """The weather about the sensors, which bends the way of sound and sets its speed."""

    temperature_c: Annotated[float, Field(ge=-60, le=60)]
    """Of the air; sound is 0.6 m/s faster a degree."""
    wind_mps: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Its speed."""
    wind_from_deg: Annotated[float, Field(ge=0, le=360)] = 0.0
    """Where the wind comes from, clockwise from north."""


class Locate(Settings):
    """How shot arrivals become incidents, which of them alert, and what is kept for them."""

    weather: Air | None = None
    """The air as it usually is; without it 15 C and no wind are assumed, and locations are less sure."""
    audible_m: Annotated[float, Field(ge=50, le=5_000)] = 800.0
    """From how far a microphone usually hears a shot: its zone where it is the only one, and who is within earshot."""
    alert_from: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """An incident alerts from this probability of gunfire, all sensors together (live fire: at least 0.99, see
    docs/locating.md). Nothing but this line moves it, on no holiday either; each incident keeps the one that it was
    judged by."""
    settle_s: Annotated[float, Field(ge=0.5, le=30)] = 2.5
    """How long after sound has reached a microphone its arrival may take to come here. A doubtful incident waits so
    long for sensors that may still tell; a sure one alerts at once."""
    nearby_s: Annotated[float, Field(ge=1, le=3_600)] = 120.0
    """Plate reads so many seconds before or after a located incident are attached to it,"""
    nearby_m: Annotated[float, Field(ge=10, le=10_000)] = 500.0
    """if their device stands within so many metres of the location."""
    hold_h: Annotated[float, Field(ge=0, le=168)] = 24.0
    """So many hours after an incident was made retention leaves these reads alone."""
    hold_gunshot_days: Annotated[float, Field(ge=0, le=3_650)] = 30.0
    """So many days after a person's verdict `gunshot`, and only after that one."""


class CollectorConfig(Settings):
    """Everything a collector is told."""

    data_dir: ConfigPath = Path("/var/lib/nightjar/collector")
    """The database (unless `store_url` says otherwise), pictures, and the signing key; other accounts are shut out."""
    store_url: str | None = None
    """`postgresql+asyncpg://ROLE@HOST/DATABASE?passfile=PATH`, or another SQLite file; without one, an SQLite database
    in `data_dir`. The password stays out of it: docs/postgresql.md."""
    broker: Broker
    http: Http = Http()
    passages: Passages = Passages()
    locate: Locate = Locate()
    historical_after_s: Annotated[int, Field(ge=1, le=86_400)] = 120
    """A detection older than this when it arrives is marked historical, and its alerts too."""

    @field_validator("store_url")
    @classmethod
    def _no_password(cls, url: str | None) -> str | None:
        if url is not None and _PASSWORD.match(url):
            raise ValueError("no password here, but in a file: ?passfile=PATH (docs/postgresql.md)")
        return url

    @model_validator(mode="after")
    def _one_store_for_all(self) -> CollectorConfig:
        if self.broker.share is not None and not (self.store_url or "").startswith("postgresql"):
            raise ValueError("`broker.share` with a PostgreSQL in `store_url`: a file serves one collector")
        return self

    @property
    def url(self) -> str:
        """The store's URL, made up if none is given."""
        return self.store_url or f"sqlite+aiosqlite:///{self.data_dir / 'collector.db'}"

    @property
    def signing_key(self) -> Path:
        """The key that signs acknowledgements and commands; made at the first start, never leaves the machine."""
        return self.data_dir / "collector-key.pem"

    @property
    def pictures(self) -> Path:
        """Where pictures and clips are kept, by their hash."""
        return self.data_dir / "pictures"
