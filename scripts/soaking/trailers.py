"""A trailer as the driver sees it: its program, its link, its disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_agent.errors import OutboxError, UplinkError
from edge_agent.outbox import read_state
from edge_agent.uplink import read_status
from edge_wire.clock import SystemClock
from soaking.disk import SmallDisk
from soaking.link import FaultyLink
from soaking.programs import Program
from soaking.trailer import TrailerSettings


@dataclass(eq=False, slots=True)
class Trailer:
    """One trailer, or the clone of one.

    Attributes:
        settings: what its program is told.
        program: the program.
        link: to the broker.
        disk: what its outbox lies on.
    """

    settings: TrailerSettings
    program: Program
    link: FaultyLink
    disk: SmallDisk

    @property
    def name(self) -> str:
        """Of this trailer; a clone's differs from its device's."""
        return self.settings.name

    @property
    def folder(self) -> Path:
        """Its outbox."""
        return Path(self.settings.outbox)

    @property
    def connection(self) -> tuple[int, int] | None:
        """Epoch and number of its connection, as its status file says; None before the first."""
        try:
            status = read_status(Path(self.settings.status))
        except UplinkError:
            return None
        return status.epoch, status.connection

    @property
    def pending(self) -> int | None:
        """How many rows wait in its outbox; None while that cannot be seen."""
        try:
            return read_state(self.folder, SystemClock()).pending
        except OutboxError:
            return None
