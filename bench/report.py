"""How long `collector report` takes over a store with a million reads in the period; docs/routing.md has the figures.

    PYTHONPATH=.:scripts python bench/report.py --reads 1000000 --alerts 10000 --store sqlite
    PYTHONPATH=.:scripts python bench/report.py --reads 1000000 --alerts 10000 --store postgresql

Reads are as long as a device's are (1 KB a row), of 20 devices with two cameras each, in the order in which they came.
The store is made in a temporary folder, which goes afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from private_postgresql import PrivatePostgresql
from sqlalchemy import text

from collector.reports.counting import count
from collector.reports.periods import Period
from collector.store.database import Store, sqlite_url
from collector.store.queries import of_reports

_BEGIN_NS = 1_793_491_200_000_000_000  # 2026-11-01
_STEP_NS = 2_500_000_000  # a million in a month
_PORTION = 50_000
_SLOTS = json.dumps([[[one, 0.98], ["8", 0.01], ["B", 0.004], ["0", 0.001]] for one in "7ABC123"])

_MESSAGES = """
INSERT INTO message (device, epoch, stream, sequence, kind, envelope, received_at_ns)
SELECT 'lpr-' || (n % 20), 7, 1, n, 1, {empty}, 0 FROM ({numbers}) AS numbers
"""
_READS = """
INSERT INTO read (device, epoch, track, agency, message_id, revision, final, text, slots, regions, calibration, camera,
  role, deployment, box, detection_score, frames, crop_sha256, frame_sha256, captured_at_ns, captured_boot_ns,
  clock_error_ns, first_readable_ns, received_at_ns, matched_version, marks, site, passed_at_ns)
SELECT 'lpr-' || (n % 20), 7, n, 'springfield', n, 2, {true}, '7ABC' || (n % 1000), '{slots}',
  '[["US-TX",0.91],["US-OK",0.04]]', 'plates-2', CASE WHEN n % 2 = 0 THEN 'north' ELSE 'south' END, 'lpr', 'd1',
  '[100,200,180,60]', 0.93, 7, {hash}, {hash}, {begin} + n * {step}, 0, 1000000, 0, {begin} + n * {step}, 1, '[]',
  'site-' || (n % 20), {begin} + n * {step}
FROM ({numbers}) AS numbers
"""
_ENTRIES = (
    """
INSERT INTO hotlist (name, version, imported_at_ns, imported_by, source, source_sha256) VALUES
  ('stolen', 1, 0, 'bench', '', {hash})
""",
    """
INSERT INTO hotlist_entry (list, plate, reason, severity, notes, first_version)
SELECT 'stolen', '7ABC' || n, 'stolen', 'high', '', 1 FROM ({numbers}) AS numbers
""",
)
_ALERTS = (
    """
INSERT INTO alert (read_id, entry_id, list_version, rule, why, support, state, historical, raised_at_ns, probability,
  disposition, acknowledged_at_ns)
SELECT n * {every}, 1 + n % 1000, 1, 'likely', '[]', 'raised', 'closed', {false}, {begin} + n * {every} * {step}, 0.97,
  CASE n % 3 WHEN 0 THEN 'misread' ELSE 'confirmed' END, {begin} + n * {every} * {step} + 20000000000
FROM ({numbers}) AS numbers
""",
    """
INSERT INTO alert_read (alert_id, read_id, part, site, passed_at_ns, supports, attached_at_ns)
SELECT n, n * {every} + 1, 'suppressed', 'site-1', 0, {true}, 0 FROM ({numbers}) AS numbers
""",
)


async def _fill(store: Store, reads: int, alerts: int) -> None:
    on_file = not store.shared
    values = {
        "true": "1" if on_file else "true",
        "false": "0" if on_file else "false",
        "empty": "x''" if on_file else "''::bytea",
        "hash": "zeroblob(32)" if on_file else "decode(repeat('00', 32), 'hex')",
        "slots": _SLOTS.replace(":", "\\:"),
        "begin": _BEGIN_NS,
        "step": _STEP_NS,
        "every": reads // (alerts + 1),
    }

    async def run(statement: str, first: int, last: int) -> None:
        numbers = (
            f"WITH RECURSIVE of(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM of WHERE n < {last}) SELECT n FROM of"
            if on_file
            else f"SELECT n FROM generate_series({first}, {last}) AS n"
        )
        async with store.write() as tx:
            await tx.execute(text(statement.format(numbers=numbers, **values)))

    for first in range(1, reads + 1, _PORTION):
        for statement in (_MESSAGES, _READS):
            await run(statement, first, min(reads, first + _PORTION - 1))
    for statement in _ENTRIES:
        await run(statement, 1, 1_000)
    for statement in _ALERTS:
        await run(statement, 1, alerts)


async def _measure(url: str, reads: int, alerts: int) -> None:
    store = await Store.open(url)
    try:
        began_s = time.monotonic()
        await _fill(store, reads, alerts)
        print(f"filled in {time.monotonic() - began_s:.0f} s", flush=True)
        period = Period("bench", _BEGIN_NS, _BEGIN_NS + (reads + 1) * _STEP_NS)
        for attempt in ("first", "again"):
            began_s, cpu_s = time.monotonic(), time.process_time()
            async with store.read() as tx:
                sheets = count(await of_reports.facts(tx, period), str)
            totals = dict(sheets[0].rows)
            print(
                f"{attempt}: {time.monotonic() - began_s:.2f} s, {time.process_time() - cpu_s:.2f} s of them its own; "
                f"{totals['scans']} scans, {totals['hits']} hits, "
                f"{totals['alerts']} alerts",
                flush=True,
            )
        print(f"resident at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    finally:
        await store.close()


@contextmanager
def _url(kind: str) -> Iterator[str]:
    if kind == "postgresql":
        with PrivatePostgresql() as server:
            yield server.create("bench")
    else:
        with tempfile.TemporaryDirectory(prefix="nightjar-report-") as folder:
            yield sqlite_url(Path(folder) / "collector.db")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--reads", type=int, default=1_000_000)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    with _url(options.store) as url:
        asyncio.run(_measure(url, options.reads, options.alerts))


if __name__ == "__main__":
    main()
