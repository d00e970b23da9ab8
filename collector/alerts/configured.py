"""The rules of alerts as the configuration has them."""

from __future__ import annotations

from collector.alerts.rules import Ages, Rules
from collector.config import CollectorConfig


def rules_of(config: CollectorConfig) -> Rules:
    """Return what the configuration says of alerts, of lists and of categories."""
    alerts, hotlists = config.alerts, config.hotlists
    lists, categories = hotlists.lists.items(), hotlists.categories.items()
    return Rules(
        suppress_within_s=alerts.suppress_within_s,
        trail_within_s=alerts.trail_within_h * 3_600,
        escalate_after_s=alerts.escalate_after_s,
        escalate_after_of={name: one.escalate_after_s for name, one in lists if one.escalate_after_s is not None},
        ages_of={name: Ages(one.soft_age_h, one.hard_age_h) for name, one in lists},
        confirm_urgent_s=alerts.confirm_urgent_s,
        confirm_routine_s=alerts.confirm_routine_s,
        visible_to={code.value: frozenset(one.visible_to) for code, one in categories if one.visible_to is not None},
        handling_of={code.value: one.handling for code, one in categories if one.handling},
    )
