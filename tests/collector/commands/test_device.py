import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from collector.commands.device import app
from collector.store.database import sqlite_url


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "lpr-1.pub.pem"
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    path.write_bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return path


def test_add_list_remove(tmp_path: Path, key: Path) -> None:
    store = ["--store", sqlite_url(tmp_path / "c.db")]
    run = CliRunner().invoke
    added = run(app, ["add", "lpr-1", "--agency", "springfield", "--public-key", str(key), *store, "--json"])
    assert (added.exit_code, json.loads(added.stdout)) == (
        0,
        {"device": "lpr-1", "agency": "springfield", "site": "lpr-1"},
    )
    again = run(app, ["add", "lpr-1", "--agency", "springfield", "--public-key", str(key), *store])
    assert (again.exit_code, again.stdout) == (2, "")
    assert "enrolled already" in again.stderr
    moved = run(app, ["site", "lpr-1", "5th-and-main", *store])
    assert (moved.exit_code, moved.stdout) == (0, "lpr-1 is at 5th-and-main\n")
    assert run(app, ["site", "lpr-2", "5th-and-main", *store]).exit_code == 2
    assert "site" in run(app, ["site", "lpr-1", "5th & Main", *store]).stderr
    assert run(app, ["remove", "lpr-1", *store]).stdout == "revoked lpr-1\n"
    listed = run(app, ["list", "--json", *store])
    assert json.loads(listed.stdout) == {
        "device": "lpr-1",
        "agency": "springfield",
        "site": "5th-and-main",
        "status": "revoked",
        "link": "never heard",
    }
    assert run(app, ["remove", "lpr-2", *store]).exit_code == 2
    assert run(app, ["reinstate", "lpr-1", *store]).stdout == "reinstated lpr-1\n"
    assert json.loads(run(app, ["list", "--json", *store]).stdout)["status"] == "enrolled"


def test_list_of_a_store_that_is_not_there_makes_none(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["list", "--store", str(tmp_path / "typo" / "x.db")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "typo/x.db: there is none" in result.stderr
    assert not (tmp_path / "typo").exists()


def test_a_path_names_a_store_as_well_as_a_url(tmp_path: Path, key: Path) -> None:
    add = ["add", "lpr-1", "--agency", "a", "--public-key", str(key), "--store", str(tmp_path / "c.db")]
    assert CliRunner().invoke(app, add).exit_code == 0
    assert "lpr-1" in CliRunner().invoke(app, ["list", "--store", sqlite_url(tmp_path / "c.db")]).stdout


def test_a_missing_configuration_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["list", "--config", str(tmp_path / "absent.yaml")])
    assert result.exit_code == 2
    assert "absent.yaml" in result.stderr
