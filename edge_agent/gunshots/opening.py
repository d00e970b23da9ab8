"""From a name in ``models/manifest.toml``, or a file, to the classifier that it makes. The one place that knows.

Called when a command starts, by its main thread.
"""

from __future__ import annotations

from pathlib import Path

from edge_agent.gunshots.classifier import Mn04ShotClassifier, NetworkShotClassifier, OnnxShotClassifier, is_head
from edge_agent.inference.models import MN04_SET, resolve_gunshot, resolve_part
from edge_agent.inference.providers import Provider
from edge_agent.inference.session import open_session


def open_classifier(
    name: str, models_dir: Path | None = None, *, threads: int = 1, provider: Provider = Provider.AUTO
) -> NetworkShotClassifier:
    """Open the gunshot set called ``name``.

    Args:
        name: ``gunshot``, ``gunshot-research`` or ``gunshot-mn04``.
        models_dir: the folder that a person named, if any; see ``edge_agent/inference/places.py``.
        threads: cores that one run may use.
        provider: what to run on.

    Raises:
        ModelError: there is no such set, or a file of it is missing (the text says how to get it) or damaged.
        ConfigurationError: ``models_dir`` is no folder.
    """
    files = resolve_gunshot(name, models_dir)
    if "trunk" in files:
        return Mn04ShotClassifier(files["trunk"], files["head"], threads=threads, provider=provider)
    return OnnxShotClassifier(files["classifier"], threads=threads, provider=provider)


def open_classifier_file(
    path: Path, models_dir: Path | None = None, *, threads: int = 1, provider: Provider = Provider.AUTO
) -> NetworkShotClassifier:
    """Open a file that a person vouches for: a student, or a head for mn04's trunk. No digest is compared.

    Args:
        path: the ONNX file.
        models_dir: where a head's trunk may lie, as for ``open_classifier``.
        threads: cores that one run may use.
        provider: what to run on.

    Raises:
        ModelError: the file is missing, damaged or of another interface, or is a head and there is no trunk.
        ConfigurationError: ``models_dir`` is no folder.
    """
    if is_head(open_session(path, provider=Provider.CPU)):
        trunk = resolve_part(MN04_SET, "trunk", models_dir)
        return Mn04ShotClassifier(trunk, path, threads=threads, provider=provider)
    return OnnxShotClassifier(path, threads=threads, provider=provider)
