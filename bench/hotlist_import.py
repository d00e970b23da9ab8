"""How long `collector hotlist import` takes, and how much memory, on both stores.

    .venv/bin/python bench/hotlist_import.py [--rows N] [--json]

A made file of ten columns, one row in a hundred broken, is imported three times by the command itself: into an empty
list, again unchanged, and with one row in a hundred different. Wall time counts from the start of the command to its
end, reading included; memory is the most that it held (ru_maxrss). PostgreSQL is a server of its own on this machine.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from private_postgresql import PrivatePostgresql, installed

from collector.store.database import sqlite_url

_COMMAND = "from collector.cli import main; main()"
_LETTERS, _DIGITS = "ABCDEFGHJKLMNPRSTUVWXYZ", "0123456789"
_STATES = ["TX", "CA", "NY", "FL", "WA", "OR", "NV", "AZ", "NM", "OK", "KS", "CO"]
_HEADER = "plate,state,reason,severity,notes,case_number,make,model,colour,year\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stores = {"SQLite": sqlite_url(folder / "collector.db")}
        if installed():
            stores["PostgreSQL"] = stack.enter_context(PrivatePostgresql()).create("bench")
        first, second = folder / "first.csv", folder / "second.csv"
        for file, changed in ((first, ""), (second, "seen again")):
            with file.open("w") as out:
                # Row by row: what a process held before it became the command counts as the command's.
                out.writelines(_rows(options.rows, changed))
        for store, url in stores.items():
            for what, file in (("new", first), ("unchanged", first), ("1 % changed", second)):
                took_s, rss_bytes, said = _import(file, url)
                shown = {"store": store, "what": what, "rows": options.rows, "seconds": round(took_s, 1)}
                shown |= {"rss_mib": round(rss_bytes / 2**20), **said}
                print(
                    json.dumps(shown) if options.json else "  ".join(f"{key} {value}" for key, value in shown.items())
                )


def _rows(count: int, changed: str) -> Iterator[str]:
    made = random.Random(7)
    yield _HEADER
    for at in range(count):
        plate = "".join((*made.choices(_LETTERS, k=3), *made.choices(_DIGITS, k=4)))
        plate = "?" if at % 100 == 37 else plate
        notes = changed if changed and at % 100 == 50 else f"taken from lot {at % 977}"
        state, year = made.choice(_STATES), 1990 + at % 30
        yield f"{plate},{state},stolen vehicle,high,{notes},26-{at:07},HOND,ACC,SIL,{year}\n"


def _import(file: Path, url: str) -> tuple[float, int, dict[str, int]]:
    command = [
        sys.executable,
        "-c",
        _COMMAND,
        "hotlist",
        "import",
        str(file),
        "--list",
        "bench",
        "--store",
        url,
        "--json",
    ]
    began_s = time.monotonic()
    with tempfile.TemporaryFile() as output:
        running = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        took_s = time.monotonic() - began_s
        if running.returncode != 1:
            sys.exit(f"got exit code {running.returncode}, expected 1: rows were left out")
        output.seek(0)
        said = json.load(output)
    return took_s, usage.ru_maxrss * 1024, {key: said[key] for key in ("added", "changed", "unchanged", "rejected")}


if __name__ == "__main__":
    main()
