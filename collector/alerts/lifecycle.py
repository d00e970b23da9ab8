"""What an alert is after a step in its life. Pure.

new -> acknowledged -> closed with a disposition; nothing closes by itself, and each step is taken once: to take it
again changes nothing. Closing what is new acknowledges it. A closed alert can be reopened: a wrong disposition is a
step to be taken back in the open, by somebody who answers for it, and not a second alert. Three facts stand beside
that, whatever the state, because they often come after it: what the picture shows, whether the record is active, and
what happened. A hit-confirmation timer runs from a detention until the record's source has answered, or nobody is
detained any more; closing the alert does not end it.
"""

from __future__ import annotations

from dataclasses import replace

from collector.domain import (
    DETENTIONS,
    Alert,
    AlertState,
    Closed,
    Disposition,
    FieldOutcome,
    Hit,
    ImageCheck,
    RecordCheck,
    RecordStatus,
)
from collector.errors import ConflictError

# A shot incident has no entry and no record: its verdict says what it was.
_OF_SHOTS = frozenset({Disposition.CONFIRMED, Disposition.NO_ACTION})


def acknowledged(alert: Alert, by: str, at_ns: int) -> Alert:
    """Somebody has seen it; of several who have, the first one's name stays."""
    if alert.state is not AlertState.NEW:
        return alert
    return replace(
        alert,
        state=AlertState.ACKNOWLEDGED,
        acknowledged_by=by,
        acknowledged_at_ns=at_ns,
        escalate_at_ns=None,
    )


def closed(alert: Alert, disposition: Disposition, by: str, at_ns: int) -> Alert:
    """Somebody says what became of it.

    Raises:
        ConflictError: it is closed with another disposition, or has nothing that could be so.
    """
    if alert.closed is not None:
        if alert.closed.disposition is disposition:
            return alert
        raise ConflictError(
            f"alert {alert.id}: {alert.closed.by} has closed it as {alert.closed.disposition}; reopen it first"
        )
    if not isinstance(alert.about, Hit) and disposition not in _OF_SHOTS:
        raise ConflictError(
            f"alert {alert.id}: got {disposition} of a shot incident, expected confirmed or no-action; its verdict "
            "says what it was"
        )
    seen = acknowledged(alert, by, at_ns)
    return replace(seen, state=AlertState.CLOSED, closed=Closed(disposition, by, at_ns))


def reopened(alert: Alert) -> Alert:
    """It is not done with after all.

    Raises:
        ConflictError: it is open.
    """
    if alert.closed is None:
        raise ConflictError(f"alert {alert.id}: it is not closed")
    return replace(alert, state=AlertState.ACKNOWLEDGED, closed=None)


def image_checked(alert: Alert, check: ImageCheck) -> Alert:
    """Somebody has compared the picture with the entry.

    Raises:
        ConflictError: it has none.
    """
    _hit(alert)
    return replace(alert, image_check=check)


def record_checked(alert: Alert, check: RecordCheck) -> Alert:
    """Somebody has asked the entry's source again; an answer of it ends the timer, whatever it says.

    Raises:
        ConflictError: it has no entry.
    """
    _hit(alert)
    answered = check.status is not RecordStatus.NOT_RUN
    return replace(alert, record_check=check, confirm_by_ns=None if answered else alert.confirm_by_ns)


def outcome_told(alert: Alert, outcome: FieldOutcome, confirm_by_ns: int) -> Alert:
    """Somebody says what happened in the field.

    Args:
        alert: of what.
        outcome: what happened.
        confirm_by_ns: by when the record is to be confirmed, if this is a detention and nobody has asked its source.
    """
    if outcome.outcome not in DETENTIONS:
        return replace(alert, field_outcome=outcome, confirm_by_ns=None)
    check = alert.record_check
    unasked = isinstance(alert.about, Hit) and (check is None or check.status is RecordStatus.NOT_RUN)
    # One that runs goes on: a second word about the same detention gives nobody more time.
    running_ns = alert.confirm_by_ns if alert.confirm_by_ns is not None else confirm_by_ns
    over = alert.field_outcome is not None and alert.field_outcome.outcome in DETENTIONS and alert.confirm_by_ns is None
    return replace(alert, field_outcome=outcome, confirm_by_ns=running_ns if unasked and not over else None)


def escalated(alert: Alert, at_ns: int) -> Alert:
    """Nobody has acknowledged it in time: it calls again, once."""
    if alert.state is not AlertState.NEW or alert.escalated_at_ns is not None:
        return alert
    return replace(alert, soundings=alert.soundings + 1, escalate_at_ns=None, escalated_at_ns=at_ns)


def confirmation_missed(alert: Alert, at_ns: int) -> Alert:
    """The record of somebody who is detained was not confirmed in time: it calls again."""
    if alert.confirm_by_ns is None or alert.confirm_by_ns > at_ns:
        return alert
    return replace(alert, soundings=alert.soundings + 1, confirm_by_ns=None)


def _hit(alert: Alert) -> Hit:
    if not isinstance(alert.about, Hit):
        raise ConflictError(f"alert {alert.id}: a shot incident has no entry to compare with")
    return alert.about
