"""What entries of a list are where their source does not say, by the configuration."""

from __future__ import annotations

from collector.config import Hotlists
from collector.domain.hotlists import Category
from collector.hotlists.entry_reading import Defaults


def defaults_of(settings: Hotlists, name: str) -> Defaults:
    """Return what an entry of the list ``name`` is where its row does not say."""
    rules = settings.rules(name)
    severities = {one.value: settings.category(one).severity for one in Category}
    return Defaults(rules.category.value, rules.severity or "", severities)
