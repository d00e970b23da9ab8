import asyncio
import json
from pathlib import Path
from typing import Any

import alert_rows
import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

from collector.alerts.sending.records import Occasion
from collector.cli import app
from collector.store import notices, tables
from collector.store.database import Store

STORES = ("sqlite",)  # the queries are tested on both, beside the follower


@pytest.fixture
async def filled(store: Store) -> None:
    async with store.write() as tx:
        await alert_rows.hotlist(tx)
        entry_id = await alert_rows.entry(tx)
        alert_id = await alert_rows.alert(tx, await alert_rows.read(tx, 1), entry_id)
        raised = Occasion(1, alert_id, "raised", alert_rows.NOW_NS)
        targets = ("person:jane", "webhook:cad", "email:a@pd.example")
        await notices.make(tx, [(raised, "night", one) for one in targets], alert_rows.NOW_NS)
        dead = {"state": "dead", "problem": "webhook cad: got status 503, expected 2xx", "attempts": 12}
        table = tables.notice
        await tx.execute(update(table).where(table.c.target == "webhook:cad").values(dead | {"ended_at_ns": 1}))


def run(tmp_path: Path, *words: str) -> Any:
    return CliRunner().invoke(app, ["notices", *words, "--store", str(tmp_path / "collector.db")])


def _retried(tmp_path: Path) -> Any:
    assert run(tmp_path, "retry").exit_code == 2
    assert run(tmp_path, "retry", "3").exit_code == 1
    again = run(tmp_path, "retry", "--target", "webhook:cad", "--json")
    assert run(tmp_path, "retry", "--all").exit_code == 1
    return json.loads(again.output)


def test_notices_are_listed(filled: None, tmp_path: Path) -> None:
    listed = run(tmp_path, "list")
    assert listed.exit_code == 1  # one is dead
    lines = listed.output.splitlines()
    assert lines[0].startswith("3  2026-11-21T10:13:20.000000Z  waiting  email:a@pd.example  alert 1 raised  night")
    assert "dead (12 times)  webhook:cad" in lines[1]
    assert "got status 503" in lines[1]
    assert "sent  person:jane" in lines[2]
    assert run(tmp_path, "list", "--target", "email").exit_code == 0
    (only,) = run(tmp_path, "list", "--state", "dead", "--json").output.splitlines()
    assert json.loads(only)["target"] == "webhook:cad"
    assert run(tmp_path, "list", "--alert", "9").output == ""


async def test_what_was_given_up_waits_again(filled: None, store: Store, tmp_path: Path) -> None:
    # A command has an event loop of its own.
    again = await asyncio.to_thread(_retried, tmp_path)
    assert again == {"waiting": [2]}
    async with store.read() as tx:
        assert set(await notices.waiting(tx)) == {"webhook:cad", "email:a@pd.example"}
        audited = (await tx.execute(select(tables.audit.c.action, tables.audit.c.detail))).one()
    assert tuple(audited) == ("notice.retry", {"notices": [2], "of": 1})
