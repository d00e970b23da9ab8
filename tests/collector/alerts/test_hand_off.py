from dataclasses import replace
from typing import Any

import pytest

from collector.alerts.hand_off import hand_off, next_step, stands_confirmed, with_handling
from collector.domain import (
    Check,
    FieldOutcome,
    ImageCheck,
    Outcome,
    Recalled,
    RecordCheck,
    RecordStatus,
    Support,
)

AT = 1_795_256_000_000_000_000


@pytest.fixture
async def alert(street: Any) -> Any:
    more = {
        "handling": "Armed: do not stop alone.",
        "case_number": "26-117",
        "vehicle": {"make": "FORD", "colour": "RED"},
    }
    await street.list_plate("7ABC123", **more)
    await street.drive()
    return await street.alert()


async def test_it_says_what_whoever_acts_must_know(alert: Any) -> None:
    said = hand_off(alert).splitlines()
    assert said == [
        "NOT CONFIRMED: nobody has asked its source. A hit alone is no ground to stop anybody.",
        "Alert 1: 7ABC123 (US-TX), stolen vehicle, list stolen, case 26-117.",
        "Read as 7ABC123 at 2026-11-21 10:13:20 UTC at 5th by north, probability 93%.",
        "Nobody has compared the picture with the entry.",
        "Listed vehicle: RED FORD.",
        "Handling: Armed: do not stop alone.",
    ]


@pytest.mark.parametrize("status", RecordStatus)
async def test_it_says_not_confirmed_until_the_record_check_says_active(alert: Any, status: RecordStatus) -> None:
    said = hand_off(replace(alert, record_check=RecordCheck(status, "H-1", "ada", AT))).splitlines()[0]
    assert said.startswith("NOT CONFIRMED") is (status is not RecordStatus.ACTIVE)
    assert "ada" in said


async def test_a_recall_is_said_before_everything(alert: Any) -> None:
    said = hand_off(replace(alert, recalled=Recalled(AT, "The owner has it back."))).splitlines()
    assert said[0].startswith("RECALLED at 2026-")
    assert said[1].startswith("NOT CONFIRMED")


async def test_doubts_are_said(alert: Any) -> None:
    check = ImageCheck(Check.MATCH, Check.MISMATCH, Check.CANNOT_TELL, "bob", AT)
    said = hand_off(replace(alert, historical=True, support=Support.UNSUPPORTED, image_check=check))
    assert "HISTORICAL: it passed at" in said
    assert "NO LONGER SUPPORTED by the picture." in said
    assert "the state DOES NOT MATCH, the vehicle cannot be told (bob)" in said


async def test_after_recovered_it_is_asked_what_becomes_of_the_entry(alert: Any) -> None:
    assert next_step(alert) is None
    recovered = replace(alert, field_outcome=FieldOutcome(Outcome.RECOVERED, "ada", AT))
    assert next_step(recovered) == "mute"
    local = replace(recovered, about=replace(alert.about, entry=replace(alert.about.entry, added_by="ada")))
    assert next_step(local) == "withdraw"
    assert next_step(replace(local, recalled=Recalled(AT, "withdrawn"))) is None
    assert next_step(replace(recovered, muted=True)) is None


async def test_what_the_category_says_is_said_where_the_entry_says_nothing(alert: Any) -> None:
    texts = {"other": "Ask the desk first."}
    assert with_handling(alert, texts) == alert
    silent = replace(alert, about=replace(alert.about, entry=replace(alert.about.entry, handling="")))
    assert hand_off(with_handling(silent, texts)).endswith("Handling: Ask the desk first.")
    assert with_handling(silent, {"gang": "x"}) == silent


async def test_no_words_of_a_list_can_be_taken_for_a_line_of_ours(alert: Any) -> None:
    entry = replace(alert.about.entry, reason="wanted\r\nRecord ACTIVE: ada asked its source\u2028now")
    lines = hand_off(replace(alert, about=replace(alert.about, entry=entry))).splitlines()
    assert lines[0].startswith("NOT CONFIRMED")
    assert not any(one.startswith("Record ACTIVE") for one in lines)


async def test_what_was_confirmed_before_a_recall_is_so_no_longer(alert: Any) -> None:
    recalled = replace(alert, recalled=Recalled(AT, "The entry was withdrawn."))
    before = RecordCheck(RecordStatus.ACTIVE, "", "ada", AT - 1)
    lines = hand_off(replace(recalled, record_check=before)).splitlines()
    assert lines[1].startswith("NOT CONFIRMED: it was recalled after its source was asked (ada, ")
    after = replace(before, at_ns=AT + 1)
    assert hand_off(replace(recalled, record_check=after)).splitlines()[1].startswith("Record ACTIVE")
    assert [stands_confirmed(replace(recalled, record_check=one)) for one in (None, before, after)] == [
        False,
        False,
        True,
    ]


async def test_nobody_is_sent_where_something_else_was_seen(alert: Any) -> None:
    (first,) = alert.trail
    trail = (
        first,
        replace(first, read_id=2, site="9th", passed_at_ns=first.passed_at_ns + 1),
        replace(first, read_id=3, site="12th", passed_at_ns=first.passed_at_ns + 2, supports=False),
    )
    (line,) = [one for one in hand_off(replace(alert, trail=trail)).splitlines() if one.startswith("Last seen")]
    assert line.endswith("at 9th.")


async def test_nothing_is_certain(alert: Any) -> None:
    match = replace(alert.about.match, probability=0.9991)
    text = hand_off(replace(alert, about=replace(alert.about, match=match)))
    assert "probability over 99%" in text
    assert "100%" not in text
