"""The group ``routing`` of the collector's configuration: apart, because a page of its own explains it."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from collector.alerts.sending.hours import Window
from edge_wire.yaml_config import ConfigPath, Settings

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Word = Annotated[str, Field(min_length=1, max_length=64)]
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9.-]{1,189}$")]
Corner = Annotated[tuple[float, ...], Field(min_length=2, max_length=2)]
OpenField = Literal[
    "kind",
    "state",
    "support",
    "historical",
    "raised_at",
    "recalled",
    "disposition",
    "rule",
    "probability",
    "agency",
]
GuardedField = Literal[
    "plate",
    "region",
    "listed_plate",
    "listed_region",
    "list",
    "category",
    "reason",
    "notes",
    "handling",
    "reference",
    "case_number",
    "vehicle",
    "why",
    "device",
    "camera",
    "site",
    "position",
    "direction",
    "passed_at",
]
TellField = OpenField | GuardedField
OccasionWord = Literal[
    "raised",
    "strengthened",
    "supported",
    "unsupported",
    "trail",
    "escalated",
    "recalled",
    "confirmation-due",
    "acknowledged",
    "closed",
    "reopened",
]
_GUARDED: frozenset[str] = frozenset(GuardedField.__args__)  # type: ignore[attr-defined]  # a Literal has its words


def _window(text: str) -> str:
    Window.parse(text)
    return text


def _point(corner: tuple[float, ...]) -> tuple[float, ...]:
    latitude, longitude = corner
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError("latitude (-90 to 90) and longitude (-180 to 180) in degrees, in this order")
    return corner


def zone_of(name: str) -> datetime.tzinfo:
    """Return the time zone called ``name``.

    Raises:
        ValueError: this machine knows none of that name.
    """
    if name == "UTC":
        return datetime.UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            "a time zone that this machine knows, such as America/Chicago, or UTC (the names come with the package "
            "tzdata)"
        ) from error


class Mail(Settings):
    """The server that takes e-mails. They say the alert's number, its severity and a link, whatever it is about."""

    host: Annotated[str, Field(min_length=1)]
    """Host name, as its certificate has it."""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """TCP port: 587 with `starttls`, 465 with `tls` as a rule."""
    security: Literal["starttls", "tls"] = "starttls"
    """How TLS begins. Without it nothing is sent."""
    ca: ConfigPath | None = None
    """Certificate (PEM) of the authority that signed the server's, instead of those that this machine trusts."""
    user: Word | None = None
    """Whom to log in as; nobody without."""
    password_file: ConfigPath | None = None
    """The file with that user's password, which nobody else may read."""
    sender: Address
    """From whom they come."""
    timeout_s: Annotated[float, Field(ge=1, le=300)] = 30.0
    """So long one e-mail may take."""

    @model_validator(mode="after")
    def _whole_login(self) -> Mail:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("`user` and `password_file` together, or neither")
        return self


class Webhook(Settings):
    """A program that is told of alerts by signed HTTPS requests."""

    name: Name
    """What routes call it."""
    url: Annotated[str, Field(pattern=r"^https://[^\s@#]+$")]
    """Where to post: `https://` only, without user or password. Redirects are not followed."""
    secret_file: ConfigPath
    """The file with the secret that signs, at least 32 bytes, which nobody else may read: `openssl rand -hex 32`."""
    ca: ConfigPath | None = None
    """Certificate (PEM) of the authority that signed the receiver's, instead of those that this machine trusts."""
    certificate: ConfigPath | None = None
    """Our certificate (PEM), shown to a receiver that asks for one. Whether it does is up to it: docs/routing.md."""
    key: ConfigPath | None = None
    """Its private key (PEM)."""
    fields: tuple[TellField, ...] = ()
    """What it is told beyond the alert's number, what happened, severity, whether the record is confirmed, and a link.
    What tells plate, reason or place needs `certificate` and `key`."""
    criminal_justice_fields: tuple[TellField, ...] = ()
    """The same for alerts of criminal-justice lists, for which `fields` does not count."""
    timeout_s: Annotated[float, Field(ge=1, le=120)] = 10.0
    """So long one request may take."""

    @field_validator("fields", "criminal_justice_fields")
    @classmethod
    def _guarded_by_mutual_tls(cls, fields: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        guarded = sorted(_GUARDED.intersection(fields))
        if guarded and (info.data.get("certificate") is None or info.data.get("key") is None):
            raise ValueError(
                f"none of {', '.join(guarded)} without mutual TLS: they tell plate, reason or place. Set `certificate` "
                "and `key` of this webhook, or leave them out"
            )
        return fields

    @model_validator(mode="after")
    def _whole_certificate(self) -> Webhook:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` together, or neither")
        return self


class Topic(Settings):
    """An MQTT topic on which alerts are published, one below it for each agency: `PREFIX/AGENCY`, QoS 1.

    Always over mutual TLS.
    """

    name: Name
    """What routes call it."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,7}$")] = "nightjar/alerts"
    """What topics begin with; not `nightjar/v1`, where the devices are. configs/mosquitto/README.md says who may
    publish and listen there."""
    host: Annotated[str, Field(min_length=1)] | None = None
    """The broker; without it that of the devices."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Its TCP port; without it that of the devices' broker."""
    ca: ConfigPath | None = None
    """Certificate (PEM) of the authority that signed the broker's; without it that of the devices' broker."""
    certificate: ConfigPath
    """Our certificate (PEM) there, of `nightjar.notices` or the like: never the collector's, whose session a second
    connection would end."""
    key: ConfigPath
    """Its private key (PEM)."""
    fields: tuple[TellField, ...] = ()
    """What is published beyond the alert's number, what happened, severity, whether the record is confirmed, and a
    link."""
    criminal_justice_fields: tuple[TellField, ...] = ()
    """The same for alerts of criminal-justice lists, for which `fields` does not count."""
    timeout_s: Annotated[float, Field(ge=1, le=120)] = 10.0
    """So long the broker may take to acknowledge."""

    @field_validator("prefix")
    @classmethod
    def _not_of_devices(cls, prefix: str) -> str:
        if "nightjar/v1/".startswith(f"{prefix}/") or prefix.startswith("nightjar/v1/"):
            raise ValueError("another prefix: below nightjar/v1 are the devices")
        return prefix


class Route(Settings):
    """Some alerts, and whom to tell of them. A condition that is left out holds for every alert."""

    name: Name
    """Its own."""
    about: tuple[Literal["hit", "shot"], ...] = ("hit", "shot")
    """Plates, shots or both."""
    lists: tuple[Word, ...] = ()
    """Of these hotlists."""
    categories: tuple[Word, ...] = ()
    """Of entries of these categories, such as `stolen-vehicle`."""
    severities: tuple[Word, ...] = ()
    """Of entries of these severities, as the lists have them."""
    agencies: tuple[Word, ...] = ()
    """Of devices of these agencies."""
    cameras: tuple[Annotated[str, Field(min_length=1, max_length=129)], ...] = ()
    """Of these cameras, `device/camera`, or of all of a `device`."""
    area: tuple[Annotated[Corner, AfterValidator(_point)], ...] | None = None
    """Where the device stands, or the shots were, in this polygon: its corners as `[latitude, longitude]`. Where the
    place is not known the route does not hold."""
    hours: tuple[Annotated[str, AfterValidator(_window)], ...] = ()
    """At these times of day, such as `22:00-06:00`, in `routing.zone`."""
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    """On these days; hours that go on past midnight belong to the day on which they began."""
    historical: bool = False
    """Also what happened too long ago to be acted on."""
    occasions: tuple[OccasionWord, ...] = (
        "raised",
        "trail",
        "escalated",
        "recalled",
        "unsupported",
        "confirmation-due",
    )
    """Of which changes to tell. Whoever was told of an alert by this route is told of its later ones whatever the hour
    and the place; of others only `raised`, `trail` and `escalated` tell."""
    people: tuple[Word, ...] = ()
    """Users, whose names the operators' page shows on the alert. A covert entry goes to nobody but those of them whom
    the entry names."""
    webhooks: tuple[Name, ...] = ()
    """Webhooks, by their names."""
    topics: tuple[Name, ...] = ()
    """Topics, by their names."""
    email: tuple[Address, ...] = ()
    """E-mail addresses."""

    @field_validator("area")
    @classmethod
    def _a_polygon(cls, area: tuple[tuple[float, ...], ...] | None) -> tuple[tuple[float, ...], ...] | None:
        if area is not None and len(area) < 3:
            raise ValueError("at least three corners")
        return area

    @model_validator(mode="after")
    def _to_somebody(self) -> Route:
        if not (self.people or self.webhooks or self.topics or self.email):
            raise ValueError("somebody to tell: `people`, `webhooks`, `topics` or `email`")
        return self


class Routing(Settings):
    """Who is told of alerts beside those who look at the operators' page: docs/routing.md."""

    page: Annotated[str, Field(pattern=r"^https?://[^\s@#]+$")] | None = None
    """Where people reach the operators' page; links lead there. Without it, where `http` serves it."""
    zone: str = "UTC"
    """The time zone of the routes' hours, and of reports that name none: `America/Chicago`."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 12
    """How often a notice is tried before it is given up: 12 attempts take about an hour. `collector notices` lists and
    retries what was given up."""
    mail: Mail | None = None
    """The server for e-mails; needed by routes that have `email`."""
    webhooks: tuple[Webhook, ...] = ()
    """Programs that are told by HTTPS."""
    topics: tuple[Topic, ...] = ()
    """MQTT topics on which alerts are published."""
    routes: tuple[Route, ...] = ()
    """Which alerts go to whom."""

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        zone_of(zone)
        return zone

    @field_validator("webhooks", "topics")
    @classmethod
    def _one_name_each(cls, ways: tuple[Webhook | Topic, ...]) -> tuple[Webhook | Topic, ...]:
        names = [one.name for one in ways]
        twice = sorted({one for one in names if names.count(one) > 1})
        if twice:
            raise ValueError(f"a name of its own for each; these stand twice: {', '.join(twice)}")
        return ways

    @field_validator("routes")
    @classmethod
    def _to_known_targets(cls, routes: tuple[Route, ...], info: ValidationInfo) -> tuple[Route, ...]:
        names = [one.name for one in routes]
        if len(set(names)) < len(names):
            raise ValueError("a name of its own for each route")
        for way in ("webhooks", "topics"):
            if way in info.data:  # else they are wrong themselves
                _expect_known(routes, way, {one.name for one in info.data[way]})
        mailing = [one.name for one in routes if one.email]
        if mailing and info.data.get("mail", True) is None:
            raise ValueError(f"`mail` beside `routes`, which says what takes the e-mails of {', '.join(mailing)}")
        return routes


def _expect_known(routes: tuple[Route, ...], way: str, known: set[str]) -> None:
    for number, route in enumerate(routes):
        unknown = sorted(set(getattr(route, way)) - known)
        if unknown:
            there = ", ".join(sorted(known)) or "there is none"
            raise ValueError(f"in routes[{number}].{way} only names of `{way}` ({there}), not {', '.join(unknown)}")
