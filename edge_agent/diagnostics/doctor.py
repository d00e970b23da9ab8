"""Which checks a device needs, in the order in which a technician would mend things."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from edge_agent import opening
from edge_agent.config import AgentConfig, Camera, Microphone
from edge_agent.diagnostics.checks import (
    Check,
    Verdict,
    check_camera,
    check_clock,
    check_disk,
    check_microphone,
    check_models,
    check_outbox,
    check_position,
    check_power,
    check_provider,
    check_runtime,
)
from edge_agent.errors import AgentError, OutboxError, UplinkError
from edge_agent.inference.models import resolve_gunshot
from edge_agent.inference.providers import Provider, runtime_distributions
from edge_agent.inference.session import available_providers, provider_for
from edge_agent.outbox import Outbox, is_held, read_state
from edge_agent.provisioning import device_key
from edge_agent.records import AudioBlock, Frame
from edge_agent.sources.live import without_secrets
from edge_agent.telemetry.nut import UpsAddress, UpsConnection
from edge_agent.telemetry.power import PowerReading, read_power
from edge_agent.uplink import (
    LinkError,
    UplinkState,
    UplinkStatus,
    check_ack_round_trip,
    check_broker,
    read_status,
)
from edge_agent.uplink.status import Fault
from edge_agent.watch import Source
from edge_wire.clock import Clock, kernel_discipline

_BROKER_LIMIT = "reached, TLS and this device's certificate accepted"
_ACK_LIMIT = "the collector's signed ack within 10 s"
_EXPIRES_SOON = timedelta(days=14)
_STALE_STATUS_S = 30.0
_FIXES = {
    Fault.DNS: "look at broker.host, and at the device's DNS",
    Fault.TCP: "is the link up, is the broker running, does a firewall stand between?",
    Fault.TLS: "look at broker.ca and at the device's certificate and its dates",
    Fault.AUTH: "the broker does not know this device: enrol it, or give it a certificate of the right authority",
    Fault.ACL: "the broker knows this device but gives it no rights: see configs/mosquitto",
    Fault.LOST: "is the collector running, does it know this device's key, is broker.collector_keys the collector's?",
    Fault.OUTBOX: "see the check of the outbox",
}


def run_checks(config: AgentConfig, clock: Clock) -> Iterator[Check]:
    """Yield the checks one by one, as they are done. Blocking.

    While an agent runs, its own status is asked: a second connection with the device's id would throw it off.
    """
    yield check_clock(kernel_discipline())
    yield check_disk(config.data_dir)
    if config.power.ups is not None:
        address = UpsAddress.parse(config.power.ups)
        yield check_power(config.power.ups, lambda: asyncio.run(_ask_ups(address)))
    yield check_runtime(runtime_distributions())
    models = check_models(lambda: _name_models(config))
    yield models
    if models.verdict is Verdict.OK:
        asked = Provider(config.models.provider)
        yield check_provider(asked, available_providers(), lambda: _providers(config, asked))
    for camera in config.cameras:
        yield check_camera(camera.id, without_secrets(camera.url), partial(_open_camera, camera, clock))
    for microphone in config.microphones:
        yield from check_microphone(microphone.id, microphone.source, partial(_open_microphone, microphone, clock))
        place = config.place_of(microphone)
        yield check_position(microphone.id, None if place is None else place.error_m)
    folder = opening.outbox_settings(config).folder
    try:
        running = is_held(folder)
    except OutboxError as error:
        yield Check("outbox", str(error), "readable", Verdict.FAIL, "run doctor as the user that the agent runs as")
        return
    if running:
        yield from _ask_running_agent(config, clock)
    else:
        yield from _connect(config, clock)
    yield _outbox(folder, clock)


async def _ask_ups(address: UpsAddress) -> PowerReading:
    async with await UpsConnection.open(address) as connection:
        return read_power(await connection.variables())


# Recordings are looked at as fast as they can be read.
_UNPACED = {"pace": "fast"}


def _open_camera(camera: Camera, clock: Clock) -> Source[Frame]:
    source = opening.open_camera(camera.model_copy(update=_UNPACED), clock)
    return Source(source.frames, source.close)


def _open_microphone(microphone: Microphone, clock: Clock) -> Source[AudioBlock]:
    return opening.open_microphone(microphone.model_copy(update=_UNPACED), clock)


def _name_models(config: AgentConfig) -> str:
    names = []
    if config.cameras:
        names.append(f"plates: {opening.plate_models(config).set_name}")
    names += [
        f"{microphone.id}: {opening.shot_classifier(config, microphone).name}" for microphone in config.microphones
    ]
    return ", ".join(names)


def _providers(config: AgentConfig, asked: Provider) -> dict[str, Provider]:
    """What each network really runs on."""
    networks: dict[str, Path] = {}
    if config.cameras:
        plates = opening.plate_models(config)
        networks |= {"detector": plates.detector, "ocr": plates.ocr}
    for model in {microphone.model for microphone in config.microphones}:
        networks |= {f"{model} {part}": path for part, path in resolve_gunshot(model, config.models.dir).items()}
    return {name: provider_for(path, asked) for name, path in networks.items()}


def _ask_running_agent(config: AgentConfig, clock: Clock) -> Iterator[Check]:
    try:
        status = read_status(opening.uplink_settings(config).status_path or Path())
    except UplinkError as error:
        yield Check("broker", str(error), _BROKER_LIMIT, Verdict.FAIL, "restart the agent")
        return
    age_s = (clock.boot_ns() - status.at_boot_ns) / 1e9  # a clock that was set right meanwhile makes nothing old
    if not 0 <= age_s <= _STALE_STATUS_S:
        since = f"for {age_s:.0f} s" if age_s > 0 else "since this machine started"
        yield Check("broker", f"said nothing {since}", _BROKER_LIMIT, Verdict.FAIL, "restart the agent")
        return
    yield _broker_of(status)
    yield _ack_of(status)


def _broker_of(status: UplinkStatus) -> Check:
    measured = f"the running agent: {status.state}, {status.reason}"
    connected = (UplinkState.CONNECTED, UplinkState.UNACKED, UplinkState.WORKING)
    if status.state in connected and status.fault is None:
        return Check("broker", measured, _BROKER_LIMIT, Verdict.OK)
    return Check("broker", measured, _BROKER_LIMIT, Verdict.FAIL, _FIXES[status.fault or Fault.LOST])


def _ack_of(status: UplinkStatus) -> Check:
    if status.state is not UplinkState.WORKING or status.ack_round_trip_ms is None:
        return Check("ack", f"none: {status.reason}", _ACK_LIMIT, Verdict.FAIL, _FIXES[status.fault or Fault.LOST])
    measured = f"{status.ack_round_trip_ms:.0f} ms, last {status.last_ack_age_s or 0:.0f} s ago"
    return Check("ack", measured, _ACK_LIMIT, Verdict.OK)


def _connect(config: AgentConfig, clock: Clock) -> Iterator[Check]:
    settings = opening.uplink_settings(config)
    try:
        broker = asyncio.run(check_broker(settings))
    except (LinkError, AgentError) as error:
        fault = error.fault if isinstance(error, LinkError) else Fault.TLS
        yield Check("broker", str(error), _BROKER_LIMIT, Verdict.FAIL, _FIXES[fault])
        yield Check("ack", "not tried: the broker cannot be reached", _ACK_LIMIT, Verdict.FAIL, "mend the broker first")
        return
    measured = (
        f"{broker.mqtt_ms:.0f} ms, {broker.tls_version}, its certificate holds until {broker.certificate_until:%F}"
    )
    if broker.certificate_until - datetime.now(UTC) < _EXPIRES_SOON:
        yield Check("broker", measured, _BROKER_LIMIT, Verdict.WARN, "renew the broker's certificate")
    else:
        yield Check("broker", measured, _BROKER_LIMIT, Verdict.OK)
    reason = _not_ours(config.data_dir)
    if reason:
        fix = "run doctor as the user that the agent runs as, or start the agent and run it again"
        yield Check("ack", f"not tried: {reason}", _ACK_LIMIT, Verdict.WARN, fix)
        return
    try:
        round_trip_ms = asyncio.run(_round_trip(config, clock))
    except (LinkError, AgentError) as error:
        fault = error.fault if isinstance(error, LinkError) else Fault.OUTBOX
        yield Check("ack", str(error), _ACK_LIMIT, Verdict.FAIL, _FIXES[fault])
    else:
        yield Check("ack", f"{round_trip_ms:.0f} ms", _ACK_LIMIT, Verdict.OK)


def _not_ours(data_dir: Path) -> str:
    """Why opening the outbox here would leave files that the agent's own user cannot open; empty if it would not."""
    if not data_dir.exists():
        return f"{data_dir} is not there yet"
    owner = data_dir.stat().st_uid
    return "" if owner == os.geteuid() else f"{data_dir} belongs to user {owner}"


async def _round_trip(config: AgentConfig, clock: Clock) -> float:
    key = device_key.load(config.device.key)
    async with await Outbox.open(opening.outbox_settings(config), key, clock) as outbox:
        return await check_ack_round_trip(opening.uplink_settings(config), outbox, clock)


def _outbox(folder: Path, clock: Clock) -> Check:
    try:
        state = read_state(folder, clock)
    except OutboxError as error:
        return Check("outbox", str(error), "readable", Verdict.WARN, "run the agent once; if it did run, see its log")
    return check_outbox(state.pending, state.oldest_s, state.parked)
