"""The checks behind ``edge-agent doctor``: each measures something, holds it to a limit and says how to mend it.

A check takes seconds at most. It knows one stage; ``doctor`` knows which checks to run. Only that of the ack leaves
something behind, an epoch in the outbox: what the collector acknowledges is an outbox's row.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import AgentError, ConfigurationError
from edge_agent.inference.providers import Provider
from edge_agent.records import AudioBlock, Frame
from edge_agent.telemetry.power import PowerReading, PowerState
from edge_wire.clock import KernelDiscipline
from edge_wire.timing import TIMING_LIMIT_NS, combined_ns

POSITION_LIMIT_M = 10.0
"""As far as sound travels in 30 ms: what is less sure of its place pulls the place of a shot after it."""
DISK_LIMIT_BYTES = 2_000_000_000
OUTBOX_LIMIT_S = 600.0
_DARK, _FLAT = 8.0, 3.0
_QUIET_DBFS, _LOUD_DBFS = -80.0, -1.0
_LISTEN_BLOCKS = 20  # two seconds, after which a sound card's clock is known to some milliseconds

_Item = TypeVar("_Item", Frame, AudioBlock, covariant=True)


class Verdict(StrEnum):
    """``warn`` is for what works but will not do for everything; only ``fail`` makes the command fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at.
        measured: what was found, with its unit.
        limit: what it is held to.
        verdict: the outcome.
        fix: what to do; empty when nothing is to be done.
    """

    name: str
    measured: str
    limit: str
    verdict: Verdict
    fix: str = ""


def check_clock(discipline: KernelDiscipline) -> Check:
    """Is something steering the clock, and how closely?"""
    limit = f"synchronised, within {TIMING_LIMIT_NS / 1e6:.0f} ms"
    if not discipline.synchronised:
        fix = "install and start chrony (better: with a GPS receiver); times are good to 16 s until then"
        return Check("clock", "not synchronised", limit, Verdict.WARN, fix)
    measured = f"synchronised, within {discipline.max_error_ns / 1e6:.1f} ms"
    if discipline.max_error_ns > TIMING_LIMIT_NS:
        fix = "no shot is pinpointed with it: give chrony a GPS receiver or a nearer time server (`chronyc sources`)"
        return Check("clock", measured, limit, Verdict.WARN, fix)
    return Check("clock", measured, limit, Verdict.OK)


def check_disk(data_dir: Path) -> Check:
    """Is there room where the outbox lies?"""
    limit = f"≥ {DISK_LIMIT_BYTES / 1e9:.0f} GB free"
    folder = data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    measured = f"{free / 1e9:.1f} GB free at {folder}"
    if free < DISK_LIMIT_BYTES:
        return Check("disk", measured, limit, Verdict.FAIL, "free some room, or put data_dir on a larger disk")
    return Check("disk", measured, limit, Verdict.OK)


def check_power(ups: str, read: Callable[[], PowerReading]) -> Check:
    """Does the UPS answer, and is there power? ``read`` asks it, or raises ``AgentError``."""
    limit = "upsd answers, line power"
    name = f"ups {ups}"
    try:
        reading = read()
    except AgentError as error:
        return Check(name, str(error), limit, Verdict.FAIL, "see docs/power.md, and `upsc -l`")
    charge = "" if reading.charge_percent is None else f", {reading.charge_percent} % charged"
    measured = f"{reading.state}{charge}" + (f", {reading.reason}" if reading.reason else "")
    if reading.state is PowerState.LINE:
        return Check(name, measured, limit, Verdict.OK)
    return Check(name, measured, limit, Verdict.WARN, "look at the plug, the fuse and the charger")


def check_models(find: Callable[[], str]) -> Check:
    """Are the networks there, and the ones that they are said to be? ``find`` names them or raises ``AgentError``."""
    limit = "complete, digests known"
    try:
        return Check("models", find(), limit, Verdict.OK)
    except AgentError as error:
        first, _, rest = str(error).partition("\n")
        return Check("models", first, limit, Verdict.FAIL, rest.strip() or "see models/README.md")


def check_runtime(distributions: Sequence[str]) -> Check:
    """Is there one ONNX Runtime, and not two whose files overwrite each other?"""
    limit = "one build of ONNX Runtime"
    if len(distributions) == 1:
        return Check("onnxruntime", distributions[0], limit, Verdict.OK)
    measured = " and ".join(distributions) or "none"
    fix = "in a checkout: scripts/setup --accelerator none (or cuda, openvino)"
    if distributions:
        fix += f"; elsewhere: pip uninstall {' '.join(distributions)}, then install the one that is wanted"
    return Check("onnxruntime", measured, limit, Verdict.FAIL, fix)


def check_provider(asked: Provider, available: Sequence[Provider], find: Callable[[], Mapping[str, Provider]]) -> Check:
    """Do the networks run on what was asked for?

    Args:
        asked: ``models.provider`` of the configuration.
        available: what this build of ONNX Runtime has, fastest first.
        find: says what each network really runs on, or raises ``AgentError``.
    """
    limit = f"models.provider: {asked}"
    if asked is Provider.AUTO:
        limit += f", of {', '.join(available)}"
    try:
        used = find()
    except AgentError as error:
        return Check(
            "provider", str(error), limit, Verdict.FAIL, "choose auto, or mend the accelerator: docs/models.md"
        )
    measured = ", ".join(f"{network} on {provider}" for network, provider in used.items())
    wanted = available[0] if asked is Provider.AUTO else asked
    if any(provider is not wanted for provider in used.values()):
        fix = f"`edge-agent models verify --provider {wanted}` says why not {wanted}; it works all the same"
        return Check("provider", measured, limit, Verdict.WARN, fix)
    return Check("provider", measured, limit, Verdict.OK)


class _Opened(Protocol[_Item]):
    def items(self) -> Iterator[_Item]:
        """Yield frames or blocks."""
        ...

    def close(self) -> None:
        """End that."""
        ...


def check_camera(name: str, url: str, open_source: Callable[[], _Opened[Frame]]) -> Check:
    """Does a picture come, and can one see anything in it?"""
    limit = "a picture that is neither black nor blank"
    name = f"camera {name}"
    try:
        frames = _first(open_source, 1)
    except AgentError as error:
        fix = f"look at the cable, the address and the password of {url}" if "://" in url else f"look at {url}"
        return Check(name, str(error), limit, Verdict.FAIL, fix)
    if not frames:
        return Check(name, "no picture came", limit, Verdict.FAIL, f"look at what {url} gives")
    return _judge_picture(name, limit, frames[0].image)


def _judge_picture(name: str, limit: str, image: NDArray[np.uint8]) -> Check:
    mean, spread = float(image.mean()), float(image.std())
    measured = f"{image.shape[1]} × {image.shape[0]} px, brightness {mean:.0f} of 255, contrast {spread:.0f}"
    if mean < _DARK:
        return Check(name, measured, limit, Verdict.WARN, "it is black: lens cap, exposure, or no light at night?")
    if spread < _FLAT:
        return Check(name, measured, limit, Verdict.WARN, "it is blank: covered, fogged, or out of order?")
    return Check(name, measured, limit, Verdict.OK)


def check_microphone(name: str, source: str, open_source: Callable[[], _Opened[AudioBlock]]) -> Iterator[Check]:
    """Does sound come, neither dead nor overdriven, and is it known when it came?"""
    limit = f"between {_QUIET_DBFS:.0f} and {_LOUD_DBFS:.0f} dBFS"
    name = f"microphone {name}"
    try:
        blocks = _first(open_source, _LISTEN_BLOCKS)
    except ConfigurationError as error:
        yield Check(name, str(error), limit, Verdict.FAIL, "do as it says, and run doctor again")
        return
    except AgentError as error:
        fix = "look at the plug, and at `arecord -l`" if source.startswith("device") else f"look at {source}"
        yield Check(name, str(error), limit, Verdict.FAIL, fix)
        return
    samples = np.concatenate([block.samples for block in blocks]) if blocks else np.zeros(0, np.float32)
    if not samples.size:
        yield Check(name, "no sound came", limit, Verdict.FAIL, f"look at what {source} gives")
        return
    rms_dbfs = 10 * float(np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20))
    measured = f"{rms_dbfs:.0f} dBFS over {samples.size / blocks[0].rate_hz:.1f} s at {blocks[0].rate_hz} Hz"
    if rms_dbfs < _QUIET_DBFS:
        yield Check(name, measured, limit, Verdict.FAIL, "it is dead: muted, unplugged, or the wrong input?")
    elif rms_dbfs > _LOUD_DBFS:
        yield Check(name, measured, limit, Verdict.WARN, "it is overdriven: turn the gain down")
    else:
        yield Check(name, measured, limit, Verdict.OK)
    yield _judge_timing(name, blocks[-1])


def _judge_timing(name: str, block: AudioBlock) -> Check:
    limit = f"within {TIMING_LIMIT_NS / 1e6:.0f} ms, to take part in pinpointing shots"
    clock_ns, fit_ns, source = block.captured.error_ns, block.timing.fit_error_ns, block.timing.clock_source
    measured = f"clock ({source}) within {clock_ns / 1e6:.1f} ms, sample clock within {fit_ns / 1e6:.1f} ms"
    if combined_ns(clock_ns, fit_ns) <= TIMING_LIMIT_NS:
        return Check(f"{name} time", measured, limit, Verdict.OK)
    if fit_ns > clock_ns:
        fix = "its blocks come too unevenly: is the machine overloaded, or the card on a bad hub?"
    elif source == "recording":
        fix = "say when the recording began: `starts_at`"
    else:
        fix = "see the check of the clock; until then it tells what was heard, and not where"
    return Check(f"{name} time", measured, limit, Verdict.WARN, fix)


def check_position(name: str, error_m: float | None) -> Check:
    """Is it known where a microphone stands? ``error_m``: how well; None: not at all."""
    name, limit = (
        f"microphone {name} place",
        f"known within {POSITION_LIMIT_M:.0f} m, to take part in pinpointing shots",
    )
    if error_m is None:
        fix = "set device.position: {lat: …, lon: …, altitude_m: …, error_m: …}"
        return Check(name, "not known", limit, Verdict.WARN, fix)
    measured = f"known within {error_m:g} m"
    if error_m > POSITION_LIMIT_M:
        return Check(name, measured, limit, Verdict.WARN, "read it off an aerial picture (1 m), and set error_m")
    return Check(name, measured, limit, Verdict.OK)


def _first(open_source: Callable[[], _Opened[_Item]], count: int) -> list[_Item]:
    source = open_source()
    try:
        return list(islice(source.items(), count))
    finally:
        source.close()


def check_outbox(pending: int, oldest_s: float | None, parked: int) -> Check:
    """Does anything wait for longer than an outage should last?"""
    limit = f"nothing older than {OUTBOX_LIMIT_S / 60:.0f} min, nothing refused"
    measured = f"{pending} waiting" + (f", oldest {oldest_s:.0f} s" if oldest_s is not None else "")
    if parked:
        fix = "the collector could not verify them: is this device's present key the one it knows?"
        return Check("outbox", f"{measured}, {parked} refused", limit, Verdict.WARN, fix)
    if oldest_s is not None and oldest_s > OUTBOX_LIMIT_S:
        return Check("outbox", measured, limit, Verdict.WARN, "see the two checks before this one")
    return Check("outbox", measured, limit, Verdict.OK)
