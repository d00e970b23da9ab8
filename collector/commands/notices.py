"""``collector notices``: who was told of alerts, and what could not be delivered."""

import json
import time
from typing import Annotated, Any

import typer

from collector.alerts.sending.records import Notice, NoticeState
from collector.api.times import rfc3339
from collector.commands.on_store import EXIT_NOT_AS_IT_SHOULD, who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.store import audit, notices
from collector.store.database import Store
from collector.store.notices import Choice

app = typer.Typer(
    name="notices",
    help="Who was told of alerts, by people's names, webhooks, e-mail and topics: listed, tried again.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
_AUDITED_IDS = 100

Target = Annotated[
    str | None, typer.Option(help="only for this target, such as webhook:dispatch, or for all webhooks: webhook")
]


@app.command("list", epilog="Example: collector notices list --state dead")
def list_(
    state: Annotated[NoticeState | None, typer.Option(help="only those that are so far")] = None,
    target: Target = None,
    alert: Annotated[int | None, typer.Option(help="only about this alert", metavar="ID")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="at most so many, the newest")] = 50,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """List notices, the newest first. Those that were given up are dead.

    Exits with 1 if some of those that were asked for are dead.
    """
    choice = Choice(state=state, target=target, alert_id=alert)

    async def work(opened: Store) -> tuple[list[Notice], int]:
        async with opened.read() as tx:
            return await notices.newest(tx, choice, limit=limit), await notices.count(tx, choice)

    found, of = with_store(config, store, work, to_read=True)
    for one in found:
        typer.echo(json.dumps(_plain(one)) if as_json else _line(one))
    if len(found) < of and not as_json:
        typer.echo(f"{len(found)} of {of}; --limit shows more", err=True)
    if any(one.state is NoticeState.DEAD for one in found):
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD)


@app.command(epilog="Example: collector notices retry --target webhook:dispatch")
def retry(
    ids: Annotated[list[int] | None, typer.Argument(help="numbers, as `list` shows them", metavar="[ID]...")] = None,
    target: Target = None,
    alert: Annotated[int | None, typer.Option(help="only about this alert", metavar="ID")] = None,
    everything: Annotated[bool, typer.Option("--all", help="all that were given up")] = False,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let notices that were given up be sent again, by the collector that is running.

    They say the alert as it is when they are sent. Exits with 1 if there were none.
    """
    if not (ids or target or alert or everything):
        raise typer.BadParameter("name notices by ID, or choose them by --target, --alert or --all")
    choice = Choice(ids=ids or None, target=target, alert_id=alert)

    async def work(opened: Store) -> list[int]:
        now_ns = time.time_ns()
        async with opened.write() as tx:
            found = await notices.revive(tx, choice, now_ns)
            if found:
                await audit.record(
                    tx,
                    who=who(),
                    action="notice.retry",
                    subject=target or "notices",
                    detail={"notices": found[:_AUDITED_IDS], "of": len(found)},
                    at_ns=now_ns,
                )
        return found

    found = with_store(config, store, work)
    if as_json:
        typer.echo(json.dumps({"waiting": found}))
    else:
        typer.echo(
            f"{len(found)} notices wait to be sent again" if found else "no such notice was given up", err=not found
        )
    if not found:
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD)


def _plain(one: Notice) -> dict[str, Any]:
    return {
        "id": one.id,
        "alert": one.alert_id,
        "route": one.route,
        "target": one.target,
        "occasion": one.occasion,
        "state": str(one.state),
        "attempts": one.attempts,
        "made_at": rfc3339(one.made_at_ns),
        "due_at": rfc3339(one.due_at_ns) if one.state is NoticeState.WAITING else None,
        "ended_at": None if one.ended_at_ns is None else rfc3339(one.ended_at_ns),
        "problem": one.problem,
    }


def _line(one: Notice) -> str:
    tried = f" ({one.attempts} times)" if one.attempts > 1 else ""
    problem = f"  {one.problem}" if one.problem else ""
    what = f"alert {one.alert_id} {one.occasion}"
    return f"{one.id}  {rfc3339(one.made_at_ns)}  {one.state}{tried}  {one.target}  {what}  {one.route}{problem}"
