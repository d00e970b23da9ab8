"""Many records of one plate on one list: a few raise alerts, and say how many there are."""

from dataclasses import replace
from typing import Any

from sqlalchemy import insert, update

from collector.alerts.raising import Raising
from collector.domain import Age
from collector.match.records import ListedPlate, Seen
from collector.ports import Passed
from collector.store import tables

ROW = {"list": "stolen", "plate": "8KLM999", "region": "US-TX", "reason": "", "severity": "high", "notes": ""}
SEEN = Seen("8KLM999", tuple(((one, 0.99),) for one in "8KLM999"), ())


async def list_crowd(street: Any, records: int) -> None:
    """So many records of one plate, of which some say something else, or are covert."""
    await street.list_plate("7ABC123")
    more: dict[int, dict[str, Any]] = {
        500: {"category": "violent-person"},
        600: {"added_by": "ada"},
        700: {"covert_to": ["ada"]},
    }
    table = tables.hotlist_entry
    async with street.store.write() as tx:
        for number in range(records):
            made = ROW | {"reference": f"V{number:04}", "first_version": 1, **more.get(number, {})}
            entry_id = (await tx.execute(insert(table).values(made).returning(table.c.id))).scalar_one()
            listed = ListedPlate(entry_id, "stolen", "8KLM999", "US-TX", reference=str(made["reference"]))
            street.matcher.listed.append(listed)


async def test_a_thousand_records_of_one_plate_raise_ten_alerts_that_say_so(street: Any) -> None:
    await list_crowd(street, 1_000)
    await street.drive("8KLM999")
    alerts = await street.alerts()
    shown = {one.about.entry.reference: one for one in alerts}
    # The covert one is for its own people; neither the violent person's nor what somebody has entered is behind a
    # thousand others; then the oldest.
    assert sorted(shown) == [*(f"V{number:04}" for number in range(8)), "V0500", "V0600", "V0700"]
    said = "The list has 999 records of this plate, of which 10 alert; the others: V0008, V0009, V0010, V0011, V0012"
    assert shown["V0000"].why[1:] == (f"{said} and 984 more (collector hotlist search).",)
    assert shown["V0500"].why == shown["V0000"].why
    assert len(shown["V0700"].why) == 1
    # Each of them takes the next read, and no more are raised.
    await street.drive("8KLM999", after_s=20)
    assert [one.suppressed for one in await street.alerts()] == [1] * 11
    # One that ends is followed by another.
    entry = tables.hotlist_entry
    async with street.store.write() as tx:
        await tx.execute(update(entry).where(entry.c.reference == "V0000").values(end_version=1))
    await street.drive("8KLM999", after_s=40)
    assert {one.about.entry.reference for one in await street.alerts()} - set(shown) == {"V0008"}


async def test_ten_records_alert_each(street: Any) -> None:
    await list_crowd(street, 10)
    await street.drive("8KLM999")
    assert [len(one.why) for one in await street.alerts()] == [1] * 10


async def test_a_revision_keeps_what_is_said_of_a_crowd(street: Any) -> None:
    await list_crowd(street, 12)
    await street.drive("8KLM999")
    passed = Passed(1, SEEN, (SEEN,), (), 1, Age(False, None), "5th-1/north", "5th", street.now_ns)
    for revised in (passed, replace(passed, revision=2, revisions=(replace(SEEN, text="8KLM99"),))):
        async with street.store.write() as tx:
            alerted = await Raising(street.matcher, street.rules).raise_and_revise(tx, [revised], street.now_ns)
        assert alerted.raised == ()
        alerts = await street.alerts()
        assert len(alerts) == 10
        said = {one.why[1].partition(";")[0] for one in alerts}
        assert said == {"The list has 12 records of this plate, of which 10 alert"}
