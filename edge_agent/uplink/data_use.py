"""What the link used of the data plan: bytes by kind and UTC day, over restarts, and what the month will come to.

The counts lie in one small file, replaced as a whole and fsynced: every five minutes, or after a MiB, whichever comes
first, and at the end. So a power cut forgets a MiB at most. A file that cannot be read is set aside, never deleted,
and counting begins anew. Blocking calls say so; everything else belongs to the event loop.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from edge_agent.uplink.calendar import Instant, Reckoning, billing_month, day_of
from edge_agent.uplink.status import DataUse, PlanLevel
from edge_wire.clock import Clock, boot_id

_log = structlog.get_logger(__name__)
_NEAR, _OVER = 0.8, 1.0
_RECENT_DAYS = 7
_KEPT_DAYS = 70
_SAVE_EVERY_NS = 300_000_000_000
_SAVE_AFTER_BYTES = 1 << 20
_HOUR_NS, _DAY_NS = 3_600_000_000_000, 86_400_000_000_000


@dataclass(slots=True)
class _Book:
    """What the file holds. Days are ISO dates."""

    last: Instant
    since_utc_ns: int
    level: PlanLevel = PlanLevel.NONE
    days: dict[str, dict[str, int]] = field(default_factory=dict)


class DataMeter:
    """Counts bytes. The file is read at once, which blocks for a moment.

    Args:
        path: where the counts lie; None keeps them in memory.
        monthly_bytes: what the plan has room for; None where there is none.
        billing_day: the day of the month on which it begins anew.
        clock: the machine's clocks.
        this_boot: names this boot; None asks the kernel.

    Attributes:
        trouble: why counting had to begin anew; empty if it did not.
    """

    def __init__(
        self,
        path: Path | None,
        monthly_bytes: int | None,
        billing_day: int,
        clock: Clock,
        this_boot: str | None = None,
    ) -> None:
        self._path = path
        self._monthly_bytes = monthly_bytes
        self._billing_day = billing_day
        self.trouble = ""
        book = self._read()
        self._reckoning = Reckoning(clock, this_boot or boot_id().hex(), None if book is None else book.last)
        now = self._reckoning.now()
        self._book = book or _Book(now, now.utc_ns)
        self._started: Counter[str] = Counter()
        self._saved_ns = now.boot_ns
        self._unsaved_bytes = 0

    @property
    def since_start(self) -> Mapping[str, int]:
        """Bytes by kind since this object was made."""
        return dict(self._started)

    def add(self, word: str, size_bytes: int) -> None:
        """Count bytes under ``word``."""
        if size_bytes:
            today = str(day_of(self._reckoning.now().utc_ns))
            day = self._book.days.setdefault(today, {})
            day[word] = day.get(word, 0) + size_bytes
            self._started[word] += size_bytes
            self._unsaved_bytes += size_bytes

    def use(self) -> DataUse:
        """Return what this billing month has used so far, and what it will come to if it goes on like this week."""
        now = self._reckoning.now()
        today = day_of(now.utc_ns)
        begins, ends = billing_month(today, self._billing_day)
        by_kind = self._sum(begins, ends)
        used_bytes = sum(by_kind.values())
        return DataUse(
            used_bytes=used_bytes,
            monthly_bytes=self._monthly_bytes,
            forecast_bytes=self._forecast(now.utc_ns, used_bytes, today, ends),
            level=self._level(used_bytes),
            period_from=str(begins),
            period_until=str(ends),
            by_kind=by_kind,
        )

    def level_before(self, level: PlanLevel) -> PlanLevel | None:
        """Remember ``level`` and return the one before it; None if it is the same. Saved with the counts."""
        before = self._book.level
        if level is before:
            return None
        self._book.level = level
        self._unsaved_bytes += _SAVE_AFTER_BYTES
        return before

    def due(self) -> bytes | None:
        """Return what to ``save`` now, if it is time."""
        late = self._reckoning.now().boot_ns - self._saved_ns >= _SAVE_EVERY_NS
        return self.snapshot() if self._unsaved_bytes >= _SAVE_AFTER_BYTES or (late and self._unsaved_bytes) else None

    def snapshot(self) -> bytes:
        """Return the file's content as of now."""
        now = self._reckoning.now()
        # The days begun last, whatever they are called: a clock that is wrong for long must not empty the book.
        self._book.days = dict(list(self._book.days.items())[-_KEPT_DAYS:])
        self._book.last, self._saved_ns, self._unsaved_bytes = now, now.boot_ns, 0
        return msgspec.json.encode(asdict(self._book))

    def save(self, content: bytes) -> None:
        """Put a snapshot on disk, whole or not at all. Blocking; on any thread.

        Raises:
            OSError: it could not be written; what was there stays.
        """
        if self._path is None:
            return
        partial = self._path.with_name(self._path.name + ".partial")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # the new name is in the folder, not in the file
        finally:
            os.close(folder)

    def _read(self) -> _Book | None:
        if self._path is None:
            return None
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Book)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            aside = self._path.with_name(self._path.name + ".unreadable")
            self.trouble = f"the data plan's count began anew: {self._path} could not be read ({error})"
            _log.error("the data plan's count begins anew", file=str(self._path), aside=str(aside), error=str(error))
            with contextlib.suppress(OSError):  # a folder that cannot be written: `save` will say so
                self._path.replace(aside)
            return None

    def _sum(self, begins: date, ends: date) -> dict[str, int]:
        total: Counter[str] = Counter()
        for day, counts in self._book.days.items():
            if str(begins) <= day < str(ends):
                total.update(counts)
        return dict(total.most_common())

    def _level(self, used_bytes: int) -> PlanLevel:
        if self._monthly_bytes is None:
            return PlanLevel.NONE
        if used_bytes >= _OVER * self._monthly_bytes:
            return PlanLevel.OVER
        return PlanLevel.NEAR if used_bytes >= _NEAR * self._monthly_bytes else PlanLevel.OK

    def _forecast(self, now_ns: int, used_bytes: int, today: date, ends: date) -> int | None:
        first = today - timedelta(days=_RECENT_DAYS - 1)
        observed_ns = now_ns - max(_midnight_ns(first), self._book.since_utc_ns)
        if observed_ns < _HOUR_NS:
            return None
        recent_bytes = sum(self._sum(first, today + timedelta(days=1)).values())
        left_ns = _midnight_ns(ends) - now_ns
        return used_bytes + round(recent_bytes * left_ns / observed_ns)


def plan_conditions(use: DataUse) -> list[str]:
    """Say what is wrong with the data plan, in a sentence each; nothing while all is well or there is no plan."""
    if use.monthly_bytes is None:
        return []
    share = use.used_bytes / use.monthly_bytes
    until = f"which begins anew on {use.period_until}"
    if use.alarm:
        return [f"data plan: {share:.0%} of {use.monthly_bytes / 1e6:,.0f} MB used, {until}"]
    if use.forecast_bytes is not None and use.forecast_bytes > use.monthly_bytes:
        forecast = f"{use.forecast_bytes / 1e6:,.0f} MB by then, of {use.monthly_bytes / 1e6:,.0f} MB"
        return [f"data plan: {share:.0%} used, {until}; at this rate {forecast}"]
    return []


def _midnight_ns(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000
