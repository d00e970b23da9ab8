"""An alert is replayed from what is stored: ``collector match --explain``."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from collector.cli import app
from collector.commands.match_explain import differences
from collector.commands.on_store import person, who
from collector.errors import NotFoundError
from collector.hotlists.live import LiveMatcher
from collector.match.index import Index
from collector.match.matcher import Matcher
from collector.match.policy import ListRule, Policy
from collector.match.records import ListState
from collector.store import queries, tables
from collector.store.reads import seen_of
from collector.store.replaying import replay
from edge_wire import codec, cose


async def raised(bench: Any, make: Any) -> int:
    await bench.listing.put("7ABC120", name="stolen")
    live = LiveMatcher(bench.store, Policy(ListRule(0.1)))
    await live.load()
    bench.matcher = live.matcher
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.plate_read("7ABC120")))
    async with bench.store.read() as tx:
        (alert,) = await queries.alerts(tx)
    return int(alert.id)


async def test_an_alert_comes_out_as_it_was_raised(bench: Any, make: Any) -> None:
    alert_id = await raised(bench, make)
    async with bench.store.read() as tx:
        kept = await replay(tx, alert_id)
    assert kept.match is not None
    assert kept.envelope is not None
    seen = seen_of(codec.decode_up(cose.parse(kept.envelope).payload).body)
    index = Index.build([[kept.listed]], {"stolen": ListState(kept.match.list_version, kept.confirmed_at_ns or 0)})
    now = Matcher(index).judge(seen, kept.listed, camera=kept.camera, at_ns=0)
    assert differences(kept, kept.match, now) == []
    other = Matcher(index).judge(seen, kept.listed._replace(plate="7ABC128"), at_ns=0)
    assert any(one.startswith("probability: stored") for one in differences(kept, kept.match, other))


async def test_what_is_no_alert_of_a_plate_cannot_be_replayed(bench: Any) -> None:
    with pytest.raises(NotFoundError, match="alert 99: there is no alert"):
        async with bench.store.read() as tx:
            await replay(tx, 99)


async def test_the_alert_of_a_covert_entry_is_explained_to_those_whom_it_names_only(bench: Any, make: Any) -> None:
    alert_id = await raised(bench, make)
    async with bench.store.write() as tx:
        await tx.execute(update(tables.hotlist_entry).values(covert_to=["jane"]))
    async with bench.store.read() as tx:
        assert (await replay(tx, alert_id, person="jane")).alert_id == alert_id
        for person in ("ada", None):
            with pytest.raises(NotFoundError, match="there is no alert"):
                await replay(tx, alert_id, person=person)


async def test_that_a_covert_alert_was_explained_stands_in_the_audit_log_before_it_is_shown(
    bench: Any, make: Any, store_url: str
) -> None:
    alert_id = await raised(bench, make)

    def run() -> Any:
        return CliRunner().invoke(app, ["match", "--explain", str(alert_id), "--store", store_url])

    assert "7ABC120" in (await asyncio.to_thread(run)).output
    assert await looks(bench) == []
    async with bench.store.write() as tx:
        await tx.execute(update(tables.hotlist_entry).values(covert_to=["nobody-here"]))
    assert (await asyncio.to_thread(run)).exit_code == 2
    assert await looks(bench) == []
    async with bench.store.write() as tx:
        await tx.execute(update(tables.hotlist_entry).values(covert_to=[person()]))
    assert "7ABC120" in (await asyncio.to_thread(run)).output
    assert await looks(bench) == [(who(), str(alert_id), {"how": "match --explain", "covert": True})]


async def looks(bench: Any) -> list[Any]:
    return [(one.who, one.subject, one.detail) for one in await bench.rows(tables.audit) if one.action == "alert.look"]
