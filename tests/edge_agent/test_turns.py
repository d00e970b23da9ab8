"""Cameras that share the networks get equal shares, in order, and never more at once than there are cores for."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from support import FakeClock, eventually

from edge_agent.ports import PlateReader
from edge_agent.records import CaptureTime, Frame, PlateCandidate
from edge_agent.turns import ReaderInTurns, Turns, usable_cores
from edge_agent.watch import Source, Watch


@dataclass(frozen=True)
class ReadingStage:
    """Reads every frame and publishes nothing."""

    reader: PlateReader

    def observe(self, frame: Frame) -> Sequence[None]:
        self.reader.read(frame.image)
        return []

    def tick(self, now_boot_ns: int) -> Sequence[None]:
        return []

    def close(self) -> Sequence[None]:
        return []


def image_of(camera: int) -> NDArray[np.uint8]:
    return np.full((2, 2, 3), camera, np.uint8)


class SlowReader:
    """Counts who reads how often, and how many at once.

    Readings that run at once end together, when the other cameras stand in line: all take equally long, and no camera
    loses its place because the machine had no time for its thread.
    """

    def __init__(self, turns: Turns, at_once: int, readings: int) -> None:
        self.by_camera: Counter[int] = Counter()
        self.most_at_once = 0
        self.enough = threading.Event()
        self._waiting = turns._waiting  # the only way to know that a thread stands in line
        self._together = threading.Barrier(at_once, lambda: self._all_others_wait(at_once))
        self._now = 0
        self._readings = readings
        self._lock = threading.Lock()

    def read(self, image: NDArray[np.uint8]) -> list[PlateCandidate]:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        with contextlib.suppress(threading.BrokenBarrierError):
            self._together.wait(20)
        with self._lock:
            self._now -= 1
            if not self.enough.is_set():
                self.by_camera[int(image[0, 0, 0])] += 1
            if self.by_camera.total() >= self._readings:
                self.enough.set()
                self._together.abort()
        return []

    def _all_others_wait(self, at_once: int) -> None:
        eventually(lambda: self.enough.is_set() or len(self._waiting) == 4 - at_once)


@pytest.mark.parametrize("at_once", [1, 2])
def test_cameras_that_always_have_something_get_equal_shares(at_once: int) -> None:
    turns = Turns(at_once)
    inner = SlowReader(turns, at_once, readings=120)
    reader = ReaderInTurns(inner, turns)

    def keep_reading(camera: int) -> None:
        while not inner.enough.is_set():
            reader.read(image_of(camera))

    threads = [threading.Thread(target=keep_reading, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inner.most_at_once == at_once
    assert all(abs(inner.by_camera[n] - 30) <= 3 for n in range(4)), inner.by_camera


def test_four_cameras_too_fast_for_the_networks_are_read_equally_and_the_rest_is_counted() -> None:
    turns = Turns(2)
    inner = SlowReader(turns, 2, readings=120)
    reader = ReaderInTurns(inner, turns)
    given: Counter[int] = Counter()

    def watch(camera: int) -> Watch[Frame, None]:
        def frames() -> Iterator[Frame]:
            while not inner.enough.wait(0.0005):
                given[camera] += 1
                at_ns = given[camera]
                yield Frame(f"cam-{camera}", image_of(camera), CaptureTime(at_ns, at_ns, 0), 0)

        return Watch(
            f"cam-{camera}",
            lambda: Source(frames, lambda: None),
            ReadingStage(reader),
            lambda _: None,
            live=False,
            newest_only=True,
            clock=FakeClock(),
            changed=lambda: None,
            crashed=lambda _: None,
        )

    watches = [watch(n) for n in range(4)]
    for one in watches:
        one.start()
    for one in watches:
        one.join()
    assert all(abs(inner.by_camera[n] - 30) <= 3 for n in range(4)), inner.by_camera
    for n, one in enumerate(watches):
        # What came was read, was dropped, or was in hand when enough had been read.
        assert 0 <= given[n] - one.state().dropped - inner.by_camera[n] <= 3
        assert one.state().dropped > 0


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turns, order = Turns(1), list[int]()
    waiting = turns._waiting  # the only way to know that a thread stands in line

    def take(number: int) -> None:
        with turns.turn():
            order.append(number)

    threads = [threading.Thread(target=take, args=(n,)) for n in range(8)]
    with turns.turn():
        for n, thread in enumerate(threads):
            thread.start()
            eventually(lambda n=n: len(waiting) == n + 1)
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_a_reader_that_breaks_gives_its_turn_back() -> None:
    class Broken:
        def read(self, image: NDArray[np.uint8]) -> list[PlateCandidate]:
            raise RuntimeError("a bug")

    turns = Turns(1)
    with pytest.raises(RuntimeError, match="a bug"):
        ReaderInTurns(Broken(), turns).read(image_of(0))
    with turns.turn():
        pass


def test_no_turns_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at_once: got 0"):
        Turns(0)


def test_this_machine_has_cores() -> None:
    assert usable_cores() >= 1
