"""What the uplink does with a link that is slow, capped or paid for by the byte."""

import os
from dataclasses import replace

import pytest

from edge_agent.outbox import Entry, EvidenceFile
from edge_agent.sending import Urgency
from edge_agent.uplink import Fault, LinkError, PlanLevel, read_status
from edge_agent.uplink.carried import Carried
from edge_agent.uplink.pace import IN_HAND_BYTES
from edge_agent.uplink.traffic import sent_bytes
from edge_wire.messages import Command, Health, Media, Part, PlateRead, ShotArrival, Wanted
from edge_wire.topics import Channel

S = 1_000_000_000


def shot(number):
    return ShotArrival("m1", "d1", number, (("gunshot", 0.9),), "m", -100, -900, False, 48_000)


async def put_crops(site, tracks, size_bytes=20_000):
    """Reads with crops, as a camera makes them; returns the crops."""
    crops = [os.urandom(size_bytes) for _ in tracks]
    for track, crop in zip(tracks, crops, strict=True):
        entry = Entry(site.read(track, crop), site.captured())
        await site.outbox.put_with_files(entry, [EvidenceFile(Part.CROP, crop)])
    return crops


async def quiet(site):
    await site.until_quiet()
    site.world.acking = False


async def test_other_media_leaves_the_socket_free_for_what_somebody_waits_for(site):
    """A window full of crops at 1 Mbit/s would be half a minute that nothing can overtake."""
    async with site.running():
        await quiet(site)
        site.world.puback = None
        crops = await put_crops(site, range(1, 31))
        await site.until(lambda: len(site.world.bodies(PlateRead)) == 30)
        await site.until(lambda: len(site.world.bodies(Media)) >= 2)
        wanted = (Wanted(Part.CROP, site.read(30, crops[29]).crop_sha256),)
        command = Command(1, "send_media", site.outbox.epoch, track=30, wanted=wanted)
        site.world.link.deliver(site.world.down(command, channel=Channel.COMMAND), Channel.COMMAND)
        await site.until(lambda: site.world.bodies(Media)[-1].content == crops[29])
        assert len(site.world.bodies(Media)) <= IN_HAND_BYTES // 20_000 + 1
        await site.outbox.put(shot(1), site.captured())
        await site.until(lambda: site.world.bodies(ShotArrival))


async def test_all_of_it_goes_as_the_broker_confirms(site):
    async with site.running():
        await site.until_quiet()
        await put_crops(site, range(1, 31))
        await site.until_pending(0)
        assert len(site.world.bodies(Media)) == 30


async def test_a_cap_holds_back_the_backlog_and_neither_a_shot_nor_health(site):
    async with site.running(replace(site.settings, max_kbps=80)):
        await site.until_quiet()
        await put_crops(site, range(1, 7))
        await site.until(lambda: len(site.world.bodies(PlateRead)) == 6)
        sent = len(site.world.bodies(Media))
        assert sent <= 1
        await site.outbox.put(shot(1), site.captured())
        await site.until(lambda: site.world.bodies(ShotArrival))
        site.uplink.health_changed()
        await site.until(lambda: len(site.world.bodies(Health)) == 2)
        assert len(site.world.bodies(Media)) == sent
        while sent < 6:
            site.clock.advance(3 * S)
            await site.outbox.put(shot(2), site.captured())  # any wake-up: the clock of this test rings no alarm
            await site.until(lambda more=sent + 1: len(site.world.bodies(Media)) >= more)
            sent += 1
            assert len(site.world.bodies(Media)) == sent


async def test_metered_health_goes_out_every_300_s_and_no_sooner_whatever_changes(site):
    async with site.running(replace(site.settings, metered=True, health_every_s=60.0)):
        await site.until(lambda: site.world.bodies(Health))
        site.uplink.health_changed()
        await site.put(1)
        await site.until_quiet()
        site.clock.advance(299 * S)
        site.world.link.lose(LinkError(Fault.LOST, "cut"))
        await site.until(lambda: len(site.world.links) == 2)
        await site.until_quiet()
        assert site.healths == 1
        site.clock.advance(S)
        site.world.link.lose(LinkError(Fault.LOST, "cut"))
        await site.until(lambda: site.healths == 2)


async def test_metered_only_small_pictures_go_unasked_and_any_that_is_asked_for(site):
    async with site.running(replace(site.settings, metered=True)):
        await site.until_quiet()
        large = await put_crops(site, range(1, 6))
        small = await put_crops(site, range(6, 11), 3_900)
        await site.until(lambda: len(site.world.bodies(Media)) == 5)
        await site.until_pending(5)
        assert {media.content for media in site.world.bodies(Media)} == set(small)
        wanted = (Wanted(Part.CROP, site.read(2, large[1]).crop_sha256),)
        command = Command(1, "send_media", site.outbox.epoch, track=2, wanted=wanted)
        site.world.link.deliver(site.world.down(command, channel=Channel.COMMAND), Channel.COMMAND)
        await site.until_pending(4)
        assert site.world.bodies(Media)[-1].content == large[1]
        rows = await site.outbox.pending(9, 9, ())
        assert {row.urgency for row in rows} == {Urgency.OTHER_MEDIA}


async def test_bytes_are_counted_by_kind_and_the_rest_is_overhead(site):
    path = site.tmp_path / "data-use.json"
    settings = replace(site.settings, data_use_path=path)
    async with site.running(settings):
        await site.until_quiet()
        await put_crops(site, [1])
        await site.until_pending(0)
        await site.until(lambda: site.world.bodies(Health))
        site.world.carried = Carried(100_000, 30_000)
        site.uplink.stop()
        await site.task
        counted = site.uplink.status.bytes_by_kind
    sizes = {}
    for message, (_, decoded) in zip(site.world.link.published, site.world.messages(), strict=True):
        sizes.setdefault(type(decoded.body), []).append(sent_bytes(message))
    assert counted["plate-read"] == sum(sizes[PlateRead])
    assert counted["crop"] == sum(sizes[Media])
    assert counted["health"] == sum(sizes[Health])
    assert counted["down"] == 30_000
    assert sum(counted.values()) == 130_000
    async with site.running(settings):
        assert site.uplink.status.data_use.used_bytes >= 130_000
        assert site.uplink.status.bytes_by_kind.get("crop", 0) == 0


async def test_an_attempt_that_failed_is_counted(site):
    failed = LinkError(Fault.TLS, "no")
    failed.carried = Carried(1_500, 2_500)
    site.world.failures = [failed]
    async with site.running():
        await site.until_quiet()
        counted = site.uplink.status.bytes_by_kind
        assert counted["overhead"] >= 1_500
        assert counted["down"] >= 2_500


async def test_the_data_plans_levels_are_told_as_they_are_reached(site):
    told = []
    async with site.running(replace(site.settings, monthly_bytes=1_000_000)):
        site.uplink._on_data_plan = lambda use, before: told.append((use.level, before, use.used_bytes >= 800_000))
        await site.until_quiet()
        site.world.carried = Carried(850_000, 0)
        site.world.link.lose(LinkError(Fault.LOST, "cut"))
        await site.until(lambda: told == [(PlanLevel.NEAR, PlanLevel.OK, True)])
        await site.until(lambda: read_status(site.settings.status_path).data_use.level is PlanLevel.NEAR)
        assert any(text.startswith("data plan: ") for text in site.uplink.status.conditions)


@pytest.mark.parametrize(("metered", "ping_after_s", "health_s"), [(False, 30, 60.0), (True, 120, 300.0)])
def test_what_metered_means_for_pings_and_health(site, metered, ping_after_s, health_s):
    settings = replace(site.settings, metered=metered)
    assert (settings.ping_after_s, settings.health_interval_s) == (ping_after_s, health_s)
