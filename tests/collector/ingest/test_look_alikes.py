"""What a known look-alike leaves behind when it holds back a hit."""

from dataclasses import replace
from typing import Any

from sqlalchemy import insert, select

from collector.alerts.raising import Raising
from collector.alerts.rematching import rematch
from collector.hotlists.live import LiveMatcher
from collector.match.policy import ListRule, Policy
from collector.store import queries, tables

TRUE_PLATE, ENTRY = "7ABC120", "7ABC128"
# Likelier the true plate, and the entry likely enough to alert.
DOUBTFUL = (("0", 0.7), ("8", 0.3))
EXCLUSION = {
    "true_plate": TRUE_PLATE,
    "list": "stolen",
    "plate": ENTRY,
    "region": "US-TX",
    "author": "jane",
    "reason": "a bolt",
    "created_at_ns": 1,
    "expires_at_ns": 1 << 62,
}


def favouring(make: Any, track: int = 1, revision: int = 0) -> Any:
    body = make.plate_read(TRUE_PLATE, track, revision)
    return replace(body, slots=(*body.slots[:-1], DOUBTFUL))


async def demoted(bench: Any) -> list[tuple[int, int, int]]:
    async with bench.store.read() as tx:
        return [tuple(row) for row in await tx.execute(select(tables.demotion))]


async def test_a_demoted_hit_is_kept_once_whatever_comes_again(bench: Any, make: Any, clock: Any) -> None:
    await bench.listing.put(ENTRY, name="stolen")
    async with bench.store.write() as tx:
        (number,) = (await tx.execute(insert(tables.exclusion).values(EXCLUSION))).inserted_primary_key
    live = LiveMatcher(bench.store, Policy(ListRule(0.1)))
    await live.load()
    bench.matcher = live.matcher
    device = await make.device().enrol(bench.store)
    published = device.publish(favouring(make))
    at_ns = clock.utc_ns()
    await bench.settle(device.open(), published)
    assert await demoted(bench) == [(number, 1, at_ns)]
    # Sent again, revised, and matched again with a newer list.
    await bench.settle(published)
    await bench.settle(device.publish(favouring(make, 1, 1)))
    async with bench.store.write() as tx:
        await tx.execute(insert(tables.match_pending).values(read_id=1, historical=False, noted_at_ns=at_ns))
    await rematch(bench.store, Raising(live.matcher), clock.utc_ns)
    assert await demoted(bench) == [(number, 1, at_ns)]
    async with bench.store.read() as tx:
        assert await queries.alerts(tx) == []
    # Another vehicle, and one that is the entry.
    await bench.settle(device.publish(favouring(make, 2)), device.publish(make.plate_read(ENTRY, 3)))
    assert [read for _, read, _ in await demoted(bench)] == [1, 2]
    async with bench.store.read() as tx:
        assert [one.about.read.id for one in await queries.alerts(tx)] == [3]
