import json
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from typer.testing import CliRunner, Result

from edge_agent.commands.keygen import keygen
from edge_agent.errors import ConfigurationError
from edge_agent.provisioning import device_key


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(keygen)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_key_is_made_and_its_public_key_given(tmp_path: Path) -> None:
    path, public = tmp_path / "device.key", tmp_path / "device.pub"
    result = run(path, "--public", public)
    assert (result.exit_code, result.stdout) == (0, "")
    assert load_pem_public_key(public.read_bytes()) == device_key.load(path).public_key


def test_an_existing_key_can_be_shown_again(tmp_path: Path) -> None:
    path, public = tmp_path / "device.key", tmp_path / "device.pub"
    made, before = run(path).stdout, path.read_bytes()
    assert run(path, "--show").stdout == made
    assert json.loads(run(path, "--show", "--json").stdout) == {"key": str(path), "public_key": made}
    assert run(path, "--show", "--public", public).exit_code == 0
    assert public.read_text() == made
    assert path.read_bytes() == before


def test_where_the_public_key_cannot_be_written_no_key_is_made(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    error = run(path, "--public", tmp_path / "none" / "device.pub").exception
    assert isinstance(error, ConfigurationError)
    assert "device.pub: public key: cannot be written (No such file or directory)" in str(error)
    assert not path.exists()


def test_a_public_key_never_overwrites_the_private_one(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    run(path)
    before = path.read_bytes()
    assert isinstance(run(path, "--show", "--public", path).exception, ConfigurationError)
    assert path.read_bytes() == before


@pytest.mark.parametrize("arguments", [[], ["--show"]])
def test_without_a_key_no_empty_public_key_is_left(tmp_path: Path, arguments: list[str]) -> None:
    path, public = tmp_path / "device.key", tmp_path / "device.pub"
    path.write_text("not a key")
    assert isinstance(run(path, "--public", public, *arguments).exception, ConfigurationError)
    assert not public.exists()
    assert path.read_text() == "not a key"
