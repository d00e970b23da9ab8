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

    def observe(self, item: int) -> Sequence[int]:
        if item < 0:
            raise RuntimeError("a bug")
        return [item, item]

    def tick(self, now_boot_ns: int) -> Sequence[int]:
        self.ticked.set()
        return []

    def close(self) -> Sequence[int]:
        return [-1]


def watch(
    sources: Sequence[Callable[[], Iterator[int]]], *, live: bool = False
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
