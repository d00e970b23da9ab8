"""Files that commands write entries to: for their owner alone, and whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from collector.errors import ConfigurationError


@contextmanager
def private_file(path: Path, option: str) -> Iterator[IO[str]]:
    """Write a text file with mode 0600, also in the place of one that others could read.

    Whoever reads it finds all of it, or what was there before. What is no file, such as /dev/null, is written as it is.

    Args:
        path: where to.
        option: which one named it, for errors.

    Raises:
        ConfigurationError: it cannot be written.
    """
    draft = None
    try:
        if path.exists() and not path.is_file():
            with path.open("w", newline="", encoding="utf-8") as file:
                yield file
            return
        # A file of our own, also in a folder where others might have put one of that name, or a link.
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with open(descriptor, "w", newline="", encoding="utf-8") as file:
            yield file
        os.replace(draft, path)
    except OSError as error:
        raise ConfigurationError(f"{option} {path}: {error.strerror or error}") from error
    finally:
        if draft is not None:
            Path(draft).unlink(missing_ok=True)
