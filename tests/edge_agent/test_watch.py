"""A source is iterated, reopened, ended and reported; nothing it gives is lost but by a live source, counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from support import FakeClock, eventually

from edge_agent.errors import SourceError
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
    sources: Sequence[Callable[[], Iterator[int]]], *, live: bool = False, newest_only: bool = False
) -> tuple[Watch[int, int], list[int], list[BaseException], Doubler]:
    out: list[int] = []
    crashes: list[BaseException] = []
    waiting = iter(sources)
    stage = Doubler()

    def open_source() -> Source[int]:
        ended = threading.Event()
        items = next(waiting, None)
        if items is None:
            return Source(lambda: forever(ended), ended.set)
        return Source(items, ended.set)

    made = Watch(
        "cam",
        open_source,
        stage,
        out.extend,
        live=live,
        newest_only=newest_only,
        clock=FakeClock(),
        changed=lambda: None,
        crashed=crashes.append,
        first_wait_s=0.001,
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
