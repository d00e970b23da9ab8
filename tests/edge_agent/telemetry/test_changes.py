"""Changes of state: each is told, none floods, and none is lost because the outbox could not take it."""

from __future__ import annotations

import asyncio

from support import FakeClock

from edge_agent.errors import OutboxError
from edge_agent.telemetry.changes import Changes, StateChange

SECOND = 1_000_000_000


class Told:
    """Takes changes; refuses them while ``full``."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.rows: list[StateChange] = []
        self.full = False
        self.changes = Changes(self.tell, self.clock)

    async def tell(self, change: StateChange) -> None:
        if self.full:
            raise OutboxError("the disk is full")
        self.rows.append(change)

    async def after(self, seconds: float) -> float | None:
        """Let time pass and tell what is due."""
        self.clock.advance(round(seconds * SECOND))
        return await self.changes.tell_due()

    @property
    def states(self) -> list[tuple[str | None, str]]:
        return [(row.before, row.state) for row in self.rows]


async def test_a_change_is_told_at_once_with_what_was_before_and_when() -> None:
    told = Told()
    told.changes.note("camera", "north", "ok")
    await told.after(0)
    told.clock.advance(3_600 * SECOND)
    told.changes.note("camera", "north", "failed", "no route to host")
    changed_ns = told.clock.boot_ns()
    assert await told.after(0.5) is None
    assert told.states == [(None, "ok"), ("ok", "failed")]
    row = told.rows[1]
    assert (row.subject, row.ref, row.reason) == ("camera", "north", "no route to host")
    assert row.at.boot_ns == changed_ns


async def test_the_same_state_for_another_reason_is_no_change() -> None:
    told = Told()
    for reason in ("silent for 4 s", "silent for 5 s"):
        told.changes.note("microphone", "mast", "doubtful", reason)
        await told.after(60)
    assert [row.reason for row in told.rows] == ["silent for 4 s"]


async def test_a_camera_that_flaps_all_day_does_not_flood() -> None:
    told = Told()
    for second in range(0, 86_400, 4):
        told.changes.note("camera", "north", "ok" if second % 8 else "failed", "the stream ended")
        await told.after(4)
    assert 100 < len(told.rows) < 200
    assert told.rows[-1].reason.startswith("the stream ended; changed 1")
    assert told.rows[-1].reason.endswith(" times since it was told last")


async def test_one_that_flaps_is_told_how_it_ended_up_and_starts_over_after_a_quiet_time() -> None:
    told = Told()
    for state in ("ok", "failed", "ok", "failed"):
        told.changes.note("camera", "north", state)
        await told.after(1)
    assert told.states == [(None, "ok")]
    assert await told.after(10) is None
    assert told.states[1:] == [("ok", "failed")]
    told.changes.note("camera", "north", "ok")
    await told.after(30)
    await told.after(1_000)
    told.changes.note("camera", "north", "failed")
    await told.after(0)
    assert len(told.rows) == 4, "after so long the first change is told at once again"


async def test_what_is_back_where_it_was_is_not_told() -> None:
    told = Told()
    for state in ("ok", "failed", "ok"):
        told.changes.note("camera", "north", state)
        await told.after(1)
    await told.after(60)
    assert told.states == [(None, "ok")]


async def test_what_is_urgent_does_not_wait() -> None:
    told = Told()
    for state in ("line", "battery", "low-battery"):
        told.changes.note("power", None, state, urgent=state == "low-battery")
        await told.after(0)
    assert told.states == [(None, "line"), ("line", "low-battery")]


async def test_what_waits_can_become_urgent() -> None:
    told = Told()
    for state in ("line", "low-battery"):
        told.changes.note("power", None, state)
        await told.after(0)
    told.changes.note("power", None, "low-battery", urgent=True)
    await told.after(0)
    assert told.states == [(None, "line"), ("line", "low-battery")]
    told.changes.note("power", None, "low-battery", urgent=True)
    await told.after(0)
    assert len(told.rows) == 2, "it is told once"


async def test_what_the_outbox_cannot_take_is_tried_again() -> None:
    told = Told()
    told.full = True
    told.changes.note("outbox", None, "disk full", "no room")
    assert await told.after(0) == 10
    assert await told.after(5) == 5, "it is not tried all the time"
    told.full = False
    await told.after(5)
    assert told.states == [(None, "disk full")]


async def test_what_was_over_before_it_could_be_told_is_told_as_over() -> None:
    told = Told()
    told.changes.note("outbox", None, "ok")
    await told.after(0)
    told.full = True
    told.changes.note("outbox", None, "disk full", "no room")
    await told.after(60)
    told.changes.note("outbox", None, "ok")
    await told.after(3_600)
    told.full = False
    await told.after(10)
    assert told.states == [(None, "ok"), ("disk full", "ok")]
    assert "could not be told at the time: disk full from" in told.rows[1].reason
    assert await told.after(3_600) is None
    assert len(told.rows) == 2


async def test_a_change_while_another_is_being_written_is_not_forgotten() -> None:
    told = Told()

    async def tell_slowly(change: StateChange) -> None:
        told.rows.append(change)
        if change.state == "ok":
            told.changes.note("camera", "north", "failed")

    told.changes = Changes(tell_slowly, told.clock)
    told.changes.note("camera", "north", "ok")
    await told.after(0)
    await told.after(10)
    assert told.states == [(None, "ok"), ("ok", "failed")]


async def test_the_last_words_are_told_whatever_was_to_be_waited_for() -> None:
    told = Told()
    told.changes.note("camera", "north", "ok")
    await told.after(0)
    told.changes.note("camera", "north", "failed")
    told.changes.note("agent", None, "stopping", "shutdown")
    told.changes.close()
    await told.changes.run()
    assert [row.state for row in told.rows] == ["ok", "failed", "stopping"]


async def test_the_task_tells_what_is_noted_while_it_runs() -> None:
    told, arrived = Told(), asyncio.Event()

    async def tell(change: StateChange) -> None:
        told.rows.append(change)
        arrived.set()

    told.changes = Changes(tell, told.clock)
    task = asyncio.create_task(told.changes.run())
    try:
        for name in ("north", "south"):
            arrived.clear()
            told.changes.note("camera", name, "ok")
            async with asyncio.timeout(5):
                await arrived.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [row.ref for row in told.rows] == ["north", "south"]


async def test_a_reason_fits_what_the_wire_carries() -> None:
    told = Told()
    told.changes.note("camera", "north", "failed", "x" * 500)
    await told.after(0)
    assert len(told.rows[0].reason) == 200
