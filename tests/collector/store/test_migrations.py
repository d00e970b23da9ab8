"""A store that an earlier version has filled, opened by this one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select
from sqlalchemy.ext.asyncio import create_async_engine

from collector.errors import StoreRefusedError
from collector.store import incidents, migrate, passages, queries, tables
from collector.store.database import Store, sqlite_url

_FILL = """
INSERT INTO device (id, agency, status, added_at_ns) VALUES ('lpr-1', 'pd', 'enrolled', 1);
INSERT INTO message (id, device, epoch, stream, sequence, kind, envelope, received_at_ns)
    VALUES (1, 'lpr-1', 7, 1, 1, 2, {nothing}, 5);
INSERT INTO read (id, device, epoch, track, agency, message_id, revision, final, text, slots, regions, calibration,
    camera, role, deployment, box, detection_score, frames, crop_sha256, frame_sha256, captured_at_ns,
    captured_boot_ns, clock_error_ns, first_readable_ns, received_at_ns, matched_version)
    VALUES (1, 'lpr-1', 7, 9, 'pd', 1, 0, true, 'A1', '[[["A", 0.9]], [["1", 0.8]]]', '[]', 'none', 'north', 'lpr',
    'd1', '[1, 2, 3, 4]', 0.9, 3, {hash}, {hash}, 1000, 10, 1, -300, 1500, 1);
INSERT INTO hotlist (name, version, imported_at_ns, imported_by, source, source_sha256)
    VALUES ('stolen', 1, 1, 't', 't', {hash});
INSERT INTO hotlist_entry (id, list, plate, reason, severity, notes, first_version)
    VALUES (1, 'stolen', 'A1', 'stolen', 'high', '', 1);
INSERT INTO alert (id, read_id, entry_id, list_version, rule, why, support, state, historical, raised_at_ns)
    VALUES (1, 1, 1, 1, 'exact', '[]', 'raised', 'new', false, 1600);
INSERT INTO hotlist_entry (id, list, plate, reason, severity, notes, first_version)
    VALUES (2, 'stolen', 'A2', 'stolen', 'high', '', 1);
INSERT INTO alert (id, read_id, entry_id, list_version, rule, why, support, state, historical, raised_at_ns)
    VALUES (9, 1, 2, 1, 'exact', '[]', 'raised', 'new', false, 1700);
DELETE FROM alert WHERE id = 9;
INSERT INTO message (id, device, epoch, stream, sequence, kind, envelope, received_at_ns)
    VALUES (2, 'lpr-1', 7, 1, 2, 3, {nothing}, 5);
INSERT INTO shot (id, device, epoch, sequence, agency, message_id, microphone, deployment, classes, model, peak_cdbfs,
    rms_cdbfs, clipped, captured_at_ns, captured_boot_ns, clock_error_ns, onset_error_ns, received_at_ns)
    VALUES (1, 'lpr-1', 7, 2, 'pd', 2, 'mast', 'd1', '[["gunshot", 0.9]]', 'm', -100, -200, false, 2000,
    10, 3, 4, 2500);
INSERT INTO feed (number, kind, ref) VALUES (1, 'device', 'lpr-1'), (2, 'read', '1'), (3, 'alert', '1');
"""
_OF_AN_INCIDENT = {
    "incident_id": 1,
    "why": [],
    "support": "raised",
    "state": "new",
    "historical": False,
    "raised_at_ns": 1,
}
_AN_INCIDENT = {
    "id": 1,
    "agency": "pd",
    "stage": "raw",
    "revision": 1,
    "at_ns": 1,
    "rounds": 1,
    "fire": "single",
    "probability_why": [],
    "sensors": [],
    "silent": [],
    "alert_from": 0.5,
    "historical": False,
    "made_at_ns": 1,
    "listening": [],
}


_DIALECT = {
    "sqlite": {"nothing": "x'00'", "hash": "zeroblob(32)"},
    "postgresql": {"nothing": r"'\x00'::bytea", "hash": "decode(repeat('00', 32), 'hex')"},
}
# Ids were given by the database then; here they are written down.
_GIVEN = "SELECT setval('alert_id_seq', 9), setval('feed_number_seq', 3), setval('read_id_seq', 1)"


async def _made_by_the_first_version(url: str) -> bytes:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(migrate.configuration(sync), "0001"))
        words = _DIALECT[engine.dialect.name]
        for statement in _FILL.strip().rstrip(";").split(";"):
            for name, word in words.items():
                statement = statement.replace("{" + name + "}", word)
            await connection.exec_driver_sql(statement)
        if engine.dialect.name == "postgresql":
            await connection.exec_driver_sql(_GIVEN)
        store_id = (await connection.execute(select(tables.store.c.store_id))).scalar_one()
    await engine.dispose()
    return bytes(store_id)


@pytest.fixture(params=["sqlite", "postgresql"])
def no_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "c.db")
        return
    with request.getfixturevalue("databases").new() as url:
        yield url


async def test_a_store_of_the_first_version_keeps_its_rows_and_gets_the_tables_of_this_one(no_store_url: str) -> None:
    store_id = await _made_by_the_first_version(no_store_url)
    store = await Store.open(no_store_url)

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), tables.metadata))

    try:
        assert store.store_id == store_id
        async with store.read() as tx:
            assert await tx.run_sync(differences) == []
            (alert,) = await queries.alerts(tx)
            (device,) = await queries.devices(tx)
            indexes = {one["name"] for one in await tx.run_sync(lambda sync: inspect(sync).get_indexes("read"))}
            assert (await passages.looked_at(tx), await incidents.looked_at(tx)) == (3, 3)
            (shot,) = await queries.shots(tx)
            heard_at_ns = (await tx.execute(select(tables.shot.c.heard_at_ns))).scalar_one()
        async with store.write() as tx:
            await tx.execute(insert(tables.incident).values(_AN_INCIDENT))
            # Of the highest alert nothing is left but that its number was given.
            number = await tx.execute(insert(tables.alert).values(**_OF_AN_INCIDENT).returning(tables.alert.c.id))
            assert number.scalar_one() == 10
        for of_both_or_none in ({"read_id": 1, "entry_id": 1}, {"incident_id": None}):
            with pytest.raises(StoreRefusedError, match="ck_alert_of_one"):
                async with store.write() as tx:
                    await tx.execute(insert(tables.alert).values(**(_OF_AN_INCIDENT | of_both_or_none)))
    finally:
        await store.close()
    assert (shot.locates, shot.kept, shot.incident_id, shot.marks, heard_at_ns) == (False, None, None, (), 2000)
    read = alert.about.read
    assert (read.text, read.site, read.passed_at_ns, read.passage_id) == ("A1", "lpr-1", 700, None)
    assert (read.travel, read.marks, read.overview, read.vehicle) == (None, (), None, None)
    assert (alert.about.match, alert.soundings, alert.escalate_at_ns, alert.closed) == (None, 1, None, None)
    (point,) = alert.trail
    assert (point.read_id, point.site, point.passed_at_ns, point.supports) == (1, "lpr-1", 700, True)
    assert device.site == "lpr-1"
    assert {"ix_read_site_passed_at_ns", "ix_read_passage_id"} <= indexes


async def test_a_new_store_looks_at_reads_from_the_first(store: Store) -> None:
    async with store.read() as tx:
        assert await passages.looked_at(tx) == 0
