"""Every kind of fault within a minute, over the real programs on a real mosquitto; ``scripts/soak`` does it for longer.

The seed is fixed, and in the last line that the driver prints: ``./scripts/soak --minutes 1 --seed 7`` is this test.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from private_postgresql import installed
from soaking.databases import SqliteDatabase, ask
from soaking.faults import POISON, lanes
from soaking.holdings import read_holdings
from soaking.settings import Settings
from soaking.settling import settle
from soaking.site import Site
from soaking.verdict import judge

ROOT = Path(__file__).parents[3]
SEED = 7

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") is None,
    reason="mosquitto is not installed: run ./scripts/setup",
)


@pytest.mark.parametrize(("store", "minutes"), [("sqlite", 1.0), ("postgresql", 0.8)])
def test_whatever_breaks_nothing_is_lost_and_nothing_is_there_twice(store: str, minutes: float, tmp_path: Path) -> None:
    """PROTOCOL invariant 4: every committed row ends stored, or lost and named, or inside a stated bound.

    With it PROTOCOL invariant 1, 2, 3, 6 and 7, each of which would show here as a loss or a duplicate, were it broken,
    and PROTOCOL invariant 5: every listed plate that is stored has its alert, once.
    """
    if store == "postgresql" and not installed():
        pytest.skip("PostgreSQL is not installed: ./scripts/setup --for-tests")
    kept = tmp_path / "soak"
    command = [sys.executable, "-m", "soaking", "--minutes", str(minutes), "--seed", str(SEED), "--store", store]
    done = subprocess.run(
        [*command, "--keep", str(kept)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'scripts'}{os.pathsep}{ROOT}"},
        timeout=60 * (minutes + 4),
    )
    print(done.stderr)
    print(done.stdout)
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["lost"] == 0
    assert said["duplicates"] == 0
    assert said["captured"] == said["stored"] + said["named"]
    assert said["captured"] > 200
    assert said["unsettled"] == {}
    assert said["unalerted"] == 0
    assert said["crops_missing"] <= said["media_named"], "a full disk evicts crops first, and says so"
    assert said["seed"] == SEED
    kinds = {kind.__name__ for lane in lanes(store).values() for kind in lane} | {POISON}
    assert set(said["faults"]) == kinds
    assert all(said["faults"].values())
    assert done.returncode == 0
    shutil.rmtree(kept)


def test_what_was_detected_offline_is_sent(tmp_path: Path) -> None:
    """PAINS 21: BirdNET-Pi#228, what was detected offline is never sent.

    Here a trailer detects without a network, loses its power twice meanwhile, and everything arrives once it is back.
    """
    database = SqliteDatabase(tmp_path / "site")
    with Site(tmp_path / "site", database, Settings(0.0, 0.0, SEED, agents=1, rate_hz=20.0)) as site:
        [trailer] = site.trailers
        trailer.link.cut = True
        trailer.link.reset()
        already = len(site.captures()[trailer.name])
        for _ in range(2):
            _wait_for(lambda: len(site.captures()[trailer.name]), already + 40)
            already += 40
            trailer.program.kill()
            trailer.program.start(30.0)
        arrived = ask(database, "SELECT count(*) AS n FROM read WHERE device = :device", {"device": trailer.name})[0].n
        trailer.link.cut = False
        assert settle(site, 60.0) == {}
        captures = site.captures()
        verdict = judge(captures, read_holdings(database, site.data_dir / "pictures", site.devices))
    assert len(captures[trailer.name]) >= 80
    assert arrived < 40, "it was offline"
    assert verdict.lost == 0, verdict.lost_identities
    assert verdict.named == 0
    assert verdict.duplicates == 0
    assert verdict.crops_missing == 0


def test_what_a_restore_took_and_no_device_holds_any_more_is_missing_by_name(tmp_path: Path) -> None:
    """Issue 7: "what they still hold comes back; the ledger shows the rest as missing, by name"."""
    database = SqliteDatabase(tmp_path / "site")
    with Site(tmp_path / "site", database, Settings(0.0, 0.0, SEED, agents=1, rate_hz=8.0)) as site:
        [trailer] = site.trailers
        _wait_for(lambda: sum(one[0] == trailer.name for one in site.stored_identities()), 20)
        backup = tmp_path / "backup.tar"
        site.back_up(backup)
        _wait_for(lambda: len(site.captures()[trailer.name]), len(site.captures()[trailer.name]) + 40)
        trailer.program.tell("quiet")
        _wait_for(lambda: trailer.pending == 0, 1)
        trailer.program.kill()
        # As eviction does for the quota or on a full disk: acked rows go first, and without a record.
        with closing(sqlite3.connect(trailer.folder / "outbox.db")) as outbox, outbox:
            evicted = outbox.execute("DELETE FROM rows WHERE state = 1 AND stream = 1 AND sequence % 2 = 0").rowcount
        site.go_back_to(backup)
        trailer.program.start(30.0)
        assert settle(site, 60.0) == {}
        told = {"taken": site.taken, "ledger": site.ledger()}
        pictures = site.data_dir / "pictures"
        verdict = judge(site.captures(), read_holdings(database, pictures, site.devices, **told))
        untold = judge(site.captures(), read_holdings(database, pictures, site.devices, taken=site.taken))
    assert 0 < verdict.named_missing_after_restore <= evicted
    assert verdict.named == verdict.named_missing_after_restore
    assert verdict.lost == 0, verdict.lost_identities
    assert verdict.captured == verdict.stored + verdict.named
    assert untold.lost == verdict.named, "it is the ledger that names them"


def _wait_for(count: object, least: int) -> None:
    assert callable(count)
    until_s = time.monotonic() + 60
    while count() < least:
        assert time.monotonic() < until_s, f"fewer than {least} after a minute"
        time.sleep(0.1)
