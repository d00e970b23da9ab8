import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from collector.alerts.raising import Raising
from collector.config import Hotlists
from collector.errors import ConfigurationError
from collector.hotlists import reviewing
from collector.hotlists.attention import attention
from collector.hotlists.upkeep import Upkeep
from collector.match.policy import Policy
from collector.store import feeds, hand_entries
from collector.store.feeds import SnapshotState


def upkeep(desk: Any, folder: Path, **feed: Any) -> Upkeep:
    said = {
        "name": "county",
        "list": "stolen",
        "folder": {"path": folder, "files": "*.csv", "settle_s": 0.05},
        "every_s": 0.1,
        "expected_every_h": 24,
    }
    settings = Hotlists.model_validate({"feeds": [said | feed]})

    async def ask(device: str) -> None:
        desk.asked.append(device)

    return Upkeep(settings, folder / "kept", desk.store, Policy(), Raising, ask, desk.clock)


def put(folder: Path, name: str, plates: int, at_s: int) -> None:
    (folder / name).write_text("plate,state\n" + "".join(f"AA{one:04},TX\n" for one in range(plates)))
    os.utime(folder / name, (at_s, at_s))


async def follow_until(desk: Any, one: Upkeep, met: Callable[[], Awaitable[bool]]) -> None:
    """Do the upkeep, with a clock that goes, until what is expected has come."""
    following = asyncio.create_task(one.follow(desk.store))
    async with asyncio.timeout(30):
        while not await met():
            assert not following.done(), following
            desk.clock.advance(50_000_000)
            await asyncio.sleep(0.02)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def listed(desk: Any) -> int:
    async with desk.store.read() as tx:
        return await feeds.file_entries(tx, "stolen")


async def test_a_folder_s_files_become_the_list_and_a_truncated_one_waits(desk: Any, tmp_path: Path) -> None:
    put(tmp_path, "one.csv", 100, 1_000)
    one = upkeep(desk, tmp_path)
    await desk.sees("AA0007")
    by_hand = (await desk.adds("7ABC123", list="stolen")).entry

    async def found_earlier() -> bool:
        return len(await desk.alerts()) == 1

    await follow_until(desk, one, found_earlier)
    assert await listed(desk) == 100
    [alert] = await desk.alerts()
    assert (alert.about.read.text, alert.historical, desk.asked) == ("AA0007", True, ["lpr-1"])

    put(tmp_path, "two.csv", 50, 2_000)

    async def wants() -> list[str]:
        async with desk.store.read() as tx:
            return [found.subject.value for found in await attention(tx, one.settings, desk.clock.utc_ns())]

    async def held_back() -> bool:
        return "snapshot-waits" in await wants()

    await follow_until(desk, one, held_back)
    assert await listed(desk) == 100
    async with desk.store.read() as tx:
        [waiting] = await feeds.snapshots(tx, [SnapshotState.WAITING])
    assert (waiting.rows, waiting.source) == (50, "two.csv")
    await reviewing.decide(desk.store, waiting.id, approved=True, who="cli:ben", at_ns=5)

    async def approved() -> bool:
        return await listed(desk) == 50

    await follow_until(desk, one, approved)
    # What people entered is none of a file's business.
    async with desk.store.read() as tx:
        assert [entry.id for entry in await hand_entries.by_hand(tx)] == [by_hand.id]


async def test_an_empty_file_waits_and_one_that_is_no_list_changes_nothing(desk: Any, tmp_path: Path) -> None:
    put(tmp_path, "one.csv", 10, 1_000)
    one = upkeep(desk, tmp_path)

    async def all_listed() -> bool:
        return await listed(desk) == 10

    await follow_until(desk, one, all_listed)
    (tmp_path / "two.csv").write_bytes(b"")
    os.utime(tmp_path / "two.csv", (2_000, 2_000))

    async def waits() -> bool:
        async with desk.store.read() as tx:
            return bool(await feeds.snapshots(tx, [SnapshotState.WAITING]))

    await follow_until(desk, one, waits)
    (tmp_path / "three.csv").write_bytes(b"colour\nred\n")
    os.utime(tmp_path / "three.csv", (3_000, 3_000))

    async def fails() -> bool:
        async with desk.store.read() as tx:
            return "three.csv" in (await feeds.standings(tx))["county"].problem

    await follow_until(desk, one, fails)
    assert await listed(desk) == 10


def test_a_preset_that_there_is_not_is_said_at_start(desk: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="county: preset: got 'fancy', expected one of generic"):
        upkeep(desk, tmp_path, preset="fancy").check()
