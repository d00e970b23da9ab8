"""``collector hotlist review`` and ``feeds``: what lists want of people, what these decide, and how feeds stand."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Annotated, Any

import typer

from collector.commands import hotlist_shown as shown
from collector.commands.hotlist_settings import done_or_exit, settings_or_exit
from collector.commands.on_store import EXIT_NOT_AS_IT_SHOULD, EXIT_NOT_DONE, who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.config import HotlistFeed
from collector.errors import NotFoundError
from collector.hotlists import reviewing
from collector.hotlists.attention import Attention, attention
from collector.store import feeds
from collector.store.database import Store
from collector.store.feeds import FeedStanding


def review(
    entry: Annotated[int | None, typer.Argument(help="the entry to decide about", min=1)] = None,
    snapshot: Annotated[int | None, typer.Option("--snapshot", help="the delivery to decide about", min=1)] = None,
    approve: Annotated[bool, typer.Option("--approve", help="let the entry stand; put the delivery in force")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="take the entry off its list")] = False,
    refuse: Annotated[bool, typer.Option("--refuse", help="leave the delivery out")] = False,
    reason: Annotated[str, typer.Option("--reason", help="why an entry is rejected; its alerts say so")] = "",
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what hotlists want of people, or decide about an entry or a delivery that was held back.

    Entries are reviewed by a supervisor of the collector who has not added, edited or asked for them: your account's
    name is your user's. Exits with 1 if something shown is urgent.
    """
    settings = settings_or_exit(config, store)
    at_ns = time.time_ns()
    _check_review(entry, snapshot, approve=approve, reject=reject, refuse=refuse)

    async def work(opened: Store) -> tuple[list[str], bool]:
        if snapshot is not None:
            decided = await reviewing.decide(opened, snapshot, approved=approve, who=who(), at_ns=at_ns)
            then = ": the serving collector puts it in force within seconds" if approve else ", and is not in force"
            said = f"snapshot {snapshot} of {decided.feed} is {decided.state}{then}"
            return [json.dumps(asdict(decided) | {"sha256": decided.sha256.hex()}) if as_json else said], False
        if entry is not None and approve:
            stands = await reviewing.approve(opened, entry, who=who(), at_ns=at_ns)
            said = (
                f"entry {entry} was reviewed by {stands.reviewed_by} and stands until {shown.time(stands.expires_ns)}"
            )
            return [json.dumps(shown.hand_entry(stands)) if as_json else said], False
        if entry is not None:
            done = await reviewing.reject(opened, entry, reason, who=who(), at_ns=at_ns)
            return [json.dumps(shown.withdrawn(done)) if as_json else shown.withdrawn_line(done, "was rejected")], False
        async with opened.read() as tx:
            found = await attention(tx, settings, at_ns)
        lines = [json.dumps(_attention(one)) if as_json else _attention_text(one) for one in found]
        return lines or ([] if as_json else ["nothing wants attention"]), any(one.urgent for one in found)

    lines, urgent = done_or_exit(config, store, work)
    for line in lines:
        typer.echo(line)
    if urgent:
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD)


def feeds_(
    pull: Annotated[str | None, typer.Option("--pull", help="ask this feed's source now")] = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how each feed of the configuration stands, or have one asked now by the serving collector."""
    settings = settings_or_exit(config, store)

    async def work(opened: Store) -> dict[str, FeedStanding]:
        if pull is not None:
            async with opened.write() as tx:
                if not await feeds.ask_now(tx, pull):
                    raise NotFoundError(f"feed {pull}: no collector has had it in its configuration yet")
        async with opened.read() as tx:
            return await feeds.standings(tx)

    standings = with_store(config, store, work)
    for one in settings.feeds:
        standing = standings.get(one.name)
        typer.echo(json.dumps(_feed(one, standing)) if as_json else _feed_text(one, standing))
    if pull is not None and not as_json:
        typer.echo(f"{pull} is asked within two seconds, if a collector is serving")


def _check_review(entry: int | None, snapshot: int | None, *, approve: bool, reject: bool, refuse: bool) -> None:
    wrong = None
    if entry is not None and snapshot is not None:
        wrong = "an entry or --snapshot, not both"
    elif entry is not None and (approve == reject or refuse):
        wrong = f"--approve or --reject, one of them, with entry {entry}"
    elif snapshot is not None and (approve == refuse or reject):
        wrong = f"--approve or --refuse, one of them, with --snapshot {snapshot}"
    elif entry is None and snapshot is None and (approve or reject or refuse):
        wrong = "the number of an entry, or --snapshot and its number, with --approve, --reject and --refuse"
    if wrong:
        typer.echo(f"expected {wrong}", err=True)
        raise typer.Exit(EXIT_NOT_DONE)


def _attention(one: Attention) -> dict[str, Any]:
    return {
        "subject": str(one.subject),
        "urgent": one.urgent,
        "list": one.list,
        "text": one.text,
        "since": shown.time(one.since_ns),
        "due": shown.time(one.due_ns),
        "entry": one.entry,
        "snapshot": one.snapshot,
        "feed": one.feed,
    }


def _attention_text(one: Attention) -> str:
    due = "" if one.due_ns is None else f", due {shown.time(one.due_ns)}"
    return f"{'! ' if one.urgent else '  '}{one.subject} ({one.list}{due}): {one.text}"


def _feed(one: HotlistFeed, standing: FeedStanding | None) -> dict[str, Any]:
    known = standing or FeedStanding(one.name, 0)
    return {
        "name": one.name,
        "list": one.list,
        "tried_at": shown.time(known.tried_at_ns),
        "delivered_at": shown.time(known.delivered_at_ns),
        "made_at": shown.time(known.made_at_ns),
        "sha256": None if known.sha256 is None else known.sha256.hex(),
        "problem": known.problem or None,
        "problem_since": shown.time(known.problem_since_ns),
    }


def _feed_text(one: HotlistFeed, standing: FeedStanding | None) -> str:
    if standing is None or standing.tried_at_ns is None:
        return f"{one.name} ({one.list}): not asked yet; a serving collector does"
    problem = f"; FAILS since {shown.time(standing.problem_since_ns)}: {standing.problem}" if standing.problem else ""
    last = f"last delivery {shown.time(standing.delivered_at_ns)}, last asked {shown.time(standing.tried_at_ns)}"
    return f"{one.name} ({one.list}): {last}{problem}"
