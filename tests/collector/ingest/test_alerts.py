import hashlib
from dataclasses import replace
from typing import Any

import pytest

from collector.domain import AlertState, Rule, Support
from collector.store import queries, tables
from edge_wire.messages import Overview, Part
from edge_wire.topics import Channel

S = 1_000_000_000


async def look_for(bench: Any, *plates: str, name: str = "stolen") -> None:
    bench.matcher = await bench.listing.put(*plates, name=name)


async def alerts_of(bench: Any) -> list[Any]:
    async with bench.store.read() as tx:
        return await queries.alerts(tx)


async def test_a_hit_raises_one_alert_and_asks_for_its_pictures_at_once(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    read = device.read()
    await bench.settle(device.open(), read)
    (alert,) = await alerts_of(bench)
    assert (alert.state, alert.support, alert.about.rule) == (AlertState.NEW, Support.RAISED, Rule.EXACT)
    hit = alert.about
    assert (hit.entry.plate, hit.entry.reason, hit.list_version) == ("7ABC123", "stolen vehicle", 1)
    assert alert.about.read.text == "7ABC123"
    assert not alert.historical
    (command,) = bench.commands()
    assert (command.name, command.of_epoch, command.track) == ("send_media", 7, 1)
    assert [part for part, _ in command.wanted] == [Part.CROP, Part.FRAME]
    await bench.settle(read)
    assert len(await alerts_of(bench)) == 1
    assert bench.commands() == []


async def test_a_likely_hit_is_strengthened_by_an_exact_revision(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC120")
    device = await make.device().enrol(bench.store)
    doubtful = make.plate_read("7ABC12O")
    slots = (*doubtful.slots[:-1], (("O", 0.6), ("0", 0.38)))
    await bench.settle(device.open(), device.publish(replace(doubtful, slots=slots)))
    (alert,) = await alerts_of(bench)
    assert (alert.about.rule, alert.about.revision) == (Rule.LIKELY, 0)
    assert alert.about.match.probability == pytest.approx(0.99**6 * 0.38, abs=0.01)
    last = alert.about.match.alignment[-1]
    assert (last.read, last.entry, last.step) == ("O", "0", "other")
    assert (last.read_p, last.entry_p) == (pytest.approx(0.6, abs=0.01), pytest.approx(0.38, abs=0.01))
    await bench.settle(device.read("7ABC120", revision=1))
    (alert,) = await alerts_of(bench)
    assert (alert.about.rule, alert.support) == (Rule.EXACT, Support.STRENGTHENED)
    assert alert.about.read.revision == alert.about.revision == 1
    assert alert.about.match.probability == pytest.approx(0.99**7, abs=0.01)


async def test_a_revision_that_reads_otherwise_says_no_longer_supported(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123", "7ABC128")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.read("7ABC123"))
    await bench.settle(device.read("7ABC128", revision=1))
    newer, older = await alerts_of(bench)
    assert (older.about.entry.plate, older.support) == ("7ABC123", Support.UNSUPPORTED)
    assert "No longer supported: a later revision reads 7ABC128." in older.why
    assert (newer.about.entry.plate, newer.support) == ("7ABC128", Support.RAISED)
    assert newer.about.read.id == older.about.read.id


async def test_revisions_in_one_batch_or_in_the_wrong_order_end_the_same(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    in_order = [device.read("7ABC123", 1, 0), device.read("7ABC128", 1, 1)]
    swapped = [device.read("7ABC123", 2, 0), device.read("7ABC128", 2, 1)]
    together = [device.read("7ABC123", 3, 0), device.read("7ABC128", 3, 1)]
    for one in (*in_order, *reversed(swapped)):
        await bench.settle(one)
    await bench.settle(*reversed(together))
    alerts = await alerts_of(bench)
    assert [(alert.about.read.track, alert.support, alert.about.read.text) for alert in alerts] == [
        (track, Support.UNSUPPORTED, "7ABC128") for track in (3, 2, 1)
    ]
    assert len(await bench.rows(tables.read_revision)) == 6


async def test_an_old_read_raises_a_historical_alert(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.health()))
    await bench.settle(device.read(captured_boot_ns=make.boot_ns - 600 * S))
    (alert,) = await alerts_of(bench)
    assert alert.historical


async def test_a_slow_wall_clock_does_not_turn_a_live_hit_into_a_historical_one(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.health()))
    await bench.settle(device.read(captured_at_ns=make.now_ns - 3_600 * S))
    (alert,) = await alerts_of(bench)
    assert not alert.historical


async def test_an_unknown_age_alerts_and_is_labelled(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.read(captured_at_ns=0, clock_error_ns=1 << 62))
    (alert,) = await alerts_of(bench)
    assert not alert.historical
    assert any("Age unknown" in sentence for sentence in alert.why)


async def test_pictures_that_have_not_come_are_asked_for_at_the_next_birth(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    crop = b"crop"
    body = replace(make.plate_read(), crop_sha256=hashlib.sha256(crop).digest())
    await bench.settle(device.open(), device.publish(body))
    bench.sent()
    await bench.settle(device.publish(make.media(crop)))
    bench.sent()
    device.connection = 2
    await bench.settle(device.publish(make.presence(2, True, "connected")))
    (message,) = bench.sent()
    assert message.header.connection == 2
    assert [part for part, _ in message.body.wanted] == [Part.FRAME]
    # What the device says it no longer holds is not asked for again.
    frame = replace(make.media(b"x"), part=Part.FRAME, sha256=body.frame_sha256, content=b"", total=0)
    await bench.settle(device.publish(frame))
    bench.sent()
    device.connection = 3
    await bench.settle(device.publish(make.presence(3, True, "connected"), channel=Channel.PRESENCE))
    assert bench.sent() == []


async def test_two_lists_raise_two_alerts(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    await look_for(bench, "7ABC123", name="wanted")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.read())
    assert sorted(alert.about.entry.list for alert in await alerts_of(bench)) == ["stolen", "wanted"]


async def test_a_birth_that_waited_at_the_broker_does_not_make_a_backlog_live(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    waited_ns = 7_100 * S
    made = {"captured_at_ns": make.now_ns - waited_ns, "captured_boot_ns": make.boot_ns - waited_ns}
    await bench.settle(device.open())
    device.connection = 2
    await bench.settle(device.publish(make.presence(2, True, "connected"), **made))
    await bench.settle(device.read(**made))
    (alert,) = await alerts_of(bench)
    assert alert.why[-1].startswith("Age unknown: ")


async def test_a_revision_of_an_alerted_read_is_asked_for_the_pictures_that_it_names_anew(
    bench: Any, make: Any
) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.read())
    bench.sent()
    await bench.settle(device.read(revision=1))
    assert bench.commands() == []
    sharper = hashlib.sha256(b"sharper").digest()
    await bench.settle(device.publish(replace(make.plate_read(revision=2), crop_sha256=sharper)))
    (command,) = bench.commands()
    assert (command.track, list(command.wanted)) == (1, [(Part.CROP, sharper)])


async def test_a_revision_of_a_read_without_an_alert_is_asked_for_nothing(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.read())
    sharper = hashlib.sha256(b"sharper").digest()
    await bench.settle(device.publish(replace(make.plate_read(revision=1), crop_sha256=sharper)))
    assert bench.commands() == []


async def test_pictures_that_are_here_already_are_not_asked_for_by_a_hit(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.media(b"crop")))
    await bench.settle(device.read())
    (command,) = bench.commands()
    assert [part for part, _ in command.wanted] == [Part.FRAME]


async def test_a_hit_asks_for_the_overview_behind_the_crop_and_before_the_frame(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    overview = Overview("north-colour", hashlib.sha256(b"overview").digest(), -40_000_000)
    await bench.settle(device.open(), device.publish(replace(make.plate_read(), overview=overview)))
    (command,) = bench.commands()
    assert [part for part, _ in command.wanted] == [Part.CROP, Part.OVERVIEW, Part.FRAME]
    nearer = overview._replace(sha256=hashlib.sha256(b"nearer").digest())
    await bench.settle(device.publish(replace(make.plate_read(revision=1), overview=nearer)))
    (command,) = bench.commands()
    assert list(command.wanted) == [(Part.OVERVIEW, nearer.sha256)]
    await bench.settle(device.publish(replace(make.media(b"nearer"), part=Part.OVERVIEW)))
    (alert,) = await alerts_of(bench)
    assert alert.about.read.overview == (
        type(alert.about.read.overview)(camera="north-colour", sha256=nearer.sha256, offset_ns=-40_000_000, here=True)
    )
    device.connection = 2
    bench.sent()
    await bench.settle(device.publish(make.presence(2, True, "connected")))
    (message,) = bench.sent()
    assert [part for part, _ in message.body.wanted] == [Part.CROP, Part.FRAME]


async def test_what_a_read_says_beside_its_plate_is_kept_and_revised(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    said = {"travel": "receding", "marks": ("infrared", "two-line"), "vehicle_colour": "white"}
    await bench.settle(device.open(), device.publish(replace(make.plate_read(), **said)))
    async with bench.store.read() as tx:
        (read,) = await queries.reads(tx)
    assert (read.travel, read.marks, read.vehicle.colour, read.vehicle.make) == (
        "receding",
        ("infrared", "two-line"),
        "white",
        None,
    )
    assert (read.overview, read.site, read.passage_id) == (None, "lpr-1", None)
    await bench.settle(device.publish(replace(make.plate_read(revision=1), travel="left")))
    async with bench.store.read() as tx:
        (read,) = await queries.reads(tx)
    assert (read.travel, read.marks, read.vehicle) == ("left", (), None)
