"""Capture times from a camera's sender reports, while they can be believed."""

import pytest
from support import FakeClock

from edge_agent.records import CaptureTime
from edge_agent.sources.camera_clock import CameraClock, KnownCamera, TimeSource

MS = 1_000_000
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
STEP_NS = 40 * MS
PRESUMED_NS = 250 * MS


class Street:
    """A camera at 25 frames a second; ``frame`` returns what was made of the next one's times, less the truth."""

    def __init__(self, *, latency_ns: int = 180 * MS, camera_off_ns: int = 0, known: KnownCamera | None = None) -> None:
        self.clock = FakeClock()
        self.known = known or KnownCamera()
        self.times = CameraClock("cam", self.known, PRESUMED_NS)
        self.latency_ns = latency_ns
        self.camera_off_ns = camera_off_ns
        self.frames = 0

    def frame(self, *, reported: bool = True, late_ns: int = 0, media: bool = True) -> tuple[int, CaptureTime]:
        self.clock.advance(STEP_NS)
        self.frames += 1
        truth_ns = self.clock.utc_ns()
        arrived = CaptureTime(truth_ns, self.clock.boot_ns(), self.clock.error_ns()).shifted(self.latency_ns + late_ns)
        captured = self.times.captured(
            arrived,
            self.frames * STEP_NS if media else None,
            truth_ns + self.camera_off_ns if reported else None,
        )
        assert captured.utc_ns - captured.boot_ns == truth_ns - self.clock.boot_ns()
        assert abs(captured.utc_ns - truth_ns) <= captured.error_ns or abs(self.camera_off_ns) > SECOND
        return captured.utc_ns - truth_ns, captured

    def play(self, frames: int, **how) -> tuple[int, CaptureTime]:
        for _ in range(frames - 1):
            self.frame(**how)
        return self.frame(**how)


def test_without_sender_reports_a_frame_is_as_old_as_presumed_and_as_unsure() -> None:
    street = Street(latency_ns=180 * MS)
    off_ns, captured = street.play(100, reported=False)
    assert off_ns == 180 * MS - PRESUMED_NS
    assert captured.error_ns == PRESUMED_NS + street.clock.error_ns()
    assert (street.times.source, street.times.reason) == (TimeSource.ARRIVAL, "no sender report so far")


def test_a_clock_that_verifies_is_used_after_ten_reported_frames() -> None:
    street = Street()
    assert street.play(9)[0] != 0
    assert street.play(1)[0] == 0
    assert street.times.source is TimeSource.RTCP
    assert street.times.reason == "frames arrive after exposure by 180 ms"


def test_its_error_is_what_the_least_lag_leaves_possible() -> None:
    own_ns = FakeClock().error_ns()
    assert Street(latency_ns=180 * MS).play(20)[1].error_ns == own_ns + 180 * MS
    # 60 ms after exposure is little: perhaps the camera's clock is ahead.
    assert Street(latency_ns=60 * MS).play(20)[1].error_ns == own_ns + 190 * MS


def test_a_network_that_delays_does_not_move_the_times_of_a_verified_clock() -> None:
    street = Street()
    street.play(20)
    for late_ns in (300 * MS, 900 * MS, 0, 1500 * MS):
        assert street.frame(late_ns=late_ns)[0] == 0


@pytest.mark.parametrize(
    ("off_ns", "reason"),
    [
        (HOUR, "the camera's clock is ahead of this device's by 3,599.8 s"),
        (-HOUR, "the camera's clock is behind this device's by 3,600.2 s"),
        (-50 * 24 * HOUR, "the camera's clock is behind this device's by 50 days"),
        (300 * MS, "the camera's clock is ahead of this device's by 120 ms"),
    ],
)
def test_a_clock_that_is_wrong_is_not_used_and_the_reason_is_said(off_ns: int, reason: str) -> None:
    street = Street(camera_off_ns=off_ns)
    off, captured = street.play(100)
    assert off == 180 * MS - PRESUMED_NS
    assert captured.error_ns >= PRESUMED_NS
    assert street.times.source is TimeSource.ARRIVAL
    assert street.times.reason == reason


def test_a_clock_that_jumps_is_not_used() -> None:
    street = Street(latency_ns=250 * MS)
    for i in range(200):
        street.camera_off_ns = 120 * MS * (-1) ** (i // 8)
        street.frame()
    assert street.times.source is TimeSource.ARRIVAL
    assert street.times.reason == "the camera's clock jumps by 240 ms"


@pytest.mark.parametrize("off_ns", [HOUR, -HOUR, 400 * MS, -400 * MS])
@pytest.mark.parametrize("frames", [11, 43, 75, 90, 120])
def test_a_clock_that_is_set_while_it_is_in_use_makes_no_frame_more_certain_than_it_is(
    frames: int, off_ns: int
) -> None:
    street = Street(latency_ns=180 * MS)
    street.play(frames)
    street.camera_off_ns = off_ns
    for _ in range(200):
        off, captured = street.frame()
        assert abs(off) <= captured.error_ns


def test_one_report_that_is_put_to_the_wrong_frame_moves_nothing() -> None:
    street = Street()
    street.play(20)
    street.camera_off_ns = 50 * MS
    assert street.frame()[0] == 0
    street.camera_off_ns = 0
    assert street.frame()[0] == 0


def test_a_clock_that_goes_wrong_is_dropped_and_its_latency_is_kept() -> None:
    street = Street(latency_ns=180 * MS)
    street.play(20)
    street.camera_off_ns = HOUR
    off_ns, _ = street.play(200)
    assert street.times.source is TimeSource.ARRIVAL
    assert off_ns == 0, "arrival less the latency that was measured"


def test_the_next_connection_knows_the_latency_that_was_measured() -> None:
    first = Street(latency_ns=180 * MS)
    first.play(20)
    again = Street(latency_ns=180 * MS, known=first.known)
    off_ns, captured = again.frame(reported=False)
    assert off_ns == 0
    assert captured.error_ns == 180 * MS + again.clock.error_ns()


def test_a_latency_that_was_measured_by_a_clock_ahead_is_no_more_certain_than_that_clock() -> None:
    first = Street(latency_ns=240 * MS, camera_off_ns=200 * MS)
    first.play(20)
    again = Street(latency_ns=240 * MS, known=first.known)
    off_ns, captured = again.frame(reported=False)
    assert off_ns == 200 * MS
    assert captured.error_ns == 210 * MS + again.clock.error_ns()


def test_when_this_devices_clock_is_set_the_camera_has_to_verify_anew() -> None:
    street = Street()
    street.play(20)
    street.clock.now_utc_ns -= 5 * SECOND
    street.camera_off_ns = 5 * SECOND
    street.frame()
    assert (street.times.source, street.times.reason) == (TimeSource.ARRIVAL, "this device's clock was set")
    street.play(100)
    assert street.times.source is TimeSource.ARRIVAL


def test_by_arrival_what_the_network_held_up_is_taken_off_and_widens_the_bound() -> None:
    street = Street(latency_ns=250 * MS)
    street.play(10, reported=False)
    off_ns, captured = street.frame(reported=False, late_ns=400 * MS)
    assert off_ns == 0
    assert captured.error_ns == PRESUMED_NS + 400 * MS + street.clock.error_ns()


def test_a_media_clock_that_jumps_is_no_delay() -> None:
    street = Street(latency_ns=250 * MS)
    street.play(10, reported=False)
    street.frames -= 1000
    assert street.frame(reported=False)[0] == 0


def test_without_a_media_clock_the_arrival_is_all_there_is() -> None:
    assert Street(latency_ns=250 * MS).play(5, media=False)[0] == 0
