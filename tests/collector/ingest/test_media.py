import hashlib
from dataclasses import replace
from typing import Any

import pytest

from collector.ingest.media import UNFINISHED_LASTS_NS
from collector.store import queries, tables
from edge_wire.messages import Part, Stream, Verdict

JPEG = bytes(range(256)) * 40


async def test_a_file_in_one_piece_is_here_when_its_row_says_so(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.media(JPEG)))
    (row,) = await bench.rows(tables.media_file)
    assert row.complete
    assert bench.pictures.path(row.sha256).read_bytes() == JPEG
    assert bench.pictures.path(row.sha256).parent.name == row.sha256.hex()[:2]
    feed = [row.ref for row in await bench.rows(tables.feed) if row.kind == "picture"]
    assert feed == [f"lpr-1/{row.sha256.hex()}"]
    assert bench.acked()[7, Stream.MEDIA] == {Verdict.STORED: ((1, 1),)}


async def test_pieces_come_in_any_order_before_or_after_their_read(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    pieces = [device.publish(make.media(JPEG, offset=at, size=4_000)) for at in (8_000, 0, 4_000)]
    await bench.settle(device.open(), pieces[0])
    await bench.settle(pieces[1])
    assert not bench.pictures.path(hashlib.sha256(JPEG).digest()).exists()
    await bench.settle(device.read(), pieces[2])
    assert bench.pictures.path(hashlib.sha256(JPEG).digest()).read_bytes() == JPEG
    assert await bench.rows(tables.media_piece) == []
    async with bench.store.read() as tx:
        arrival = await queries.picture_arrival(tx, f"lpr-1/{hashlib.sha256(JPEG).hexdigest()}")
        assert arrival is not None
        assert (arrival.read_id, arrival.part) == (1, Part.CROP)
        assert await queries.picture_is_here(tx, arrival.sha256)


async def test_a_picture_of_a_read_is_here_once_it_has_come(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    body = replace(make.plate_read(), crop_sha256=hashlib.sha256(JPEG).digest())
    await bench.settle(device.open(), device.publish(body))
    async with bench.store.read() as tx:
        assert [read.crop_here for read in await queries.reads(tx)] == [False]
    await bench.settle(device.publish(make.media(JPEG)))
    async with bench.store.read() as tx:
        assert [(read.crop_here, read.frame_here) for read in await queries.reads(tx)] == [(True, False)]


@pytest.mark.parametrize("size", [None, 6_000])
async def test_bytes_with_another_hash_are_a_dead_letter(bench: Any, make: Any, size: int | None) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    for offset in (0,) if size is None else (0, size):
        body = make.media(JPEG, offset=offset, size=size)
        await bench.settle(device.publish(replace(body, sha256=bytes(32))))
    assert [row.reason for row in await bench.rows(tables.dead_letter)] == ["wrong_hash"]
    assert [row.complete for row in await bench.rows(tables.media_file)] in ([], [False])
    assert await bench.rows(tables.media_piece) == []
    assert list(bench.pictures.path(bytes(32)).parent.glob("*")) == []


async def test_what_the_device_no_longer_holds_is_noted(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    gone = replace(make.media(b"x"), content=b"", total=0)
    await bench.settle(device.open(), device.publish(gone))
    assert [(row.total_bytes, row.complete) for row in await bench.rows(tables.media_file)] == [(0, False)]


@pytest.mark.parametrize("change", [{"offset": 9}, {"total": 1 << 40}, {"content": b""}])
async def test_a_piece_that_cannot_be_is_a_dead_letter(bench: Any, make: Any, change: dict[str, Any]) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(replace(make.media(b"12345678"), **change)))
    assert [row.reason for row in await bench.rows(tables.dead_letter)] in (["bad_piece"], ["oversize_file"])


async def test_a_file_that_came_twice_is_told_of_once(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.media(JPEG)), device.publish(make.media(JPEG)))
    assert [row.kind for row in await bench.rows(tables.feed)].count("picture") == 1


async def test_a_file_that_cannot_be_written_holds_back_only_itself(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    bench.sent()
    in_the_way = bench.pictures.path(hashlib.sha256(JPEG).digest()).parent
    in_the_way.parent.mkdir()
    in_the_way.write_bytes(b"")
    picture, read, other = device.publish(make.media(JPEG)), device.read(), device.publish(make.media(b"another"))
    await bench.settle(picture, read, other)
    assert bench.acked() == {
        (7, Stream.DETECTION): {Verdict.STORED: ((1, 1),)},
        (7, Stream.MEDIA): {Verdict.STORED: ((2, 2),)},
    }
    assert len(await bench.rows(tables.read)) == 1
    assert bench.pipeline.counts["held_back"] == 1
    in_the_way.unlink()
    await bench.settle(picture)
    assert bench.acked() == {(7, Stream.MEDIA): {Verdict.STORED: ((1, 1),)}}
    assert bench.pictures.path(hashlib.sha256(JPEG).digest()).read_bytes() == JPEG


@pytest.mark.parametrize(("first", "then"), [(2_000, 6_000), (6_000, 2_000)])
async def test_a_file_whose_pieces_change_their_size_on_the_way_completes(
    bench: Any, make: Any, first: int, then: int
) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.media(JPEG, offset=0, size=first)))
    for offset in range(0, len(JPEG), then):
        await bench.settle(device.publish(make.media(JPEG, offset=offset, size=then)))
    assert bench.pictures.path(hashlib.sha256(JPEG).digest()).read_bytes() == JPEG
    assert await bench.rows(tables.media_piece) == []


async def test_pieces_of_a_file_that_never_completes_are_dropped_after_a_week(
    bench: Any, make: Any, clock: Any
) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.media(JPEG, offset=0, size=4_000)))
    clock.now_utc_ns = make.now_ns + UNFINISHED_LASTS_NS - 1_000_000_000
    late = replace(
        device.publish(make.media(b"unfinished", size=4)), received_at_ns=clock.now_utc_ns, received_boot_ns=1
    )
    await bench.settle(late)
    assert len(await bench.rows(tables.media_piece)) == 2
    clock.now_utc_ns += 3_600_000_000_000
    await bench.settle(device.read())
    assert [row.content for row in await bench.rows(tables.media_piece)] == [b"unfi"]
