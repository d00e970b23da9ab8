"""``edge-agent listen``: the gunshots in recordings, or at a sound card, without configuration, broker or collector.

``score`` is the highest gunshot probability of any window of the recording, so that every recording has one, and
``top`` is what that window sounds like; ``shots`` are the onsets whose window reaches the model's threshold.

Exit codes: 0; 1 when a recording could not be read or a folder holds none (all others were heard), or a sound card
fell silent; 2 for wrong usage; 3 without the model; 130 after Ctrl-C.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_agent.commands.files import Progress, expanded, print_each
from edge_agent.commands.listen_lines import recording_lines, shot_in_words, top_in_words, top_line
from edge_agent.errors import ConfigurationError, ModelError
from edge_agent.records import AudioBlock, CaptureTime
from edge_agent.sources.pacing import Pace

if TYPE_CHECKING:
    from edge_agent.gunshots.classifier import NetworkShotClassifier
    from edge_agent.sources.channels import BestChannel


class GunshotModel(StrEnum):
    """The classifiers of the manifest."""

    GUNSHOT = "gunshot"
    GUNSHOT_RESEARCH = "gunshot-research"
    GUNSHOT_MN04 = "gunshot-mn04"


def listen(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Recordings, or folders with some in or below them; or `device`, or `device:NAME`, for a sound card.",
        ),
    ],
    model: Annotated[
        GunshotModel | None,
        typer.Option(
            help="Without it, gunshot. gunshot-research learned from recordings that allow research only: not for "
            "commercial or government use. gunshot-mn04 has to be pulled first. See `edge-agent models list`.",
        ),
    ] = None,
    model_file: Annotated[
        Path | None,
        typer.Option(
            metavar="ONNX",
            help="A classifier or a head of your own, made by models/gunshot. Its digest is not compared with "
            "anything: that the file may be run is your word.",
        ),
    ] = None,
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
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Show level, noise floor, and what it sounds like while it plays; a sound card is always live.",
        ),
    ] = False,
    pace: Annotated[
        Pace, typer.Option(help="For recordings with --live: in the time that they took, or as fast as can be.")
    ] = Pace.REALTIME,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="One JSON object a line: one line a recording; with --live one a second and one a shot."
        ),
    ] = False,
) -> None:
    """Print the gunshots in recordings, each with its time and probability; or show what a sound card hears.

    For example:

      edge-agent listen street.wav

      edge-agent listen recordings/ --json

      edge-agent listen *.flac --model gunshot-research --threshold 0.9

      edge-agent listen device:USB --live

      edge-agent listen street.wav --live --pace fast --json
    """
    try:
        if model is not None and model_file is not None:
            raise ConfigurationError(f"got --model {model} and --model-file {model_file}, expected one of them.")
        devices = [path for path in paths if _is_device(path)]
        if devices and len(paths) > 1:
            raise ConfigurationError(f"PATH: got {devices[0]} and others, expected one sound card, or recordings.")
        classifier = _opened(model or GunshotModel.GUNSHOT, model_file, models_dir)
        limit = classifier.threshold if threshold is None else threshold
        if live or devices:
            from edge_agent.commands.listen_live import listen_live

            failed = listen_live(paths, classifier, limit, pace, as_json=as_json)
        else:
            failed = _listen_to_all(paths, classifier, limit, as_json)
    except ModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(3) from error
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if failed:
        typer.echo(f"{'sources' if live or devices else 'recordings'} that could not be read: {failed}", err=True)
        raise typer.Exit(1)


def _is_device(path: Path) -> bool:
    return str(path) == "device" or str(path).startswith("device:")


def _opened(model: GunshotModel, model_file: Path | None, models_dir: Path | None) -> NetworkShotClassifier:
    # Networks take most of a second to import, which no other command should pay.
    from edge_agent.gunshots.opening import open_classifier, open_classifier_file

    if model_file is not None:
        return open_classifier_file(model_file, models_dir)
    return open_classifier(model.value, models_dir)


def _listen_to_all(paths: Sequence[Path], classifier: NetworkShotClassifier, threshold: float, as_json: bool) -> int:
    """Hear and print each recording; return how many could not be read."""
    from edge_agent.sources.audio import list_recordings

    progress = Progress()

    def said(line: dict[str, Any]) -> str:
        return json.dumps(line, ensure_ascii=False) if as_json else _human(line)

    return print_each(
        list(expanded(paths, list_recordings)),
        lambda path: said(_heard(path, classifier, threshold, progress)),
        lambda path, error: said({"clip": str(path), "error": error}),
        "recordings",
        progress,
    )


def _heard(path: Path, classifier: NetworkShotClassifier, threshold: float, progress: Progress) -> dict[str, Any]:
    from edge_agent.diagnostics.recorded_sound import Doubts, LikeliestWindow
    from edge_agent.gunshots.listening import listen_to
    from edge_agent.sources.channels import BestChannel

    channel = BestChannel()
    doubts, likeliest = Doubts(lambda: channel.condition), LikeliestWindow(classifier)
    began_ns = time.perf_counter_ns()
    heard = listen_to(doubts.over(_blocks(path, channel, progress)), likeliest, threshold)
    took_ns = time.perf_counter_ns() - began_ns
    return {
        "clip": str(path),
        "score": round(heard.score, 6),
        "shots": recording_lines(heard.shots),
        "top": top_line(likeliest.classes),
        "condition": doubts.condition,
        "ms": round(took_ns / 1e6, 2),
    }


def _blocks(path: Path, channel: BestChannel, progress: Progress) -> Iterator[AudioBlock]:
    """The recording from time 0: only the place within it is asked for here."""
    from edge_agent.sources.audio import read_blocks

    for first, rate_hz, samples in read_blocks(path, channel=channel):
        at_ns = first * 1_000_000_000 // rate_hz
        captured = CaptureTime(at_ns, at_ns, 0)
        yield AudioBlock("recording", samples, rate_hz, captured, 0, path.name, channel.channel)
        progress.show(f"{path.name}: {at_ns / 1e9:,.0f} s heard")


def _human(line: Mapping[str, Any]) -> str:
    name = f"{line['clip']!s:<44}"
    if "error" in line:
        return f"{name} {line['error'].removeprefix(line['clip'] + ': ')}"
    shots = [shot_in_words(shot) for shot in line["shots"]]
    count = f"{len(shots)} shot{'' if len(shots) == 1 else 's'}" if shots else "no shot"
    doubt = f"  sound not to be trusted: {line['condition']}" if line["condition"] else ""
    head = f"{name} {line['score']:6.1%}  {count:<9} {top_in_words(line['top'])}  {line['ms']} ms{doubt}"
    return "\n".join([head, *(f"  {shot}" for shot in shots)])
