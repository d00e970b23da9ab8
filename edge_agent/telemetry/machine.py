"""What the machine says of itself: temperature, room on the disk, its clock, and which software runs. Blocking.

Each is a small look at a file or at the kernel; ``Machine`` holds them together as a port, so that tests can put a hot
day or a full disk there.
"""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2

from edge_agent.inference.providers import runtime_distributions
from edge_wire.clock import KernelDiscipline, kernel_discipline

_THERMAL = Path("/sys/class/thermal")
_COLDEST_MC, _HOTTEST_MC = -60_000, 150_000
_LONGEST = 64  # what a name on the wire may be


def hottest_mc(folder: Path = _THERMAL) -> int | None:
    """Return the temperature of the hottest zone in thousandths of a degree Celsius; None where no zone says one.

    A zone may be there and not answer (a Wi-Fi card that is off), or answer nonsense: those are passed over.
    """
    found = []
    for zone in folder.glob("thermal_zone*/temp"):
        try:
            value_mc = int(zone.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        if _COLDEST_MC <= value_mc <= _HOTTEST_MC:
            found.append(value_mc)
    return max(found, default=None)


@dataclass(frozen=True, slots=True)
class Machine:
    """The port to the machine.

    Attributes:
        temperature_mc: hottest zone in thousandths of a degree Celsius, None where nothing measures it.
        free_bytes: room left on the file system of a path.
        clock: how the kernel's clock is disciplined.
    """

    temperature_mc: Callable[[], int | None] = hottest_mc
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
    clock: Callable[[], KernelDiscipline] = kernel_discipline


def versions() -> tuple[tuple[str, str], ...]:
    """Return name and version of what runs here beside Nightjar itself, for whoever compares devices."""
    found = [("python", platform.python_version()), ("kernel", platform.release())]
    found += [(name, _version_of(name)) for name in runtime_distributions()]
    found += [("opencv", cv2.__version__), ("platform", f"{sys.platform}-{platform.machine()}")]
    return tuple((name[:_LONGEST], text[:_LONGEST]) for name, text in found)


def _version_of(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # copied onto the device without its metadata
        return "unknown"
