import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from collector.cli import app

REFERENCE = "t1-8031afb5-26150ba5"


def run(tmp_path: Path, hotlist: str, reads: list[Any], *more: str) -> Any:
    listed, seen = tmp_path / "wanted.csv", tmp_path / "reads.jsonl"
    listed.write_text(hotlist, encoding="utf-8")
    seen.write_text("".join(one if isinstance(one, str) else json.dumps(one) + "\n" for one in reads), encoding="utf-8")
    return CliRunner().invoke(app, ["match", "--hotlist", str(listed), "--reads", str(seen), *more])


def hits(result: Any) -> dict[Any, list[dict[str, Any]]]:
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return {line["id"]: line["hits"] for line in lines}


def slots(text: str, p: float = 0.999) -> list[dict[str, float]]:
    return [{character: p} for character in text]


def test_a_plate_column_alone_will_do(tmp_path: Path) -> None:
    result = run(
        tmp_path, "plate\n7abc-123\n7ABC128\n", [{"id": 1, "slots": slots("7ABC123"), "region": None}], "--json"
    )
    assert result.exit_code == 0
    (hit,) = hits(result)[1]
    assert (hit["entry"], hit["state"], hit["list"], hit["calibrated"]) == ("7ABC123", None, "wanted", True)
    assert 0.9 < hit["probability"] < 1
    assert hit["why"][0] == "Read as 7ABC123, as listed."


def test_hits_come_best_first_down_to_a_thousandth(tmp_path: Path) -> None:
    doubtful = [*slots("7ABC12"), {"8": 0.7, "3": 0.25, "B": 0.04}]
    (found,) = hits(
        run(tmp_path, "plate\n7ABC123\n7ABC128\n7ABC12B\n9ZZZ999\n", [{"id": "a", "slots": doubtful}], "--json")
    ).values()
    assert [hit["entry"] for hit in found][:2] == ["7ABC128", "7ABC123"]
    assert all(hit["probability"] >= 0.001 for hit in found)


def test_states_are_taken_with_and_without_their_country(tmp_path: Path) -> None:
    reads = [{"id": 1, "slots": slots("7ABC123"), "region": {"TX": 0.8, "US": 0.1}}]
    found = hits(run(tmp_path, "plate;state\n7ABC123;TX\n7ABC123;US-CA\n7ABC123;\n", reads, "--json"))[1]
    assert {hit["state"] for hit in found} == {None, "US-TX", "US-CA"}
    by_state = {hit["state"]: hit["probability"] for hit in found}
    assert by_state[None] > by_state["US-TX"] > 0.7 > 0.01 > by_state["US-CA"]


def test_a_text_with_confidences_is_a_read_too(tmp_path: Path) -> None:
    reads = [
        {"id": 1, "text": "7abc123", "confidence": [0.99] * 7},
        {"id": 2, "text": "7ABC-123"},
        {"id": 3, "text": "7ABC123", "confidence": 0.9, "calibration": "raw-12345678"},
    ]
    found = hits(run(tmp_path, "plate\n7ABC123\n", reads, "--json"))
    assert [found[at][0]["calibrated"] for at in (1, 2, 3)] == [True, False, False]
    assert found[2][0]["probability"] > found[1][0]["probability"] > found[3][0]["probability"]


def test_which_calibration_applies_can_be_said(tmp_path: Path) -> None:
    read = {"id": 1, "slots": [*slots("7ABC12"), {"3": 0.9, "8": 0.09}]}
    listed = "plate\n7ABC128\n"
    by_default = hits(run(tmp_path, listed, [read], "--json"))[1][0]
    same = hits(run(tmp_path, listed, [read], "--json", "--calibration", REFERENCE))[1][0]
    none = hits(run(tmp_path, listed, [read], "--json", "--calibration", "none"))[1][0]
    assert same == by_default
    assert none["calibrated"] is False
    assert none["probability"] != by_default["probability"]
    own = hits(run(tmp_path, listed, [{**read, "calibration": "t1-aaaaaaaa-bbbbbbbb"}], "--json"))[1][0]
    assert (own["calibrated"], own["probability"]) == (True, none["probability"])
    wrong = run(tmp_path, listed, [read], "--calibration", "t1-nothing")
    assert wrong.exit_code == 2
    assert REFERENCE in wrong.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{\n", "reads.jsonl:1: not JSON"),
        ("[]\n", 'reads.jsonl:1: got no "id"'),
        ('{"id": 1}\n', 'reads.jsonl:1: got neither "slots" nor "text"'),
        ('{"id": 1, "slots": [{"AB": 0.4}]}\n', "reads.jsonl:1: slots[0]: got {'AB': 0.4}"),
        ('{"id": 1, "slots": [{"A": 1.4}]}\n', "reads.jsonl:1: slots[0]: got {'A': 1.4}"),
        ('{"id": 1, "text": "AB", "confidence": [1]}\n', "expected a probability for each of the 2 characters"),
        ('{"id": 1, "text": "AB", "region": "TX"}\n', "reads.jsonl:1: region: got 'TX'"),
        ('{"id": 1, "text": "AB", "calibration": 7}\n', "reads.jsonl:1: calibration: got 7"),
    ],
)
def test_a_bad_read_is_named_by_line_and_the_others_are_matched(tmp_path: Path, line: str, said: str) -> None:
    result = run(tmp_path, "plate\n7ABC123\n", [line, {"id": 2, "slots": slots("7ABC123")}], "--json")
    assert result.exit_code == 1
    assert said in result.stderr
    assert hits(result)[2]


def test_a_bad_line_of_a_hotlist_is_named_and_the_others_are_listed(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        'plate,state\n7ABC123,XX\n"--",TX\n7AB[?,\n7ABC123,TX\n',
        [{"id": 1, "slots": slots("7ABC123")}],
        "--json",
    )
    assert result.exit_code == 1
    assert [line.split(": ")[0].rsplit(":", 1)[1] for line in result.stderr.splitlines()] == ["2", "3", "4"]
    assert [hit["state"] for hit in hits(result)[1]] == ["US-TX"]


def test_patterns_in_a_file_are_matched(tmp_path: Path) -> None:
    (hit,) = hits(run(tmp_path, "plate\n7AB?12*\n", [{"id": 1, "slots": slots("7ABC123")}], "--json"))[1]
    assert (hit["rule"], hit["probability"] > 0.9) == ("pattern", True)


@pytest.mark.parametrize(
    ("hotlist", "said"),
    [("number_of\nx\n", "expected one of them to be `plate`"), ("", "expected one of them to be `plate`")],
)
def test_a_hotlist_that_is_none_is_a_usage_error(tmp_path: Path, hotlist: str, said: str) -> None:
    result = run(tmp_path, hotlist, [])
    assert result.exit_code == 2
    assert said in result.stderr


def test_missing_files_and_options_are_usage_errors(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["match"]).exit_code == 2
    gone = CliRunner().invoke(app, ["match", "--hotlist", str(tmp_path / "a"), "--reads", str(tmp_path / "b")])
    assert gone.exit_code == 2
    assert "cannot be read" in gone.stderr


def test_people_get_lines_and_examples(tmp_path: Path) -> None:
    result = run(
        tmp_path, "plate,state\n7ABC123,TX\n", [{"id": 1, "slots": slots("7ABC123")}, {"id": 2, "slots": slots("XYZ")}]
    )
    assert "7ABC123 (US-TX)  wanted" in result.stdout
    assert "2: XYZ: no hit" in result.stdout
    assert "collector match --explain 1042" in CliRunner().invoke(app, ["match", "--help"]).stdout
