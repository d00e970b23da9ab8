"""What five million hotlist entries cost, how fast reads are matched with them, and how a new version comes in force.

    PYTHONPATH=. .venv/bin/python bench/match.py [--entries N] [--import-rows N] [--reads N] [--stage NAME …] [--json]

Every stage runs in a process of its own, on one thread (``OMP_NUM_THREADS=1``); plates are made in the formats of US
states. Rates are per CPU second of the thread that works (what one core does, whoever else is busy); what somebody
waits for is wall time.

    index        entries in portions of 20,000 become an index: seconds, resident bytes an entry (of the process,
                 before and after); keys looked up in batches of 500, one in a hundred listed, as ratios to
                 ``np.searchsorted`` of the same keys in the same sorted array, and to a Python set of the same plates
    match        ``Matcher.match_many`` in batches of 500 over that index, as ratios to ``np.searchsorted`` of as many
                 keys as there are reads: *confident* reads (every character at 0.99 or more; one in 1,000 listed) and
                 *only hits* (all of them listed); *ambiguous* ones (three or more characters below 0.9: those of
                 ``--dev``, else made); and *confident* and *ambiguous* ones with 100 patterns in force, such as
                 witnesses remember (``of_witness``)
    live         a store (SQLite) of all entries is loaded; then one entry is added, a file of ``--import-rows`` rows
                 imported, 1 % of them broken, by the command line in a process of its own. How long until each is
                 in force (for the import, from its publishing on), and how long a ticker on the collector's loop and a
                 reader of the matcher stood still at most, then and while nothing happened (``calm``); last, a file is
                 imported while reads of its plates are stored: has each that was stored under it raised its alert?
    back-search  ``--reads`` stored reads are searched for a new pattern

Wanted (issue 8): 60 bytes an entry, 50,000 confident and 5,000 ambiguous reads/s, a pause below 10 ms.
"""

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from match_live import quiet, stage_back_search, stage_live
from match_made import LIKE, STATES_OF_PLATES, confident, plates, resident_bytes, texts_of
from numpy.typing import NDArray

from collector.match import packing
from collector.match.columns import Columns, Run, Texts, Times
from collector.match.index import Index
from collector.match.matcher import Matcher
from collector.match.records import ListedPlate, ListState, Seen

BATCH = 500
PORTION = 20_000
_SHARES = (0.5, 0.2, 0.1, 0.1)
STATES = {"stolen": ListState(1, 1)}


def portions(characters: NDArray[np.uint8]) -> Iterator[Columns]:
    """Yield entries as the store gives them."""
    kinds = tuple(("stolen", state, "stolen-vehicle") for state in STATES_OF_PLATES)
    chance = np.random.default_rng(3)
    for at in range(0, len(characters), PORTION):
        some = characters[at : at + PORTION]
        keys, _ = packing.pack_bytes(some)
        ids = np.arange(at + 1, at + 1 + len(some), dtype=np.int64)
        kind = chance.integers(0, len(kinds), len(some)).astype(np.uint32)
        yield Columns(
            ids, keys, packing.o_masks(some), kind, kinds, Times.of([]), Times.of([]), Texts.of({}), Texts.of({})
        )


def cpu_s(work: Callable[[], object], rounds: int = 3) -> float:
    """Return the CPU seconds that ``work`` takes, the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.thread_time()
        work()
        best = min(best, time.thread_time() - began)
    return best


def build(count: int, found: dict[str, Any]) -> tuple[Index, NDArray[np.uint8]]:
    """Make the index, and note what it cost."""
    characters = plates(count, 1)
    before = resident_bytes()
    wall, cpu = time.perf_counter(), time.thread_time()
    index = Index((Run.of(list(portions(characters))),), None, STATES)
    found["build_s"], found["build_cpu_s"] = time.perf_counter() - wall, time.thread_time() - cpu
    found["resident_bytes_an_entry"] = (resident_bytes() - before) / count
    found["array_bytes_an_entry"] = index.nbytes / count
    return index, characters


def some_keys(characters: NDArray[np.uint8], count: int) -> NDArray[np.uint64]:
    """Return keys of plates, one in a hundred of them listed."""
    keys, _ = packing.pack_bytes(plates(count, 2))
    keys[::100], _ = packing.pack_bytes(characters[:: max(1, len(characters) // count)][: len(keys[::100])])
    return keys


def in_batches(keys: NDArray[np.uint64], work: Callable[[NDArray[np.uint64]], object]) -> Callable[[], None]:
    """Return what does ``work`` for every batch."""

    def all_of_them() -> None:
        for at in range(0, len(keys), BATCH):
            work(keys[at : at + BATCH])

    return all_of_them


def stage_index(options: argparse.Namespace) -> dict[str, Any]:
    """Build, and look keys up."""
    found: dict[str, Any] = {}
    index, characters = build(options.entries, found)
    keys = some_keys(characters, 500_000)
    rate = len(keys) / cpu_s(in_batches(keys, index.find))
    in_order = np.sort(packing.pack_bytes(characters)[0])
    ceiling = len(keys) / cpu_s(in_batches(keys, in_order.searchsorted))
    del in_order
    listed = set(texts_of(characters))
    asked = packing.unpack(keys)
    in_set = len(keys) / cpu_s(lambda: [text in listed for text in asked])
    found |= {"lookups_a_s": rate, "searchsorted_a_s": ceiling, "set_a_s": in_set}
    found |= {"lookups_to_searchsorted": rate / ceiling, "lookups_to_set": rate / in_set}
    one = ListedPlate(1 << 40, "stolen", "0NE", None)
    found["add_one_s"] = cpu_s(lambda: index.changed([one], [5], STATES))
    found["merge_s"] = cpu_s(index.changed([one], [5], STATES).merged, 1)
    return found


def few_listed(index: Index, characters: NDArray[np.uint8], count: int) -> list[str]:
    """Return plates that pass, one in a thousand of them listed."""
    texts = texts_of(plates(count * 3 // 2, 4))
    # There are so many entries that plates made at random meet them by chance.
    listed = set(index.find(packing.pack(texts))[0].tolist())
    passing = [text for at, text in enumerate(texts) if at not in listed][:count]
    passing[::1_000] = texts_of(characters[:: max(1, len(characters) * 1_000 // count)])[: len(passing[::1_000])]
    return passing


def ambiguous(count: int, dev: Path | None) -> tuple[list[Seen], str]:
    """Return reads of which three or more characters are unsure, and where they come from."""
    reads = []
    if dev is not None and dev.is_file():
        for line in dev.read_text().splitlines():
            slots = json.loads(line)["slots"]
            if sum(max(slot.values()) < 0.9 for slot in slots) >= 3:
                reads.append(_seen(slots))
        if reads:
            return (reads * (count // len(reads) + 1))[:count], str(dev.name)
    chance = random.Random(6)
    for text in texts_of(plates(count, 7)):
        unsure = set(chance.sample(range(len(text)), 3))
        slots = []
        for at, character in enumerate(text):
            p = chance.uniform(0.4, 0.85) if at in unsure else 0.995
            others = chance.sample([one for one in LIKE if one != character], 4)
            slots.append({character: p} | {one: (1 - p) * share for one, share in zip(others, _SHARES, strict=True)})
        reads.append(_seen([*slots, *([{"_": 1.0}] * (10 - len(text)))]))
    return reads, "made"


def _seen(slots: Sequence[dict[str, float]]) -> Seen:
    ranked = tuple(tuple(sorted(slot.items(), key=lambda one: -one[1])) for slot in slots)
    return Seen("".join(slot[0][0] for slot in ranked).replace("_", ""), ranked, (), None)


def of_witness(text: str) -> tuple[str, ...]:
    """Return what witnesses may remember of a plate."""
    like = f"[{text[1]}{LIKE[text[1]]}]"
    return f"{text[:3]}?{text[4]}*", f"*{text[-3:]}", f"{text[0]}{like}?*{text[-1]}", f"*{text[1:3]}*{text[-1]}*"


def stage_match(options: argparse.Namespace) -> dict[str, Any]:
    """Match reads."""
    found: dict[str, Any] = {}
    index, characters = build(options.entries, {})
    in_order = np.sort(packing.pack_bytes(characters)[0])
    keys = some_keys(characters, 100_000)
    found["searchsorted_a_s"] = len(keys) / cpu_s(in_batches(keys, in_order.searchsorted))
    unsure, found["ambiguous_from"] = ambiguous(3_000, options.dev)
    chance = random.Random(8)
    texts = texts_of(plates(100, 9))
    witnessed = [
        ListedPlate(1 << 41 | at, "stolen", chance.choice(of_witness(text)), None, True)
        for at, text in enumerate(texts)
    ]
    of_patterns = index.changed(witnessed, [], STATES)
    passing = few_listed(index, characters, 10_000)
    of_entries = texts_of(characters[:: max(1, len(characters) // 200)])
    for name, reads, over in (
        ("only_hits", confident(of_entries), index),
        ("confident", confident(passing), index),
        ("ambiguous", unsure, index),
        ("confident_with_patterns", confident(passing[:5_000]), of_patterns),
        ("ambiguous_with_patterns", unsure[:1_500], of_patterns),
    ):
        matcher = Matcher(over)
        asked = [(seen, "lpr-1/north") for seen in reads]
        # The made reads are no part of a collector's heap.
        gc.collect()
        gc.freeze()
        hits = 0

        def match_all(matcher: Matcher = matcher, asked: Sequence[tuple[Seen, str]] = asked) -> None:
            nonlocal hits
            hits = 0
            for at in range(0, len(asked), BATCH):
                hits += sum(map(len, matcher.match_many(asked[at : at + BATCH], 2)))

        rate = len(reads) / cpu_s(match_all, 2)
        found[f"{name}_a_s"] = rate
        found[f"{name}_to_searchsorted"] = rate / found["searchsorted_a_s"]
        found[f"{name}_hits"] = hits
    return found


_STAGES = {"index": stage_index, "match": stage_match, "live": stage_live, "back-search": stage_back_search}


def _in_a_process_of_its_own(stage: str) -> dict[str, Any]:
    command = [sys.executable, __file__, *sys.argv[1:], "--alone", stage]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(command, env=os.environ | threads, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return told


def _show(stage: str, found: dict[str, Any], indent: str = "  ") -> None:
    print(stage)
    for name, value in found.items():
        if isinstance(value, dict):
            _show(f"{indent}{name}", value, f"{indent}  ")
        elif isinstance(value, float):
            print(f"{indent}{name:36} {value:,.0f}" if value >= 1_000 else f"{indent}{name:36} {value:.3g}")
        else:
            print(f"{indent}{name:36} {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=5_000_000, help="on the list, default %(default)s")
    parser.add_argument("--import-rows", type=int, default=1_000_000, help="of the file, default %(default)s")
    parser.add_argument("--reads", type=int, default=1_000_000, help="to be searched, default %(default)s")
    parser.add_argument("--dev", type=Path, help="reads of a real camera, as `collector match` takes them")
    parser.add_argument("--stage", action="append", choices=list(_STAGES), help="default: all")
    parser.add_argument("--json", action="store_true", help="one object, for scripts")
    parser.add_argument("--alone", choices=list(_STAGES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        quiet()
        print(json.dumps(_STAGES[options.alone](options)))
        return
    found = {}
    for stage in options.stage or _STAGES:
        found[stage] = _in_a_process_of_its_own(stage)
        if not options.json:
            _show(stage, found[stage])
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
