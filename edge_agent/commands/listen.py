"""``edge-agent listen``: the gunshots in recordings, without configuration, broker or collector.

``score`` is the highest gunshot probability of any window of the recording, so that every recording has one;
``shots`` are the onsets whose window reaches the model's threshold.

Exit codes: 0; 1 when a recording could not be read or a folder holds none (all others
were heard); 2 for wrong usage; 3 without the model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_agent.commands.files import expanded, print_each
from edge_agent.errors import ConfigurationError, ModelError
from edge_agent.records import AudioBlock, CaptureTime

if TYPE_CHECKING:
    from edge_agent.gunshots.classifier import OnnxShotClassifier


class GunshotModel(StrEnum):
    """The classifiers that come with the agent."""

    GUNSHOT = "gunshot"
    GUNSHOT_RESEARCH = "gunshot-research"


def listen(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Recordings, or folders with some in or below them.")
    ],
    model: Annotated[
        GunshotModel,
        typer.Option(help="gunshot-research learned from recordings that allow research only; see its card."),
    ] = GunshotModel.GUNSHOT,
    models_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to look for models first, else $NIGHTJAR_MODELS_DIR; the installed ones complete it.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Report shots from this probability on; without it, the model's own."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a recording.")] = False,
) -> None:
    """Print the gunshots in recordings, each with its time and probability.

    For example:

      edge-agent listen street.wav

      edge-agent listen recordings/ --json

      edge-agent listen *.flac --model gunshot-research --threshold 0.9
    """
    try:
        failed = _listen_to_all(paths, model.value, models_dir, threshold, as_json)
    except ModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(3) from error
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if failed:
        typer.echo(f"recordings that could not be read: {failed}", err=True)
        raise typer.Exit(1)


def _listen_to_all(
    paths: Sequence[Path], model: str, models_dir: Path | None, threshold: float | None, as_json: bool
) -> int:
    """Hear and print each recording; return how many could not be read."""
    # Networks take most of a second to import, which no other command should pay.
    from edge_agent.gunshots.classifier import OnnxShotClassifier
    from edge_agent.inference.models import resolve_gunshot
    from edge_agent.sources.audio import list_recordings

    recordings = list(expanded(paths, list_recordings))
    classifier = OnnxShotClassifier(resolve_gunshot(model, models_dir))
    limit = classifier.threshold if threshold is None else threshold

    def said(line: dict[str, object]) -> str:
        return json.dumps(line, ensure_ascii=False) if as_json else _human(line)

    return print_each(
        recordings,
        lambda path: said(_heard(path, classifier, limit)),
        lambda path, error: said({"clip": str(path), "error": error}),
        "recordings",
    )


def _heard(path: Path, classifier: OnnxShotClassifier, threshold: float) -> dict[str, object]:
    from edge_agent.gunshots.listening import listen_to

    began_ns = time.perf_counter_ns()
    heard = listen_to(_blocks(path), classifier, threshold)
    took_ns = time.perf_counter_ns() - began_ns
    shots = [{"at_s": round(shot.at_s, 6), "score": round(shot.probability, 6)} for shot in heard.shots]
    return {"clip": str(path), "score": round(heard.score, 6), "shots": shots, "ms": round(took_ns / 1e6, 2)}


def _blocks(path: Path) -> Iterator[AudioBlock]:
    """The recording from time 0: only the place within it is asked for here."""
    from edge_agent.sources.audio import read_blocks

    for first, rate_hz, samples in read_blocks(path):
        at_ns = first * 1_000_000_000 // rate_hz
        yield AudioBlock("recording", samples, rate_hz, CaptureTime(at_ns, at_ns, 0), 0, path.name)


def _human(line: dict[str, object]) -> str:
    name = f"{line['clip']!s:<44}"
    if "error" in line:
        return f"{name} {line['error']}"
    shots = line["shots"]
    assert isinstance(shots, list)
    shown = ", ".join(f"{shot['at_s']:.3f} s ({shot['score']:.0%})" for shot in shots)
    return f"{name} {line['score']:7.1%}  {shown or 'no shot':<40}  {line['ms']} ms"
