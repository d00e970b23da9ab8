from pathlib import Path

import pytest

from collector.config import HotlistFeed, Hotlists
from collector.hotlists.feeds.lists import FeedLists, layout_of
from collector.hotlists.judging import not_newer
from collector.store.database import Store


@pytest.mark.parametrize(("made_at_ns", "doubted"), [(9_000_000_000, True), (None, False)])
async def test_a_file_imported_by_hand_that_is_older_than_a_feeds_list_is_doubted(
    store: Store, tmp_path: Path, made_at_ns: int | None, doubted: bool
) -> None:
    feed = HotlistFeed.model_validate(
        {"name": "f", "list": "stolen", "folder": {"path": "/in"}, "expected_every_h": 24}
    )
    lists = FeedLists(store, Hotlists(), layout_of(feed))
    path = tmp_path / "delivered"
    path.write_text("plate\nAA11\n")
    file, rows = lists.read(path, "list.csv", feed)
    assert rows == 1
    await lists.put_in_force(file, path, "list.csv", feed, 10_000_000_000, made_at_ns, [])
    async with store.read() as tx:
        why = await not_newer(tx, "stolen", bytes(32), 8_000_000_000)
        assert await not_newer(tx, "stolen", bytes(32), 9_000_000_000) == ()
    said = "it is not newer: it was last written 1970-01-01T00:00:08Z, and the last one 1970-01-01T00:00:09Z"
    assert why == ((said,) if doubted else ())
