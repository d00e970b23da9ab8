"""Shot arrivals and the sound that belongs to them: kept, asked for, told of."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from collector.store import feed, queries, sounds, tables
from collector.store.feed import FeedKind
from edge_wire.messages import Alternative, Media, Offset, Part, Position, ShotClip

CLIP = b"OggS clip"
RECORDING = b"fLaC recording"
CLIP_SHA = hashlib.sha256(CLIP).digest()
RECORDING_SHA = hashlib.sha256(RECORDING).digest()
S = 1_000_000_000


def clip(*runs: tuple[int, int], sha256: bytes = CLIP_SHA) -> ShotClip:
    return ShotClip("mast", runs, sha256, RECORDING_SHA, 4_000)


def sound(content: bytes, part: Part, sequence: int = 1) -> Media:
    return Media(part, hashlib.sha256(content).digest(), 0, len(content), content, 7, sequence=sequence)


async def shots_of(bench: Any) -> list[Any]:
    async with bench.store.read() as tx:
        return list(reversed(await queries.shots(tx)))


async def make_incident(bench: Any, *, alerted: bool = True, ranking: tuple[str, ...] = ("lpr-1",)) -> None:
    """Put all shots into one incident, its sensors from near to far as ``ranking`` has them."""
    async with bench.store.write() as tx:
        heard: dict[str, list[int]] = {one: [] for one in ranking}
        for row in await tx.execute(select(tables.shot.c.id, tables.shot.c.device)):
            heard[row.device].append(row.id)
        sensors = [{"device": one, "microphone": "mast", "arrivals": shots} for one, shots in heard.items()]
        shown = {"latitude": 0.0, "longitude": 0.0, "used": True, "why": None, "residual_ms": 0.0, "distance_m": 1.0}
        values = {
            "id": 1,
            "agency": "springfield",
            "stage": "located",
            "revision": 1,
            "at_ns": 1,
            "rounds": 1,
            "fire": "single",
            "probability_why": [],
            "sensors": [one | shown for one in sensors],
            "silent": [],
            "alert_from": 0.5,
            "historical": False,
            "made_at_ns": 1,
            "listening": [],
        }
        await tx.execute(insert(tables.incident).values(values))
        await tx.execute(update(tables.shot).values(incident_id=1))
        if alerted:
            alert = {"why": [], "support": "raised", "state": "new", "historical": False, "raised_at_ns": 2**62}
            await tx.execute(insert(tables.alert).values(incident_id=1, **alert))


async def test_an_arrival_is_kept_with_everything_that_it_says(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    said = replace(
        make.shot(),
        position=Position(407_000_000, -740_000_000, 50),
        offset=Offset(-12_500, 3_000, 6_200),
        clock_source="kernel",
        fit_error_ns=300_000,
        latency_ns=12_000_000,
        snr_cdb=2_150,
        wave="shock-wave",
        alternatives=(Alternative(31_000_000, "muzzle-blast", 250),),
        burst=4,
        round=2,
        rounds=3,
        fire="automatic",
        marks=("wind",),
        channel=1,
    )
    await bench.settle(device.open(), device.publish(said))
    (row,) = await bench.rows(tables.shot)
    assert (row.position, row.offset) == ([407_000_000, -740_000_000, 50], [-12_500, 3_000, 6_200])
    assert (row.clock_source, row.fit_error_ns, row.latency_ns, row.channel) == ("kernel", 300_000, 12_000_000, 1)
    assert row.alternatives == [[31_000_000, "muzzle-blast", 250]]
    assert (row.heard_at_ns, row.timed, row.historical) == (make.now_ns, True, False)
    (shot,) = await shots_of(bench)
    assert (shot.snr_db, shot.wave, shot.burst, shot.round, shot.rounds, shot.fire, shot.marks) == (
        21.5,
        "shock-wave",
        4,
        2,
        3,
        "automatic",
        ("wind",),
    )
    assert shot.error_ns == round((500_000**2 + 1_000_000**2 + 300_000**2) ** 0.5)
    assert (shot.kept, shot.incident_id) == (None, None)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 1)])
async def test_a_clip_finds_its_arrivals_in_whichever_order_they_come(bench: Any, make: Any, order: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    said = [device.publish(make.shot()), device.publish(make.shot())]
    said.append(device.publish(clip((1, 2))))
    for at in order:
        await bench.settle(said[at])
    before = await bench.rows(tables.feed)
    for one in await shots_of(bench):
        assert (one.kept.clip_sha256, one.kept.recording_sha256, one.kept.duration_ms) == (
            CLIP_SHA,
            RECORDING_SHA,
            4_000,
        )
        assert not one.kept.clip_here
    # Redelivery changes nothing.
    await bench.settle(*said)
    assert await bench.rows(tables.feed) == before
    assert len(await bench.rows(tables.shot_clip)) == 1


async def test_a_clip_is_of_its_own_device_epoch_and_sequences_only(bench: Any, make: Any) -> None:
    device, other = await make.device().enrol(bench.store), await make.device(id="lpr-2").enrol(bench.store)
    await bench.settle(device.open(), other.open())
    await bench.settle(*(one.publish(make.shot()) for one in (device, device, other)))
    await bench.settle(device.publish(clip((2, 2), (2**62, 2**63 - 1))))
    assert [shot.kept is not None for shot in await shots_of(bench)] == [False, True, False]


async def test_of_two_clips_that_name_an_arrival_the_first_stays(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.shot()))
    await bench.settle(device.publish(clip((1, 1))), device.publish(clip((1, 1), sha256=b"\2" * 32)))
    assert [shot.kept.clip_sha256 for shot in await shots_of(bench)] == [CLIP_SHA]


async def test_a_clip_of_an_alerted_incident_is_asked_for_as_soon_as_it_is_complete(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.shot()), device.publish(make.shot()))
    await make_incident(bench)
    bench.sent()
    said = device.publish(clip((1, 2)))
    await bench.settle(said)
    (command,) = bench.commands()
    assert (command.name, command.of_epoch, command.sequence, command.track) == ("send_media", 7, 1, None)
    assert list(command.wanted) == [(Part.CLIP, CLIP_SHA)]
    assert [(row.kind, row.ref) for row in await bench.rows(tables.feed)][-3:] == [
        ("shot", "1"),
        ("shot", "2"),
        ("incident", "1"),
    ]
    await bench.settle(said)
    assert bench.commands() == []


async def test_a_clip_of_what_raised_no_alert_is_not_asked_for(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.shot()))
    await make_incident(bench, alerted=False)
    await bench.settle(device.publish(clip((1, 1))))
    assert bench.commands() == []


async def test_a_clip_that_has_come_is_told_of_with_its_incident(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.shot()), device.publish(clip((1, 1))))
    await make_incident(bench)
    await bench.settle(device.publish(sound(CLIP, Part.CLIP)))
    await bench.settle(device.publish(sound(RECORDING, Part.RECORDING)))
    async with bench.store.read() as tx:
        told = [(row.kind, row.ref) for row in await feed.after(tx, 0)][-4:]
        one = (await queries.incidents_by_id(tx, [1]))[1]
        arrived = await queries.picture_arrival(tx, told[0][1])
    assert told == [
        (FeedKind.PICTURE, f"lpr-1/{CLIP_SHA.hex()}"),
        (FeedKind.INCIDENT, "1"),
        (FeedKind.PICTURE, f"lpr-1/{RECORDING_SHA.hex()}"),
        (FeedKind.INCIDENT, "1"),
    ]
    assert (arrived.part, arrived.read_id) == (Part.CLIP, None)
    (sensor,) = one.sensors
    assert (sensor.clip_sha256, sensor.clip_here, sensor.recording_here) == (CLIP_SHA, True, True)
    (shot,) = await shots_of(bench)
    assert (shot.kept.clip_here, shot.kept.recording_here) == (True, True)


async def births(bench: Any, *devices: Any) -> None:
    for device in devices:
        device.connection += 1
        await bench.settle(device.publish(bench.make.presence(device.connection, True, "connected")))


@pytest.fixture
async def four(bench: Any, make: Any) -> Any:
    """Four connected devices that heard one shot and keep it."""
    bench.make = make
    bench.devices = [await make.device(id=f"ear-{at}").enrol(bench.store) for at in range(1, 5)]
    for at, device in enumerate(bench.devices, start=1):
        await bench.settle(device.open(), device.publish(make.shot()))
        await bench.settle(device.publish(clip((1, 1), sha256=bytes([at]) * 32)))
    await births(bench, *bench.devices)
    bench.sent()
    return bench


async def test_the_clips_of_an_alert_are_asked_for_from_near_to_far(four: Any) -> None:
    await make_incident(four, ranking=("ear-3", "ear-1", "ear-4", "ear-2"))
    await four.pipeline.ask_for_sound(1, None)
    sent = four.sent()
    assert [message.header.device for message in sent] == ["ear-3", "ear-1", "ear-4", "ear-2"]
    assert [list(message.body.wanted) for message in sent][:2] == [
        [(Part.CLIP, b"\3" * 32)],
        [(Part.CLIP, b"\1" * 32)],
    ]
    await four.pipeline.ask_for_sound(1, [2])
    assert [message.header.device for message in four.sent()] == ["ear-2"]


async def test_one_device_cannot_make_us_ask_for_clips_without_end(four: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "_MOST_CLIPS", 2)
    for at in range(2, 6):
        await four.settle(four.devices[0].publish(four.make.shot()))
        await four.settle(four.devices[0].publish(clip((at, at), sha256=bytes([10 + at]) * 32)))
    await make_incident(four, ranking=("ear-1", "ear-2", "ear-3", "ear-4"))
    four.sent()
    await four.pipeline.ask_for_sound(1, None)
    assert sorted(message.header.device for message in four.sent()) == ["ear-1", "ear-1", "ear-2", "ear-3", "ear-4"]


async def test_recordings_are_asked_for_only_when_somebody_wants_them(four: Any) -> None:
    await make_incident(four, alerted=False, ranking=("ear-2", "ear-1", "ear-3", "ear-4"))
    await four.pipeline.ask_for_sound(1, None)
    assert four.sent() == []
    async with four.store.write() as tx:
        await tx.execute(update(tables.incident).values(recordings_asked_at_ns=2**62))
    await four.pipeline.ask_for_sound(1, None)
    assert [(one.header.device, list(one.body.wanted)) for one in four.sent()] == [
        (f"ear-{at}", [(Part.RECORDING, RECORDING_SHA)]) for at in (2, 1, 3, 4)
    ]


async def test_what_has_not_come_is_asked_for_at_the_next_birth_and_what_will_not_come_is_not(four: Any) -> None:
    await make_incident(four, ranking=("ear-1", "ear-2", "ear-3", "ear-4"))
    gone = replace(sound(b"", Part.CLIP), sha256=b"\2" * 32)
    await four.settle(four.devices[1].publish(gone))
    four.sent()
    await births(four, *four.devices[:2])
    assert [(one.header.device, one.header.connection, list(one.body.wanted)) for one in four.sent()] == [
        ("ear-1", 3, [(Part.CLIP, b"\1" * 32)])
    ]


async def test_an_incident_that_is_not_there_asks_for_nothing(bench: Any) -> None:
    await bench.pipeline.ask_for_sound(9, None)
    assert bench.sent() == []


async def test_pains_23_a_shot_its_clip_and_its_recording_name_each_other_by_hash(bench: Any, make: Any) -> None:
    """Source ids change and no id links a detection to its audio: here the hash of the audio is in the detection."""
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.shot()), device.publish(clip((1, 1))))
    await bench.settle(device.publish(sound(CLIP, Part.CLIP)), device.publish(sound(RECORDING, Part.RECORDING)))
    # Another opening of the outbox, so that sequences begin anew, and the microphone has another name.
    later = make.device(key=device.key, epoch=8, previous=7)
    await bench.settle(later.open(), later.publish(replace(make.shot(), microphone="roof")))
    first, second = await shots_of(bench)
    assert bench.pictures.path(first.kept.clip_sha256).read_bytes() == CLIP
    assert bench.pictures.path(first.kept.recording_sha256).read_bytes() == RECORDING
    assert second.kept is None
    async with bench.store.read() as tx:
        files = (await tx.execute(select(tables.media_file))).all()
    assert {(file.part, file.epoch, file.sequence) for file in files} == {(Part.CLIP, 7, 1), (Part.RECORDING, 7, 1)}
