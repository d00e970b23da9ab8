"""Rendered passes with truth, read by the product's whole plate stage, and scored by kind of pass.

    .venv/bin/python bench/passes.py --models-dir WEIGHTS [--passes 40] [--kind night] [--split held-out] [--json]

Method. Real plates (us-crops; in the held-out split also the plates of us-dev and eu-dev on their own vehicles) are
carried by vehicles cut from photographs through roadside backgrounds: nearer, away, across; with motion blur by speed,
defocus, noise, exposure, compression, occlusion; at night, under infrared; beside parked cars, in queues, behind
cobwebs. Every frame goes through the real reader and ``PlateStage`` on a simulated clock, so delays do not depend on
this machine. ``rendered/`` has the details: vehicles, camera, scenes, replay, scoring.

What it can tell: how the vote, the tracks and the timing do against the single frames that they were given. What it
cannot: how often a real camera's frames look like these. ``--scale`` sets the difficulty; at 1.0 the sharpest single
frame reads about nine in ten passes.

Splits: ``fit`` is for tuning; ``held-out`` shares no plate, no vehicle and no road with it, and is for figures.

Rates count 0 and O as one (the labels of us-crops mix them), and "apart" does not. Stacked letters are left out of
the labels of us-crops, and a few labels are not what the plate shows; "readable" counts only the plates whose label the
same reader reads exactly when the vehicle is near, still and clean: what a vote could reach.

Columns: exact, apart: finals that read right. sharpest, surest: what the single frame reads that is sharpest by the
product's own measure, or whose reading is surest. frames: mean share of frames that read right. readable and after:
the same rates among readable plates. trk/pass: tracks that published, for each vehicle; miss: vehicles without one;
split: with more than one; mix: tracks over two vehicles; false: tracks of lettering and the like. wrong pic: reads
whose picture is of another vehicle, place or frame. p50, p95, max: from the capture of the first readable frame to the
first publication; right p95: from the first frame that reads exactly right. rev: messages after the first. >=.9 wrong:
finals that are sure and wrong. travel: directions told right. ECE: calibration error of the finals. px: widest plate,
median.

``--cache FOLDER`` keeps the rendered frames and what the reader found in them, so that the next run with the same
reader takes seconds: it notices changed models and a changed reader, not a changed vote, which is the point. It keeps
pictures of real vehicles; like the photographs themselves (AGPL-3 benchmark, MIT) they never enter the repository.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Listing
from pathlib import Path

import cv2
import numpy as np
from rendered.camera import decode
from rendered.replay import Rushes, reader_digest
from rendered.scenes import KINDS, Sequence
from rendered.scoring import Answer, Outcome, edits, merged, play, score
from rendered.vehicles import Library

from edge_agent.errors import ModelError
from edge_agent.inference.models import PlateModels, resolve_plates
from edge_agent.plates.reader import NetworkPlateReader

DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data" / "plates"
# What --fast takes, one sequence each: enough to see a broken vote, few enough for a test.
FAST = ("approaching", "receding", "crossing", "hidden", "night", "infrared", "beside-parked", "following", "stop")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """The figures of one kind, or of all together. Rates are of all passes, 0 and O merged, unless they say otherwise.

    Attributes:
        kind: of pass, or "all".
        passes: vehicles that should be read.
        exact: finals that read exactly right.
        exact_apart: the same, 0 and O kept apart.
        readable: passes whose plate reads right from close.
        exact_readable: rate among those.
        sharpest_readable: the sharpest single frame's rate among those.
        surest_readable: the surest single frame's.
        sharpest: rate of the sharpest frame, of all passes.
        surest: rate of the surest frame, of all passes.
        any_frame: mean share of a pass's frames that read right.
        tracks_per_pass: tracks that published, false ones included, for each pass.
        missed: passes of which nothing was published.
        split: passes that came out as more than one track.
        mixed_tracks: tracks that took in more than one vehicle.
        false_tracks: tracks that belong to no vehicle.
        wrong_pictures: reads whose picture is not of the vehicle, of the place or of the frame that they name.
        delay_ms: p50, p95 and maximum from the capture of the first readable frame to the first publication.
        right_delay_ms: the same from the first frame that reads exactly right.
        revisions: messages after the first, for each pass.
        messages: in all.
        sure_and_wrong: finals at 0.9 or more that are wrong.
        travel_right: rate of right directions among the finals that name one; None where none does.
        travel_named: how many name one.
        calibration_error: expected calibration error of the finals' confidence over ten equal-mass bins.
        width_px: median of the widest plate found in each pass.
    """

    kind: str
    passes: int
    exact: float
    exact_apart: float
    readable: int
    exact_readable: float
    sharpest_readable: float
    surest_readable: float
    sharpest: float
    surest: float
    any_frame: float
    tracks_per_pass: float
    missed: int
    split: int
    mixed_tracks: int
    false_tracks: int
    wrong_pictures: int
    delay_ms: tuple[float, float, float]
    right_delay_ms: tuple[float, float, float]
    revisions: float
    messages: int
    sure_and_wrong: int
    travel_right: float | None
    travel_named: int
    calibration_error: float
    width_px: float


def row(kind: str, outcomes: Listing[Outcome]) -> Row:
    """Put together what became of the sequences of one kind."""
    answers = [answer for outcome in outcomes for answer in outcome.answers]
    able = [a for a in answers if a.readable]
    false = sum(len(o.false_tracks) for o in outcomes)
    named = [a.travel for a in answers if a.travel is not None]
    return Row(
        kind=kind,
        passes=len(answers),
        exact=_rate(right(a.text, a) for a in answers),
        exact_apart=_rate(a.text == a.truth for a in answers),
        readable=len(able),
        exact_readable=_rate(right(a.text, a) for a in able),
        sharpest_readable=_rate(right(a.sharpest, a) for a in able),
        surest_readable=_rate(right(a.surest, a) for a in able),
        sharpest=_rate(right(a.sharpest, a) for a in answers),
        surest=_rate(right(a.surest, a) for a in answers),
        any_frame=statistics.fmean(a.frames_right for a in answers),
        tracks_per_pass=(sum(a.tracks for a in answers) + false) / len(answers),
        missed=sum(a.tracks == 0 for a in answers),
        split=sum(a.tracks > 1 for a in answers),
        mixed_tracks=sum(len(o.mixed_tracks) for o in outcomes),
        false_tracks=false,
        wrong_pictures=sum(len(o.wrong_pictures) for o in outcomes),
        delay_ms=_spread([a.delay_ms for a in answers if a.delay_ms is not None]),
        right_delay_ms=_spread([a.right_delay_ms for a in answers if a.right_delay_ms is not None]),
        revisions=sum(a.revisions for a in answers) / len(answers),
        messages=sum(o.messages for o in outcomes),
        sure_and_wrong=sum(a.confidence >= 0.9 and not right(a.text, a) for a in answers),
        travel_right=_rate(named) if named else None,
        travel_named=len(named),
        calibration_error=calibration_error(answers),
        width_px=statistics.median(a.width_px for a in answers),
    )


def right(text: str, answer: Answer) -> bool:
    """Whether ``text`` is the plate's, 0 and O merged."""
    return merged(text) == merged(answer.truth)


def calibration_error(answers: Listing[Answer], bins: int = 10) -> float:
    """Return the expected calibration error of the finals' confidences over equal-mass bins."""
    read = sorted((a for a in answers if a.text), key=lambda a: a.confidence)
    parts = [part for part in np.array_split(np.arange(len(read)), bins) if len(part)]
    error = 0.0
    for part in parts:
        confidence = statistics.fmean(read[i].confidence for i in part)
        error += len(part) * abs(confidence - _rate(right(read[i].text, read[i]) for i in part))
    return error / max(len(read), 1)


def _rate(hits: Iterator[bool] | Listing[bool]) -> float:
    listed = list(hits)
    return sum(listed) / len(listed) if listed else 0.0


def _spread(values: Listing[float]) -> tuple[float, float, float]:
    if not values:
        return (0.0, 0.0, 0.0)
    return (statistics.median(values), float(np.percentile(values, 95)), max(values))


def wilson(rate: float, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate."""
    if total == 0:
        return (0.0, 0.0)
    z = 1.96
    middle = (rate + z * z / (2 * total)) / (1 + z * z / total)
    half = z * ((rate * (1 - rate) / total + z * z / (4 * total * total)) ** 0.5) / (1 + z * z / total)
    return (middle - half, middle + half)


def programme(passes: int, kinds: Listing[str], fast: bool) -> list[tuple[str, int]]:
    """Return which sequences to render: kinds in turn by their weight until ``passes`` sequences are named."""
    if fast:
        return [(kind, 0) for kind in FAST]
    wheel = [kind for turn in range(4) for kind in kinds if KINDS[kind].weight > turn]
    counts = dict.fromkeys(kinds, 0)
    named = []
    for i in range(passes):
        kind = wheel[i % len(wheel)]
        named.append((kind, counts[kind]))
        counts[kind] += 1
    return named


def table(rows: Listing[Row]) -> str:
    """Return the rows for people."""
    head = (
        f"{'kind':<14}{'passes':>7}{'exact':>7}{'apart':>7}{'sharpest':>9}{'surest':>7}{'frames':>7} |"
        f"{'readable':>9}{'exact':>7}{'sharpest':>9}{'surest':>7} |"
        f"{'trk/pass':>9}{'miss':>5}{'split':>6}{'mix':>4}{'false':>6}{'wrong pic':>10} |"
        f"{'p50':>6}{'p95':>6}{'max ms':>8}{'right p95':>10} |"
        f"{'rev':>5}{'>=.9 wrong':>11}{'travel':>12}{'ECE':>6}{'px':>5}"
    )
    lines = [head, "-" * len(head)]
    for r in rows:
        travel = "none" if r.travel_right is None else f"{100 * r.travel_right:.0f}% of {r.travel_named}"
        rates = f"{_pc(r.exact):>7}{_pc(r.exact_apart):>7}{_pc(r.sharpest):>9}{_pc(r.surest):>7}{_pc(r.any_frame):>7}"
        able = f"{r.readable:>9}{_pc(r.exact_readable):>7}{_pc(r.sharpest_readable):>9}{_pc(r.surest_readable):>7}"
        tracks = f"{r.tracks_per_pass:>9.2f}{r.missed:>5}{r.split:>6}{r.mixed_tracks:>4}{r.false_tracks:>6}"
        delays = f"{r.delay_ms[0]:>6.0f}{r.delay_ms[1]:>6.0f}{r.delay_ms[2]:>8.0f}{r.right_delay_ms[1]:>10.0f}"
        rest = f"{r.revisions:>5.1f}{r.sure_and_wrong:>11}{travel:>12}{r.calibration_error:>6.3f}{r.width_px:>5.0f}"
        lines.append(f"{r.kind:<14}{r.passes:>7}{rates} |{able} |{tracks}{r.wrong_pictures:>10} |{delays} |{rest}")
    return "\n".join(lines)


def _pc(rate: float) -> str:
    return f"{100 * rate:.1f}%"


def save(folder: Path, sequence: Sequence, outcome: Outcome) -> None:
    """Write a sequence's frames as PNG, with truth and outcome as JSON, for looking at."""
    into = folder / sequence.name
    into.mkdir(parents=True, exist_ok=True)
    for i, jpeg in enumerate(sequence.pictures):
        cv2.imwrite(str(into / f"{i:03}.png"), decode(jpeg))
    truth = {
        "vehicles": [dataclasses.asdict(v) for v in sequence.vehicles],
        "frames": [dataclasses.asdict(f) for f in sequence.frames[:500]],
        "outcome": dataclasses.asdict(outcome),
    }
    (into / "truth.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")


def run(arguments: argparse.Namespace, models: PlateModels) -> tuple[list[Outcome], bool]:
    """Render, read and score what the command line asks for; return it, and whether Ctrl-C left some of it out."""
    library = Library(arguments.data, arguments.split)
    rushes = Rushes(
        library, lambda: NetworkPlateReader(models), reader_digest(models), arguments.cache, stale=arguments.stale
    )
    named = programme(arguments.passes, arguments.kind or list(KINDS), arguments.fast)
    outcomes: list[Outcome] = []
    began_s = time.monotonic()
    try:
        for i, (kind, number) in enumerate(named):
            sequence, candidates = rushes.take(kind, number, arguments.seed, arguments.scale)
            outcomes.append(
                score(
                    sequence,
                    candidates,
                    play(sequence, candidates, arguments.delay_ms * 1_000_000, gated=arguments.gate),
                )
            )
            if arguments.save is not None:
                save(arguments.save, sequence, outcomes[-1])
            took_s = time.monotonic() - began_s
            left_s = took_s / (i + 1) * (len(named) - i - 1)
            print(
                f"\r{i + 1}/{len(named)} {sequence.name:<20} {left_s:4.0f} s left ", end="", file=sys.stderr, flush=True
            )
    except KeyboardInterrupt:
        print(f"\nstopped after {len(outcomes)} of {len(named)}", file=sys.stderr)
        if not outcomes:
            raise
    print(f"\r{'':<60}\r", end="", file=sys.stderr, flush=True)
    return outcomes, len(outcomes) < len(named)


def report(outcomes: Listing[Outcome]) -> list[Row]:
    """Return a row for each kind, in the order of ``KINDS``, and one for all."""
    rows = [
        row(kind, [o for o in outcomes if o.kind == kind]) for kind in KINDS if any(o.kind == kind for o in outcomes)
    ]
    return [*rows, row("all", outcomes)]


def show_faults(outcomes: Listing[Outcome]) -> None:
    """Print what is wrong, one line each."""
    for outcome in outcomes:
        for what, faults in (
            ("wrong picture", outcome.wrong_pictures),
            ("false track", outcome.false_tracks),
            ("mixed", outcome.mixed_tracks),
        ):
            for fault in faults:
                print(f"{what}: {fault}")
        for a in outcome.answers:
            if not right(a.text, a) or a.tracks != 1:
                print(
                    f"{a.sequence} {a.source}: {a.truth} read as {a.text or 'nothing'} ({a.confidence:.2f}), "
                    f"{edits(merged(a.text), merged(a.truth))} edits, {a.tracks} tracks; sharpest {a.sharpest}, "
                    f"surest {a.surest}, {100 * a.frames_right:.0f} % of frames right, {a.width_px} px, "
                    f"{'readable' if a.readable else 'unreadable from close'}"
                )


def parse(argv: Listing[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    kinds: Mapping[str, str] = {name: kind.shows for name, kind in KINDS.items()}
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="kinds:\n" + "\n".join(f"  {name:<14} {shows}" for name, shows in kinds.items()),
    )
    parser.add_argument("--models-dir", type=Path, help="folder of the networks (default: $NIGHTJAR_MODELS_DIR)")
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, help="folder of us-crops, us-dev, eu-dev, train-boxes"
    )
    parser.add_argument("--passes", type=int, default=70, metavar="N", help="sequences, kinds in turn (default 70)")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this kind; may be repeated")
    parser.add_argument("--seed", type=int, default=1, help="another seed renders other sequences (default 1)")
    parser.add_argument("--split", choices=("fit", "held-out"), default="fit", help="tune on fit, report held-out")
    parser.add_argument("--scale", type=float, default=1.0, help="size of all plates: smaller is harder (default 1)")
    parser.add_argument(
        "--delay-ms", type=int, default=80, help="from capture until the stage has the frame (default 80)"
    )
    parser.add_argument(
        "--gate", action="store_true", help="leave frames unread in which nothing moved, as the agent does"
    )
    parser.add_argument("--fast", action="store_true", help=f"one sequence each of {len(FAST)} kinds, under a minute")
    parser.add_argument(
        "--cache", type=Path, help="folder of pickles that makes the next run fast; only a folder of your own"
    )
    parser.add_argument(
        "--stale",
        action="store_true",
        help="with --cache: take what an older reader found, to tune the vote while the reader is being changed",
    )
    parser.add_argument(
        "--save", type=Path, metavar="FOLDER", help="write frames as PNG, truth and outcome for looking at"
    )
    parser.add_argument("--faults", action="store_true", help="list what went wrong, pass by pass")
    parser.add_argument("--json", action="store_true", help="rows and outcomes as JSON")
    arguments = parser.parse_args(argv)
    if not (arguments.data / "us-crops" / "truth.csv").is_file():
        parser.error(f"--data {arguments.data}: got no us-crops/truth.csv there; name the folder of the photographs.")
    if arguments.passes < 1 or not 0.2 <= arguments.scale <= 3 or not 0 <= arguments.delay_ms <= 2000:
        parser.error("--passes from 1, --scale from 0.2 to 3, --delay-ms from 0 to 2000.")
    return arguments


def main() -> int:
    """Run the command; 0, or 2 for a wrong command line, 3 for missing models, 130 when interrupted."""
    arguments = parse()
    cv2.setNumThreads(1)
    try:
        models = resolve_plates(arguments.models_dir)
        outcomes, interrupted = run(arguments, models)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    rows = report(outcomes)
    if arguments.json:
        whole = {"rows": [dataclasses.asdict(r) for r in rows], "outcomes": [dataclasses.asdict(o) for o in outcomes]}
        print(json.dumps(whole, indent=1))
        return 130 if interrupted else 0
    print(
        f"{arguments.split} split, seed {arguments.seed}, scale {arguments.scale:g}, "
        f"{arguments.delay_ms} ms until the stage has a frame"
    )
    print(table(rows))
    total = rows[-1]
    low, high = wilson(total.exact_readable, total.readable)
    print(
        f"exact among readable: {_pc(total.exact_readable)} (95 % interval {_pc(low)} to {_pc(high)}), 0 and O merged"
    )
    if arguments.faults:
        show_faults(outcomes)
    return 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
