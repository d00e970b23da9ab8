from pathlib import Path

import pytest

from collector.alerts.configured import rules_of
from collector.alerts.rules import Ages, Rules
from collector.config import CollectorConfig

H = 3_600 * 1_000_000_000


def configured(tmp_path: Path, **more: object) -> CollectorConfig:
    for name in ("ca", "certificate", "key"):
        (tmp_path / name).touch()
    broker = {"host": "b", **{name: tmp_path / name for name in ("ca", "certificate", "key")}}
    return CollectorConfig.model_validate({"broker": broker, "data_dir": tmp_path, **more})


def test_without_a_word_the_rules_are_their_own_defaults(tmp_path: Path) -> None:
    assert rules_of(configured(tmp_path)) == Rules()


def test_lists_and_categories_have_rules_of_their_own(tmp_path: Path) -> None:
    lists = {"amber": {"escalate_after_s": 30, "soft_age_h": 24, "hard_age_h": 72}, "state": {}}
    hotlists = {"lists": lists, "categories": {"gang": {"visible_to": ["supervisor"]}, "other": {}}}
    rules = rules_of(configured(tmp_path, hotlists=hotlists, alerts={"escalate_after_s": 60, "trail_within_h": 2}))
    assert [rules.escalate_after_ns(name) // 10**9 for name in ("amber", "state", "unknown", None)] == [30, 60, 60, 60]
    assert rules.visible_to == {"gang": frozenset({"supervisor"})}
    assert rules.trail_within_ns == 2 * H
    assert rules.ages_of["amber"] == Ages(24, 72)


@pytest.mark.parametrize(
    ("age_h", "said"),
    [
        (None, ""),
        (23.9, ""),
        (24, "Caution: the list was last confirmed 24 h ago; it should be every 24 h."),
        (
            80,
            "EXPIRED: the list was last confirmed 80 h ago, and counts for 72 h: ask its source before anything else.",
        ),
    ],
)
def test_an_old_list_is_said_to_be_old(age_h: float | None, said: str) -> None:
    assert Ages(24, 72).said(None if age_h is None else round(age_h * H)) == said


def test_a_list_without_ages_is_never_old() -> None:
    assert Ages().said(10_000 * H) == ""
