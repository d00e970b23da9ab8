"""What a device captured a day ago. It is stored as the run begins, and comes again from the intruder."""

from __future__ import annotations

from pathlib import Path

from edge_agent.outbox import Outbox, OutboxSettings
from edge_agent.provisioning.device_key import DeviceKey
from edge_agent.records import CaptureTime
from edge_wire.clock import SystemClock
from edge_wire.messages import KIND_OF
from soaking.bodies import Bodies
from soaking.captures import CaptureLog, digest_of
from soaking.intruder import Pending, pending_rows

YESTERDAY = "yesterday-1"
PASSES = 12
_DAY_NS = 86_400 * 1_000_000_000


async def capture_yesterday(outbox_folder: Path, log_path: Path, key: DeviceKey, bodies: Bodies) -> list[Pending]:
    """Capture some passes as of a day ago; return what is to be published, each pass once and the Open first."""
    clock = SystemClock()
    settings = OutboxSettings(outbox_folder, YESTERDAY, free_floor_bytes=0, ballast_bytes=0)
    passes = bodies.passes()
    tracks: set[int] = set()
    with CaptureLog(log_path) as log:
        async with await Outbox.open(settings, key, clock) as outbox:
            captured = CaptureTime(clock.utc_ns() - _DAY_NS, clock.boot_ns() - _DAY_NS, 1_000_000)
            while len(tracks) < PASSES:
                for one in next(passes):
                    track = getattr(one.body, "track", None)
                    if track is None:
                        continue
                    tracks.add(track)
                    log.intend(one.token, KIND_OF[type(one.body)], digest_of(one.body), captured.boot_ns, "")
                    identity = await outbox.put(one.body, captured)
                    log.stored(one.token, (identity.epoch, int(identity.stream), identity.sequence))
    pending = pending_rows(settings.database, 1_000)
    return sorted(pending, key=lambda row: (-row.stream, row.sequence))  # the Open vouches for the rest
