"""The collector's configuration. ``docs/collector-config.md`` and the JSON schema are generated from this file."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from collector.alerts.sending.settings import Routing
from collector.domain.hotlists import PERSON_FILES, Category
from collector.match.policy import DEFAULT_THRESHOLD, ListRule, Policy, Setting
from edge_wire.yaml_config import ConfigPath, Settings

_PASSWORD = re.compile(r"[^/]*//[^/]*:[^/]*@")
DEFAULT_PATH = Path("/etc/nightjar/collector.yaml")
_CATEGORIES = frozenset(one.value for one in Category)
Role = Literal["operator", "supervisor", "hotlist_manager", "auditor", "administrator", "integration"]


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


class Alerts(Settings):
    """How alerts call for attention, and what belongs to one."""

    suppress_within_s: Annotated[float, Field(ge=0, le=86_400)] = 600.0
    """A further read of the same entry at the same site within so many seconds of the last one is attached to its open
    alert without a sound; 0 lets every read raise an alert of its own."""
    trail_within_h: Annotated[float, Field(ge=0, le=168)] = 12.0
    """One at another site within so many hours of the last one extends its alert's trail, and sounds again."""
    escalate_after_s: Annotated[float, Field(ge=10, le=86_400)] = 120.0
    """An alert that nobody has acknowledged for so long sounds again; a list may have a limit of its own."""
    confirm_urgent_s: Annotated[float, Field(ge=60, le=86_400)] = 600.0
    """After a detention the agency that owns the record is to confirm it within so long, if it is urgent,"""
    confirm_routine_s: Annotated[float, Field(ge=60, le=86_400)] = 3_600.0
    """or within so long, if it is routine. When that is over the alert sounds again."""


class HotlistEntries(Settings):
    """Entries that people add one by one, and the search of earlier reads for what is new."""

    expires_after_h: Annotated[float, Field(gt=0, le=8_760)] = 72.0
    """An entry that is added without an expiry of its own ends so many hours later."""
    review_within_h: Annotated[float, Field(gt=0, le=168)] = 8.0
    """By when somebody else than who added it is to review an entry: within the shift."""
    remind_before_h: Annotated[float, Field(ge=0, le=168)] = 12.0
    """So many hours before it expires an entry is named in `collector hotlist review` and by `/api/hotlists/attention`;
    an entry that was meant to last for less, in the last quarter of its time."""
    back_search_days: Annotated[float, Field(ge=0, le=3_650)] = 7.0
    """Reads of so many days are searched for an entry that is added; 0 searches none unless asked to."""
    back_search_most: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    """An import that adds more entries than this does not search earlier reads for them."""


class FeedFolder(Settings):
    """A folder into which somebody puts files."""

    path: ConfigPath
    """The folder, on the collector's machine."""
    files: Annotated[str, Field(min_length=1, pattern=r"^[^/]+$")] = "*"
    """Which of its files, as a pattern: `stolen-*.csv`. The latest one counts."""
    done_marker: bool = False
    """A file is complete once there is one beside it with the same name and `.done` behind it. Otherwise it is when
    neither its size nor its time has changed for `settle_s`."""
    settle_s: Annotated[float, Field(ge=0.01, le=600)] = 5.0
    """For so long."""


class FeedHttps(Settings):
    """A file that a web server has."""

    url: Annotated[str, Field(pattern=r"^https://[^@\s]+$")]
    """Its address: `https://…`, without user or password."""
    ca: ConfigPath | None = None
    """Certificates (PEM) that alone may vouch for the server; those of the system if none are given."""
    certificate: ConfigPath | None = None
    """Our certificate (PEM), where the server asks for one."""
    key: ConfigPath | None = None
    """The private key (PEM) of that certificate."""
    token_file: ConfigPath | None = None
    """A file that holds the token which the server wants (`Authorization: Bearer`)."""
    timeout_s: Annotated[float, Field(ge=1, le=600)] = 60.0
    """How long the server may keep silent."""

    @model_validator(mode="after")
    def _whole_certificate(self) -> FeedHttps:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` together, or neither")
        return self


class FeedSftp(Settings):
    """A file on an SFTP server."""

    host: Annotated[str, Field(min_length=1)]
    """Its name or address, as `known_hosts` has it."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """TCP port."""
    user: Annotated[str, Field(min_length=1)]
    """Who we are there."""
    key: ConfigPath
    """Our private key (OpenSSH or PEM), without a passphrase."""
    known_hosts: ConfigPath
    """The server's key, as `ssh-keyscan` writes it; a server with another one is not talked to."""
    path: Annotated[str, Field(min_length=1)]
    """The file, or a pattern in the last part of the path: `out/stolen-*.csv`. The latest one counts."""
    done_marker: bool = False
    """As for a folder."""
    settle_s: Annotated[float, Field(ge=0.01, le=600)] = 5.0
    """As for a folder."""
    timeout_s: Annotated[float, Field(ge=1, le=600)] = 60.0
    """How long the server may keep silent."""


class HotlistFeed(Settings):
    """Where a hotlist comes from again and again: a folder, a web server or an SFTP server."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    """What it is called in commands and logs; its imports are by `feed:NAME`."""
    list: Annotated[str, Field(min_length=1, max_length=64)]
    """The hotlist that its deliveries are."""
    folder: FeedFolder | None = None
    """One of these three."""
    https: FeedHttps | None = None
    """One of these three."""
    sftp: FeedSftp | None = None
    """One of these three."""
    preset: str | None = None
    """How its files are written, as `collector hotlist import --preset` has it."""
    mapping: ConfigPath | None = None
    """A file that says how they are written, as `collector hotlist import --mapping` has it."""
    every_s: Annotated[float, Field(ge=0.1, le=604_800)] | None = None
    """Looked at so often; a folder every 10 s and a server every hour unless this or `at` is given."""
    at: tuple[Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")], ...] = ()
    """Looked at at these times of the day, UTC, instead: `["05:30", "17:30"]`."""
    expected_every_h: Annotated[float, Field(gt=0, le=8_760)]
    """A delivery is missed, and said to be, when none has come for so many hours."""
    shrink_percent: Annotated[float, Field(ge=0, le=100)] = 10.0
    """A delivery with so many percent fewer entries than the list has waits for somebody to approve it."""
    shrink_days: Annotated[float, Field(ge=0, le=365)] = 7.0
    """So does one with so many percent fewer than the most that the list had in so many days, or since somebody last
    approved a smaller one or went back: a list is not to crumble bit by bit. 0 looks only at the list as it is."""
    most_bytes: Annotated[int, Field(ge=1_024, le=8_589_934_592)] = 536_870_912
    """A larger file is not taken."""

    @model_validator(mode="after")
    def _one_source(self) -> HotlistFeed:
        if sum(one is not None for one in (self.folder, self.https, self.sftp)) != 1:
            raise ValueError("one of `folder`, `https` and `sftp`")
        if self.preset is not None and self.mapping is not None:
            raise ValueError("`preset` or `mapping`, not both")
        if self.every_s is not None and self.at:
            raise ValueError("`every_s` or `at`, not both")
        return self


class HotlistCategory(Settings):
    """What follows from why a plate is looked for."""

    alerts: bool | None = None
    """Whether its entries alert. Unless it is said here, those about a person do not (wanted-person, missing-person,
    violent-person, gang, protection-order, sex-offender, supervised-release, terror-watch), and the others do."""
    severity: Annotated[str, Field(pattern=r"^[a-z][a-z -]{0,15}$")] = "normal"
    """Of entries that say none: a word such as `low`, `normal`, `high` or `urgent`, by which alerts can be routed."""
    visible_to: tuple[Role, ...] | None = None
    """Only people with one of these roles see its alerts; without it everybody who sees alerts."""
    handling: str = ""
    """What whoever meets such a vehicle is to do or not to do; shown with every alert."""


class HotlistRules(Settings):
    """What holds for one list."""

    soft_age_h: Annotated[float, Field(gt=0, le=87_600)] | None = None
    """Hours after its source last confirmed it from which every alert says how old the list is."""
    hard_age_h: Annotated[float, Field(gt=0, le=87_600)] | None = None
    """Hours from which it counts as expired."""
    hard_policy: Literal["stop", "label"] = "stop"
    """What becomes of an expired list: it no longer alerts, or its alerts are labelled expired."""
    criminal_justice: bool = False
    """Comes from a criminal-justice system: what it says does not travel by e-mail."""
    escalate_after_s: Annotated[int, Field(ge=10, le=86_400)] | None = None
    """An alert that nobody acknowledges escalates after so many seconds; without it as `alerts` says."""
    category: Category = Category.OTHER
    """Of entries that say none."""
    severity: Annotated[str, Field(pattern=r"^[a-z][a-z -]{0,15}$")] | None = None
    """Of entries that say none; without it that of their category."""

    @model_validator(mode="after")
    def _soft_before_hard(self) -> HotlistRules:
        if self.soft_age_h is not None and self.hard_age_h is not None and self.soft_age_h >= self.hard_age_h:
            raise ValueError("`soft_age_h` below `hard_age_h`")
        return self


class Hotlists(Settings):
    """Which plates are looked for, and where the lists come from."""

    categories: dict[Category, HotlistCategory] = Field(default_factory=dict)
    """What follows from why a plate is looked for, by category."""
    lists: dict[Annotated[str, Field(min_length=1, max_length=64)], HotlistRules] = Field(default_factory=dict)
    """What holds for a list, by its name."""
    max_bytes: Annotated[int, Field(ge=1_000, le=1 << 40)] = 1 << 30
    """A file that is imported may hold so many bytes once it is unpacked."""
    entries: HotlistEntries = HotlistEntries()
    feeds: tuple[HotlistFeed, ...] = ()

    def category(self, code: str) -> HotlistCategory:
        """Return what follows from a category."""
        return self.categories.get(Category(code), HotlistCategory()) if code in _CATEGORIES else HotlistCategory()

    def is_on(self, code: str) -> bool:
        """Whether entries of a category alert."""
        alerts = self.category(code).alerts
        return code not in PERSON_FILES if alerts is None else alerts

    def rules(self, name: str) -> HotlistRules:
        """Return what holds for a list."""
        return self.lists.get(name, HotlistRules())

    @field_validator("feeds")
    @classmethod
    def _each_name_and_list_once(cls, feeds: tuple[HotlistFeed, ...]) -> tuple[HotlistFeed, ...]:
        for what, values in (("name", [one.name for one in feeds]), ("list", [one.list for one in feeds])):
            twice = sorted({one for one in values if values.count(one) > 1})
            if twice:
                raise ValueError(f"each `{what}` once; got {', '.join(twice)} more often")
        return feeds


class MatchingRule(Settings):
    """What a hit of some lists at some cameras must be; what a rule leaves out stays as the rules before it have it."""

    list: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The list that it is about; without one, all."""
    camera: Annotated[str, Field(pattern=r"^[^/]+(/[^/]+)?$")] | None = None
    """`device/camera`, or `device` for all of its cameras; without one, all."""
    threshold: Annotated[float, Field(ge=0.001, le=1)] | None = None
    """The probability that a hit must reach."""
    exact_only: bool | None = None
    """Whether the likeliest reading has to be the entry itself (0 and O are the same)."""
    region_required: bool | None = None
    """Whether the entry has to name a state and the picture has to show that one."""
    alerts: bool | None = None
    """Whether the list alerts there. `alerts: false` for a list, then `alerts: true` for it at one camera, makes a list
    that only this camera looks for."""


class Matching(Settings):
    """How sure a hit has to be, by list and camera (docs/matching.md)."""

    threshold: Annotated[float, Field(ge=0.001, le=1)] = DEFAULT_THRESHOLD
    """The probability that a hit must reach where no rule says otherwise."""
    rules: tuple[MatchingRule, ...] = ()
    """In order; of several that say something about a list at a camera, the last one counts."""


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
    hotlists: Hotlists = Hotlists()
    alerts: Alerts = Alerts()
    matching: Matching = Matching()
    routing: Routing = Routing()
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

    @model_validator(mode="after")
    def _links_lead_somewhere(self) -> CollectorConfig:
        if self.page is None and any(one.webhooks or one.topics or one.email for one in self.routing.routes):
            raise ValueError("`routing.page`, where people reach the operators' page: `http.port` is left open")
        return self

    @property
    def policy(self) -> Policy:
        """Which hits the matcher lets through."""
        settings = (
            Setting(one.list, one.camera, one.threshold, one.exact_only, one.region_required, one.alerts)
            for one in self.matching.rules
        )
        return Policy(
            ListRule(self.matching.threshold),
            tuple(settings),
            frozenset(one.value for one in Category if not self.hotlists.is_on(one.value)),
            {
                name: round(rules.hard_age_h * 3_600e9)
                for name, rules in self.hotlists.lists.items()
                if rules.hard_age_h is not None and rules.hard_policy == "stop"
            },
        )

    @property
    def page(self) -> str | None:
        """Where people reach the operators' page; None where nobody can know."""
        return self.routing.page or self.http.page_address

    @property
    def url(self) -> str:
        """The store's URL, made up if none is given."""
        return self.store_url or f"sqlite+aiosqlite:///{self.data_dir / 'collector.db'}"

    @property
    def signing_key(self) -> Path:
        """The key that signs acknowledgements and commands; made at the first start, never leaves the machine."""
        return self.data_dir / "collector-key.pem"

    @property
    def snapshots(self) -> Path:
        """Where deliveries of feeds are kept, by their hash, until somebody has decided about them."""
        return self.data_dir / "hotlists"

    @property
    def pictures(self) -> Path:
        """Where pictures and clips are kept, by their hash."""
        return self.data_dir / "pictures"
