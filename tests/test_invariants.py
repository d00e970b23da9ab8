"""Every invariant of the protocol, and every pain that was to be answered, has tests that say so.

A test names what it proves in its name (``test_invariant_3_…``, ``test_pains_20_…``) or in its docstring ("PROTOCOL
invariants 2 and 6: …", "PAINS 20: …"), or its class does. The long run under faults would notice most of them broken,
which is no proof of any: it does not count here.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FAULTS = "tests/integration/faults/"

INVARIANTS = {
    1: "no identity ever names two payloads; if one does, both are kept and it alarms",
    2: "a row is deleted only after a verified ack, or in the transaction that records its loss",
    3: "an acked identity is committed in the store that store_id names",
    4: "every committed row ends stored, dead-lettered, lost and named, or inside a stated unknown bound",
    5: "a stored read is matched against every list version current at or after its arrival; an alert exists once",
    6: "nothing unsigned, misaddressed, replayed or meant for another connection changes a device or the store",
    7: "no promise depends on arrival order, a device's wall clock, or a broker's memory",
}
PAINS = {
    12: "no per-camera plate lists",
    13: "a watched plate missed for letter case",
    16: "the daemon silently stops queueing",
    20: '"connected", but nothing is published; no last will',
    21: "what was detected offline is never sent",
    22: "an alert fired 23 minutes late",
}

# Those that stand for an invariant where it is kept: whoever renames or removes one looks here first.
_INGEST, _UPLINK = "tests/collector/ingest", "tests/edge_agent/uplink"
CHIEF = {
    1: f"{_INGEST}/test_pipeline.py::test_invariant_1_a_reused_identity_keeps_both_and_is_never_a_duplicate",
    2: "tests/edge_agent/outbox/test_outbox.py::test_invariant_2_row_deleted_only_after_verified_ack",
    3: f"{_INGEST}/test_pipeline.py::test_invariant_3_what_is_acked_is_committed_in_the_store_named",
    4: "tests/edge_agent/outbox/test_model.py::TestAgainstTheModel",
    5: "tests/integration/test_two_collectors.py::test_killed_in_turn_they_lose_nothing_and_double_nothing",
    6: f"{_UPLINK}/test_uplink.py::test_invariant_6_only_the_collectors_word_for_this_connection_changes_anything",
    7: f"{_INGEST}/test_invariants.py::test_invariant_7_any_order_of_arrival_ends_in_the_same_store",
}

_LIST = r"(\d+(?:(?:, | and |, and )\d+)*)"
_INVARIANT = re.compile(rf"PROTOCOL,? invariants? {_LIST}")
_PAIN = re.compile(rf"PAINS(?: rows?)? {_LIST}")
_NAMED = re.compile(r"test_(invariant|pains)_(\d+)_")


def named(tests: Path) -> dict[tuple[str, int], set[str]]:
    """Return which tests name what, by ("invariant" or "pains", number)."""
    found: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for path in sorted(tests.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, text in _tests_in(tree.body):
            place = f"{path.relative_to(tests.parent).as_posix()}::{name}"
            for kind, pattern in (("invariant", _INVARIANT), ("pains", _PAIN)):
                for listed in pattern.findall(text):
                    for number in re.findall(r"\d+", listed):
                        found[kind, int(number)].add(place)
            if (told := _NAMED.match(name.rpartition("::")[2])) is not None:
                found[told[1], int(told[2])].add(place)
    return found


def _tests_in(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, str]]:
    """Yield each test's name and docstring; of a class of tests too."""
    for one in body:
        if isinstance(one, ast.ClassDef) and one.name.startswith("Test"):
            yield within + one.name, ast.get_docstring(one) or ""
            yield from _tests_in(one.body, f"{one.name}::")
        elif isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.name.startswith("test"):
            yield within + one.name, ast.get_docstring(one) or ""


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, int], set[str]]:
    return named(TESTS)


@pytest.mark.parametrize("number", INVARIANTS)
def test_each_invariant_of_the_protocol_has_a_test_that_names_it(
    found: dict[tuple[str, int], set[str]], number: int
) -> None:
    places = {place for place in found["invariant", number] if not place.startswith(FAULTS)}
    assert places, f"PROTOCOL invariant {number} ({INVARIANTS[number]}): no test names it"
    assert CHIEF[number] in places, (
        f"PROTOCOL invariant {number} ({INVARIANTS[number]}): {CHIEF[number]} is gone, or names it no longer"
    )


@pytest.mark.parametrize("row", PAINS)
def test_each_pain_has_a_test_that_names_its_row(found: dict[tuple[str, int], set[str]], row: int) -> None:
    assert found["pains", row], f"PAINS row {row} ({PAINS[row]}): no test names it"


def test_nothing_is_named_that_is_not_there(found: dict[tuple[str, int], set[str]]) -> None:
    assert {number for kind, number in found if kind == "invariant"} <= set(INVARIANTS)


def test_lists_of_numbers_are_understood(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_some.py").write_text(
        "class TestAll:\n"
        '    """PROTOCOL invariants 2 and 6: so."""\n'
        "    def test_pains_16_one(self):\n"
        '        """PROTOCOL invariant 1, 3 and 7, PAINS row 22."""\n'
        "def helper():\n"
        '    """PROTOCOL invariant 5."""\n'
    )
    assert set(named(folder)) == {
        *(("invariant", number) for number in (1, 2, 3, 6, 7)),
        *(("pains", row) for row in (16, 22)),
    }
