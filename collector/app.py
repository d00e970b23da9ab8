"""The composition root of the collector: the only module that knows every room, and joins them.

One asyncio loop owns ingest, the matcher in force, the followers of the feed and the API. Whichever of them ends first,
by an error or because the collector is asked to stop, ends the others in order: the batch in hand is committed and
acknowledged, the broker is left, open streams are ended. Of several collectors on one store each takes its share of
what comes, and one at a time follows the feed (``collector.store.lease``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric import ec

from collector import console
from collector.alerts.configured import rules_of
from collector.alerts.escalating import Escalation
from collector.alerts.raising import Raising
from collector.alerts.rematching import rematch
from collector.alerts.sending.carriers import Carrier
from collector.alerts.sending.following import NoticeFollower
from collector.alerts.sending.joining import DevicesBroker, carriers_of, routes_of
from collector.alerts.sending.making import NoticeMaker
from collector.alerts.sending.sender import Sender
from collector.api.app import create_app
from collector.api.server import serve
from collector.config import Broker, CollectorConfig, Locate
from collector.errors import ConfigurationError
from collector.fleet import signing_key
from collector.fleet.broker_access import PROBE
from collector.fleet.broker_probing import prove
from collector.hotlists.live import LiveMatcher
from collector.hotlists.upkeep import Upkeep
from collector.incidents.following import IncidentFollower
from collector.incidents.rules import Rules
from collector.incidents.verdicts import Verdicts
from collector.ingest.ingest import Ingest
from collector.ingest.link import BrokerSettings
from collector.ingest.picture_folder import PictureFolder
from collector.locate.records import Weather
from collector.passages.following import PassageFollower
from collector.store.database import Store
from collector.store.lease import Held, Leased
from collector.store.users import Users
from collector.store.waking import wake_by_others
from edge_wire.clock import Clock, SystemClock

_SUBSCRIBE_S = 30.0
_HAND_OVER_S = 1.0
log = structlog.get_logger(__name__)


async def run(config: CollectorConfig, ready: Callable[[str], None], clock: Clock | None = None) -> None:
    """Serve until cancelled.

    Args:
        config: where everything is.
        ready: called once with the API's address, when requests are answered and every subscription stands (or has not
            for half a minute: the API serves what is stored also without a broker).
        clock: the machine's clocks.

    Raises:
        ConfigurationError: a file or address of the configuration cannot be used; a device could do more at the broker
            than it should, or there is no probe to find that out with. Nothing was taken from the broker then.
        StoreError: the store cannot be opened.
    """
    clock = clock or SystemClock()
    probe = _probe(config.broker)
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = signing_key.load_or_make(config.signing_key)
    store = await Store.open(config.url)
    try:
        await _run_on(store, key, config, probe, ready, clock)
    finally:
        await store.close()


async def _run_on(
    store: Store,
    key: ec.EllipticCurvePrivateKey,
    config: CollectorConfig,
    probe: BrokerSettings,
    ready: Callable[[str], None],
    clock: Clock,
) -> None:
    live = LiveMatcher(store, config.policy)
    rules, alert_rules = _rules(config.locate), rules_of(config)
    pictures = PictureFolder(config.pictures)
    broker = config.broker
    access = BrokerSettings(broker.host, broker.port, broker.ca, broker.certificate, broker.key, share=broker.share)
    ingest = Ingest(
        store,
        access,
        key,
        pictures,
        clock,
        lambda: Raising(live.matcher, alert_rules),
        config.historical_after_s,
    )
    notices = await _notices(config, store, clock)
    upkeep = Upkeep(
        config.hotlists,
        config.snapshots,
        store,
        config.policy,
        lambda matcher: Raising(matcher, alert_rules),
        ingest.ask_for_missing,
        clock,
    )
    upkeep.check()
    # Each begins anew where its lease is held: what it had looked at, the store knows.
    leased = (
        Leased(store, "passages", lambda held: PassageFollower(held, config.passages.within_s).follow()),
        Leased(store, "incidents", lambda held: IncidentFollower(held, clock, rules, ingest.ask_for_sound).follow()),
        Leased(store, "alerts", lambda held: Escalation(held, clock, alert_rules).follow()),
        Leased(store, "notices", lambda held: notices(held).follow()),
        Leased(store, "hotlists", upkeep.follow),
    )

    async def match_again() -> None:
        for device in await rematch(store, Raising(live.matcher, alert_rules), clock.utc_ns, config.historical_after_s):
            await ingest.ask_for_missing(device)

    async def take_what_comes() -> None:
        await prove(access, probe)
        await ingest.start()

    # Nothing is taken from the broker before the hotlists are in force.
    await live.load()
    secure = config.http.certificate is not None
    app = create_app(
        store,
        Users(store, clock),
        store.committed,
        pictures,
        _page(),
        clock,
        secure=secure,
        hearing=lambda: ingest.hearing,
        verdicts=Verdicts(store, rules, ingest.ask_for_sound),
        rules=alert_rules,
        lists=config.hotlists,
    )
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    following = [asyncio.create_task(one.follow(), name="leased") for one in leased]
    tasks = {
        *following,
        asyncio.create_task(take_what_comes(), name="ingest"),
        asyncio.create_task(live.follow(match_again), name="hotlists"),
        asyncio.create_task(
            serve(
                app,
                config.http.host,
                config.http.port,
                tls_cert=config.http.certificate,
                tls_key=config.http.key,
                ready=address.set_result,
            ),
            name="api",
        ),
    }
    if store.shared:
        tasks.add(asyncio.create_task(wake_by_others(store), name="waking"))
    try:
        announcing = asyncio.create_task(_announce(ingest, address, ready), name="announcing")
        tasks.add(announcing)
        await asyncio.wait(tasks - {announcing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        live.stop()
        for one in leased:
            one.stop()
        await ingest.stop()
        # Leases are handed over, if the store answers; otherwise they end by themselves.
        await asyncio.wait(following, timeout=_HAND_OVER_S)
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def _announce(ingest: Ingest, address: asyncio.Future[str], ready: Callable[[str], None]) -> None:
    url = await address
    if not await ingest.wait_until_subscribed(_SUBSCRIBE_S):
        log.warning("the broker is not there yet; the API serves what is stored", waited_s=_SUBSCRIBE_S)
    ready(url)


def _probe(broker: Broker) -> BrokerSettings:
    if broker.probe_certificate is None or broker.probe_key is None:
        raise ConfigurationError(
            f"broker.probe_certificate: got none, expected the certificate of a device called {PROBE}, with which it "
            "is proven at start what a device can do; configs/mosquitto/README.md says how to make it"
        )
    return BrokerSettings(broker.host, broker.port, broker.ca, broker.probe_certificate, broker.probe_key)


async def _notices(config: CollectorConfig, store: Store, clock: Clock) -> Callable[[Held], NoticeFollower]:
    """Return what makes and sends notices, once it is sure that its files can be used."""
    routing, broker = config.routing, config.broker
    devices = DevicesBroker(broker.host, broker.port, broker.ca)

    def carriers() -> tuple[Carrier, ...]:
        return carriers_of(routing, config.page or "", devices, store.store_id, clock)

    for one in carriers():
        await one.close()
    routes = routes_of(routing)
    nobody = {one for route in routes for one in route.people} - {
        one.name for one in await Users(store, clock).everybody()
    }
    if nobody:
        log.warning("routes name people who are no users", people=sorted(nobody), fix="collector user add")

    def following(held: Held) -> NoticeFollower:
        sender = Sender(held, carriers(), routing.attempts, clock)
        return NoticeFollower(held, NoticeMaker(held, routes, clock), sender)

    return following


def _rules(config: Locate) -> Rules:
    weather = config.weather
    return Rules(
        alert_from=config.alert_from,
        audible_m=config.audible_m,
        weather=None if weather is None else Weather(weather.temperature_c, weather.wind_mps, weather.wind_from_deg),
        settle_s=config.settle_s,
        nearby_s=config.nearby_s,
        nearby_m=config.nearby_m,
        hold_s=config.hold_h * 3_600,
        hold_gunshot_s=config.hold_gunshot_days * 86_400,
    )


def _page() -> Path | None:
    try:
        return console.assets()
    except ConfigurationError as error:
        log.warning("no operators' page", reason=str(error))
        return None
