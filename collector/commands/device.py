"""``collector device``: which devices are taken seriously, and by which key."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from collector.commands.on_store import who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.domain import Device
from collector.fleet import devices
from collector.store import queries
from collector.store.database import Store

app = typer.Typer(
    name="device",
    help="Which devices there are, and the keys that vouch for them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Id = Annotated[str, typer.Argument(help="the device's id: 1 to 40 of a-z, 0-9 and '-'", metavar="ID")]


@app.command(epilog="Example: collector device add trailer-7 --agency springfield --public-key trailer-7.pub.pem")
def add(
    device: Id,
    agency: Annotated[str, typer.Option(help="whose it is: 1 to 40 of a-z, 0-9 and '-'")],
    public_key: Annotated[Path, typer.Option(help="its P-256 public key or certificate, PEM")],
    site: Annotated[
        str | None, typer.Option(help="where it stands, named as for the others there; else a site of its own name")
    ] = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Enrol a device. Its id is never given to another."""

    async def work(opened: Store) -> None:
        key = devices.load_public_key(public_key)
        await devices.add_device(opened, device, agency, key, who=who(), at_ns=time.time_ns(), site=site)

    with_store(config, store, work)
    shown = {"device": device, "agency": agency, "site": site or device}
    typer.echo(json.dumps(shown) if as_json else f"enrolled {device} of {agency} at {shown['site']}")


@app.command("site", epilog="Example: collector device site trailer-7 5th-and-main")
def move(
    device: Id,
    site: Annotated[str, typer.Argument(help="where it stands now: 1 to 40 of a-z, 0-9 and '-'", metavar="SITE")],
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say where a device stands: reads of one vehicle by the cameras of one site make one passage."""

    async def work(opened: Store) -> None:
        await devices.move_device(opened, device, site, who=who(), at_ns=time.time_ns())

    with_store(config, store, work)
    typer.echo(json.dumps({"device": device, "site": site}) if as_json else f"{device} is at {site}")


@app.command(epilog="Example: collector device remove trailer-7")
def remove(device: Id, config: Config = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Revoke a device: what it sends from now on goes to the dead letters."""

    async def work(opened: Store) -> None:
        await devices.remove_device(opened, device, who=who(), at_ns=time.time_ns())

    with_store(config, store, work)
    typer.echo(json.dumps({"device": device, "status": "revoked"}) if as_json else f"revoked {device}")


@app.command(epilog="Example: collector device reinstate trailer-7")
def reinstate(device: Id, config: Config = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Take a device again that was removed by mistake, with the keys that it had.

    What it sent meanwhile is quarantined: `collector deadletter retry --device ID --reason revoked` brings it in. Not
    for one that was out of your hands: its key may have been copied; enrol it under another id, with a new key.
    """

    async def work(opened: Store) -> None:
        await devices.reinstate_device(opened, device, who=who(), at_ns=time.time_ns())

    with_store(config, store, work)
    typer.echo(json.dumps({"device": device, "status": "enrolled"}) if as_json else f"reinstated {device}")


@app.command("list", epilog="Example: collector device list --json")
def show(config: Config = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """List devices, whether they are taken and whether they are connected."""

    async def work(opened: Store) -> list[Device]:
        async with opened.read() as tx:
            return await queries.devices(tx)

    for one in with_store(config, store, work, to_read=True):
        shown = {
            "device": one.id,
            "agency": one.agency,
            "site": one.site,
            "status": str(one.status),
            "link": str(one.link),
        }
        typer.echo(json.dumps(shown) if as_json else "  ".join(shown.values()))
