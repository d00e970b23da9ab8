"""A store, and devices that sign as real ones do."""

import asyncio
import hashlib
import itertools
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from private_postgresql import PrivatePostgresql, installed
from sqlalchemy import insert, select, update

from collector.domain import Rule
from collector.fleet.devices import add_device
from collector.ingest.received import Received
from collector.match.records import Hit, ListedPlate, Matched, Place, Seen
from collector.store import tables
from collector.store.database import Store, sqlite_url
from edge_wire import codec, cose
from edge_wire.messages import (
    STREAM_OF,
    Header,
    Health,
    Media,
    Open,
    Part,
    PixelBox,
    PlateRead,
    Presence,
    ShotArrival,
    Stream,
    UpBody,
)
from edge_wire.topics import Channel, Topic

NOW_NS = 1_795_256_000_000_000_000
BOOT_NS = 1_000_000_000_000
_CHANNEL_OF = {Stream.DETECTION: Channel.DETECTION, Stream.MEDIA: Channel.MEDIA, Stream.REPORT: Channel.REPORT}


_CLEANER = """
CREATE SCHEMA pristine;
CREATE TABLE pristine.store AS TABLE public.store;
CREATE TABLE pristine.alembic_version AS TABLE public.alembic_version;
CREATE TABLE pristine.passage_cursor AS TABLE public.passage_cursor;
CREATE TABLE pristine.incident_cursor AS TABLE public.incident_cursor;
CREATE FUNCTION pristine.clean() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  one record;
  filled boolean;
BEGIN
  SET LOCAL session_replication_role = replica;  -- the audit log lets go of nothing otherwise
  SET LOCAL synchronous_commit = off;
  FOR one IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I)', one.name) INTO filled;
    IF filled THEN EXECUTE format('DELETE FROM public.%I', one.name); END IF;
  END LOOP;
  FOR one IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'pristine' LOOP
    EXECUTE format('INSERT INTO public.%I TABLE pristine.%I', one.name, one.name);
  END LOOP;
  PERFORM setval(format('public.%I', sequencename)::regclass, 1, false)
    FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL;
END $$
"""


class Databases:
    """PostgreSQL databases: one with the tables of the last migration, emptied between tests, and new ones."""

    def __init__(self, server: PrivatePostgresql) -> None:
        self.server = server
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._cleaner: asyncpg.Connection | None = None
        self._url = server.create("migrated")
        asyncio.run(_migrate(self._url))
        server.sql(_CLEANER, "migrated")

    def emptied(self) -> str:
        """The URL of the one that every test shares."""
        self._loop.run_until_complete(self._clean())
        return self._url

    def close(self) -> None:
        """Close what ``emptied`` keeps open."""
        if self._cleaner is not None:
            self._cleaner.terminate()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _clean(self) -> None:
        # Over one connection: a psql for each of a thousand tests takes a minute.
        if self._cleaner is not None:
            with suppress(OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError):  # some kill the server
                await self._cleaner.execute("SELECT pristine.clean()")
                return
        self._cleaner = await asyncpg.connect(self._url.replace("+asyncpg", ""))
        await self._cleaner.execute("SELECT pristine.clean()")

    @contextmanager
    def new(self) -> Iterator[str]:
        """The URL of one without tables, which is gone afterwards."""
        name = f"test_{next(self._numbers)}"
        yield self.server.create(name)
        self.server.drop(name)


async def _migrate(url: str) -> None:
    await (await Store.open(url)).close()


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    if not installed():
        pytest.skip("PostgreSQL is not installed: ./scripts/setup --for-tests")
    with PrivatePostgresql() as server, closing(Databases(server)) as databases:
        yield databases


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "collector.db"
    asyncio.run(_migrate(sqlite_url(path)))
    return path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that uses a store runs once on each database, unless its module's STORES names fewer."""
    if "store_url" in metafunc.fixturenames:
        metafunc.parametrize("store_url", getattr(metafunc.module, "STORES", ("sqlite", "postgresql")), indirect=True)


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store with nothing in it."""
    if request.param == "postgresql":
        databases: Databases = request.getfixturevalue("databases")
        return databases.emptied()
    shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "collector.db")
    return sqlite_url(tmp_path / "collector.db")


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    store = await Store.open(store_url)
    yield store
    await store.close()


@dataclass
class SigningDevice:
    """One opening of an outbox on a device: keys, counters, and the publishes that come of them."""

    id: str = "lpr-1"
    agency: str = "springfield"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    epoch_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    epoch: int = 7
    connection: int = 1
    previous: int | None = None
    boot_id: bytes = bytes(16)
    sequences: dict[Stream, int] = field(default_factory=dict)

    def header(self, body: UpBody, **changes: Any) -> Header:
        stream = STREAM_OF[type(body)]
        sequence = None
        if stream is not None:
            sequence = self.sequences[stream] = self.sequences.get(stream, 0) + 1
        made = Header(self.epoch, NOW_NS, BOOT_NS, 1_000_000, stream, sequence)
        return replace(made, **changes)

    def open(self, **changes: Any) -> Received:
        body = Open(cose.spki(self.epoch_key.public_key()), self.boot_id, BOOT_NS, NOW_NS, self.previous)
        body = replace(body, **{name: value for name, value in changes.items() if name != "key"})
        return self.publish(body, key=changes.get("key", self.key))

    def read(self, text: str = "7ABC123", track: int = 1, revision: int = 0, p: float = 0.99, **more: Any) -> Received:
        return self.publish(plate_read(text, track, revision, p), **more)

    def publish(
        self,
        body: UpBody,
        *,
        key: ec.EllipticCurvePrivateKey | None = None,
        channel: Channel | None = None,
        topic_device: str | None = None,
        correlated: bool = True,
        **header: Any,
    ) -> Received:
        made = self.header(body, **header)
        if channel is None:
            unsequenced = Channel.HEALTH if isinstance(body, Health) else Channel.PRESENCE
            channel = unsequenced if made.stream is None else _CHANNEL_OF[made.stream]
        return self.raw(
            codec.encode(made, body), key=key, channel=channel, topic_device=topic_device, correlated=correlated
        )

    def raw(
        self,
        payload: bytes,
        *,
        key: ec.EllipticCurvePrivateKey | None = None,
        channel: Channel = Channel.DETECTION,
        topic_device: str | None = None,
        correlated: bool = True,
    ) -> Received:
        envelope = cose.sign(payload, key or self.epoch_key, cose.external_aad(self.id, channel))
        return self.envelope(envelope, channel=channel, topic_device=topic_device, correlated=correlated)

    def envelope(
        self,
        envelope: bytes,
        *,
        channel: Channel = Channel.DETECTION,
        topic_device: str | None = None,
        correlated: bool = True,
    ) -> Received:
        topic = str(Topic(self.agency, topic_device or self.id, channel))
        correlation = codec.encode_connection(self.epoch, self.connection) if correlated else None
        return Received(topic, envelope, correlation, False, NOW_NS + 5_000_000, BOOT_NS + 5_000_000)

    async def enrol(self, store: Store) -> "SigningDevice":
        await add_device(store, self.id, self.agency, self.key.public_key(), who="cli:test", at_ns=NOW_NS)
        return self


def plate_read(text: str = "7ABC123", track: int = 1, revision: int = 0, p: float = 0.99) -> PlateRead:
    return PlateRead(
        track=track,
        revision=revision,
        final=False,
        text=text,
        slots=tuple(((character, p), ("X", round((1 - p) / 2, 4))) for character in text),
        calibration="none",
        camera="north",
        role="lpr",
        deployment="d1",
        frame_sha256=hashlib.sha256(b"frame").digest(),
        crop_sha256=hashlib.sha256(b"crop").digest(),
        box=PixelBox(1, 2, 30, 40),
        detection_score=0.9,
        frames=3,
        regions=(("US-TX", 0.9), ("US-CA", 0.05)),
    )


def shot_arrival() -> ShotArrival:
    return ShotArrival(
        microphone="mast",
        deployment="d1",
        onset_error_ns=500_000,
        classes=(("gunshot", 0.9), ("fireworks", 0.1)),
        model="gunshot",
        peak_cdbfs=-120,
        rms_cdbfs=-1800,
        clipped=False,
        rate_hz=48_000,
    )


def media(content: bytes, *, offset: int = 0, size: int | None = None, whole: bytes | None = None) -> Media:
    whole = content if whole is None else whole
    return Media(
        part=Part.CROP,
        sha256=hashlib.sha256(whole).digest(),
        offset=offset,
        total=len(whole),
        content=content[offset : offset + size] if size is not None else content,
        of_epoch=7,
        track=1,
    )


def health(connection: int = 1) -> Health:
    return Health(connection, 60, 0, 0, 1, 10**9, "ntp", (), (("detector", "ab"),), "0.1.0")


@dataclass(frozen=True)
class Making:
    """Makers of wire bodies, for tests."""

    device: Callable[..., SigningDevice] = SigningDevice
    plate_read: Callable[..., PlateRead] = plate_read
    shot: Callable[[], ShotArrival] = shot_arrival
    media: Callable[..., Media] = media
    health: Callable[..., Health] = health
    presence: Callable[..., Presence] = Presence
    now_ns: int = NOW_NS
    boot_ns: int = BOOT_NS


@pytest.fixture
def make() -> Making:
    return Making()


class FakeMatcher:
    """A matcher over a few entries: P is what the slots give the entry's characters, and 0.2 is enough."""

    threshold = 0.2

    def __init__(self, listed: Sequence[ListedPlate] = (), version: int = 1) -> None:
        self.listed = list(listed)
        self.generation = version

    def matched(self, reads: Sequence[tuple[Seen, str]], at_ns: int) -> list[Matched]:
        return [Matched(hits, ()) for hits in self.match_many(reads, at_ns)]

    def match_many(self, reads: Sequence[tuple[Seen, str]], at_ns: int) -> list[tuple[Hit, ...]]:
        found = []
        for seen, camera in reads:
            hits = [self.judge(seen, one, camera=camera, at_ns=at_ns) for one in self.listed]
            hits = [one for one in hits if one.probability >= one.threshold]
            found.append(tuple(sorted(hits, key=lambda hit: (-hit.probability, hit.listed.entry_id))))
        return found

    def judge(self, seen: Seen, listed: ListedPlate, *, camera: str = "", at_ns: int) -> Hit:
        if listed.is_pattern:
            return self._of_pattern(seen, listed)
        p = 1.0 if len(seen.slots) == len(listed.plate) else 0.0
        for slot, character in zip(seen.slots, listed.plate, strict=False):
            p *= dict(slot).get(character, 0.0)
        rule = Rule.EXACT if seen.text == listed.plate else Rule.LIKELY
        why = (f"Read as {seen.text}, listed as {listed.plate}.",)
        places = tuple(
            Place(
                best[0], best[1], character, dict(slot).get(character, 0.0), "same" if best[0] == character else "other"
            )
            for slot, character in zip(seen.slots, listed.plate, strict=False)
            for best in slot[:1]
        )
        return Hit(listed, rule, p, True, self.threshold, places, (), why, self.generation, 60_000_000_000, "fake-1")

    def _of_pattern(self, seen: Seen, listed: ListedPlate) -> Hit:
        p = 0.9 if seen.text.startswith(listed.plate.rstrip("*")) else 0.0
        why = (f"Fits {listed.plate}.",)
        return Hit(listed, Rule.PATTERN, p, True, self.threshold, (), (), why, self.generation, None, "fake-1")


class Listing:
    """Entries put into a store as they are, and a fake matcher over all of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version = 0
        self._listed: list[ListedPlate] = []

    async def put(self, *plates: str, name: str = "stolen", region: str | None = "US-TX", **more: Any) -> FakeMatcher:
        """Put plates on a list; return the matcher over everything that was ever put."""
        self._version += 1
        row = {"imported_at_ns": NOW_NS, "imported_by": "test", "source": "t", "source_sha256": bytes(32)}
        entry = {"reason": "stolen vehicle", "severity": "high", "notes": "", "first_version": self._version, **more}
        hotlist, table = tables.hotlist, tables.hotlist_entry
        async with self._store.write() as tx:
            if (await tx.execute(select(hotlist.c.name).where(hotlist.c.name == name))).first() is None:
                await tx.execute(insert(hotlist).values(name=name, version=self._version, **row))
            await tx.execute(update(hotlist).where(hotlist.c.name == name).values(version=self._version))
            for plate in plates:
                inserted = await tx.execute(
                    insert(table).values(list=name, plate=plate, region=region, **entry).returning(table.c.id)
                )
                reference = str(more.get("reference", ""))
                pattern = bool(more.get("is_pattern", False))
                number = inserted.scalar_one()
                self._listed.append(ListedPlate(number, name, plate, region, pattern, reference=reference))
        return FakeMatcher(self._listed, self._version)


@pytest.fixture
def listing(store: Store) -> Listing:
    return Listing(store)


@pytest.fixture
def listing_of() -> Callable[[Store], Listing]:
    """Puts entries into a store that the test opened itself."""
    return Listing
