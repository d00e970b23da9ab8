"""``edge-agent listen --live``: what a sound card or a recording sounds like, while it does.

On a terminal a picture that is drawn anew with every block; elsewhere the shots alone, one a line; with ``--json`` one
object a line: ``{"kind": "level", …}`` each second and ``{"kind": "shot", …}`` for each shot.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import typer
from rich.console import Console

from edge_agent.commands.listen_lines import shot_in_words, shot_line, top_line, utc_text
from edge_agent.diagnostics.live_sound import LiveSound, Meter, Second
from edge_agent.diagnostics.live_sound_view import LiveSoundView
from edge_agent.errors import ConfigurationError, SourceError
from edge_agent.gunshots.classifier import NetworkShotClassifier
from edge_agent.gunshots.detector import ShotDetector
from edge_agent.ports import ShotClassifier
from edge_agent.records import AudioBlock, HeardShot
from edge_agent.sources.audio import list_recordings, open_audio_source
from edge_agent.sources.pacing import Pace
from edge_wire.clock import SystemClock

Show = Callable[[Meter | Second | HeardShot], None]


class LiveSource(Protocol):
    """A sound card or a recording, and what it thinks of its own sound."""

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield blocks; raises ``SourceError`` when nothing comes any more."""
        ...

    def condition(self) -> str:
        """Why the sound cannot be trusted; empty if it can."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def listen_live(
    paths: Sequence[Path], classifier: NetworkShotClassifier, threshold: float, pace: Pace, *, as_json: bool
) -> int:
    """Show each source in turn, to its end or to Ctrl-C.

    Args:
        paths: one sound card (``device``, ``device:NAME``), or recordings and folders of them.
        classifier: says what it sounds like.
        threshold: the probability from which on an onset is a shot.
        pace: how fast recordings are played.
        as_json: print objects rather than a picture.

    Returns:
        How many could not be read.

    Raises:
        ConfigurationError: sound cards cannot be used on this machine.
    """
    console = Console()
    failed = 0
    for name in _each(paths):
        try:
            source = open_audio_source(name, microphone=name, clock=SystemClock(), pace=pace)
            title = f"{name}, {classifier.name} from {threshold:.0%} on"
            with _shown(name, title, console, as_json=as_json) as show:
                hear_live(source, classifier, threshold, show)
        except (SourceError, ConfigurationError) as error:
            if isinstance(error, ConfigurationError) and len(paths) == 1:
                raise
            failed += 1
            typer.echo(str(error), err=True)
    return failed


def hear_live(source: LiveSource, classifier: ShotClassifier, threshold: float, show: Show) -> None:
    """Hear ``source`` to its end and show everything; however it ends, the shots still waiting are shown, too.

    Args:
        source: is closed when this returns or raises.
        classifier: says what it sounds like.
        threshold: the probability from which on an onset is a shot.
        show: is told each block's meter, each second and each shot.

    Raises:
        SourceError: from ``source``.
    """
    sound = LiveSound(ShotDetector(classifier, threshold, clips=None), classifier, source.condition)
    with closing(source):
        try:
            for block in source.blocks():
                for told in sound.hear(block):
                    show(told)
        finally:
            for shot in sound.finish():
                show(shot)


def _each(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        yield from map(str, list_recordings(path) if path.is_dir() else [path])


@contextmanager
def _shown(name: str, title: str, console: Console, *, as_json: bool) -> Iterator[Show]:
    if as_json:
        yield lambda told: _print_json(name, told)
    elif not console.is_terminal:
        yield _ShotsOnly()
    else:
        with LiveSoundView(console, title) as view:
            yield lambda told: _draw(view, told)


def _print_json(name: str, told: Meter | Second | HeardShot) -> None:
    if isinstance(told, HeardShot):
        captured_at = utc_text(told.captured.utc_ns)
        line = {"kind": "shot", "clip": name, "captured_at": captured_at, "shot": shot_line(told)}
        typer.echo(json.dumps(line, ensure_ascii=False))
    elif isinstance(told, Second):
        typer.echo(json.dumps({"kind": "level", "clip": name, **_second_line(told)}, ensure_ascii=False))


def _second_line(told: Second) -> dict[str, object]:
    return {
        "at_s": round(told.at_s, 3),
        "level_dbfs": round(told.level_dbfs, 1),
        "peak_dbfs": round(told.peak_dbfs, 1),
        "floor_dbfs": None if told.floor_dbfs is None else round(told.floor_dbfs, 1),
        "top": top_line(told.top),
        "condition": told.condition,
        "heard_ms": round(told.heard_ms, 3),
        "shown_ms": round(told.shown_ms, 3),
    }


class _ShotsOnly:
    """Prints the shots; and at the first sound, that there will be nothing else."""

    def __init__(self) -> None:
        self._begun = False

    def __call__(self, told: Meter | Second | HeardShot) -> None:
        if not self._begun:
            typer.echo("not a terminal: shots only; --json has levels too", err=True)
            self._begun = True
        if isinstance(told, HeardShot):
            typer.echo(shot_in_words(shot_line(told)))


def _draw(view: LiveSoundView, told: Meter | Second | HeardShot) -> None:
    if isinstance(told, HeardShot):
        view.say(shot_in_words(shot_line(told)), style="bold")
    else:
        view.show(told)
