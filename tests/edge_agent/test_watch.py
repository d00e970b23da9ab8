"""A source is iterated, reopened, ended and reported; nothing it gives is lost but by a live source, counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from support import FakeClock, eventually

from edge_agent.errors import SourceError
from edge_agent.records import CaptureTime, Frame
from edge_agent.watch import Source, Watch, WatchState


class Doubler:
    """A stage that hands out each number twice, holds the last until it is closed, and says when it is ticked."""

    def __init__(self) -> None:
        self.ticked = threading.Event()
        self.begun = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.broken = False

    def observe(self, item: int) -> Sequence[int]:
        if item < 0:
            raise RuntimeError("a bug")
        self.begun.set()
        self.may_go_on.wait()
        return [item, item]

    def tick(self, now_boot_ns: int) -> Sequence[int]:
        self.ticked.set()
        return []

    def close(self) -> Sequence[int]:
        if self.broken:
            raise RuntimeError("a bug at the end")
        return [-1]


def watch(
    sources: Sequence[Callable[[], Iterator[int]]],
    *,
    live: bool = False,
    newest_only: bool = False,
    condition: Callable[[], str] = lambda: "",
    doubt: Callable[[], str] = lambda: "",
    changed: Callable[[], None] = lambda: None,
    first_wait_s: float = 0.001,
    clock: FakeClock | None = None,
) -> tuple[Watch[int, int], list[int], list[BaseException], Doubler]:
    out: list[int] = []
    crashes: list[BaseException] = []
    waiting = iter(sources)
    stage = Doubler()

    def open_source() -> Source[int]:
        ended = threading.Event()
        items = next(waiting, None)
        if items is None:
            return Source(lambda: forever(ended), ended.set, condition)
        return Source(items, ended.set, condition)

    made = Watch(
        "cam",
        open_source,
        stage,
        out.extend,
        live=live,
        newest_only=newest_only,
        clock=clock or FakeClock(),
        changed=changed,
        crashed=crashes.append,
        doubt=doubt,
        first_wait_s=first_wait_s,
    )
    return made, out, crashes, stage


def forever(ended: threading.Event) -> Iterator[int]:
    yield 0
    ended.wait()


def numbers(*items: int) -> Callable[[], Iterator[int]]:
    return lambda: iter(items)


def broken() -> Iterator[int]:
    raise SourceError("rtsp://cam: no answer")


def test_a_file_is_played_to_its_end_and_nothing_is_dropped() -> None:
    made, out, crashes, _ = watch([numbers(*range(50))])
    made.start()
    made.join()
    assert out == [n for n in range(50) for _ in range(2)] + [-1]
    assert made.state().state == "ended"
    assert made.state().dropped == 0
    assert not crashes


def test_a_file_that_cannot_be_read_says_why() -> None:
    made, out, _, _ = watch([broken])
    made.start()
    made.join()
    assert made.state() == WatchState("failed", "rtsp://cam: no answer", 0.0, 0)
    assert out == [-1]


def test_pains_17_a_live_source_that_breaks_off_is_reopened() -> None:
    made, out, _, _ = watch([broken, numbers(7), broken], live=True)
    made.start()
    eventually(lambda: made.state().state == "ok" and 0 in out)
    assert out[:2] == [7, 7]
    made.close()
    made.join()
    assert made.state().state == "ended"


def test_the_stage_is_ticked_while_nothing_comes() -> None:
    made, _, _, stage = watch([], live=True)
    made.start()
    assert stage.ticked.wait(10)
    made.close()
    made.join()


def test_an_unexpected_error_is_loud_and_ends_the_watch() -> None:
    made, _, crashes, _ = watch([numbers(1, -1, *range(100))])
    made.start()
    made.join()
    assert [str(error) for error in crashes] == ["a bug"]
    assert made.state().state == "failed"


def test_an_error_at_the_very_end_hangs_nobody() -> None:
    made, _, crashes, stage = watch([numbers(1)])
    stage.broken = True
    made.start()
    made.join()
    assert [str(error) for error in crashes] == ["a bug at the end"]


def slow_stage(*, newest_only: bool) -> list[int]:
    """What is delivered when twenty items come while the stage is busy with the first."""
    handed_over = threading.Event()
    made, out, _, stage = watch([], newest_only=newest_only)

    def twenty() -> Iterator[int]:
        yield 0
        stage.begun.wait()
        if not newest_only:
            stage.may_go_on.set()
        yield from range(1, 20)
        handed_over.set()

    made, out, _, stage = watch([twenty], newest_only=newest_only)
    stage.may_go_on.clear()
    made.start()
    assert handed_over.wait(10)
    stage.may_go_on.set()
    made.join()
    assert made.state().dropped == 20 - len(set(out) - {-1})
    return out


def test_only_the_newest_picture_waits_for_a_busy_stage() -> None:
    assert slow_stage(newest_only=True) == [0, 0, 19, 19, -1]


def test_sound_waits_for_a_busy_stage() -> None:
    assert slow_stage(newest_only=False) == [n for n in range(20) for _ in range(2)] + [-1]


def test_pains_17_a_dead_camera_is_tried_for_ever_at_growing_intervals_and_says_so() -> None:
    made, _, _, _ = watch([broken] * 30, live=True, first_wait_s=1e-9)
    made.start()
    eventually(lambda: made.state().state == "ok")  # the thirty-first time
    made.close()
    made.join()


@pytest.mark.parametrize(
    ("source", "why"), [(broken, "rtsp://cam: no answer"), (numbers(7), "the stream ended")], ids=["broken", "ended"]
)
def test_pains_17_a_source_that_broke_off_says_since_when_and_when_it_is_tried_again(
    source: Callable[[], Iterator[int]], why: str
) -> None:
    made, _, _, _ = watch([source], live=True, first_wait_s=1000)
    made.start()
    eventually(lambda: made.state().state == "failed")
    said = made.state().reason
    made.close()
    made.join()
    assert said == f"{why}; trying again in 1000 s (attempt 1, since 2026-11-21 10:13 UTC)"


def test_a_long_reason_does_not_push_out_when_it_is_tried_again() -> None:
    def broken_at_length() -> Iterator[int]:
        raise SourceError("rtsp://cam: " + "no answer " * 100)

    made, _, _, _ = watch([broken_at_length], live=True, first_wait_s=1000)
    made.start()
    eventually(lambda: made.state().state == "failed")
    said = made.state().reason
    made.close()
    made.join()
    assert len(said) == 200
    assert said.startswith("rtsp://cam: no answer")
    assert said.endswith("(attempt 1, since 2026-11-21 10:13 UTC)")


def test_the_intervals_start_anew_once_something_came() -> None:
    said: list[str] = []

    def changed() -> None:
        state = made.state()
        if state.state == "failed":
            said.append(state.reason)

    made, _, _, _ = watch([broken, broken, broken, numbers(1), broken], live=True, changed=changed, first_wait_s=0.001)
    made.start()
    eventually(lambda: len(said) == 5 and made.state().state == "ok")
    made.close()
    made.join()
    waits = [reason.split("again in ")[1].split(" (", maxsplit=1)[0] for reason in said]
    assert waits == ["0.001 s", "0.002 s", "0.004 s", "0.001 s", "0.002 s"]
    assert ["attempt 3" in reason for reason in said] == [False, False, True, False, False]


def test_a_source_that_does_not_let_go_is_left_behind_when_all_is_to_end() -> None:
    """FFmpeg opens a dead camera for ten seconds, and waits for a silent USB camera without end."""
    may_end = threading.Event()

    def stuck() -> Iterator[int]:
        yield 7
        may_end.wait()

    made, out, crashes, _ = watch([stuck], live=True)
    made.start()
    eventually(lambda: 7 in out)
    made.close()
    made.join()
    assert out == [7, 7, -1]
    may_end.set()
    assert not crashes


def test_what_cannot_be_believed_is_doubtful_and_goes_on() -> None:
    conditions = {"source": "", "stage": ""}
    told: list[str] = []
    made, out, _, _ = watch(
        [],
        live=True,
        condition=lambda: conditions["source"],
        doubt=lambda: conditions["stage"],
        changed=lambda: told.append(made.state().state),
    )
    made.start()
    eventually(lambda: made.state().state == "ok" and bool(out))
    conditions["stage"] = "80 reads a minute of one plate"
    eventually(lambda: made.state().state == "doubtful")
    assert made.state().reason == "80 reads a minute of one plate"
    conditions["source"] = "the picture has not changed for 10 s"
    eventually(lambda: made.state().reason == "the picture has not changed for 10 s")
    conditions["source"] = "the picture has not changed for 11 s"
    eventually(lambda: made.state().reason == "the picture has not changed for 11 s")
    conditions["source"] = conditions["stage"] = ""
    eventually(lambda: made.state().state == "ok")
    made.close()
    made.join()
    assert told == ["ok", "doubtful", "ok", "ended"]  # a reason that counts seconds is no news each second


def test_frames_that_are_dropped_are_never_converted() -> None:
    begun, handed_over, may_go_on = threading.Event(), threading.Event(), threading.Event()
    converted: list[int] = []

    def frame(number: int) -> Frame:
        def convert() -> NDArray[np.uint8]:
            converted.append(number)
            return np.zeros((2, 2, 3), np.uint8)

        return Frame("cam", convert, CaptureTime(number, number, 0), 0)

    def frames() -> Iterator[Frame]:
        yield frame(0)
        begun.wait()
        yield from (frame(n) for n in range(1, 20))
        handed_over.set()

    class Converting:
        def observe(self, frame: Frame) -> Sequence[int]:
            begun.set()
            may_go_on.wait()
            return [int(frame.image.shape[0])]

        def tick(self, now_boot_ns: int) -> Sequence[int]:
            return []

        def close(self) -> Sequence[int]:
            return []

    made = Watch(
        "cam",
        lambda: Source(frames, lambda: None),
        Converting(),
        lambda _: None,
        live=False,
        newest_only=True,
        clock=FakeClock(),
        changed=lambda: None,
        crashed=lambda _: None,
    )
    made.start()
    assert handed_over.wait(10)
    may_go_on.set()
    made.join()
    assert converted == [0, 19]
    assert made.state().dropped == 18


def test_who_does_not_count_leaves_the_rate_to_those_who_do() -> None:
    clock = FakeClock()
    made, _, _, _ = watch([numbers(*range(50))], clock=clock)
    made.start()
    made.join()
    assert made.condition == ("ended", "")
    clock.advance(2_000_000_000)
    assert made.condition == ("ended", "")
    assert made.state().rate_hz == 25
    clock.advance(1_000_000)
    assert made.state().rate_hz == 25, "of a millisecond no rate is made"
    clock.advance(1_000_000_000)
    assert made.state().rate_hz == 0
