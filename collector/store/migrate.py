"""Runs the migrations. What they lead to is ``tables.metadata``; a test holds the two together."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from collector.errors import ConfigurationError

FOLDER = Path(__file__).parent / "migrations"


def configuration(connection: Connection) -> Config:
    """Alembic's settings: the packaged folder, over an open connection."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Bring the schema to the last migration, within the caller's transaction.

    Raises:
        ConfigurationError: a newer version of this program has been here.
    """
    try:
        command.upgrade(configuration(connection), "head")
    except CommandError as error:
        where = connection.engine.url.database
        raise ConfigurationError(
            f"store {where}: {error}; it was made by a newer collector: install that, or name another store"
        ) from error
