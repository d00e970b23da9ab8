"""Reads a hotlist that is in memory already."""

from __future__ import annotations

import hashlib
import io

from collector.hotlists.entry_reading import Defaults
from collector.hotlists.mapping import PRESETS, Layout
from collector.hotlists.reading import BadRow, HotlistFile, read
from collector.hotlists.unpacking import Delivered

__all__ = ["BadRow", "HotlistFile", "parse"]


def parse(
    content: bytes,
    name: str,
    layout: Layout = PRESETS["generic"],
    defaults: Defaults = Defaults(),  # noqa: B008 - frozen
    *,
    may_be_empty: bool = False,
) -> HotlistFile:
    """Read a file that is not packed.

    Args:
        content: the file's bytes.
        name: what to call it in errors.
        layout: what its columns say.
        defaults: what an entry is where its row does not say.
        may_be_empty: whether a file without rows, or without anything, is a list without entries.

    Raises:
        ConfigurationError: it is empty, no text, ends within quotes, has no column for plates, or not one good row.
    """
    delivered = Delivered(name, io.BytesIO(content), hashlib.sha256(content).digest(), "")
    return read(delivered, layout, defaults, may_be_empty=may_be_empty)
