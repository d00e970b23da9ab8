"""``edge-agent read``: the plates in photographs, without configuration, broker or collector.

Exit codes: 0; 1 when a photograph could not be read or a folder holds none (all others
were read); 2 for wrong usage; 3 without plate models.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from edge_agent.commands.files import expanded, print_each
from edge_agent.errors import ConfigurationError, ModelError
from edge_agent.ports import PlateReader


def read(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Photographs, or folders with some in or below them.")
    ],
    models_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to look for models first, else $NIGHTJAR_MODELS_DIR; the installed ones complete it.",
        ),
    ] = None,
    trust_digest: Annotated[
        list[str] | None,
        typer.Option(metavar="SHA256", help="Run the unknown model file with this digest. May be given again."),
    ] = None,
    pad: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Widen each box on each side by this fraction of its size.")
    ] = 0.12,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a photograph.")] = False,
) -> None:
    """Print the plates in photographs, the surest first.

    For example:

      edge-agent read car.jpg

      edge-agent read photographs/ --json

      edge-agent read photographs/*.jpg --models-dir models --pad 0
    """
    try:
        failed = _read_all(paths, models_dir, trust_digest or [], pad, as_json)
    except ModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(3) from error
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if failed:
        typer.echo(f"photographs that could not be read: {failed}", err=True)
        raise typer.Exit(1)


def _read_all(paths: list[Path], models_dir: Path | None, trusted: list[str], pad: float, as_json: bool) -> int:
    """Read and print each photograph; return how many could not be read."""
    # Networks and OpenCV take most of a second to import, which no other command should pay.
    import cv2

    from edge_agent.inference.models import resolve_plates
    from edge_agent.plates.reader import NetworkPlateReader
    from edge_agent.sources.stills import list_images, load_image

    photographs = list(expanded(paths, list_images))
    reader = NetworkPlateReader(resolve_plates(models_dir, trusted), pad=pad)
    cv2.setNumThreads(1)  # "ms" means one thread, the resizing included

    def said(line: dict[str, object]) -> str:
        return json.dumps(line, ensure_ascii=False) if as_json else _human(line)

    return print_each(
        photographs,
        lambda path: said(_timed(reader, path.name, load_image(path))),
        lambda path, error: said({"image": path.name or str(path), "error": error}),
        "photographs",
    )


def _timed(reader: PlateReader, name: str, image: NDArray[np.uint8]) -> dict[str, object]:
    from edge_agent.plates.regions import likeliest_region

    began_ns = time.perf_counter_ns()
    candidates = reader.read(image)
    took_ns = time.perf_counter_ns() - began_ns
    plates = [
        {
            "text": c.reading.text,
            "confidence": round(c.reading.confidence, 6),
            "box": [c.box.x1, c.box.y1, c.box.x2, c.box.y2],
            "region": likeliest_region(c.reading),
        }
        for c in candidates
    ]
    return {"image": name, "ms": round(took_ns / 1e6, 2), "plates": plates}


def _human(line: dict[str, object]) -> str:
    name = f"{line['image']!s:<44}"
    if "error" in line:
        return f"{name} {line['error']}"
    plates = line["plates"]
    assert isinstance(plates, list)
    shown = [
        f"{plate['text'] or '(unreadable)':<12} {plate['confidence']:7.1%}  {plate['region'] or '':<6} {plate['box']}"
        for plate in plates
    ]
    return f"\n{'':<44} ".join([f"{name} {shown[0] if shown else 'no plate':<60}  {line['ms']} ms", *shown[1:]])
