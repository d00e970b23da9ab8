"""``collector hotlist searches``: how far searches of earlier reads for new entries have come."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer

from collector.commands import hotlist_shown as shown
from collector.commands.on_store import with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.commands.progress import Shown
from collector.errors import NotFoundError
from collector.store import back_searches
from collector.store.back_searches import BackSearch
from collector.store.database import Store

# A search that nobody has begun by then: no collector is serving.
_BEGINS_WITHIN_S = 5.0
_LOOK_S = 0.2
_SHOWN_SEARCHES = 20


def searches(
    wait: Annotated[int | None, typer.Option("--wait", help="wait for this one", min=1)] = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the latest searches of earlier reads for entries that were new, or wait for one."""

    async def work(opened: Store) -> list[BackSearch]:
        if wait is None:
            async with opened.read() as tx:
                return await back_searches.latest(tx, _SHOWN_SEARCHES)
        found = await waited(opened, wait, True, as_json)
        if found is None:
            raise NotFoundError(f"search {wait}: there is no such search")
        return [found]

    for one in with_store(config, store, work):
        typer.echo(json.dumps(search_json(one)) if as_json else f"search {one.id} for {one.list}: {search_text(one)}")


async def waited(opened: Store, search: int | None, wait: bool, as_json: bool) -> BackSearch | None:
    """Return a search once it has ended, or as it is now if nobody is at work on it or nobody waits."""
    if search is None:
        return None
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    of: int | None = None
    with Shown("searching earlier reads", silent=as_json) as bar:
        while True:
            async with opened.read() as tx:
                found = await back_searches.search(tx, search)
                if found is None or found.ended_at_ns is not None or not wait:
                    return found
                if of is None:
                    of = await back_searches.reads_to_look_at(tx, found)
            bar.update(found.looked_at, max(of, found.looked_at))
            begun = found.looked_at or found.next_read_id != found.last_read_id
            if not begun and loop.time() - began_s > _BEGINS_WITHIN_S:
                return found
            await asyncio.sleep(_LOOK_S)


def search_json(one: BackSearch) -> dict[str, Any]:
    """Return a search as programs read it."""
    return {
        "id": one.id,
        "list": one.list,
        "version": one.version,
        "from": shown.time(one.from_ns),
        "looked_at": one.looked_at,
        "raised": one.raised,
        "asked_by": one.asked_by,
        "asked_at": shown.time(one.asked_at_ns),
        "ended_at": shown.time(one.ended_at_ns),
    }


def search_text(one: BackSearch) -> str:
    """Return how far a search has come, as people read it."""
    done = f"{one.looked_at:,} reads since {shown.time(one.from_ns)} looked at, {one.raised} alerts raised"
    if one.ended_at_ns is not None:
        return done
    waits = "waits for a serving collector" if one.next_read_id == one.last_read_id else "goes on"
    return f"{done}; it {waits}: collector hotlist searches --wait {one.id}"
