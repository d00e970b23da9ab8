"""What commands share that go through files: which ones a person named, and how far along it is."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import typer

from edge_agent.errors import ConfigurationError, SourceError

_PROGRESS_AFTER_S = 2.0
_PROGRESS_EVERY_S = 0.2
_WIPE = "\r\x1b[K"


class Progress:
    """One line on standard error, on a terminal only, that begins once something takes longer than two seconds."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._shown_s: float | None = None

    def show(self, text: str, *, always: bool = False) -> None:
        """Put ``text`` in place of what stood there; not more often than the eye can follow, unless ``always``."""
        now_s = time.monotonic()
        soon = self._shown_s is not None and now_s - self._shown_s < _PROGRESS_EVERY_S and not always
        if soon or now_s - self._began_s <= _PROGRESS_AFTER_S or not sys.stderr.isatty():
            return
        sys.stderr.write(("" if self._shown_s is None else _WIPE) + text)
        sys.stderr.flush()
        self._shown_s = now_s

    def wipe(self) -> None:
        """Remove the line."""
        if self._shown_s is not None:
            sys.stderr.write(_WIPE)
            sys.stderr.flush()
            self._shown_s = None


def expanded(paths: Sequence[Path], listing: Callable[[Path], list[Path]]) -> Iterator[tuple[Path, str]]:
    """Yield each file, and each folder without one together with what is wrong with it.

    Args:
        paths: files and folders, as they were given.
        listing: gives the files of a folder, or raises ``ConfigurationError`` when it holds none.
    """
    for path in paths:
        try:
            # Unlike the method of Path it does not raise; who opens it then says why it cannot be looked at.
            found = listing(path) if os.path.isdir(path) else [path]
        except ConfigurationError as error:
            yield path, str(error)
        else:
            yield from ((file, "") for file in found)


def print_each(
    files: Sequence[tuple[Path, str]],
    look: Callable[[Path], str],
    broken: Callable[[Path, str], str],
    what: str,
    progress: Progress | None = None,
) -> int:
    """Print one line a file; on a terminal, from two seconds on, also how far along it is.

    Args:
        files: as ``expanded`` yields them.
        look: gives a file's line, or raises ``SourceError``.
        broken: gives the line of a file that could not be read, from the reason.
        what: what the files are called.
        progress: the line that ``look`` uses too, if it does.

    Returns:
        How many could not be read; the others are printed all the same.
    """
    failed = 0
    line = progress or Progress()
    for number, (path, problem) in enumerate(files, start=1):
        try:
            if problem:
                raise SourceError(problem)
            said = look(path)
        except SourceError as error:
            failed += 1
            said = broken(path, str(error))
        finally:
            line.wipe()
        typer.echo(said)
        if number < len(files):
            line.show(f"{number} of {len(files)} {what}", always=True)
    return failed
