"""How commands end that could not do what they were asked: the reason on standard error, and exit code 2."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from collector.errors import ConfigurationError, NotFoundError, StoreError
from edge_wire.yaml_config import ConfigError

EXIT_NOT_DONE = 2


@contextmanager
def told() -> Iterator[None]:
    """End the command with the text of an error that is meant for people."""
    try:
        yield
    except (ConfigError, ConfigurationError, NotFoundError, StoreError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_NOT_DONE) from error
