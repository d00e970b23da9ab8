"""Finds out how a file is written: its encoding, whether it is JSON lines, and what stands between its cells."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from collector.errors import ConfigurationError

_DELIMITERS = ",;\t|"
_BLOCK_BYTES = 1 << 20
_LONGEST_LINE = 1 << 20
# Text holds none of these; pictures, archives and spreadsheets do, and UTF-16 without its mark.
_NOT_TEXT = frozenset(map(chr, range(32))) - set("\t\n\v\f\r\x1a")
_NOT_TEXT_BYTES = bytes(map(ord, sorted(_NOT_TEXT)))
# Windows has characters where Latin-1 has control codes, and none at five of those places.
_WINDOWS_BYTES = bytes(set(range(0x80, 0xA0)) - {0x81, 0x8D, 0x8F, 0x90, 0x9D})
_NOT_WINDOWS_BYTES = bytes((0x81, 0x8D, 0x8F, 0x90, 0x9D))


def find_encoding(content: IO[bytes], name: str) -> str:
    """Return the encoding of a file; leaves it at its beginning.

    Raises:
        ConfigurationError: it is no text.
    """
    content.seek(0)
    start = content.read(4)
    content.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    encoding = "utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8"
    if _is_utf8(content):
        return encoding
    # Every byte is a character of Latin-1, so this always succeeds; the summary says what was assumed.
    content.seek(0)
    windows = not_windows = False
    while block := content.read(_BLOCK_BYTES):
        if len(block.translate(None, _NOT_TEXT_BYTES)) != len(block):
            raise not_text(name)
        windows = windows or len(block.translate(None, _WINDOWS_BYTES)) != len(block)
        not_windows = not_windows or len(block.translate(None, _NOT_WINDOWS_BYTES)) != len(block)
    content.seek(0)
    return "cp1252" if windows and not not_windows else "latin-1"


@contextmanager
def as_text(content: IO[bytes], encoding: str, name: str) -> Iterator[io.TextIOWrapper]:
    """Read ``content`` as text, line ends as they are; it stays open.

    Raises:
        ConfigurationError: it is not in that encoding.
    """
    content.seek(0)
    text = io.TextIOWrapper(content, encoding, newline="")
    try:
        yield text
    except UnicodeError as error:
        if encoding == "utf-16":
            raise not_text(name) from error
        raise ConfigurationError(f"{name}: is not {encoding} throughout ({error}); leave out `encoding`?") from error
    finally:
        text.detach()


def first_line(text: io.TextIOWrapper, name: str) -> str:
    """Return the first line that says anything; empty if none does. Leaves the text where it likes.

    Raises:
        ConfigurationError: this is no text.
    """
    while line := text.readline(_LONGEST_LINE):
        # What stands in one row of a good file is that row's fault.
        if not _NOT_TEXT.isdisjoint(line):
            raise not_text(name)
        if line.strip():
            return line
    return ""


def lines(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    """Yield the lines, with their ends.

    Raises:
        ConfigurationError: one is longer than any row can be.
    """
    number = 0
    while line := text.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and line[-1] not in "\r\n":
            raise ConfigurationError(
                f"{name}: line {number}: got more than {_LONGEST_LINE:,} characters, expected one row a line"
            )
        yield line


def find_delimiter(line: str) -> str:
    """Return what most likely stands between the cells of a line."""
    return max(_DELIMITERS, key=line.count)


def not_text(name: str) -> ConfigurationError:
    """Return the error for a file that is no text."""
    return ConfigurationError(
        f"{name}: this is not text; expected delimited text or JSON lines in UTF-8, UTF-16 with its mark, Windows-1252 "
        "or Latin-1 (save a spreadsheet as CSV)"
    )


def _is_utf8(content: IO[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block := content.read(_BLOCK_BYTES):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        content.seek(0)
    return True
