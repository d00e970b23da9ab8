"""Where model files lie on a device, in the order in which they are looked for.

A folder that a person named (``--models-dir``, ``models.dir``), else ``$NIGHTJAR_MODELS_DIR``, else the user's own and
the system's folder, which are where ``edge-agent models pull`` puts files. What came with the installation completes
them; it is not listed here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edge_agent.errors import ConfigurationError

MODELS_DIR_VARIABLE = "NIGHTJAR_MODELS_DIR"
NAMED = "models-dir"
SYSTEM_FOLDER = Path("/var/lib/nightjar/models")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of model files.

    Attributes:
        kind: ``models-dir``, ``user``, ``system`` or ``packaged``.
        path: the folder; files lie in it or one level below.
    """

    kind: str
    path: Path


def user_folder() -> Path:
    """Return the folder of the user who runs this, below ``$XDG_DATA_HOME`` or ``~/.local/share``."""
    base = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(base) / "nightjar" / "models"


def search_places(named: Path | None, system: Path = SYSTEM_FOLDER) -> tuple[Place, ...]:
    """Return the folders to look in before what came with the installation, first to last.

    Args:
        named: the folder that a person named, if any: then it is the only one.
        system: the system's folder.

    Raises:
        ConfigurationError: ``named`` or ``$NIGHTJAR_MODELS_DIR`` is no folder.
    """
    variable = os.environ.get(MODELS_DIR_VARIABLE)
    folder = named if named is not None else Path(variable) if variable else None
    if folder is None:
        wanted = (Place("user", user_folder()), Place("system", system))
        return tuple(place for place in wanted if os.path.isdir(place.path))
    if not os.path.isdir(folder):
        where = "--models-dir (or models.dir)" if named is not None else f"${MODELS_DIR_VARIABLE}"
        raise ConfigurationError(f"{where}: got {folder}, expected a folder of model files.")
    return (Place(NAMED, folder),)


def pull_folder(named: Path | None, *, is_root: bool) -> Path:
    """Return where files are to be pulled to; ``search_places`` finds all but a ``named`` one again.

    Args:
        named: the folder that a person named, if any.
        is_root: root pulls for the whole system, such as the agent's service; anybody else for themselves.
    """
    variable = os.environ.get(MODELS_DIR_VARIABLE)
    if named is not None or variable:
        return named or Path(variable or "")
    return SYSTEM_FOLDER if is_root else user_folder()
