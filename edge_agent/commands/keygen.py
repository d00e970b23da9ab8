"""``edge-agent keygen``: a key for this device, made here, that never leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edge_agent.errors import ConfigurationError
from edge_agent.provisioning import device_key


def keygen(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where the private key goes; must not exist yet, except with --show.")
    ],
    public: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the public key here instead of printing it; must not exist yet."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Make no key: give the public key of the one in FILE.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Make the device's private key (mode 0600) and give its public key, which is what the collector needs.

    For example:

      edge-agent keygen /etc/nightjar/device.key --public device.pub

      edge-agent keygen /etc/nightjar/device.key --show

      collector device add trailer-07 --agency pd --public-key device.pub
    """
    pem = _public_pem(path, show=show) if public is None else _write_public(path, public, show=show)
    if as_json:
        typer.echo(json.dumps({"key": str(path), "public_key": pem}))
    elif public is None:
        typer.echo(pem, nl=False)


def _public_pem(path: Path, *, show: bool) -> str:
    key = device_key.load(path) if show else device_key.generate(path)
    return key.public_pem().decode("ascii")


def _write_public(path: Path, public: Path, *, show: bool) -> str:
    """Write the public key into a new file, which is made first: where that fails, no key is made."""
    try:
        with public.open("x", encoding="ascii") as file:
            pem = _public_pem(path, show=show)
            file.write(pem)
    except ConfigurationError:
        public.unlink()
        raise
    except OSError as error:
        fix = "expected a new file in a folder that exists"
        raise ConfigurationError(f"{public}: public key: cannot be written ({error.strerror}); {fix}") from error
    return pem
