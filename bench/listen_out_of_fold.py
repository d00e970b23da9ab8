"""``edge-agent listen --json`` for live fire, each recording with the detector that never heard its firing position.

    bench/listen_out_of_fold.py --folds DIR [--threshold P] [--json] RECORDING...

What comes out is what ``edge-agent listen`` says, for its own code says it. A recording's firing position is the folder
of its path that ``DIR/folds.json`` names: ``{"FP1": "gunshot-0.onnx", …}``, files beside it. So

    score_locate.py --mode wav --listen '.venv/bin/python bench/listen_out_of_fold.py --folds DIR'

gives the figure of a microphone at a place that nobody trained for.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from folds import model_of, read_folds

from edge_agent.commands.listen import listen
from edge_agent.sources.pacing import Pace


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="+", type=Path, metavar="RECORDING")
    parser.add_argument("--folds", type=Path, required=True, metavar="DIR")
    parser.add_argument("--threshold", type=float, help="instead of each file's own")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    try:
        folds = read_folds(asked.folds)
        models = [model_of(recording, folds) for recording in asked.recordings]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return max(
        _listen(model, [recording for _, recording in group], asked.threshold, as_json=asked.json)
        for model, group in itertools.groupby(zip(models, asked.recordings, strict=True), lambda pair: pair[0])
    )


def _listen(model: Path, recordings: list[Path], threshold: float | None, *, as_json: bool) -> int:
    try:
        listen(
            recordings,
            model=None,
            model_file=model,
            models_dir=None,
            threshold=threshold,
            live=False,
            pace=Pace.FAST,
            as_json=as_json,
        )
    except typer.Exit as ended:
        return ended.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
