"""What people do with alerts: what each step leaves behind, and what it is refused for."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import select

from collector.alerts.acting import Acting
from collector.alerts.rules import Rules
from collector.domain import AlertState, Check, Disposition, Outcome, RecordStatus
from collector.errors import ConflictError, NotFoundError
from collector.store import feed, tables

MIN = 60_000_000_000


@dataclass(frozen=True)
class User:
    name: str
    role: str = "operator"


ADA, BOB = User("ada"), User("bob")


@pytest.fixture
async def acting(street: Any) -> Acting:
    await street.list_plate("7ABC123")
    await street.drive()
    return Acting(street.store, Rules())


async def test_the_first_who_acknowledges_stays(acting: Acting) -> None:
    first = await acting.acknowledge(1, ADA, 100)
    assert (first.state, first.acknowledged_by, first.acknowledged_at_ns) == (AlertState.ACKNOWLEDGED, "ada", 100)
    assert await acting.acknowledge(1, BOB, 200) == first
    async with acting.store.read() as tx:
        audited = [(row.who, row.action, row.subject) for row in await tx.execute(select(tables.audit))]
        told = [row.ref for row in await feed.after(tx, 0) if row.kind == "alert"]
    assert audited == [("ada", "alert.acknowledge", "1")]
    # Raising it was told of by whoever stored its read.
    assert told == ["1"]


async def test_an_alert_that_does_not_exist_is_not_found(acting: Acting) -> None:
    with pytest.raises(NotFoundError, match="alert 9"):
        await acting.acknowledge(9, ADA, 100)


async def test_closing_what_is_new_acknowledges_it(acting: Acting) -> None:
    closed = await acting.close(1, Disposition.MISREAD, "it is an 8", ADA, 100)
    assert (closed.acknowledged_by, closed.escalate_at_ns) == ("ada", None)
    async with acting.store.read() as tx:
        (row,) = [row for row in await tx.execute(select(tables.alert_change)) if row.action == "closed"]
    assert (row.who, row.at_ns, row.detail) == ("ada", 100, {"disposition": "misread", "note": "it is an 8"})


async def test_a_look_alike_is_excluded_only_after_a_misread_with_expiry_and_author(acting: Acting) -> None:
    async def exclude() -> Any:
        return await acting.exclude(1, "7abc-128", "the picture shows an 8", 30, ADA, 100)

    with pytest.raises(ConflictError, match="nobody has said that it is a misread"):
        await exclude()
    await acting.check_image(1, Check.MISMATCH, Check.MATCH, Check.MATCH, ADA, 90)
    await exclude()
    async with acting.store.read() as tx:
        (kept,) = await tx.execute(select(tables.exclusion))
    assert (kept.true_plate, kept.list, kept.plate, kept.region) == ("7ABC128", "stolen", "7ABC123", "US-TX")
    assert (kept.author, kept.alert_id, kept.expires_at_ns - kept.created_at_ns) == ("ada", 1, 30 * 1_440 * MIN)
    with pytest.raises(ConflictError, match="expected one that differs"):
        await acting.exclude(1, "7ABC 123", "no", 30, ADA, 100)


async def test_after_recovered_somebody_elses_entry_is_muted_until_its_next_version(
    acting: Acting, street: Any
) -> None:
    with pytest.raises(ConflictError, match="nothing says that the entry is out of date"):
        await acting.mute(1, ADA, 100)
    await acting.tell_outcome(1, Outcome.RECOVERED, ADA, 100, urgent=True)
    muted = await acting.mute(1, ADA, 101)
    assert muted.muted
    assert await acting.mute(1, BOB, 102) == muted
    assert (await street.drive(after_s=5_000)).raised == ()
    await street.list_plate("8XYZ999")
    assert not (await street.alert()).muted
    assert len((await street.drive(after_s=6_000)).raised) == 1


async def test_a_local_entry_is_to_be_withdrawn_instead(street: Any) -> None:
    await street.list_plate("7ABC123", added_by="cli:ada")
    await street.drive()
    acting = Acting(street.store, Rules())
    await acting.check_record(1, RecordStatus.CLEARED, "", ADA, 100)
    with pytest.raises(ConflictError, match="withdraw it"):
        await acting.mute(1, ADA, 101)


async def test_the_confirmation_timer_runs_from_a_detention_until_the_source_has_answered(acting: Acting) -> None:
    stopped = await acting.tell_outcome(1, Outcome.STOPPED, ADA, 100, urgent=True)
    assert stopped.confirm_by_ns == 100 + 10 * MIN
    arrested = await acting.tell_outcome(1, Outcome.ARREST, ADA, 200, urgent=False)
    assert arrested.confirm_by_ns == 100 + 10 * MIN
    unasked = await acting.check_record(1, RecordStatus.NOT_RUN, "", ADA, 300)
    assert unasked.confirm_by_ns == 100 + 10 * MIN
    assert (await acting.check_record(1, RecordStatus.ACTIVE, "H-1", ADA, 400)).confirm_by_ns is None


async def test_who_was_released_needs_no_confirmation(acting: Acting) -> None:
    routine = await acting.tell_outcome(1, Outcome.STOPPED, ADA, 100, urgent=False)
    assert routine.confirm_by_ns == 100 + 60 * MIN
    assert (await acting.tell_outcome(1, Outcome.RELEASED, ADA, 200, urgent=False)).confirm_by_ns is None


async def test_a_covert_alert_does_not_exist_for_others(street: Any) -> None:
    await street.list_plate("7ABC123", covert_to=["ada"])
    await street.drive()
    acting = Acting(street.store, Rules())
    for step in (
        acting.acknowledge(1, BOB, 1),
        acting.close(1, Disposition.NO_ACTION, "", BOB, 1),
        acting.mute(1, replace(BOB, role="administrator"), 1),
    ):
        with pytest.raises(NotFoundError):
            await step
    assert (await acting.close(1, Disposition.CONFIRMED, "seen at 9th", ADA, 1)).closed is not None
    async with acting.store.read() as tx:
        (row,) = await tx.execute(select(tables.audit))
    # Whoever reads the audit log need not be one of those who may see the alert.
    assert (row.action, row.detail) == ("alert.close", {"covert": True})


async def test_a_category_is_for_the_roles_that_may_see_it(street: Any) -> None:
    await street.list_plate("7ABC123", category="wanted-person")
    await street.drive()
    acting = Acting(street.store, Rules(visible_to={"wanted-person": frozenset({"supervisor"})}))
    with pytest.raises(NotFoundError):
        await acting.acknowledge(1, ADA, 1)
    assert (await acting.acknowledge(1, User("eve", "supervisor"), 1)).acknowledged_by == "eve"
