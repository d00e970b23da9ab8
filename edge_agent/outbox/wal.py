"""Whether the end of SQLite's write-ahead log is missing or damaged, although SQLite opens it without a word.

When SQLite takes up a log after a crash it stops at the first frame whose checksum is wrong, and forgets what comes
after it. That is right for what was being written when the power went, but not for whole transactions: with
``synchronous=FULL`` each is on disk before it is reported as kept. The frames on disk still say that they were there:
a frame that carries this log's salts and the mark of a commit, beyond those that SQLite took up. Nor may anything lie
there that is no frame: what is left over from before the log was last begun anew carries the salts of that time, whose
first half is a little less than today's, since SQLite adds one each time.

A log that was cut off at the end of a frame, or whose very first bytes are gone, shows no such mark. It stays unseen
here; the collector sees it where rows came to it whose sequences this outbox no longer knows of.

The format is SQLite's "WAL-mode file format", https://sqlite.org/fileformat2.html#walformat.
"""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_WORDS = 1 << 32
_OLDER = 1 << 20
_MAGIC = {0x377F0682, 0x377F0683}


def last_commit(path: Path) -> int:
    """Return the number, from 1, of the last place where a commit was or may have been; 0 if there is none.

    Ask before SQLite opens the database, and compare with how many frames it then says that the log has.

    Args:
        path: the log, beside the database.

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return 0
    with file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return 0
        size_bytes = path.stat().st_size
        magic, _, page_bytes, _, *salts, _, _ = _HEADER.unpack(header)
        if magic not in _MAGIC or page_bytes == 0:
            return int(size_bytes > _HEADER.size)  # the header is on disk before the first frame is written
        frame_bytes = _FRAME.size + page_bytes
        found = 0
        for number in range(1, (size_bytes - _HEADER.size) // frame_bytes + 1):
            file.seek(_HEADER.size + (number - 1) * frame_bytes)
            _, pages_after_commit, *frame_salts, _, _ = _FRAME.unpack(file.read(_FRAME.size))
            if frame_salts == salts:
                found = number if pages_after_commit else found
            elif not 0 < (salts[0] - frame_salts[0]) % _WORDS <= _OLDER:
                found = number
        return found
