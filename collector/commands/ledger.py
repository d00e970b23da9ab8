"""``collector ledger``: what devices have sent, what of it is here, and what became of the rest."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from collector.api import present
from collector.commands.on_store import EXIT_NOT_AS_IT_SHOULD, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.commands.progress import Shown
from collector.errors import NotFoundError
from collector.ledger.judging import judge_device
from collector.ledger.records import Account, Word
from collector.ledger.runs import Run
from collector.store import ledger as facts
from collector.store.database import Store
from edge_wire.messages import Stream

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_SHOWN_RUNS = 3
_HEADINGS = ("device", "epoch", "stream", "first", "last", "stored", "dead", "lost", "again", "verdict")
_WORDS = 3


@app.command(name="ledger", epilog="Example: collector ledger --device trailer-7 --json")
def ledger(
    device: Annotated[str | None, typer.Option(help="only this device", metavar="ID")] = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say of every stream of every device whether all of it is here.

    complete: stored, dead-lettered and lost are together everything that the device says there is. in flight: the
    device may still hold the rest, or has not said yet. missing: it no longer does, and these are nowhere. unknown: its
    outbox was corrupt; at most so many were lost.

    Exits with 1 if anything is missing, an identity names two payloads, or a device was cloned or restored.
    """
    with Shown("counting", silent=as_json) as shown:

        async def work(opened: Store) -> list[Account]:
            async with opened.read() as tx:
                known = await facts.devices(tx)
                if device is not None and device not in known:
                    raise NotFoundError(f"device {device}: there is no such device; `collector device list` names them")
                wanted = known if device is None else [device]
                accounts: list[Account] = []
                for number, one in enumerate(wanted):
                    shown.update(number, len(wanted))
                    accounts += judge_device(await facts.facts_of(tx, one))
                return accounts

        accounts = with_store(config, store, work, to_read=True)
    if as_json:
        for account in accounts:
            typer.echo(present.account(account).model_dump_json())
    else:
        _show(accounts)
    if any(account.wrong for account in accounts):
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD)


def _show(accounts: Sequence[Account]) -> None:
    # A stream that never had a row says nothing that its neighbours do not.
    told = [one for one in accounts if one.facts.last or one.word is not Word.COMPLETE or one.wrong]
    if not told:
        typer.echo("no device has sent anything yet")
        return
    lines = [_HEADINGS, *map(_columns, told)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        words, numbers, verdict = line[:_WORDS], line[_WORDS:-1], line[-1]
        left = [one.ljust(width) for one, width in zip(words, widths, strict=False)]
        right = [one.rjust(width) for one, width in zip(numbers, widths[_WORDS:], strict=False)]
        # Never wrapped, so that it can be searched.
        typer.echo("  ".join([*left, *right, verdict]))


def _columns(one: Account) -> tuple[str, ...]:
    stream = one.facts
    return (
        stream.device,
        str(stream.epoch),
        Stream(stream.stream).name.lower(),
        _number(stream.first),
        _number(stream.last),
        str(stream.stored),
        str(stream.dead_lettered),
        str(sum(one.lost_by_reason.values())),
        str(stream.redelivered),
        "; ".join(_words(one)),
    )


def _words(one: Account) -> list[str]:
    found = [one.verdict]
    if one.missing:
        found[0] += f" {_runs(one.missing)}"
    if one.missing_at_least:
        found.append(f"and at least {one.missing_at_least} of {_runs(one.missing_among)}")
    if one.in_flight:
        found.append(f"{one.in_flight} may be under way")
    if one.unknown_at_most and not one.verdict.startswith("unknown"):
        found.append(f"unknown, at most {one.unknown_at_most}")
    if one.beyond_statement and one.facts.stated is not None:
        at = datetime.fromtimestamp(one.facts.stated.at_ns / 1e9, UTC)
        found.append(f"{one.beyond_statement} since it last stated, {at:%Y-%m-%d %H:%M} UTC")
    found += [f"{rows} lost: {reason}" for reason, rows in one.lost_by_reason.items()]
    found += [f"{times} never stored: {reason}" for reason, times in (one.facts.uncommitted or {}).items()]
    if one.facts.conflicts:
        found.append(f"IDENTITY CONFLICT: {one.facts.conflicts} other payloads under identities that are here")
    if one.facts.cloned_or_restored:
        found.append("CLONED OR RESTORED: another epoch names the same predecessor")
    return found


def _runs(runs: Sequence[Run]) -> str:
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs[:_SHOWN_RUNS])
    more = len(runs) - _SHOWN_RUNS
    return f"{shown} and {more} more runs (--json names them)" if more > 0 else shown


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
