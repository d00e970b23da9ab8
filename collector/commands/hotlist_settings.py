"""What the configuration says of hotlists, for commands that may be given only a store."""

from pathlib import Path

from collector.config import DEFAULT_PATH, CollectorConfig, Hotlists
from edge_wire.yaml_config import find, load

MOST_DAYS = 3_650.0
"""Of earlier reads that a command may have searched; the configuration takes no more either."""


def settings_of(config: Path | None, store: str | None) -> Hotlists:
    """Return it; the defaults where a store is named and no configuration.

    Raises:
        ConfigError: the configuration cannot be read, or is wrong.
    """
    if config is None and store is not None:
        return Hotlists()
    return load(find(config, DEFAULT_PATH), CollectorConfig).hotlists
