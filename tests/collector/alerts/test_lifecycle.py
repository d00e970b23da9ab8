"""An alert's life against a model that keeps it by the letter of docs/alerts.md, on both stores."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from support import FakeClock

from collector.alerts.acting import Acting
from collector.alerts.escalating import Escalation
from collector.alerts.hand_off import hand_off
from collector.alerts.rules import Rules
from collector.domain import (
    DETENTIONS,
    AlertState,
    Check,
    Disposition,
    Outcome,
    RecordStatus,
)
from collector.errors import ConflictError
from collector.store import alert_changes, alerts, tables
from collector.store.database import Store

S = 1_000_000_000
RULES = Rules()
PEOPLE = st.sampled_from(["ada", "bob"])


@dataclass(frozen=True)
class User:
    name: str
    role: str = "operator"


class Life(RuleBasedStateMachine):
    """One alert from the moment that it is raised; every example raises another one in the same store."""

    def __init__(self, runner: asyncio.Runner, store: Store, listing: Any, street: Any, clock: FakeClock) -> None:
        super().__init__()
        self.runner, self.store, self.listing, self.street, self.clock = runner, store, listing, street, clock
        self.acting = Acting(store, RULES)
        self.escalation = Escalation(store, clock, RULES)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @property
    def now_ns(self) -> int:
        return self.clock.utc_ns()

    @initialize()
    def raised(self) -> None:
        # An entry of its own each time, so that no earlier example's alert takes the read.
        self.plate = f"7AB{self.street.reads + 1:04}"
        self.do(self.street.list_plate(self.plate))
        self.street.now_ns = self.now_ns
        ((_, self.id),) = self.do(self.street.drive(self.plate)).raised
        self.entry_id = self.street.matcher.listed[-1].entry_id
        self.state, self.disposition, self.acknowledged_by = "new", None, None
        self.escalate_at_ns = self.now_ns + 120 * S
        self.soundings = 1
        self.record, self.outcome, self.confirm_by_ns, self.recalled = None, None, None, False
        self.confirmed = False
        self.steps: list[tuple[str, str]] = [("", "raised")]
        self.images: tuple[str, Check, int] | None = None

    def changed(self, who: str, action: str) -> None:
        self.steps.append((who, action))

    @rule(who=PEOPLE)
    def acknowledge(self, who: str) -> None:
        self.do(self.acting.acknowledge(self.id, User(who), self.now_ns))
        if self.state == "new":
            self.state, self.acknowledged_by, self.escalate_at_ns = "acknowledged", who, None
            self.changed(who, "acknowledged")

    @rule(who=PEOPLE, disposition=st.sampled_from(Disposition))
    def close(self, who: str, disposition: Disposition) -> None:
        step = self.acting.close(self.id, disposition, "", User(who), self.now_ns)
        if self.disposition not in (None, disposition):
            with pytest.raises(ConflictError, match="reopen it first"):
                self.do(step)
            return
        self.do(step)
        if self.state != "closed":
            self.acknowledged_by = self.acknowledged_by or who
            self.state, self.disposition, self.escalate_at_ns = "closed", disposition, None
            self.changed(who, "closed")

    @rule(who=PEOPLE)
    def reopen(self, who: str) -> None:
        step = self.acting.reopen(self.id, "", User(who), self.now_ns)
        if self.state != "closed":
            with pytest.raises(ConflictError, match="not closed"):
                self.do(step)
            return
        self.do(step)
        self.state, self.disposition = "acknowledged", None
        self.changed(who, "reopened")

    @rule(who=PEOPLE, plate=st.sampled_from(Check))
    def look_at_the_picture(self, who: str, plate: Check) -> None:
        self.do(self.acting.check_image(self.id, plate, Check.MATCH, Check.CANNOT_TELL, User(who), self.now_ns))
        if self.images != (who, plate, self.now_ns):
            self.changed(who, "image-check")
        self.images = (who, plate, self.now_ns)

    @rule(who=PEOPLE, status=st.sampled_from(RecordStatus))
    def ask_the_source(self, who: str, status: RecordStatus) -> None:
        self.clock.advance(1)  # asked again is another answer, even if it is the same
        self.do(self.acting.check_record(self.id, status, "R1", User(who), self.now_ns))
        self.record, self.confirmed = status, status is RecordStatus.ACTIVE
        if status is not RecordStatus.NOT_RUN:
            self.confirm_by_ns = None
        self.changed(who, "record-check")

    @rule(who=PEOPLE, outcome=st.sampled_from(Outcome), urgent=st.booleans())
    def tell_what_happened(self, who: str, outcome: Outcome, urgent: bool) -> None:
        self.clock.advance(1)
        self.do(self.acting.tell_outcome(self.id, outcome, User(who), self.now_ns, urgent=urgent))
        begins = outcome in DETENTIONS and self.outcome not in DETENTIONS
        if begins and self.record in (None, RecordStatus.NOT_RUN):
            self.confirm_by_ns = self.now_ns + (600 if urgent else 3_600) * S
        if outcome not in DETENTIONS:
            self.confirm_by_ns = None
        self.outcome = outcome
        self.changed(who, "field-outcome")

    @rule(seconds=st.sampled_from([1, 60, 119, 120, 599, 600, 3_600]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds * S)
        self.do(self.escalation.look())
        if self.confirm_by_ns is not None and self.confirm_by_ns <= self.now_ns:
            self.confirm_by_ns = None
            self.soundings += 1
            self.changed("", "confirmation-due")
        if self.escalate_at_ns is not None and self.escalate_at_ns <= self.now_ns:
            self.escalate_at_ns = None
            self.soundings += 1
            self.changed("", "escalated")

    @rule(who=PEOPLE)
    def withdraw_the_entry(self, who: str) -> None:
        async def recall() -> list[int]:
            async with self.store.write() as tx:
                return await alerts.recall(tx, [self.entry_id], why="It was found.", at_ns=self.now_ns, who=who)

        told = self.do(recall())
        if self.state == "closed" or self.recalled:
            assert told == []
            return
        assert told == [self.id]
        self.recalled, self.confirmed = True, False
        self.soundings += 1
        self.changed(who, "recalled")

    @precondition(lambda self: self.state != "closed" and not self.recalled)
    @rule(site=st.sampled_from(["9th", "11th"]))
    def pass_elsewhere(self, site: str) -> None:
        before = self.do(self.street.alert(self.id))
        self.street.now_ns = self.now_ns
        alerted = self.do(self.street.drive(self.plate, site=site))
        last = before.trail[-1]
        another = self.images is not None and self.images[1] is Check.MISMATCH
        if another or (last.site == site and self.now_ns - last.passed_at_ns > 600 * S):
            # Not suppressed any more, or behind another vehicle: an alert of its own, which takes what follows.
            ((_, self.id),) = alerted.raised
            self.state, self.disposition, self.acknowledged_by = "new", None, None
            self.escalate_at_ns = self.now_ns + 120 * S
            self.soundings, self.steps, self.images = 1, [("", "raised")], None
            self.record, self.outcome, self.confirm_by_ns, self.confirmed = None, None, None, False
            return
        assert alerted.changed == (self.id,)
        if last.site != site:
            self.soundings += 1
            self.changed("", "trail")

    @invariant()
    def it_is_what_the_model_says(self) -> None:
        if not hasattr(self, "id"):
            return
        alert = self.do(self.street.alert(self.id))
        closed = None if alert.closed is None else alert.closed.disposition
        assert (alert.state, closed, alert.acknowledged_by) == (
            AlertState(self.state),
            self.disposition,
            self.acknowledged_by,
        )
        assert (alert.soundings, alert.escalate_at_ns) == (self.soundings, self.escalate_at_ns)
        assert (alert.recalled is not None, alert.confirm_by_ns) == (self.recalled, self.confirm_by_ns)
        assert (alert.record_check and alert.record_check.status) == self.record
        assert (alert.field_outcome and alert.field_outcome.outcome) == self.outcome
        assert ("NOT CONFIRMED" in hand_off(alert)) is not self.confirmed

    @invariant()
    def every_change_is_kept_with_user_and_time(self) -> None:
        if hasattr(self, "id"):
            kept, audited = self.do(self._kept())
            assert [(one.who, one.action) for one in kept] == self.steps
            assert [one.at_ns for one in kept] == sorted(one.at_ns for one in kept)
            # What a person does, and nothing else, is audited; recalling is by whoever withdraws.
            assert audited == [who for who, action in self.steps if who and action != "recalled"]

    async def _kept(self) -> tuple[Any, list[str]]:
        audit = tables.audit
        async with self.store.read() as tx:
            kept = await alert_changes.of_alert(tx, self.id)
            query = select(audit.c.who).where(audit.c.subject == str(self.id), audit.c.action.startswith("alert."))
            return kept, list((await tx.execute(query.order_by(audit.c.number))).scalars())


def test_an_alert_lives_as_its_model_does(store_url: str, street_of: Any, listing_of: Any, make: Any) -> None:
    with asyncio.Runner() as runner:
        store = runner.run(Store.open(store_url))
        listing, clock = listing_of(store), FakeClock()
        clock.now_utc_ns = make.now_ns
        street = street_of(store, listing, make.now_ns, RULES)
        try:
            run_state_machine_as_test(
                lambda: Life(runner, store, listing, street, clock),
                settings=settings(
                    max_examples=10,
                    stateful_step_count=15,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    derandomize=True,
                ),
            )
        finally:
            runner.run(store.close())
