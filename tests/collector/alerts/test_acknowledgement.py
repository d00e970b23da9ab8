from typing import Any

import pytest
from sqlalchemy import select

from collector.alerts.acknowledgement import acknowledge
from collector.alerts.raising import Raising
from collector.domain import AlertState
from collector.errors import NotFoundError
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import import_hotlist
from collector.hotlists.live import LiveMatcher
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.verdicts import VerifyingKey, judge
from collector.store import tables
from collector.store.database import Store
from edge_wire import cose


@pytest.fixture
async def alerting(store: Store, make: Any, clock: Any, tmp_path: Any) -> Store:
    """A store with one alert."""
    content = b"plate\n7ABC123\n"
    await import_hotlist(store, parse(content, "t"), name="l", source="t", content=content, who="cli:t", at_ns=1)
    live = LiveMatcher(store)
    await live.load()
    device = await make.device().enrol(store)
    keys = {
        (device.id, cose.key_id(key.public_key())): VerifyingKey(key.public_key(), epoch)
        for key, epoch in ((device.key, None), (device.epoch_key, 7))
    }
    intake = Intake(store, MediaIntake(PictureFolder(tmp_path)), lambda: Raising(live.matcher), clock.utc_ns, 120)
    await intake.commit([judge(one, keys) for one in (device.open(), device.read())])
    return store


async def test_the_first_who_acknowledges_stays(alerting: Store) -> None:
    first = await acknowledge(alerting, 1, "ada", 100)
    assert (first.state, first.acknowledged_by, first.acknowledged_at_ns) == (AlertState.ACKNOWLEDGED, "ada", 100)
    assert await acknowledge(alerting, 1, "bob", 200) == first
    async with alerting.read() as tx:
        audited = [
            (row.who, row.subject) for row in await tx.execute(select(tables.audit)) if row.action.startswith("alert")
        ]
        told = [row.ref for row in await tx.execute(select(tables.feed)) if row.kind == "alert"]
    assert audited == [("ada", "1")]
    assert told == ["1", "1"]


async def test_an_alert_that_does_not_exist_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError, match="alert 9"):
        await acknowledge(store, 9, "ada", 100)
