"""How strongly neighbouring frames repeat each other's mistakes: the fit of ``voting.FRAME_CORRELATION``.

    .venv/bin/python bench/voting.py --models-dir WEIGHTS --cache FOLDER [--split held-out] [--passes 105] [--stale]

Method. The rendered passes of bench/passes.py, of three sizes; each vehicle's looks are known from the truth, so that
tracking plays no part. Of each vehicle the whole pass is voted on and four windows of 2 to 14 neighbouring looks drawn
at random, because a first publication has few looks and a last one many. Only plates count that the same networks read
right from close: no vote can be calibrated against a wrong label. For each correlation the table tells the rate of
exact reads (0 and O merged), the mean confidence, the expected calibration error over ten equal-mass bins, and the
log-loss of "the text is right". The best correlation is the one with the lowest log-loss on the fit split; the held-out
split, which shares no plate, vehicle or road with it, says what that is worth.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from passes import DEFAULT_DATA, programme
from rendered.replay import Candidates, Rushes, reader_digest
from rendered.scenes import KINDS, Sequence
from rendered.scoring import merged
from rendered.vehicles import Library

from edge_agent.inference.models import resolve_plates
from edge_agent.plates.reader import NetworkPlateReader
from edge_agent.plates.tracking import iou
from edge_agent.plates.voting import Vote, is_readable
from edge_agent.records import PlateCandidate

CORRELATIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8, 1.0)
SCALES = (0.62, 0.8, 1.0)
_WINDOWS, _SHORTEST, _LONGEST = 4, 2, 14
_SAME_PLATE_IOU = 0.3
_BINS = 10
_LEAST = 1e-4
# These repeat a handful of pictures for minutes or hours.
_REPEATED = ("stop", "parked-night")

Looks = list[PlateCandidate]


def looks_of(sequence: Sequence, candidates: Candidates, vehicle: int) -> Looks:
    """Return the readable candidates that lie on ``vehicle``'s plate, in order, at most one a frame."""
    looks: Looks = []
    for frame in sequence.frames:
        plate = frame.plates[vehicle]
        if plate is None:
            continue
        seen = [c for c in candidates[frame.picture] if c.rejected is None and iou(c.box, plate) >= _SAME_PLATE_IOU]
        looks += [c for c in seen[:1] if is_readable(c.reading)]
    return looks


def votes(arguments: argparse.Namespace) -> Iterator[tuple[str, Looks]]:
    """Yield the true text and the looks of whole passes and of windows of them."""
    models = resolve_plates(arguments.models_dir)
    library = Library(arguments.data, arguments.split)
    rushes = Rushes(
        library,
        lambda: NetworkPlateReader(models),
        reader_digest(models),
        arguments.cache,
        stale=arguments.stale,
    )
    rng = np.random.default_rng(1)
    kinds = [kind for kind in KINDS if kind not in _REPEATED]
    for i, (kind, number) in enumerate(programme(arguments.passes, kinds, fast=False)):
        sequence, candidates = rushes.take(kind, number, arguments.seed, SCALES[i % len(SCALES)])
        print(f"\r{i + 1}/{arguments.passes} {sequence.name:<20}", end="", file=sys.stderr, flush=True)
        for vehicle, truth in enumerate(sequence.vehicles):
            close = candidates[len(sequence.pictures) + vehicle]
            looks = looks_of(sequence, candidates, vehicle)
            if not looks or all(merged(c.reading.text) != merged(truth.text) for c in close):
                continue
            yield truth.text, looks
            for _ in range(_WINDOWS):
                length = int(rng.integers(_SHORTEST, _LONGEST + 1))
                begin = int(rng.integers(0, max(1, len(looks) - length + 1)))
                yield truth.text, looks[begin : begin + length]
    print(f"\r{'':<40}\r", end="", file=sys.stderr, flush=True)


def judge(listed: list[tuple[str, Looks]], correlation: float) -> tuple[float, float, float, float]:
    """Return the rate of exact reads, the mean confidence, its expected calibration error and its log-loss."""
    confidences, hits = [], []
    for truth, looks in listed:
        vote = Vote(correlation)
        for look in looks:
            vote.add(look)
        fused = vote.fused()
        confidences.append(fused.confidence)
        hits.append(merged(fused.text) == merged(truth))
    confidence, hit = np.array(confidences), np.array(hits, float)
    order = np.argsort(confidence)
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    error = sum(len(part) * abs(confidence[part].mean() - hit[part].mean()) for part in parts)
    loss = -np.log(np.clip(np.where(hit > 0, confidence, 1 - confidence), _LEAST, 1))
    return float(hit.mean()), float(confidence.mean()), float(error) / len(hit), float(loss.mean())


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models-dir", type=Path, help="folder of the networks (default: $NIGHTJAR_MODELS_DIR)")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="as for bench/passes.py")
    parser.add_argument("--passes", type=int, default=105, help="sequences, kinds in turn (default 105)")
    parser.add_argument("--seed", type=int, default=1, help="another seed renders other sequences (default 1)")
    parser.add_argument("--split", choices=("fit", "held-out"), default="fit", help="fit on fit, report held-out")
    parser.add_argument("--cache", type=Path, help="folder of pickles, as for bench/passes.py")
    parser.add_argument("--stale", action="store_true", help="with --cache: take what an older reader found")
    arguments = parser.parse_args()
    listed = list(votes(arguments))
    print(
        f"{arguments.split} split, {len(listed)} votes, {np.mean([len(looks) for _, looks in listed]):.1f} looks each"
    )
    print(f"{'correlation':>11}{'exact':>8}{'confidence':>12}{'ECE':>8}{'log-loss':>10}")
    for correlation in CORRELATIONS:
        exact, confidence, error, loss = judge(listed, correlation)
        print(f"{correlation:>11.2f}{exact:>8.3f}{confidence:>12.3f}{error:>8.3f}{loss:>10.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
