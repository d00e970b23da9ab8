"""The collector's configuration. ``docs/collector-config.md`` and the JSON schema are generated from this file."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from edge_wire.yaml_config import ConfigPath, Settings

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


class CollectorConfig(Settings):
    """Everything a collector is told."""

    data_dir: ConfigPath = Path("/var/lib/nightjar/collector")
    """The database (unless `store_url` says otherwise), pictures, and the signing key; other accounts are shut out."""
    store_url: str | None = None
    """SQLAlchemy URL of the store; without one, an SQLite database in `data_dir`."""
    broker: Broker
    http: Http = Http()
    passages: Passages = Passages()
    historical_after_s: Annotated[int, Field(ge=1, le=86_400)] = 120
    """A detection older than this when it arrives is marked historical, and its alerts too."""

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
