"""What passes between a feed's source and who takes its deliveries, and the port that every source has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from collector.errors import CollectorError
from collector.hotlists.feeds.snapshot_folder import SnapshotFolder


class FeedError(CollectorError):
    """A source cannot be asked, or what it has cannot be taken: nothing has changed; asked again with back-off."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file that a source had, as it was kept.

    Attributes:
        path: where it lies; in the snapshot folder, by its hash.
        sha256: of its bytes.
        size_bytes: how many.
        name: as the source calls it.
        modified: what the source says of this version of it; handed back so as to be given only what is newer.
        made_at_ns: how old it is, UTC, as the source says; None where it does not.
    """

    path: Path
    sha256: bytes
    size_bytes: int
    name: str
    modified: str
    made_at_ns: int | None


class Source(Protocol):
    """Where deliveries come from."""

    @property
    def where(self) -> str:
        """As errors, logs and the versions of the list name it; without secrets."""
        ...

    async def fetch(self, modified: str, into: SnapshotFolder, most_bytes: int) -> Delivery | None:
        """Return what there is now; None if that is what there was, or it is still being written.

        Args:
            modified: of the last delivery; empty before the first.
            into: where its bytes are kept.
            most_bytes: a larger file is refused.

        Raises:
            FeedError: the source cannot be asked, or its file is too large or no file.
        """
        ...
