"""What reports are counted from, on both stores."""

from typing import Any

import alert_rows
from sqlalchemy import insert

from collector.reports.periods import Period
from collector.reports.records import Attached, Scans
from collector.store import look_alikes, tables
from collector.store.database import Store
from collector.store.queries import of_reports

NOW_NS = alert_rows.NOW_NS
PERIOD = Period("test", NOW_NS, alert_rows.at_s(1_000))


async def test_facts_are_of_the_period(store: Store) -> None:
    async with store.write() as tx:
        await alert_rows.hotlist(tx, criminal_justice=True)
        await alert_rows.hotlist(tx, "later")
        entries = [await alert_rows.entry(tx, plate=one) for one in ("A", "B", "C")]
        await alert_rows.entry(tx, plate="CANARY", canary=True)
        await alert_rows.entry(tx, plate="GONE", end_version=1)
        for number, at_s in enumerate((-1, 0, 500, 999.5, 1_000)):
            await alert_rows.read(tx, number, captured_at_ns=alert_rows.at_s(at_s))
        for number, at_s in enumerate((-5, 5, 15), start=20):
            await alert_rows.read(tx, number, text="7ABC128", captured_at_ns=alert_rows.at_s(at_s), camera="south")
        other = await alert_rows.read(tx, 9, device="lpr-2", agency="shelbyville")
        here = await alert_rows.alert(
            tx,
            2,
            entries[0],
            raised_at_ns=alert_rows.at_s(5),
            support="unsupported",
            disposition="confirmed",
            recalled_at_ns=7,
            record_check={"status": "active"},
            field_outcome={"outcome": "arrest"},
        )
        await alert_rows.alert(tx, 1, entries[1], raised_at_ns=alert_rows.at_s(-5))
        await alert_rows.alert(tx, 5, entries[2], raised_at_ns=PERIOD.end_ns)
        theirs = await alert_rows.alert(tx, other, entries[2])
        await alert_rows.attach(tx, here, 3, "suppressed")
        await alert_rows.attach(tx, here, 4, "suppressed")
        await alert_rows.attach(tx, here, other, "trail")
        await _version(tx, 1, "stolen", NOW_NS - 1)
        await _version(tx, 2, "stolen", NOW_NS)
        await _version(tx, 3, "later", PERIOD.end_ns)
        for expires_s, ended_s in ((-1, None), (10, None), (5_000, -2), (5_000, 10)):
            await _exclusion(tx, expires_s, ended_s)
    async with store.read() as tx:
        facts = await of_reports.facts(tx, PERIOD)
        ours = await of_reports.facts(tx, PERIOD, agency="springfield")
    assert facts.scans == [Scans("shelbyville", "lpr-2", "north", 1), *ours.scans]
    assert ours.scans == [Scans("springfield", "lpr-1", "north", 3), Scans("springfield", "lpr-1", "south", 2)]
    assert [one.id for one in facts.alerts] == [here, theirs]
    (alert,) = ours.alerts
    assert (alert.unsupported, alert.recalled, alert.disposition) == (True, True, "confirmed")
    assert (alert.record, alert.outcome, alert.canary, alert.category) == ("active", "arrest", False, "stolen-vehicle")
    assert facts.attached == ours.attached == {here: Attached(suppressed=2, trail=1)}
    (stolen,) = facts.lists
    assert (stolen.name, stolen.criminal_justice, stolen.entries, stolen.versions) == ("stolen", True, 3, 1)
    # Both stood until ten seconds after the beginning; one of the reads of that time is of the true plate.
    told = [(one.id, one.author, one.alert_id, one.passes) for one in facts.look_alikes]
    assert told == [(2, "jane", 1, 1), (4, "jane", 1, 1)]


async def test_reads_whose_hit_an_exclusion_held_back_count_once_and_when_they_were_matched(store: Store) -> None:
    async with store.write() as tx:
        for _ in range(2):
            await _exclusion(tx, 10, None)
        await look_alikes.keep_demotions(tx, {(1, 7)}, PERIOD.begin_ns - 1)
        await look_alikes.keep_demotions(tx, [(2, 8), (1, 8), (1, 9)], PERIOD.begin_ns)
        # What was sent again, revised or matched again.
        await look_alikes.keep_demotions(tx, {(1, 7), (1, 8)}, PERIOD.end_ns - 1)
        await look_alikes.keep_demotions(tx, {(1, 10)}, PERIOD.end_ns)
        await look_alikes.keep_demotions(tx, (), PERIOD.begin_ns)
    async with store.read() as tx:
        facts = await of_reports.facts(tx, PERIOD)
    assert [(one.id, one.demoted) for one in facts.look_alikes] == [(1, 2), (2, 1)]


async def test_a_look_alike_of_a_covert_entry_is_counted_without_its_alerts_number(store: Store) -> None:
    async with store.write() as tx:
        await alert_rows.hotlist(tx)
        covert = await alert_rows.entry(tx, covert_to=["jane"])
        await alert_rows.alert(tx, await alert_rows.read(tx, 1), covert)
        await _exclusion(tx, 10, None)
    async with store.read() as tx:
        (told,) = (await of_reports.facts(tx, PERIOD)).look_alikes
    assert (told.id, told.list, told.alert_id) == (1, "stolen", None)


async def _version(tx: Any, version: int, name: str, at_ns: int) -> None:
    values = {"action": "import", "by": "cli:test", "source": "", "confirmed_at_ns": at_ns}
    counts = dict.fromkeys(("added", "changed", "removed", "unchanged", "rejected"), 0)
    row = {"version": version, "list": name, "at_ns": at_ns, **values, **counts}
    await tx.execute(insert(tables.hotlist_version).values(row))


async def _exclusion(tx: Any, expires_s: float, ended_s: float | None) -> None:
    await tx.execute(
        insert(tables.exclusion).values(
            true_plate="7ABC128",
            list="stolen",
            plate="7ABC123",
            author="jane",
            reason="a bolt",
            alert_id=1,
            created_at_ns=alert_rows.at_s(-9),
            expires_at_ns=alert_rows.at_s(expires_s),
            ended_at_ns=None if ended_s is None else alert_rows.at_s(ended_s),
        )
    )
