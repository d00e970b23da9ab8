import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from collector.commands import backup, restore
from collector.fleet import signing_key
from collector.store import tables
from collector.store.database import Store

CONFIG = """
data_dir: {folder}
store_url: {url}
broker: {{host: localhost, ca: ca.pem, certificate: c.pem, key: k.pem}}
"""


@pytest.fixture
def config(store_url: str, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    signing_key.load_or_make(folder / "collector-key.pem")
    path = tmp_path / "collector.yaml"
    path.write_text(CONFIG.format(folder=folder, url=store_url))
    return path


async def run(app: Any, *arguments: object) -> Any:
    return await asyncio.to_thread(CliRunner().invoke, app, [str(one) for one in arguments])


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, store_url: str, tmp_path: Path) -> Any:
    """The options that say where to restore to."""
    if store_url.startswith("sqlite"):
        yield ["--to", tmp_path / "restored"]
        return
    with request.getfixturevalue("databases").new() as url:
        yield ["--to", tmp_path / "restored", "--store", url]


async def test_into_a_file_and_back(store: Store, config: Path, tmp_path: Path, elsewhere: list[object]) -> None:
    made = await run(backup.app, tmp_path / "backups", "--config", config)
    assert (made.exit_code, made.stderr) == (0, "")
    assert "holds secrets: the collector's private key" in made.stdout
    file = tmp_path / "backups"
    assert file.is_file()
    checked = await run(backup.app, file, "--verify", "--json")
    assert json.loads(checked.stdout)["store_id"] == store.store_id.hex()
    done = await run(restore.app, file, *elsewhere)
    assert (done.exit_code, "Start the collector" in done.stdout) == (0, True)
    again = await run(restore.app, file, *elsewhere)
    assert (again.exit_code, "is not empty" in again.stderr) == (2, True)


async def test_a_folder_that_is_there_gets_a_file_named_by_the_time(
    store: Store, config: Path, tmp_path: Path, make: Callable[..., Any]
) -> None:
    async with store.write() as tx:
        lost = {"sha256": b"\1" * 32, "device": "lpr-1", "part": 1, "epoch": 1, "total_bytes": 5, "complete": True}
        await tx.execute(insert(tables.media_file).values(**lost))
    made = await run(backup.app, tmp_path, "--config", config, "--json")
    told = json.loads(made.stdout)
    assert (made.exit_code, told["absent"]) == (1, ["01" * 32])
    assert "is not in its folder" in made.stderr
    assert Path(told["file"]).name.startswith("nightjar-")


async def test_a_backup_without_the_key_is_not_as_it_should_be(store: Store, config: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "collector-key.pem").unlink()
    made = await run(backup.app, tmp_path / "b.tar", "--config", config)
    assert (made.exit_code, "signing key is not there" in made.stderr) == (1, True)


async def test_what_cannot_be_done_is_said_with_exit_code_2(store: Store, config: Path, tmp_path: Path) -> None:
    no_backup = await run(backup.app, config, "--verify")
    assert (no_backup.exit_code, "is damaged" in no_backup.stderr) == (2, True)
    replaced = await run(backup.app, config, "--config", config)
    assert (replaced.exit_code, "replaces nothing" in replaced.stderr) == (2, True)
    absent = await run(restore.app, tmp_path / "none.tar", "--to", tmp_path / "restored")
    assert (absent.exit_code, "none.tar" in absent.stderr) == (2, True)
    other = await run(restore.app, config, "--store", "mysql://h/d")
    assert (other.exit_code, "expected postgresql" in other.stderr) == (2, True)
