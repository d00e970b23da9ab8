"""``edge-agent keygen``: a key for this device, made here, that never leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edge_agent.provisioning import device_key


def keygen(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes; must not exist yet.")],
    public: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the public key here instead of printing it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Make the device's private key (mode 0600) and give its public key, which is what the collector needs.

    For example:

      edge-agent keygen /etc/nightjar/device.key --public device.pub

      collector device add trailer-07 --agency pd --public-key device.pub
    """
    pem = device_key.generate(path).public_pem().decode("ascii")
    if public is not None:
        public.write_text(pem, encoding="ascii")
    if as_json:
        typer.echo(json.dumps({"key": str(path), "public_key": pem}))
    elif public is None:
        typer.echo(pem, nl=False)
