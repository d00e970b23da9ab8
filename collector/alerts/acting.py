"""What people do with alerts. Each step leaves a change with user and time, an audit row, and a row of the feed.

An alert that somebody may not see does not exist for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from collector.alerts import lifecycle
from collector.alerts.hand_off import next_step
from collector.alerts.rules import Rules
from collector.alerts.sight import sight_of
from collector.domain import (
    Alert,
    Check,
    Disposition,
    FieldOutcome,
    Hit,
    ImageCheck,
    Outcome,
    RecordCheck,
    RecordStatus,
)
from collector.errors import ConflictError, NotFoundError
from collector.match.plates import normalise
from collector.store import alerts, audit, queries
from collector.store.alert_changes import Step
from collector.store.cases import EntryKey
from collector.store.database import Store, Transaction

_DAY_NS = 86_400 * 1_000_000_000
_GONE = frozenset({RecordStatus.CLEARED, RecordStatus.NOT_FOUND})


class Person(Protocol):
    """Who acts, as far as it matters here."""

    @property
    def name(self) -> str:
        """The user's name."""
        ...

    @property
    def role(self) -> str:
        """The user's role."""
        ...


@dataclass(frozen=True, slots=True)
class Acting:
    """Takes what people do.

    Attributes:
        store: where alerts are.
        rules: who sees what, and how long a confirmation may take.
    """

    store: Store
    rules: Rules

    def sees(self, person: Person) -> Callable[[Alert], bool]:
        """Return what tells whether somebody may see an alert."""
        return lambda alert: sight_of(alert, self.rules.visible_to).allows(person.name, person.role)

    async def acknowledge(self, alert_id: int, by: Person, at_ns: int) -> Alert:
        """Somebody has seen it; again changes nothing, and the first one's name and time stay.

        Args:
            alert_id: its number.
            by: who.
            at_ns: UTC.

        Raises:
            NotFoundError: there is no such alert for ``by``.
            StoreError: nothing was changed. (So for every step here.)
        """
        return await self._take(
            alert_id, by, at_ns, "acknowledge", lambda alert: lifecycle.acknowledged(alert, by.name, at_ns)
        )

    async def close(self, alert_id: int, disposition: Disposition, note: str, by: Person, at_ns: int) -> Alert:
        """Say what became of it; ``note`` in their own words.

        Raises:
            NotFoundError: there is no such alert for ``by``.
            ConflictError: it is closed with another disposition.
        """
        return await self._take(
            alert_id,
            by,
            at_ns,
            "close",
            lambda alert: lifecycle.closed(alert, disposition, by.name, at_ns),
            {"disposition": str(disposition), "note": note},
        )

    async def reopen(self, alert_id: int, note: str, by: Person, at_ns: int) -> Alert:
        """Take a disposition back.

        Raises:
            NotFoundError: there is no such alert for ``by``.
            ConflictError: it is not closed.
        """
        return await self._take(alert_id, by, at_ns, "reopen", lifecycle.reopened, {"note": note})

    async def check_image(
        self, alert_id: int, plate: Check, state: Check, vehicle: Check, by: Person, at_ns: int
    ) -> Alert:
        """Say what the picture shows, compared with the entry.

        Raises:
            NotFoundError: there is no such alert for ``by``.
            ConflictError: it is not of a hit.
        """
        check = ImageCheck(plate, state, vehicle, by.name, at_ns)
        said = {"plate": str(plate), "state": str(state), "vehicle": str(vehicle)}
        return await self._take(
            alert_id, by, at_ns, "image-check", lambda alert: lifecycle.image_checked(alert, check), said
        )

    async def check_record(self, alert_id: int, status: RecordStatus, reference: str, by: Person, at_ns: int) -> Alert:
        """Say what the entry's source said when it was asked again; ``reference`` is its number of the answer.

        Raises:
            NotFoundError: there is no such alert for ``by``.
            ConflictError: it is not of a hit.
        """
        check = RecordCheck(status, reference, by.name, at_ns)
        said = {"status": str(status), "reference": reference}
        return await self._take(
            alert_id, by, at_ns, "record-check", lambda alert: lifecycle.record_checked(alert, check), said
        )

    async def tell_outcome(self, alert_id: int, outcome: Outcome, by: Person, at_ns: int, *, urgent: bool) -> Alert:
        """Say what happened in the field; after a detention the record is to be confirmed, sooner if it is urgent.

        Raises:
            NotFoundError: there is no such alert for ``by``.
        """
        told = FieldOutcome(outcome, by.name, at_ns)
        confirm_by_ns = at_ns + self.rules.confirm_within_ns(urgent=urgent)
        return await self._take(
            alert_id,
            by,
            at_ns,
            "field-outcome",
            lambda alert: lifecycle.outcome_told(alert, told, confirm_by_ns),
            {"outcome": str(outcome), "urgent": urgent},
        )

    async def mute(self, alert_id: int, by: Person, at_ns: int) -> Alert:
        """Let the entry not alert until its list's next version: the vehicle was found, and its source knows it late.

        Again changes nothing.

        Raises:
            NotFoundError: there is no such alert for ``by``.
            ConflictError: nothing says that the entry is out of date, or it is a local one, to be withdrawn.
        """

        async def muted(tx: Transaction, alert: Alert) -> Mapping[str, Any] | None:
            if alert.muted:
                return None
            key = _key(_mutable(alert))
            return {"list": key.list, "version": await alerts.mute(tx, key, by=by.name, at_ns=at_ns)}

        return await self._note(alert_id, by, at_ns, "mute", muted)

    async def exclude(self, alert_id: int, true_plate: str, reason: str, days: int, by: Person, at_ns: int) -> Alert:
        """Keep that the plate that is truly there is not the entry: a known look-alike.

        Args:
            alert_id: the alert that turned out to be a misread.
            true_plate: what the plate is.
            reason: why somebody is sure.
            days: until it expires.
            by: who answers for it.
            at_ns: UTC.

        Raises:
            NotFoundError: there is no such alert for ``by``.
            ConflictError: nobody has said that it is a misread, or the true plate is the entry's.
        """

        async def excluded(tx: Transaction, alert: Alert) -> Mapping[str, Any]:
            hit, true = _misread(alert), normalise(true_plate)
            if not true or true == hit.entry.plate:
                raise ConflictError(
                    f"alert {alert_id}: got {true_plate!r} as the true plate, expected one that differs from the entry"
                )
            number = await alerts.exclude(
                tx,
                true,
                _key(hit),
                reason=reason,
                alert_id=alert_id,
                author=by.name,
                at_ns=at_ns,
                expires_at_ns=at_ns + days * _DAY_NS,
            )
            return {"exclusion": number, "true_plate": true, "reason": reason, "days": days}

        return await self._note(alert_id, by, at_ns, "exclusion", excluded)

    async def _take(
        self,
        alert_id: int,
        by: Person,
        at_ns: int,
        verb: str,
        step: Callable[[Alert], Alert],
        detail: Mapping[str, Any] | None = None,
    ) -> Alert:
        async with self.store.write() as tx:
            before = await self._seen(tx, alert_id, by)
            after = step(before)
            if after == before:
                return before
            return await _kept(tx, after, verb, by.name, at_ns, detail or {})

    async def _note(
        self,
        alert_id: int,
        by: Person,
        at_ns: int,
        verb: str,
        write: Callable[[Transaction, Alert], Awaitable[Mapping[str, Any] | None]],
    ) -> Alert:
        async with self.store.write() as tx:
            alert = await self._seen(tx, alert_id, by)
            detail = await write(tx, alert)
            # None: it is so already.
            return alert if detail is None else await _kept(tx, alert, verb, by.name, at_ns, detail)

    async def _seen(self, tx: Transaction, alert_id: int, by: Person) -> Alert:
        found = (await queries.alerts_by_id(tx, [alert_id])).get(alert_id)
        if found is None or not self.sees(by)(found):
            raise NotFoundError(f"alert {alert_id}: there is no such alert")
        return found


_DONE = {"acknowledge": "acknowledged", "close": "closed", "reopen": "reopened", "mute": "muted"}


async def _kept(tx: Transaction, alert: Alert, verb: str, by: str, at_ns: int, detail: Mapping[str, Any]) -> Alert:
    await alerts.keep(tx, alert, Step(alert.id, _DONE.get(verb, verb), by, detail), at_ns)
    await audit.record(
        tx, who=by, action=f"alert.{verb}", subject=str(alert.id), detail=_audited(alert, detail), at_ns=at_ns
    )
    return (await queries.alerts_by_id(tx, [alert.id]))[alert.id]


def _audited(alert: Alert, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the audit log says: who reads it need not be one of those who may see the alert."""
    covert = isinstance(alert.about, Hit) and alert.about.entry.covert_to is not None
    return {"covert": True} if covert else detail


def _mutable(alert: Alert) -> Hit:
    hit, check = _of_hit(alert), alert.record_check
    found = next_step(alert) is not None
    stale = alert.closed is not None and alert.closed.disposition is Disposition.STALE_ENTRY
    if not (found or stale or (check is not None and check.status in _GONE)):
        raise ConflictError(
            f"alert {alert.id}: nothing says that the entry is out of date; expected the field outcome recovered, a "
            "record check that says cleared or not-found, or the disposition stale-entry"
        )
    if hit.entry.added_by:
        raise ConflictError(f"alert {alert.id}: its entry was entered here: withdraw it (collector hotlist withdraw)")
    return hit


def _misread(alert: Alert) -> Hit:
    hit, image = _of_hit(alert), alert.image_check
    said = alert.closed is not None and alert.closed.disposition is Disposition.MISREAD
    if not said and (image is None or image.plate is not Check.MISMATCH):
        raise ConflictError(
            f"alert {alert.id}: nobody has said that it is a misread; expected the disposition misread, or an image "
            "check whose plate is a mismatch"
        )
    return hit


def _of_hit(alert: Alert) -> Hit:
    if not isinstance(alert.about, Hit):
        raise ConflictError(f"alert {alert.id}: a shot incident has no entry")
    return alert.about


def _key(hit: Hit) -> EntryKey:
    return EntryKey(hit.entry.list, hit.entry.plate, hit.entry.region, hit.entry.reference)
