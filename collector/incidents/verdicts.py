"""What people do with a shot incident: say what it was, and ask for more of its sound. Each leaves an audit row."""

from __future__ import annotations

from collector.domain import Incident, VerdictWord
from collector.errors import NotFoundError
from collector.incidents.rules import Rules
from collector.ports import AskForSound
from collector.store import audit, holds, incidents, queries, verdicts
from collector.store.database import Store, Transaction


class Verdicts:
    """Takes verdicts and requests.

    Args:
        store: where incidents are.
        rules: how long a verdict lets plate reads be held.
        ask: asks the devices for what has not come of the sound of an incident.
    """

    def __init__(self, store: Store, rules: Rules, ask: AskForSound) -> None:
        self._store = store
        self._rules = rules
        self._ask = ask

    async def give(self, incident_id: int, verdict: VerdictWord, what: str | None, *, by: str, at_ns: int) -> Incident:
        """Say what it was. A later verdict takes the place of an earlier one; all are kept.

        Args:
            incident_id: of what.
            verdict: what it was.
            what: in their own words.
            by: who says so.
            at_ns: UTC.

        Raises:
            NotFoundError: there is no such incident, or its shots turned out to be of another.
            StoreError: nothing was changed.
        """
        async with self._store.write() as tx:
            if not await verdicts.keep_verdict(tx, incident_id, verdict, what, by, at_ns):
                raise NotFoundError(await _missing(tx, incident_id))
            await holds.follow_verdict(tx, incident_id, self._rules)
            await audit.record(
                tx,
                who=by,
                action="incident.verdict",
                subject=str(incident_id),
                detail={"verdict": str(verdict), "what": what},
                at_ns=at_ns,
            )
            await incidents.tell(tx, incident_id)
            return (await queries.incidents_by_id(tx, [incident_id]))[incident_id]

    async def ask_for_recordings(self, incident_id: int, *, by: str, at_ns: int) -> Incident:
        """Ask the devices for the seconds around the shots as they were heard, now and at their next births.

        Raises:
            NotFoundError: there is no such incident.
            StoreError: nothing was changed.
        """
        async with self._store.write() as tx:
            if not await verdicts.ask_for_recordings(tx, incident_id, at_ns):
                raise NotFoundError(await _missing(tx, incident_id))
            await audit.record(
                tx, who=by, action="incident.recordings", subject=str(incident_id), detail={}, at_ns=at_ns
            )
            shown = (await queries.incidents_by_id(tx, [incident_id]))[incident_id]
        await self._ask(incident_id, None)
        return shown


async def _missing(tx: Transaction, incident_id: int) -> str:
    one = (await queries.incidents_by_id(tx, [incident_id])).get(incident_id)
    if one is None or one.merged_into is None:
        return f"incident {incident_id}: there is no such incident"
    return f"incident {incident_id}: its shots turned out to belong to incident {one.merged_into}; judge that"
