"""What the machine says of itself, in a folder that looks like the kernel's."""

from __future__ import annotations

from pathlib import Path

from edge_agent.telemetry.machine import hottest_mc, versions


def zone(folder: Path, number: int, text: str | None) -> None:
    path = folder / f"thermal_zone{number}"
    path.mkdir()
    if text is None:
        (path / "temp").mkdir()  # reading it fails, as that of a Wi-Fi card that is off
    else:
        (path / "temp").write_text(text, encoding="ascii")


def test_the_hottest_zone_counts_and_one_that_says_nonsense_does_not(tmp_path: Path) -> None:
    assert hottest_mc(tmp_path) is None
    for number, text in enumerate(("41000\n", "73500\n", "-274000\n", "4294967295\n", "n/a\n", None)):
        zone(tmp_path, number, text)
    assert hottest_mc(tmp_path) == 73_500


def test_where_nothing_measures_it_there_is_no_temperature(tmp_path: Path) -> None:
    assert hottest_mc(tmp_path / "none") is None
    zone(tmp_path, 0, None)
    assert hottest_mc(tmp_path) is None


def test_versions_name_what_runs_here_and_fit_the_wire() -> None:
    named = dict(versions())
    assert {"python", "kernel", "opencv", "onnxruntime"} <= named.keys()
    assert all(0 < len(text) <= 64 for pair in named.items() for text in pair)
