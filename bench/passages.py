"""How well two plate reads tell whether they show the same plate: what passages join and split by.

    .venv/bin/python bench/passages.py --reads ASSETS/data/match/dev/reads.jsonl [--likely P]

The reads are of real US plates at several distances. Slots go through the wire's form first. Pairs of one plate that
are not joined are splits; pairs of two plates that are joined are false joins. Hard pairs of two plates are made: one
of two reads of one plate has a character exchanged for another everywhere in that slot, for any other character or for
the one that the read itself took for second likeliest. Beside it two rules on the text.

The threshold is "likelier than not" and fitted to nothing; what a missing character costs was chosen with all of these
reads in view. The plates are scored in two halves, which shows how far the figures depend on the plates.
"""

import argparse
import itertools
import json
import random
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from collector.match.plates import fold
from collector.passages import likeness
from edge_wire.packing import pack_slots, unpack_slots

Slots = list[list[tuple[str, float]]]
Pair = tuple[Slots, Slots]
Rule = Callable[[Slots, Slots], bool]
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ023456789"
A_PLATE, UNLIKE = 20, 200_000


def text_of(slots: Slots) -> str:
    return fold("".join(slot[0][0] for slot in slots).replace("_", ""))


def within_one(a: str, b: str) -> bool:
    if len(a) > len(b):
        a, b = b, a
    if len(a) == len(b):
        return sum(x != y for x, y in zip(a, b, strict=True)) <= 1
    return len(b) - len(a) == 1 and any(b[:at] + b[at + 1 :] == a for at in range(len(b)))


def exchanged(slots: Slots, at: int, other: str) -> Slots:
    """The read of a plate that has ``other`` where this one has what slot ``at`` most likely shows."""
    own = slots[at][0][0]
    names = {own: other, other: own}
    return [*slots[:at], [(names.get(c, c), p) for c, p in slots[at]], *slots[at + 1 :]]


def pairs_of(reads: dict[str, list[Slots]], rng: random.Random) -> dict[str, list[Pair]]:
    same: list[Pair] = []
    for some in reads.values():
        pairs = list(itertools.combinations(some, 2))
        rng.shuffle(pairs)
        same += pairs[:A_PLATE]
    plates = list(reads)
    unlike = []
    for _ in range(UNLIKE):
        one, other = rng.sample(plates, 2)
        unlike.append((rng.choice(reads[one]), rng.choice(reads[other])))
    any_other, confusable = [], []
    for one, other in same:
        shown = [at for at, slot in enumerate(other) if slot[0][0] != "_"]
        if not shown:
            continue
        at = rng.choice(shown)
        own = fold(other[at][0][0])
        any_other.append((one, exchanged(other, at, rng.choice([c for c in ALPHABET if c != own]))))
        seconds = [c for c, _ in other[at][1:] if c != "_" and fold(c) != own]
        if seconds:
            confusable.append((one, exchanged(other, at, seconds[0])))
    return {"same plate": same, "unlike": unlike, "any other character": any_other, "confusable": confusable}


def share(rule: Rule, pairs: Sequence[Pair]) -> float:
    return sum(rule(*pair) for pair in pairs) / len(pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=Path, required=True)
    parser.add_argument("--likely", type=float, default=likeness.LIKELY)
    options = parser.parse_args()
    likeness.LIKELY = options.likely
    halves: tuple[defaultdict[str, list[Slots]], ...] = (defaultdict(list), defaultdict(list))
    for line in options.reads.read_text().splitlines():
        read = json.loads(line)
        slots = [sorted(slot.items(), key=lambda one: -one[1]) for slot in read["slots"]]
        truth = fold(read["truth"])
        halves[zlib.crc32(truth.encode()) % 2][truth].append([list(slot) for slot in unpack_slots(pack_slots(slots))])
    rules: dict[str, Rule] = {
        "equal text": lambda a, b: text_of(a) == text_of(b) != "",
        "edit distance 1": lambda a, b: within_one(text_of(a), text_of(b)),
        "slots": lambda a, b: likeness.same_plate(likeness.prepare(a), likeness.prepare(b)) > 0,
    }
    for name, half in zip(("one half", "the other"), halves, strict=True):
        pairs = pairs_of(half, random.Random(1))
        print(f"{name}: {len(half)} plates; pairs: " + ", ".join(f"{len(some):,} {of}" for of, some in pairs.items()))
        for rule_name, rule in rules.items():
            joined = {of: share(rule, some) for of, some in pairs.items()}
            print(
                f"  {rule_name:16} splits {1 - joined['same plate']:6.1%}   false joins: unlike "
                f"{1e6 * joined['unlike']:6.1f} a million; one character off: any "
                f"{joined['any other character']:6.2%}, confusable {joined['confusable']:6.2%}"
            )
    prepared = [(likeness.prepare(a), likeness.prepare(b)) for a, b in pairs["unlike"][:50_000]]
    began = time.process_time()
    for a, b in prepared:
        likeness.same_plate(a, b)
    print(f"one comparison of unlike reads: {(time.process_time() - began) / len(prepared) * 1e6:.1f} µs of CPU")


if __name__ == "__main__":
    main()
