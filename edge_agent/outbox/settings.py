"""What can be set about an outbox, and where its files lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """How one outbox is kept.

    Attributes:
        folder: where it lies; made if absent.
        device: the device id that signatures are bound to.
        keep_stored_h: how long a row stays after its ack; 0 deletes it with the ack.
        evidence_quota_bytes: how much the files beside the database may take; the oldest go first.
        live_for_s: for how long a read counts as live; afterwards it is backlog.
        journal_block: how many sequences are reserved at a time; bounds what a corrupt database leaves unknown.
    """

    folder: Path
    device: str
    keep_stored_h: float = 24.0
    evidence_quota_bytes: int = 2 << 30
    live_for_s: float = 120.0
    journal_block: int = 1_000

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "outbox.db"

    @property
    def journal(self) -> Path:
        """The journal beside it."""
        return self.folder / "outbox.journal"

    @property
    def evidence(self) -> Path:
        """The folder of files by hash."""
        return self.folder / "evidence"

    @property
    def live_for_ns(self) -> int:
        """``live_for_s`` in nanoseconds."""
        return round(self.live_for_s * 1e9)

    @property
    def keep_stored_ns(self) -> int:
        """``keep_stored_h`` in nanoseconds."""
        return round(self.keep_stored_h * 3600e9)
