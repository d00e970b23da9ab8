"""``edge-agent read``: the plates in photographs, without configuration, broker or collector.

Exit codes: 0; 1 when a photograph could not be read or a folder holds none (all others
were read); 2 for wrong usage; 3 without plate models.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from edge_agent.commands.files import expanded, print_each
from edge_agent.errors import ConfigurationError, ModelError
from edge_agent.ports import PlateReader
from edge_agent.records import PlateCandidate


def read(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Photographs, or folders with some in or below them.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SET", help="Which networks, by a name of `edge-agent models list`; without it, the best there are."
        ),
    ] = None,
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
        float,
        typer.Option(
            min=0.0,
            max=0.5,
            help="Widen each box on each side by this fraction of its size. 0 reads exactly as fast-alpr does: "
            "no second look, no marks, no rejections.",
        ),
    ] = 0.12,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a photograph.")] = False,
) -> None:
    """Print the plates in photographs, the surest first.

    For each: the text, the probability that all of it is right, the least sure character with the next likeliest, the
    region, the box, and what made it hard to read. What was found and is no plate is shown with the reason.

    For example:

      edge-agent read car.jpg

      edge-agent read photographs/ --json

      edge-agent read photographs/*.jpg --models-dir models --pad 0

      edge-agent read car.jpg --model reference
    """
    try:
        failed = _read_all(paths, model, models_dir, trust_digest or [], pad, as_json)
    except ModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(3) from error
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if failed:
        typer.echo(f"photographs that could not be read: {failed}", err=True)
        raise typer.Exit(1)


def _read_all(
    paths: list[Path], model: str | None, models_dir: Path | None, trusted: list[str], pad: float, as_json: bool
) -> int:
    """Read and print each photograph; return how many could not be read."""
    # Networks and OpenCV take most of a second to import, which no other command should pay.
    import cv2

    from edge_agent.inference.models import resolve_plates
    from edge_agent.plates.reader import NetworkPlateReader
    from edge_agent.sources.stills import list_images, load_image

    photographs = list(expanded(paths, list_images))
    reader = NetworkPlateReader(resolve_plates(models_dir, trusted, model), pad=pad)
    cv2.setNumThreads(1)  # "ms" means one thread, the resizing included

    def said(line: dict[str, Any]) -> str:
        return json.dumps(line, ensure_ascii=False) if as_json else _human(line)

    return print_each(
        photographs,
        lambda path: said(_timed(reader, path.name, load_image(path))),
        lambda path, error: said({"image": path.name or str(path), "error": error}),
        "photographs",
    )


def _timed(reader: PlateReader, name: str, image: NDArray[np.uint8]) -> dict[str, Any]:
    began_ns = time.perf_counter_ns()
    candidates = reader.read(image)
    took_ns = time.perf_counter_ns() - began_ns
    plates = [_plate(c) for c in candidates if c.rejected is None]
    rejected = [_plate(c) | {"reason": c.rejected} for c in candidates if c.rejected is not None]
    return {"image": name, "ms": round(took_ns / 1e6, 2), "plates": plates, "rejected": rejected}


def _plate(candidate: PlateCandidate) -> dict[str, Any]:
    from edge_agent.plates.characters import characters_of
    from edge_agent.plates.regions import likeliest_region

    box, reading = candidate.box, candidate.reading
    return {
        "text": reading.text,
        "confidence": round(reading.confidence, 6),
        "box": [box.x1, box.y1, box.x2, box.y2],
        "region": likeliest_region(reading, candidate.marks),
        "score": round(candidate.detection_score, 4),
        "marks": sorted(candidate.marks),
        "characters": [
            {
                "character": c.character,
                "probability": round(c.probability, 4),
                "runner_up": None if c.runner_up == reading.pad else c.runner_up,
                "runner_up_probability": round(c.runner_up_probability, 4),
            }
            for c in characters_of(reading)
        ],
        "calibration": reading.calibration,
    }


def _human(line: dict[str, Any]) -> str:
    name = f"{line['image']!s:<44}"
    if "error" in line:
        return f"{name} {line['error']}"
    shown = [_shown(plate) for plate in line["plates"]]
    shown += [f"{plate['text'] or '-':<12} no plate: {plate['reason']}  {plate['box']}" for plate in line["rejected"]]
    return f"\n{'':<44} ".join([f"{name} {shown[0] if shown else 'no plate':<60}  {line['ms']} ms", *shown[1:]])


def _shown(plate: dict[str, Any]) -> str:
    """One plate on one line, with its least sure character: an average would hide it."""
    weakest = min(plate["characters"], key=lambda c: c["probability"], default=None)
    doubt = ""
    if weakest is not None:
        place = plate["characters"].index(weakest) + 1
        other = f", else {weakest['runner_up']}" if weakest["runner_up"] is not None else ""
        doubt = f"least sure: {weakest['character']} at {place}, {weakest['probability']:.1%}{other}"
    marks = f"  ({', '.join(plate['marks'])})" if plate["marks"] else ""
    text = plate["text"] or "(unreadable)"
    return f"{text:<12} {plate['confidence']:7.1%}  {plate['region'] or '':<6} {plate['box']}  {doubt}{marks}"
