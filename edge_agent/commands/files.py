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
) -> int:
    """Print one line a file; on a terminal, from two seconds on, also how far along it is.

    Args:
        files: as ``expanded`` yields them.
        look: gives a file's line, or raises ``SourceError``.
        broken: gives the line of a file that could not be read, from the reason.
        what: what the files are called.

    Returns:
        How many could not be read; the others are printed all the same.
    """
    failed = 0
    began_s = time.monotonic()
    shown = False
    for number, (path, problem) in enumerate(files, start=1):
        try:
            if problem:
                raise SourceError(problem)
            line = look(path)
        except SourceError as error:
            failed += 1
            line = broken(path, str(error))
        if shown:
            sys.stderr.write("\r\x1b[K")
        typer.echo(line)
        shown = sys.stderr.isatty() and time.monotonic() - began_s > _PROGRESS_AFTER_S and number < len(files)
        if shown:
            sys.stderr.write(f"{number} of {len(files)} {what}")
            sys.stderr.flush()
    return failed
