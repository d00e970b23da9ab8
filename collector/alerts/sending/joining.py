"""Makes routes and carriers of the configuration."""

from __future__ import annotations

import ssl
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
from cryptography import x509
from cryptography.x509.oid import NameOID

from collector.alerts.sending.areas import Area
from collector.alerts.sending.carriers import Carrier, secret_of, tls_of
from collector.alerts.sending.content import Allowance
from collector.alerts.sending.hours import DAYS, Hours, Window
from collector.alerts.sending.mails import MailCarrier, MailServer
from collector.alerts.sending.records import EMAIL, TOPIC, WEBHOOK, target
from collector.alerts.sending.routes import Route
from collector.alerts.sending.settings import Mail, Routing, Topic, Webhook, zone_of
from collector.alerts.sending.settings import Route as RouteSettings
from collector.alerts.sending.signing import SECRET_BYTES
from collector.alerts.sending.topics import TopicBroker, TopicCarrier
from collector.alerts.sending.webhooks import WebhookCarrier
from collector.errors import ConfigurationError
from edge_wire.clock import Clock


class DevicesBroker(NamedTuple):
    """Where topics are published that name no broker of their own."""

    host: str
    port: int
    ca: Path


def routes_of(routing: Routing) -> tuple[Route, ...]:
    """Return the routes of the configuration."""
    return tuple(_route(one, routing) for one in routing.routes)


def carriers_of(
    routing: Routing, page: str, broker: DevicesBroker, store_id: bytes, clock: Clock
) -> tuple[Carrier, ...]:
    """Return what carries notices; nothing is connected yet.

    Args:
        routing: the configuration's group.
        page: the operators' page.
        broker: that of the devices.
        store_id: of the store.
        clock: our clocks.

    Raises:
        ConfigurationError: a certificate, key, secret or address cannot be used.
    """
    carriers: list[Carrier] = [
        _webhook(one, f"routing.webhooks[{number}]", page, clock) for number, one in enumerate(routing.webhooks)
    ]
    carriers += _topics(routing.topics, page, broker)
    if routing.mail is not None:
        addresses = {address for route in routing.routes for address in route.email}
        carriers.append(MailCarrier(_server(routing.mail), addresses, page, store_id, clock))
    return tuple(carriers)


def _route(one: RouteSettings, routing: Routing) -> Route:
    hours = None
    if one.hours or one.days:
        days = frozenset(DAYS.index(day) for day in one.days or DAYS)
        hours = Hours(zone_of(routing.zone), tuple(Window.parse(each) for each in one.hours), days)
    return Route(
        name=one.name,
        occasions=frozenset(one.occasions),
        lists=frozenset(one.lists),
        categories=frozenset(one.categories),
        severities=frozenset(one.severities),
        agencies=frozenset(one.agencies),
        cameras=frozenset(one.cameras),
        about=frozenset(one.about),
        area=None if one.area is None else Area.of(one.area),
        hours=hours,
        historical=one.historical,
        people=one.people,
        targets=(
            *(target(WEBHOOK, name) for name in one.webhooks),
            *(target(TOPIC, name) for name in one.topics),
            *(target(EMAIL, address) for address in one.email),
        ),
    )


def _webhook(one: Webhook, place: str, page: str, clock: Clock) -> WebhookCarrier:
    try:
        httpx.URL(one.url)
    except httpx.InvalidURL as error:
        # Not shown: whatever opens the receiver may stand in it.
        raise ConfigurationError(f"{place}.url: got what is not an address, expected https://HOST/PATH") from error
    return WebhookCarrier(
        one.name,
        one.url,
        secret_of(one.secret_file, f"{place}.secret_file", least_bytes=SECRET_BYTES),
        tls_of(place, one.ca, one.certificate, one.key),
        Allowance(frozenset(one.fields), frozenset(one.criminal_justice_fields)),
        page,
        one.timeout_s,
        clock,
    )


def _topics(topics: Sequence[Topic], page: str, devices: DevicesBroker) -> list[Carrier]:
    """Return a carrier for each broker and certificate: a second connection of one name ends the first."""
    shared: defaultdict[tuple[str, int, Path, Path, Path], list[tuple[int, Topic]]] = defaultdict(list)
    for number, one in enumerate(topics):
        where = (one.host or devices.host, one.port or devices.port, one.ca or devices.ca)
        shared[(*where, one.certificate, one.key)].append((number, one))
    carriers: list[Carrier] = []
    for (host, port, ca, certificate, key), some in shared.items():
        place = f"routing.topics[{some[0][0]}]"
        tls = tls_of(place, ca, certificate, key)
        timeout_s = max(one.timeout_s for _, one in some)
        broker = TopicBroker(host, port, _common_name(certificate, place), tls, timeout_s)
        told = {
            target(TOPIC, one.name): (
                one.prefix,
                Allowance(frozenset(one.fields), frozenset(one.criminal_justice_fields)),
            )
            for _, one in some
        }
        carriers.append(TopicCarrier(broker, told, page))
    return carriers


def _common_name(certificate: Path, place: str) -> str:
    try:
        subject = x509.load_pem_x509_certificate(certificate.read_bytes()).subject
        return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    except (OSError, ValueError, IndexError) as error:
        raise ConfigurationError(
            f"{place}.certificate: {certificate}: {error}; expected a certificate (PEM) with a common name, by which "
            "the broker knows us"
        ) from error


def _server(mail: Mail) -> MailServer:
    password = ""
    if mail.password_file is not None:
        try:
            password = secret_of(mail.password_file, "routing.mail.password_file").decode()
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"routing.mail.password_file: {mail.password_file}: is not UTF-8") from error
    tls: ssl.SSLContext = tls_of("routing.mail", mail.ca)
    return MailServer(
        host=mail.host,
        port=mail.port,
        starttls=mail.security == "starttls",
        tls=tls,
        sender=mail.sender,
        user=mail.user,
        password=password,
        timeout_s=mail.timeout_s,
    )
