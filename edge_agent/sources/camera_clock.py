"""When a camera's frame was exposed: by the camera's own clock where that can be believed, else by its arrival.

RTP packets carry a media clock; now and then a sender report (RFC 3550 §6.4.1) says which UTC of the camera's clock it
stands for. Many cameras' clocks are an hour off, drift, or jump. So a reported time is used only while it *verifies*:

- frames arrive between 0 and 1 s after the time they claim (the least of many: networks delay, they do not hasten);
- the camera's media clock and its UTC keep the same distance.

A camera whose clock is late by ``d`` makes that least lag ``latency + d``, one that is ahead makes it ``latency - d``.
Latency is no less than nothing and presumed no more than the constant of its kind, so the error is bounded by the
larger of ``least lag`` and ``presumed latency - least lag``, beside that of this device's clock and what the newest
report differs from the others.

Otherwise a frame counts as exposed at its arrival less the latency (what was measured while the camera's clock
verified, else presumed), with an error as large, or as what a measured one lacks of the presumed. What the network held
up longer than its neighbours, by the media clock, is taken off and added to the error.

Belongs to the thread that iterates the source; ``source`` and ``reason`` may be read from any.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

import structlog

from edge_agent.records import CaptureTime

_FRAMES_TO_VERIFY = 10
# About 3 s of a camera: long enough to see one undelayed frame, short enough to follow a clock that is set.
_WINDOW = 64
_LEAST_LAG_NS = -20_000_000  # two clocks kept by NTP over a network differ by some milliseconds
_LONGEST_LAG_NS = 1_000_000_000
_JUMP_NS = 100_000_000
_OWN_STEP_NS = 20_000_000
# A frame further behind its neighbours than this was not held up: the media clock jumped.
_LONGEST_DELAY_NS = 1_000_000_000
_log = structlog.get_logger()


class TimeSource(StrEnum):
    """Whose clock a capture time comes from."""

    RTCP = "rtcp"
    ARRIVAL = "arrival"


@dataclass(slots=True)
class KnownCamera:
    """What is worth keeping of a camera when it is connected to anew.

    Attributes:
        latency_ns: from exposure to arrival, measured while its clock verified; None: never.
        software_only: whether hardware decoding was tried in vain.
        tcp_only: whether its codec does not bear losses.
    """

    latency_ns: int | None = None
    software_only: bool = False
    tcp_only: bool = False


class CameraClock:
    """Capture times of one connection.

    Args:
        camera: id, for the log.
        known: what earlier connections found out; what this one finds is written there.
        latency_ns: presumed from exposure to arrival.

    Attributes:
        source: whose clock the last capture time came from.
        reason: why, for people.
    """

    def __init__(self, camera: str, known: KnownCamera, latency_ns: int) -> None:
        self._camera = camera
        self._known = known
        self._presumed_ns = latency_ns
        self._offsets_ns: deque[int] = deque(maxlen=_WINDOW)  # camera's UTC less media time
        self._lags_ns: deque[int] = deque(maxlen=_WINDOW)  # arrival less camera's UTC
        self._delays_ns: deque[int] = deque(maxlen=_WINDOW)  # arrival on the boot clock less media time
        self._own_offset_ns: int | None = None
        self._until_judged = _FRAMES_TO_VERIFY
        self._said: tuple[TimeSource, str] | None = None
        self.source = TimeSource.ARRIVAL
        self.reason = "no sender report so far"

    def captured(self, arrived: CaptureTime, media_ns: int | None, reported_utc_ns: int | None) -> CaptureTime:
        """Return when the frame that arrived at ``arrived`` was exposed.

        Args:
            arrived: when its packet came, by this device's clock.
            media_ns: where it stands on the camera's media clock; None: unknown.
            reported_utc_ns: UTC of the camera's clock at ``media_ns`` by its latest sender report; None: none came.
        """
        self._notice_own_step(arrived)
        if media_ns is not None and reported_utc_ns is not None:
            self._offsets_ns.append(reported_utc_ns - media_ns)
            self._lags_ns.append(arrived.utc_ns - reported_utc_ns)
            self._until_judged -= 1
            # A clock that is in use and jumps must not stay so until the next judgement: most frames are new by then.
            jumped = self.source is TimeSource.RTCP and self._jump_ns() > _JUMP_NS
            if self._until_judged <= 0 or jumped:
                self._until_judged = _WINDOW
                self._judge()
        if media_ns is None:
            return self._by_arrival(arrived, 0)
        if self.source is TimeSource.RTCP and self._offsets_ns:
            # The median: with its first packet a new report may be put to the frame beside the one that it is for.
            offset_ns = statistics.median_low(self._offsets_ns)
            exposed_utc_ns, unsteady_ns = media_ns + offset_ns, abs(self._offsets_ns[-1] - offset_ns)
            least_ns = min(self._lags_ns)
            bound_ns = max(least_ns, self._presumed_ns - least_ns) + unsteady_ns
            back = arrived.shifted(exposed_utc_ns - arrived.utc_ns)
            return CaptureTime(back.utc_ns, back.boot_ns, arrived.error_ns + bound_ns)
        return self._by_arrival(arrived, self._held_up_ns(arrived.boot_ns - media_ns))

    def _by_arrival(self, arrived: CaptureTime, held_up_ns: int) -> CaptureTime:
        latency_ns = self._presumed_ns if self._known.latency_ns is None else self._known.latency_ns
        exposed = arrived.shifted(-latency_ns - held_up_ns)
        # Measured by a clock that was ahead it came out too short.
        bound_ns = max(latency_ns, self._presumed_ns - latency_ns) + held_up_ns
        return CaptureTime(exposed.utc_ns, exposed.boot_ns, arrived.error_ns + bound_ns)

    def _held_up_ns(self, delay_ns: int) -> int:
        if self._delays_ns and delay_ns - min(self._delays_ns) > _LONGEST_DELAY_NS:
            self._delays_ns.clear()
        self._delays_ns.append(delay_ns)
        return delay_ns - min(self._delays_ns)

    def _notice_own_step(self, arrived: CaptureTime) -> None:
        offset_ns = arrived.utc_ns - arrived.boot_ns
        if self._own_offset_ns is None or abs(offset_ns - self._own_offset_ns) > _OWN_STEP_NS:
            # This device's clock was set: what was compared with it before says nothing any more.
            self._lags_ns.clear()
            self._offsets_ns.clear()
            self._until_judged = _FRAMES_TO_VERIFY
            if self.source is TimeSource.RTCP:
                self._say(TimeSource.ARRIVAL, "this device's clock was set")
        self._own_offset_ns = offset_ns

    def _judge(self) -> None:
        least_ns, usual_ns = min(self._lags_ns), statistics.median_low(self._lags_ns)
        jump_ns = self._jump_ns()
        if least_ns < _LEAST_LAG_NS:
            self._say(TimeSource.ARRIVAL, "the camera's clock is ahead of this device's", f"by {_shown(-least_ns)}")
        elif least_ns > _LONGEST_LAG_NS:
            self._say(TimeSource.ARRIVAL, "the camera's clock is behind this device's", f"by {_shown(least_ns)}")
        elif jump_ns > _JUMP_NS:
            self._say(TimeSource.ARRIVAL, "the camera's clock jumps", f"by {_shown(jump_ns)}")
            # The least lag of before a jump would vouch for the clock after it.
            self._lags_ns.clear()
            self._offsets_ns.clear()
        else:
            self._known.latency_ns = max(0, usual_ns)
            self._say(TimeSource.RTCP, "frames arrive after exposure", f"by {_shown(usual_ns)}")

    def _jump_ns(self) -> int:
        # Without a tenth at either end: a report that is put to the wrong frame is no jump.
        offsets_ns = sorted(self._offsets_ns)
        return offsets_ns[-1 - len(offsets_ns) // 10] - offsets_ns[len(offsets_ns) // 10]

    def _say(self, source: TimeSource, why: str, how_much: str = "") -> None:
        self.source, self.reason = source, f"{why} {how_much}".rstrip()
        if (source, why) != self._said:
            self._said = (source, why)
            _log.info("capture times", camera=self._camera, source=str(source), reason=self.reason)


def _shown(span_ns: int) -> str:
    for unit_ns, unit, digits in (
        (86_400_000_000_000, "days", 0),
        (3_600_000_000_000, "h", 1),
        (1_000_000_000, "s", 1),
    ):
        if span_ns >= 2 * unit_ns:
            return f"{span_ns / unit_ns:,.{digits}f} {unit}"
    return f"{span_ns / 1e6:.0f} ms"
