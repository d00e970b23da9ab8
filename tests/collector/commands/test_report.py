import json
from pathlib import Path
from typing import Any

import alert_rows
import pytest
from typer.testing import CliRunner

from collector.cli import app
from collector.store.database import Store

STORES = ("sqlite",)  # the queries are tested on both


@pytest.fixture
async def filled(store: Store) -> None:
    async with store.write() as tx:
        await alert_rows.hotlist(tx)
        entry_id = await alert_rows.entry(tx)
        await alert_rows.alert(tx, await alert_rows.read(tx, 1), entry_id, disposition="confirmed")


def run(tmp_path: Path, *words: str) -> Any:
    return CliRunner().invoke(app, ["report", *words, "--store", str(tmp_path / "collector.db")])


def test_a_report_is_written_in_every_form(filled: None, tmp_path: Path) -> None:
    folder, page = tmp_path / "csv", tmp_path / "report.html"
    made = run(tmp_path, "--period", "2026-11", "--csv", str(folder), "--html", str(page), "--json")
    assert made.exit_code == 0
    told = json.loads(made.output)
    assert (told["begins_at"], told["zone"]) == ("2026-11-01T00:00:00+00:00", "UTC")
    assert {one["what"]: one["count"] for one in told["totals"]}["closed confirmed"] == 1
    assert {one.name for one in folder.iterdir()} >= {"totals.csv", "statute.csv", "cameras.csv", "look_alikes.csv"}
    text = page.read_text(encoding="utf-8")
    assert "What statutes ask for" in text
    assert "7ABC123" not in text + made.output


def test_days_are_those_of_a_zone(filled: None, tmp_path: Path) -> None:
    # It happened at 10:13 UTC, when it was the next day already in Auckland.
    for zone, scans in (("UTC", 1), ("Pacific/Auckland", 1), ("America/Chicago", 1)):
        told = json.loads(run(tmp_path, "--period", "2026-11-21..2026-11-21", "--zone", zone, "--json").output)
        assert told["totals"][0]["count"] == scans
    told = json.loads(
        run(tmp_path, "--period", "2026-11-22..2026-11-22", "--zone", "Pacific/Kiritimati", "--json").output
    )
    assert told["totals"][0]["count"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--period", "november"), "expected a month (2026-10)"),
        (("--zone", "Mars/Olympus"), "a time zone that this machine knows"),
        (("--period", "2026-11", "--html", "/nowhere/report.html"), "No such file"),
    ],
)
def test_what_cannot_be_done_is_said(filled: None, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    made = run(tmp_path, *words)
    assert made.exit_code == 2
    assert said in " ".join(made.output.replace("│", " ").split())
