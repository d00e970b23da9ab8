"""Ingest under a store that fails between any two statements, fed whatever an outbox and a broker may come up with."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from collector.errors import StoreError
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import import_hotlist
from collector.hotlists.live import LiveMatcher
from collector.ingest import pipeline
from collector.store import tables
from edge_wire.messages import Stream, Verdict

PLATES = ("7ABC123", "9XYZ987")
MESSAGES = 8


@dataclass(frozen=True)
class Step:
    """One batch: which messages, by number, and the statements of the store that fail, counted from here."""

    messages: list[int]
    failing: frozenset[int]


STEPS = st.lists(
    st.builds(
        Step,
        st.lists(st.integers(0, MESSAGES), min_size=1, max_size=6),
        st.frozensets(st.integers(1, 40), max_size=2),
    ),
    min_size=1,
    max_size=5,
)


@contextmanager
def failing(store: Any, at: frozenset[int]) -> Iterator[None]:
    """Let these statements fail as a connection does that breaks."""
    engine = store._writing.sync_engine
    count = 0

    def before(*_: Any) -> None:
        nonlocal count
        count += 1
        if count in at:
            raise StoreError(f"the store broke at statement {count}")

    event.listen(engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", before)


async def look_for(bench: Any, plate: str) -> None:
    content = f"plate,state,reason\n{plate},TX,stolen vehicle".encode()
    await import_hotlist(bench.store, parse(content, "t"), name="stolen", source="t", who="cli:test", at_ns=1)
    live = LiveMatcher(bench.store)
    await live.load()
    bench.matcher = live.matcher


async def check(bench: Any, make: Any, steps: list[Step], name: str) -> None:
    device = await make.device(name).enrol(bench.store)
    # Tracks of two revisions each, and under the last number the identity of the first with another plate.
    sent = [device.read(PLATES[at % 2], track=1 + at // 2, revision=at % 2) for at in range(MESSAGES)]
    device.sequences[Stream.DETECTION] = 0
    sent.append(device.read("OTHER", track=99))
    opening = device.open()
    bench.sent()
    for number, step in enumerate(steps):
        batch = [sent[at] for at in step.messages]
        with failing(bench.store, step.failing):
            await bench.settle(*([opening, *batch] if number == 0 else batch))
    arrived = [at for step in steps for at in step.messages]
    await holds(bench, device, {sent[at].digest: at for at in arrived}, sent)


async def holds(bench: Any, device: Any, arrived: dict[bytes, int], sent: list[Any]) -> None:
    identities = {
        row.sequence: row for row in await bench.rows(tables.identity) if row[0] == device.id and row.stream == 1
    }
    messages = [row for row in await bench.rows(tables.message) if row.device == device.id and row.stream == 1]
    letters = [row for row in await bench.rows(tables.dead_letter) if row.device == device.id]
    sequence_of = {at: 1 if at == MESSAGES else at + 1 for at in range(MESSAGES + 1)}
    # Everything that came is here once: as a message or, where its identity was taken, as a dead letter.
    assert (
        sorted(row.sequence for row in messages)
        == sorted(identities)
        == sorted({sequence_of[at] for at in arrived.values()})
    )
    kept = {row.envelope for row in messages} | {row.envelope for row in letters}
    assert kept == {sent[at].payload for at in arrived.values()}
    assert len(kept) == len(messages) + len(letters)
    # What is acked as stored is stored under that identity.
    for verdicts in bench.acked().values():
        assert set(verdicts) <= {Verdict.STORED, Verdict.DEAD_LETTERED}
    # One read a track, as its latest revision has it; one alert for each that names the listed plate.
    reads = [row for row in await bench.rows(tables.read) if row.device == device.id]
    assert len({row.track for row in reads}) == len(reads)
    ids = {row.id for row in reads}
    revisions = [row for row in await bench.rows(tables.read_revision) if row.read_id in ids]
    assert len(revisions) == len(messages)
    for row in reads:
        assert row.revision == max(one.revision for one in revisions if one.read_id == row.id)
    # It raised that alert, or belongs to one that another read of the plate did.
    alerted = [row.read_id for row in await bench.rows(tables.alert_read) if row.read_id in ids]
    assert sorted(alerted) == sorted({one.read_id for one in revisions if one.text == PLATES[0]})


async def test_invariants_1_3_4_and_5_hold_however_the_store_fails(
    bench: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PROTOCOL invariants 1, 3, 4 and 5: any batches, in any order, twice, in conflict, over a store that breaks."""
    monkeypatch.setattr(pipeline, "_RETRY_S", (0.0, 0.0))
    await look_for(bench, PLATES[0])
    number = 0

    async def one(steps: list[Step]) -> None:
        nonlocal number
        number += 1
        await check(bench, make, steps, f"lpr-{number}")

    await run_examples(one)


async def run_examples(one: Any) -> None:
    """Let Hypothesis choose in a thread of its own, and run what it chose on this loop."""
    loop = asyncio.get_running_loop()

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def chosen(steps: list[Step]) -> None:
        asyncio.run_coroutine_threadsafe(one(steps), loop).result()

    await asyncio.to_thread(chosen)
