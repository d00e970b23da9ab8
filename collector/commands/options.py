"""Options that several commands have; apart from what they lead to, so that naming them imports nothing."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None, typer.Option("--config", help="else $NIGHTJAR_CONFIG, else /etc/nightjar/collector.yaml")
]
StoreUrl = Annotated[
    str | None, typer.Option("--store", help="the store's file or URL, instead of the configuration's")
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line")]
