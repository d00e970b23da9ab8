"""What can be set about an outbox, and where its files lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_agent.outbox.evidence import Share

BALLAST_NAME = "outbox.ballast"


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """How one outbox is kept.

    Attributes:
        folder: where it lies; made if absent.
        device: the device id that signatures are bound to.
        keep_stored_h: how long a row stays after its ack; 0 deletes it with the ack.
        evidence_quota_bytes: how much crops and frames may take; the oldest go first.
        clip_quota_bytes: how much clips and recordings may take, likewise.
        keep_clips_h: how long those stay; 0: until their room is needed.
        live_for_s: for how long a read counts as live; afterwards it is backlog.
        journal_block: how many sequences are reserved at a time; bounds what a corrupt database leaves unknown.
        quota_bytes: how much rows and files may take together; above it the least valuable go (see ``eviction``).
        free_floor_bytes: how much of the file system is left free for others, as far as the rows and files that are
            worth less than a detection can give it.
        ballast_bytes: what is set aside so that a full file system can still be written to; 0: nothing.
        crops_up_to_bytes: a larger crop is kept, but sent only when it is asked for; None: every crop is sent, 0: none.
    """

    folder: Path
    device: str
    keep_stored_h: float = 24.0
    evidence_quota_bytes: int = 2 << 30
    clip_quota_bytes: int = 500_000_000
    keep_clips_h: float = 72.0
    live_for_s: float = 120.0
    journal_block: int = 1_000
    quota_bytes: int = 8 << 30
    free_floor_bytes: int = 512 << 20
    ballast_bytes: int = 16 << 20
    crops_up_to_bytes: int | None = None

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "outbox.db"

    @property
    def journal(self) -> Path:
        """The journal beside it."""
        return self.folder / "outbox.journal"

    @property
    def ballast(self) -> Path:
        """The file whose room is there for when no other is left."""
        return self.folder / BALLAST_NAME

    @property
    def damage(self) -> Path:
        """Exists while a database that is known to be damaged is not replaced by a new one: see ``aside``."""
        return self.folder / "outbox.damaged"

    @property
    def torn(self) -> Path:
        """Exists from the moment when the log's end was found damaged until an Open on disk says so."""
        return self.folder / "outbox.torn"

    @property
    def evidence(self) -> Path:
        """The folder of files by hash."""
        return self.folder / "evidence"

    @property
    def live_for_ns(self) -> int:
        """``live_for_s`` in nanoseconds."""
        return round(self.live_for_s * 1e9)

    def share_quota_bytes(self, share: Share) -> int:
        """How much the files of ``share`` may take."""
        return self.clip_quota_bytes if share is Share.SOUND else self.evidence_quota_bytes

    @property
    def keep_clips_ns(self) -> int:
        """``keep_clips_h`` in nanoseconds."""
        return round(self.keep_clips_h * 3600e9)

    @property
    def keep_stored_ns(self) -> int:
        """``keep_stored_h`` in nanoseconds."""
        return round(self.keep_stored_h * 3600e9)
