"""The table of kept files: which there are, how old they are, and which share they count to.

Every coroutine here runs in a transaction that the writing task began and ends, as those of ``rows`` do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import aiosqlite

from edge_agent.outbox.evidence import Share
from edge_wire.messages import Part


class KeptFiles:
    """The table.

    Args:
        database: the writing connection.
        keep_sound_ns: how long clips and recordings are kept; 0: until their room is needed.
        time_ns: what time it is; see ``Rows.time_ns``.
    """

    def __init__(self, database: aiosqlite.Connection, keep_sound_ns: int, time_ns: Callable[[], int]) -> None:
        self._database = database
        self._keep_sound_ns = keep_sound_ns
        self._time_ns = time_ns

    async def note(self, sizes: Mapping[bytes, tuple[Part, int]]) -> Counter[Share]:
        """Remember kept files as the newest ones; return by how many bytes they add to what is kept."""
        now_ns = self._time_ns()
        added: Counter[Share] = Counter()
        for sha256, (part, size_bytes) in sizes.items():
            share = Share.of(part)
            known = await self._database.execute_fetchall(
                "DELETE FROM files WHERE sha256 = ? RETURNING size_bytes", (sha256,)
            )
            await self._database.execute(
                "INSERT INTO files (sha256, size_bytes, share, part, kept_boot_ns) VALUES (?, ?, ?, ?, ?)",
                (sha256, size_bytes, share, part, now_ns),
            )
            added[share] += 0 if known else size_bytes
        return added

    async def expire_sound(self) -> list[tuple[bytes, int]]:
        """Forget clips and recordings that were kept long enough; return hash and size."""
        if self._keep_sound_ns == 0:
            return []
        expired = await self._database.execute_fetchall(
            "DELETE FROM files WHERE share = ? AND kept_boot_ns <= ? RETURNING sha256, size_bytes",
            (Share.SOUND, self._time_ns() - self._keep_sound_ns),
        )
        return [(sha256, size_bytes) for sha256, size_bytes in expired]

    async def forget(self, share: Share, surplus_bytes: int) -> list[tuple[bytes, int]]:
        """Forget the oldest files that no pending row needs until ``surplus_bytes`` are freed; return hash and size."""
        oldest = await self._database.execute_fetchall(
            """
            SELECT sha256, size_bytes FROM files
            WHERE share = ? AND sha256 NOT IN (
              SELECT file FROM rows INDEXED BY pending_by_file WHERE state = 0 AND file IS NOT NULL
            ) ORDER BY kept_boot_ns, number LIMIT 256
            """,
            (share,),
        )
        forgotten: list[tuple[bytes, int]] = []
        for sha256, size_bytes in oldest:
            if surplus_bytes <= 0:
                break
            surplus_bytes -= size_bytes
            forgotten.append((sha256, size_bytes))
        await self._database.executemany("DELETE FROM files WHERE sha256 = ?", [(sha256,) for sha256, _ in forgotten])
        return forgotten
