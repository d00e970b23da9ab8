"""A message to carry."""

import pytest

from collector.alerts.sending.records import AlertFacts, Listed, Message, Notice, NoticeState, Sighting

NOW_NS = 1_795_256_000_000_000_000


@pytest.fixture
def message() -> Message:
    seen = Sighting("springfield", "lpr-1", "north", "main-street", NOW_NS, 39.8, -89.65, "N", "7ABC123", "US-TX")
    listed = Listed(
        list="stolen",
        criminal_justice=False,
        plate="7ABC123",
        region="US-TX",
        category="stolen-vehicle",
        severity="high",
        reason="stolen 2026-11-01",
        notes="",
        handling="",
        reference="",
        case_number="",
        vehicle={},
        covert_to=None,
    )
    facts = AlertFacts(5, "new", "raised", False, NOW_NS, False, False, None, "exact", 0.98, (), listed, seen, seen)
    notice = Notice(12, 5, "night", "webhook:cad", "raised", NoticeState.WAITING, 0, NOW_NS, "", NOW_NS, None)
    return Message(notice, facts)
