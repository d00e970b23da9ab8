from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert

from collector.alerts.acting import Acting
from collector.alerts.escalating import Escalation
from collector.alerts.rules import Rules
from collector.domain import Age, Disposition, Outcome
from collector.store import alert_changes, feed, tables

S = 1_000_000_000
RULES = Rules(escalate_after_s=120, escalate_after_of={"amber": 30})


@dataclass(frozen=True)
class User:
    name: str = "ada"
    role: str = "operator"


async def test_what_nobody_acknowledges_calls_again_once_after_its_lists_time(street: Any, clock: Any) -> None:
    street.rules = RULES
    await street.list_plate("7ABC123")
    await street.list_plate("8XYZ999", name="amber")
    await street.drive("7ABC123")
    await street.drive("8XYZ999")
    escalation = Escalation(street.store, clock, RULES)
    for seconds, soundings in ((29, [1, 1]), (1, [1, 2]), (89, [1, 2]), (1, [2, 2]), (3_600, [2, 2])):
        clock.advance(seconds * S)
        while await escalation.look():
            pass
        assert [one.soundings for one in reversed(await street.alerts())] == soundings, seconds
    async with street.store.read() as tx:
        kept = [(one.who, one.action) for one in await alert_changes.of_alert(tx, 1)]
        told = [row.ref for row in await feed.after(tx, 0)]
    assert (kept, told) == ([("", "raised"), ("", "escalated")], ["2", "1"])
    assert (await street.alert(1)).escalated_at_ns == clock.utc_ns() - 3_600 * S


async def test_what_was_acknowledged_or_is_historical_does_not(street: Any, clock: Any) -> None:
    await street.list_plate("7ABC123", "8XYZ999")
    await street.drive("7ABC123")
    await street.drive("8XYZ999", age=Age(True, "Old."))
    await Acting(street.store, RULES).acknowledge(1, User(), clock.utc_ns())
    clock.advance(3_600 * S)
    assert await Escalation(street.store, clock, RULES).look() == 0


async def test_an_incident_that_nobody_acknowledges_calls_again_too(street: Any, clock: Any) -> None:
    known = {"at_ns": 1, "rounds": 1, "fire": "single", "probability_why": [], "sensors": [], "silent": []}
    made = {"agency": "pd", "stage": "raw", "revision": 1, "made_at_ns": 1, "listening": [], "alert_from": 0.9}
    raised = {"why": [], "support": "raised", "state": "new", "raised_at_ns": clock.utc_ns()}
    async with street.store.write() as tx:
        for number, historical in ((1, False), (2, True)):
            await tx.execute(insert(tables.incident).values(id=number, **made, **known, historical=historical))
            await tx.execute(insert(tables.alert).values(incident_id=number, **raised, historical=historical))
    escalation = Escalation(street.store, clock, RULES)
    clock.advance(119 * S)
    assert await escalation.look() == 0
    clock.advance(S)
    assert (await escalation.look(), await escalation.look()) == (1, 0)
    assert [one.soundings for one in await street.alerts()] == [1, 2]


async def test_a_record_that_nobody_confirms_in_time_calls_again_even_when_closed(street: Any, clock: Any) -> None:
    await street.list_plate("7ABC123")
    await street.drive()
    acting = Acting(street.store, RULES)
    await acting.tell_outcome(1, Outcome.STOPPED, User(), clock.utc_ns(), urgent=True)
    await acting.close(1, Disposition.CONFIRMED, "", User(), clock.utc_ns())
    clock.advance(600 * S)
    escalation = Escalation(street.store, clock, RULES)
    assert (await escalation.look(), await escalation.look()) == (1, 0)
    alert = await street.alert()
    assert (alert.soundings, alert.confirm_by_ns) == (2, None)
    async with street.store.read() as tx:
        assert [one.action for one in await alert_changes.of_alert(tx, 1)][-1] == "confirmation-due"
