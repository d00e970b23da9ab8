"""A progress bar on standard error, for commands that may take longer than people like to wait without a word."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress

_AFTER_S = 2.0


class Shown:
    """Shows how far a command has come, once it has taken two seconds.

    Args:
        what: what is done, as the bar says it.
        silent: whether nothing is ever shown.
    """

    def __init__(self, what: str, *, silent: bool = False) -> None:
        self._bar = Progress(console=Console(stderr=True), transient=True, disable=silent)
        self._task = self._bar.add_task(what, total=None)
        self._began_s = time.monotonic()
        self._started = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started:
            self._bar.stop()

    def update(self, done: int, of: int | None = None) -> None:
        """Say that ``done`` of ``of`` is done; None where nobody knows how much there is."""
        if not self._started and time.monotonic() - self._began_s > _AFTER_S:
            self._started = True
            self._bar.start()
        self._bar.update(self._task, completed=done, total=of)

    def say(self, what: str, done: int, of: int | None = None) -> None:
        """Say that ``done`` of ``of`` is done of one part of the work."""
        self._bar.update(self._task, description=what)
        self.update(done, of)
