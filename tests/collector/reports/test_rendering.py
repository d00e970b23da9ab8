"""Reports as people and programs read them."""

import csv
import io
import json

from collector.reports.records import Report, Sheet
from collector.reports.rendering import as_csv, as_html, as_json, as_text

HOSTILE = '=HYPERLINK("http://x")<script>alert(1)</script>&'
TOTALS = Sheet("totals", "Totals", "What & how.", ("what", "count"), (("scans", 10), ("half within", None)))
STATUTE = Sheet("statute", "Statutes", "", ("list", "share"), ((HOSTILE, 0.25), ("-1+1", -1)))
EMPTY = Sheet("misreads", "Misreads", "", ("alert",), ())
REPORT = Report("2026-10", "2026-10-01", "2026-11-01", "UTC", "<b>pd</b>", "2026-11-22", (TOTALS, STATUTE, EMPTY))


def test_json_has_every_table_as_objects() -> None:
    told = json.loads(json.dumps(as_json(REPORT)))
    assert told["period"] == "2026-10"
    assert told["totals"] == [{"what": "scans", "count": 10}, {"what": "half within", "count": None}]
    assert told["misreads"] == []


def test_csv_is_a_file_a_table_and_no_formula() -> None:
    files = as_csv(REPORT)
    assert set(files) == {"totals.csv", "statute.csv", "misreads.csv"}
    rows = list(csv.reader(io.StringIO(files["statute.csv"])))
    assert rows == [["list", "share"], [f"'{HOSTILE}", "0.25"], ["'-1+1", "-1"]]
    assert files["totals.csv"] == "what,count\r\nscans,10\r\nhalf within,\r\n"


def test_the_page_stands_by_itself_and_runs_nothing() -> None:
    page = as_html(REPORT)
    assert "<script" not in page
    assert "<b>pd" not in page
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page
    assert " src=" not in page
    assert "href" not in page
    assert "What &amp; how." in page
    assert ">none</td>" in page


def test_text_has_the_totals() -> None:
    text = as_text(REPORT)
    assert "Plate reads, hits and alerts: 2026-10" in text
    assert "scans" in text
    assert text.endswith("1 more tables with --json, --csv DIR or --html FILE")
