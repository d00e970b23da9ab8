"""Who made the recordings that the default file learned from, as their licences ask to be told.

python models/gunshot/attribution.py CLIPS_FOLDER > models/gunshot/ATTRIBUTION.csv
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path
from typing import TextIO

_LIVE_FIRE = (
    "2272",
    "live_fire",
    "ShotSpotter, Inc.",
    "CC-BY-4.0",
    "ShotSpotter Technical Note 098: live-fire tests, City of Pittsburgh, December 2018",
)


def write_attribution(clips: Path, target: TextIO) -> None:
    """Write one row a source of the clean rows of ``clips``/manifest.csv, and one for the live-fire recordings."""
    with (clips / "manifest.csv").open(newline="", encoding="utf-8") as file:
        clean = [row for row in csv.DictReader(file) if row["clean"] == "1"]
    sources = Counter((row["dataset"], row["author"], row["licence"], row["source_url"]) for row in clean)
    rows = csv.writer(target, lineterminator="\n")
    rows.writerow(("recordings", "dataset", "author", "licence", "source"))
    rows.writerow(_LIVE_FIRE)
    for source, count in sorted(sources.items()):
        rows.writerow((count, *source))


if __name__ == "__main__":
    write_attribution(Path(sys.argv[1]), sys.stdout)
