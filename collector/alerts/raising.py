"""Raises and revises the alerts of reads, in the transaction that stores or rematches them.

An alert exists once for a read, a list and what is listed (plate and region): matching may be repeated, with the same
hotlists or newer ones, and raises nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from collector.alerts.support import revised
from collector.domain import Age, Standing, Support
from collector.match.matcher import Matcher, Seen
from collector.ports import Alerted, Passed
from collector.store import alerts
from collector.store.alerts import AlertRow, NewAlert
from collector.store.database import Transaction

_Key = tuple[str, str, str | None]


@dataclass(slots=True)
class _Draft:
    standing: Standing
    alert_id: int | None = None
    entry_id: int = 0
    list_version: int = 0
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Raising:
    """The ``Raiser`` over one generation of the hotlists."""

    matcher: Matcher

    @property
    def generation(self) -> int:
        """The hotlists' highest version that it knows."""
        return self.matcher.generation

    async def raise_and_revise(self, tx: Transaction, passed: Sequence[Passed], at_ns: int) -> Alerted:
        """Match what is new and bring the alerts of these reads to where they stand now.

        Args:
            tx: the transaction that stores the reads.
            passed: what is new, by read.
            at_ns: UTC, when alerts are raised.
        """
        # Of nearly all reads there is nothing to tell: they match nothing, and are all that has come of their track.
        concerned = [one for one in passed if one.before is not None or self._hits(one)]
        standing = await alerts.alerts_of_reads(tx, [one.read_id for one in concerned]) if concerned else {}
        raised: list[NewAlert] = []
        changes: list[tuple[int, Standing]] = []
        for one in concerned:
            for draft in _follow(self.matcher, one, standing.get(one.read_id, [])).values():
                if draft.alert_id is not None:
                    if draft.changed:
                        changes.append((draft.alert_id, draft.standing))
                    continue
                raised.append(
                    NewAlert(one.read_id, draft.entry_id, draft.list_version, draft.standing, one.age.historical, at_ns)
                )
        ids = await alerts.raise_alerts(tx, raised)
        await alerts.revise_alerts(tx, changes)
        return Alerted(
            tuple((new.read_id, alert_id) for new, alert_id in zip(raised, ids, strict=True)),
            tuple(alert_id for alert_id, _ in changes),
        )

    def _hits(self, passed: Passed) -> bool:
        return any(self.matcher.match(seen) for seen in (*passed.revisions, *passed.late))


def _follow(matcher: Matcher, passed: Passed, rows: Sequence[AlertRow]) -> dict[_Key, _Draft]:
    drafts = {(row.list, row.standing.plate, row.standing.region): _Draft(row.standing, row.id) for row in rows}
    before = passed.before
    for seen in passed.revisions:
        if before is not None:
            for draft in drafts.values():
                _revise(draft, before, seen, passed.age)
        _add_hits(drafts, matcher, seen, passed.age)
        before = seen
    for seen in passed.late:
        # It came after a later revision: whatever only it supports is told, and told to be no longer supported.
        latest = before or seen
        fresh = _add_hits(drafts, matcher, seen, passed.age)
        for draft in fresh:
            draft.standing = revised(draft.standing, seen, latest)
    return drafts


def _revise(draft: _Draft, before: Seen, seen: Seen, age: Age) -> None:
    now = revised(draft.standing, before, seen)
    if now == draft.standing:
        return
    if age.note is not None and age.note not in now.why:
        now = replace(now, why=(*now.why, age.note))
    draft.standing = now
    draft.changed = True


def _add_hits(drafts: dict[_Key, _Draft], matcher: Matcher, seen: Seen, age: Age) -> list[_Draft]:
    fresh = []
    for hit in matcher.match(seen):
        key = (hit.listed.list, hit.listed.plate, hit.listed.region)
        if key in drafts:
            continue
        why = hit.why if age.note is None else (*hit.why, age.note)
        standing = Standing(hit.listed.plate, hit.listed.region, hit.rule, Support.RAISED, why)
        drafts[key] = _Draft(standing, None, hit.listed.entry_id, hit.list_version)
        fresh.append(drafts[key])
    return fresh
