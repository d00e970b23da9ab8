import asyncio
import contextlib
from typing import Any

import pytest
import structlog

from collector.config import HotlistRules, Hotlists
from collector.hotlists import reviewing
from collector.hotlists.attention import Attention, attention, follow, of_lists
from collector.store import feeds, hand_entries

HOUR_NS = 3_600 * 10**9


async def wants(desk: Any) -> list[Attention]:
    async with desk.store.read() as tx:
        return await attention(tx, Hotlists(), desk.clock.utc_ns())


async def test_an_entry_is_to_be_reviewed_within_the_shift_and_then_overdue(desk: Any) -> None:
    await desk.knows("ben")
    one = (await desk.adds()).entry
    [due] = await wants(desk)
    assert (due.subject, due.urgent, due.entry, due.due_ns) == ("review-due", False, one.id, one.review_due_ns)
    assert "7ABC123 (US-TX), case 26-118, added by cli:ann for Sgt. Diaz" in due.text
    desk.clock.advance(8 * HOUR_NS + 1)
    [overdue] = await wants(desk)
    assert (overdue.subject, overdue.urgent, overdue.since_ns) == ("review-overdue", True, one.review_due_ns)
    await reviewing.approve(desk.store, one.id, who="cli:ben", at_ns=desk.clock.utc_ns())
    assert await wants(desk) == []


@pytest.mark.parametrize(("lasts_h", "before_h"), [(72, 12), (8, 2)])
async def test_an_entry_that_is_about_to_end_is_named(desk: Any, lasts_h: int, before_h: int) -> None:
    await desk.knows("ben")
    one = (await desk.adds(expires_ns=desk.clock.utc_ns() + lasts_h * HOUR_NS)).entry
    await reviewing.approve(desk.store, one.id, who="cli:ben", at_ns=desk.clock.utc_ns())
    desk.clock.advance((lasts_h - before_h) * HOUR_NS - 1)
    assert await wants(desk) == []
    desk.clock.advance(1)
    [soon] = await wants(desk)
    assert (soon.subject, soon.due_ns, soon.urgent) == ("expires-soon", one.expires_ns, False)


async def test_of_a_covert_entry_only_its_number_and_who_made_it_is_told(desk: Any) -> None:
    await desk.knows("boss")
    await desk.adds(covert_to=("boss",), reason="undercover", requester="Det. Poe", case="26-999")
    desk.clock.advance(71 * HOUR_NS)
    overdue, soon = await wants(desk)
    assert overdue.text.startswith("Entry 1: a covert entry, added by cli:ann, was to be reviewed")
    assert soon.text == "Entry 1: a covert entry, ends soon; edit its expiry if it is still wanted."
    for word in ("7ABC123", "26-999", "Poe", "undercover"):
        assert word not in overdue.text + soon.text


@pytest.mark.parametrize(
    ("rules", "age_h", "said"),
    [
        ({"soft_age_h": 24, "hard_age_h": 48}, 24, None),
        ({"soft_age_h": 24, "hard_age_h": 48}, 25, "25.0 h ago, which is more than 24 h: every alert says so"),
        ({"soft_age_h": 24, "hard_age_h": 48}, 49, "more than 48 h: it no longer alerts"),
        ({"hard_age_h": 48, "hard_policy": "label"}, 49, "its alerts are labelled expired"),
        ({}, 9_999, None),
    ],
)
def test_lists_that_grow_old(rules: dict[str, Any], age_h: int, said: str | None) -> None:
    settings = Hotlists(lists={"stolen": HotlistRules.model_validate(rules)})
    found = list(of_lists({"stolen": HOUR_NS}, settings, (1 + age_h) * HOUR_NS))
    assert [one.subject.value for one in found] == ([] if said is None else ["list-old"])
    assert said is None or said in found[0].text


async def test_what_is_urgent_comes_first_and_the_log_says_what_begins_and_ends(desk: Any) -> None:
    one = (await desk.adds()).entry
    async with desk.store.write() as tx:
        await feeds.hold(tx, feed="f", name="stolen", source="s", sha256=bytes(32), rows=1, why="w", at_ns=1)
    assert [found.subject.value for found in await wants(desk)] == ["snapshot-waits", "review-due"]
    with structlog.testing.capture_logs() as logs:
        following = asyncio.create_task(follow(desk.store, Hotlists(), desk.clock.utc_ns, every_s=0.01))
        await _logged(logs, "hotlists_want_attention", 2)
        async with desk.store.write() as tx:
            await hand_entries.reviewed(tx, one.id, "cli:ben", 5)
        await _logged(logs, "hotlists_attended_to", 1)
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
    assert [(one["log_level"], one["subject"]) for one in logs] == [
        ("warning", "snapshot-waits"),
        ("info", "review-due"),
        ("info", "review-due"),
    ]


async def _logged(logs: list[Any], what: str, times: int) -> None:
    async with asyncio.timeout(10):
        while sum(one["event"] == what for one in logs) < times:  # noqa: ASYNC110 - tells nobody when it changes
            await asyncio.sleep(0.01)
