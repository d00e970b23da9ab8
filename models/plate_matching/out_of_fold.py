"""Answers as ``collector match --json`` would if no read had helped to fit what it is weighed by.

python models/plate_matching/recipe.py --reads READS --out /tmp/all.toml --folds 5 --posteriors /tmp/folds.npz
score_match.py --command 'python models/plate_matching/out_of_fold.py --posteriors /tmp/folds.npz'
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from collector.commands.match_files import hotlist
from collector.match.alignment import codes_of
from collector.match.index import Index
from collector.match.matcher import LEAST_HIT
from collector.match.posterior import Posterior


def main() -> None:
    """Print the hits of each read, best first."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--posteriors", type=Path, required=True)
    parser.add_argument("--hotlist", type=Path, required=True)
    parser.add_argument("--reads", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    kept = np.load(given.posteriors)
    row = {name: at for at, name in enumerate(kept["ids"].tolist())}
    ids = [json.loads(line)["id"] for line in given.reads.read_text(encoding="utf-8").splitlines()]
    rows = [row[name] for name in ids]
    posterior = Posterior(kept["p"][rows], kept["none"][rows])
    bad: list[str] = []
    index = Index.build(hotlist(given.hotlist, bad, lambda _: None), {})
    spelled = posterior.spelled()
    which, found = index.find(spelled.key)
    hits: dict[int, list[tuple[float, str]]] = {at: [] for at in range(len(ids))}
    for read, entry in sorted(set(zip(spelled.read[which].tolist(), found.tolist(), strict=True))):
        plate = index.listed(entry).plate
        p = round(posterior.probability(read, codes_of(plate)), 4)
        if p >= LEAST_HIT:
            hits[read].append((p, plate))
    for at, name in enumerate(ids):
        told = [{"entry": plate, "probability": p} for p, plate in sorted(hits[at], reverse=True)]
        print(json.dumps({"id": name, "hits": told}))


if __name__ == "__main__":
    main()
