"""A report as text, JSON, CSV and a page that stands by itself. Pure.

Names of lists and cameras come from other people: in the page they are escaped, and in CSV a cell that a spreadsheet
would take for a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from collector.reports.records import Cell, Report, Sheet

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_STYLE = """
:root { color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1b1f23; background: #fff; }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .25rem; }
p { margin: .25rem 0 .75rem; color: #4a5259; max-width: 60rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #d8dde2; text-align: left; white-space: nowrap; }
th { font-weight: 600; border-bottom-width: 2px; }
.number { text-align: right; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""


def as_json(report: Report) -> dict[str, Any]:
    """Return it as one JSON object; each table as a list of objects."""
    head = {name: value for name, value in asdict(report).items() if name != "sheets"}
    return head | {one.name: [dict(zip(one.columns, row, strict=True)) for row in one.rows] for one in report.sheets}


def as_csv(report: Report) -> dict[str, str]:
    """Return it as files by their names: a table each."""
    return {f"{one.name}.csv": _csv(one) for one in report.sheets}


def as_text(report: Report) -> str:
    """Return what fits a terminal: the totals, and what statutes ask for."""
    lines = [_headline(report), _about(report)]
    for sheet in report.sheets[:2]:
        rows = [sheet.columns, *([_text(cell) for cell in row] for row in sheet.rows)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["", sheet.title]
        for row in rows:
            name, *numbers = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            lines.append("  " + "  ".join([name, *(cell.strip().rjust(len(cell)) for cell in numbers)]))
    lines += ["", f"{len(report.sheets) - 2} more tables with --json, --csv DIR or --html FILE"]
    return "\n".join(lines)


def as_html(report: Report) -> str:
    """Return it as one page that needs nothing else and runs nothing."""
    title = html.escape(_headline(report))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{title}</h1><p>{html.escape(_about(report))}</p>",
            *map(_section, report.sheets),
            "</body></html>\n",
        ]
    )


def _headline(report: Report) -> str:
    whose = f", {report.agency}" if report.agency else ""
    return f"Plate reads, hits and alerts: {report.period}{whose}"


def _about(report: Report) -> str:
    return f"From {report.begins_at} up to {report.ends_at} ({report.zone}); made {report.made_at}."


def _section(sheet: Sheet) -> str:
    head = "".join(f'<th scope="col">{html.escape(name.replace("_", " "))}</th>' for name in sheet.columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in sheet.rows)
    if not sheet.rows:
        body = f'<tr><td colspan="{len(sheet.columns)}">none</td></tr>\n'
    return (
        f"<h2>{html.escape(sheet.title)}</h2><p>{html.escape(sheet.note)}</p>\n"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'
    )


def _cell(value: Cell) -> str:
    shown = html.escape(_text(value))
    return f"<td>{shown}</td>" if isinstance(value, str) else f'<td class="number">{shown}</td>'


def _csv(sheet: Sheet) -> str:
    written = io.StringIO()
    rows: Iterable[tuple[Cell, ...]] = (sheet.columns, *sheet.rows)
    csv.writer(written, lineterminator="\r\n").writerows([_harmless(cell) for cell in row] for row in rows)
    return written.getvalue()


def _harmless(value: Cell) -> Cell:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _text(value: Cell) -> str:
    return "" if value is None else str(value)
