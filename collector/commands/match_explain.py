"""``collector match --explain``: replays an alert from what is stored, and says whether it comes out the same."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import typer

from collector.commands.on_store import EXIT_NOT_AS_IT_SHOULD, EXIT_NOT_DONE, person, who, with_store
from collector.domain import Match
from collector.errors import NotFoundError
from collector.match.index import Index
from collector.match.matcher import Matcher
from collector.match.records import Hit, ListState, Seen
from collector.match.wording import percent
from collector.store import audit
from collector.store.database import Store
from collector.store.reads import seen_of
from collector.store.replaying import Replay, replay
from edge_wire import codec, cose
from edge_wire.messages import PlateRead


def explain(alert_id: int, config: Path | None, url: str | None, as_json: bool) -> None:
    """Replay an alert and print what comes out; the exit code is 1 where that is not what was stored.

    That of a covert entry is shown to the accounts that the entry names, and the audit log says so before it is.
    """

    async def load(store: Store) -> Replay:
        async with store.read() as tx:
            return await replay(tx, alert_id, person=person())

    kept = with_store(config, url, load, to_read=True)
    if kept.covert:
        with_store(config, url, lambda store: note_alert_look(store, alert_id))
    try:
        seen, match = _seen(kept), _match(kept)
    except NotFoundError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_NOT_DONE) from error
    matcher = _matcher(kept, match)
    at_ns = (kept.confirmed_at_ns or 0) + (match.list_age_ns or 0)
    now = matcher.judge(seen, kept.listed, camera=kept.camera, at_ns=at_ns)
    differs = differences(kept, match, now)
    typer.echo(
        json.dumps(_shown(kept, match, seen, now, differs)) if as_json else _said(kept, match, seen, now, differs)
    )
    if differs:
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD)


async def note_alert_look(store: Store, alert_id: int) -> None:
    """Put into the audit log that the alert of a covert entry is about to be shown to whoever runs the command.

    Raises:
        StoreError: it cannot be written; then do not show it.
    """
    detail = {"how": "match --explain", "covert": True}
    async with store.write() as tx:
        await audit.record(
            tx, who=who(), action="alert.look", subject=str(alert_id), detail=detail, at_ns=time.time_ns()
        )


def differences(kept: Replay, match: Match, now: Hit) -> list[str]:
    """Say in what the replay is not what was stored; the order and words of reasons are nobody's evidence."""
    stored = {
        "matcher": match.matcher,
        "rule": kept.rule.value,
        "probability": match.probability,
        "calibrated": match.calibrated,
        "alignment": [(one.read, one.read_p, one.entry, one.entry_p, one.step) for one in match.alignment],
        "otherwise": [tuple(one) for one in match.otherwise],
    }
    replayed = {
        "matcher": now.matcher,
        "rule": now.rule.value,
        "probability": now.probability,
        "calibrated": now.calibrated,
        "alignment": [(one.read, one.read_p, one.entry, one.entry_p, one.step) for one in now.alignment],
        "otherwise": list(now.otherwise),
    }
    return [f"{name}: stored {stored[name]}, now {replayed[name]}" for name in stored if stored[name] != replayed[name]]


def _seen(kept: Replay) -> Seen:
    if kept.envelope is None:
        raise NotFoundError(f"alert {kept.alert_id}: revision {kept.revision} of its read is not stored any more")
    body = codec.decode_up(cose.parse(kept.envelope).payload).body
    if not isinstance(body, PlateRead):
        raise NotFoundError(f"alert {kept.alert_id}: got a {type(body).__name__} for its read, expected a PlateRead")
    return seen_of(body)


def _match(kept: Replay) -> Match:
    if kept.match is None:
        raise NotFoundError(
            f"alert {kept.alert_id}: it was raised by an earlier version, which did not keep what its matcher said"
        )
    return kept.match


def _matcher(kept: Replay, match: Match) -> Matcher:
    state = ListState(match.list_version, kept.confirmed_at_ns or 0)
    return Matcher(Index.build([[kept.listed]], {kept.listed.list: state}))


def _shown(kept: Replay, match: Match, seen: Seen, now: Hit, differs: list[str]) -> dict[str, Any]:
    return {
        "alert": kept.alert_id,
        "same": not differs,
        "differences": differs,
        "entry": {
            "id": kept.listed.entry_id,
            "list": kept.listed.list,
            "plate": kept.listed.plate,
            "state": kept.listed.region,
        },
        "list_version": match.list_version,
        "camera": kept.camera,
        "revision": kept.revision,
        "read": seen.text,
        "calibration": seen.calibration,
        "threshold": match.threshold,
        "stored": {"matcher": match.matcher, "rule": kept.rule.value, "probability": match.probability},
        "now": {"matcher": now.matcher, "rule": now.rule.value, "probability": now.probability},
        "alignment": [[one.read, one.read_p, one.entry, one.entry_p, one.step] for one in now.alignment],
        "otherwise": [list(one) for one in now.otherwise],
        "why": list(kept.why),
    }


def _said(kept: Replay, match: Match, seen: Seen, now: Hit, differs: list[str]) -> str:
    state = f" ({kept.listed.region})" if kept.listed.region else ""
    lines = [
        f"alert {kept.alert_id}: {kept.listed.plate}{state} of {kept.listed.list}, version {match.list_version}",
        f"read: {seen.text}, revision {kept.revision}, at {kept.camera}, calibrated by {seen.calibration or 'nothing'}",
        f"stored: {percent(match.probability)} by {kept.rule.value}, threshold {percent(match.threshold)}, "
        f"matcher {match.matcher}",
        f"now: {percent(now.probability)} by {now.rule.value}, matcher {now.matcher}",
        *(f"  {sentence}" for sentence in kept.why),
    ]
    if now.alignment:
        lines.append("read  entry")
        lines += [
            f"{one.read or '-':>4}{one.read_p:7.3f}  {one.entry or '-':>4}{one.entry_p:7.3f}  {one.step}"
            for one in now.alignment
        ]
    if now.otherwise:
        lines.append("otherwise: " + ", ".join(f"{text} {percent(p)}" for text, p in now.otherwise))
    lines += differs or ["It comes out the same."]
    return "\n".join(lines)
