"""What is said of an alert to whom."""

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any, get_args

from collector.alerts.sending import settings
from collector.alerts.sending.content import GUARDED_FIELDS, OPEN_FIELDS, Allowance, body, mail
from collector.alerts.sending.records import AlertFacts, Listed, Message, Notice, NoticeState, Sighting
from collector.alerts.sending.signing import signature

NOW_NS = 1_795_256_000_000_000_000
PAGE = "https://rtcc.example/"
NOTICE = Notice(12, 5, "one", "webhook:cad", "trail 77", NoticeState.WAITING, 0, NOW_NS, "", NOW_NS, None)
SEEN = Sighting("springfield", "lpr-1", "north", "main-street", NOW_NS, 39.8, -89.65, "N", "SEEN123", "US-TX")
LISTED = Listed(
    list="LISTNAME",
    criminal_justice=False,
    plate="LISTED1",
    region="US-OK",
    category="stolen-vehicle",
    severity="high",
    reason="REASON",
    notes="NOTES",
    handling="HANDLING",
    reference="REFERENCE",
    case_number="CASE",
    vehicle={"make": "MAKE"},
    covert_to=None,
)
HIT = AlertFacts(5, "new", "raised", False, NOW_NS, False, False, None, "exact", 0.98, ("WHY",), LISTED, SEEN, SEEN)
SECRETS = ("SEEN123", "LISTED1", "LISTNAME", "REASON", "NOTES", "HANDLING", "REFERENCE", "CASE", "MAKE", "WHY")
PLACES = ("lpr-1", "north", "main-street", "39.8", "89.65", "US-TX", "US-OK")


def told(facts: AlertFacts = HIT, *fields: str, justice: tuple[str, ...] = ()) -> dict[str, Any]:
    allowance = Allowance(frozenset(fields), frozenset(justice))
    found: dict[str, Any] = json.loads(body(Message(NOTICE, facts), allowance, PAGE))
    return found


def test_without_fields_it_tells_neither_plate_nor_reason_nor_place() -> None:
    assert told() == {
        "nightjar": 1,
        "notice": 12,
        "alert": 5,
        "occasion": "trail",
        "at": "2026-11-21T10:13:20.000000Z",
        "severity": "high",
        "record": "NOT CONFIRMED",
        "link": "https://rtcc.example/#alert=5",
        "fields": {},
    }


def test_open_fields_tell_none_of_that_either() -> None:
    text = json.dumps(told(HIT, *OPEN_FIELDS))
    assert not any(one in text for one in SECRETS + PLACES)


def test_every_field_says_what_it_is_called() -> None:
    everything = told(HIT, *OPEN_FIELDS, *GUARDED_FIELDS)["fields"]
    assert set(everything) == OPEN_FIELDS | GUARDED_FIELDS
    assert everything["plate"] == "SEEN123"
    assert everything["listed_plate"] == "LISTED1"
    assert everything["position"] == [39.8, -89.65]
    assert everything["passed_at"] == "2026-11-21T10:13:20.000000Z"
    assert everything["vehicle"] == {"make": "MAKE"}
    assert everything["why"] == ["WHY"]


def test_the_settings_know_the_same_fields() -> None:
    assert set(get_args(settings.OpenField)) == OPEN_FIELDS
    assert set(get_args(settings.GuardedField)) == GUARDED_FIELDS


def test_lists_of_criminal_justice_have_fields_of_their_own() -> None:
    of_justice = replace(HIT, listed=replace(LISTED, criminal_justice=True))
    assert told(of_justice, "plate", "agency")["fields"] == {}
    assert told(of_justice, justice=("plate",))["fields"] == {"plate": "SEEN123"}
    assert told(HIT, justice=("plate",))["fields"] == {}


def test_it_says_not_confirmed_until_the_record_is_active() -> None:
    assert told()["record"] == "NOT CONFIRMED"
    assert told(replace(HIT, confirmed=True))["record"] == "active"


def test_shots_have_no_severity_and_no_entry() -> None:
    shot = replace(HIT, listed=None, rule=None, latest=replace(SEEN, device=None, text=None))
    found = told(shot, *OPEN_FIELDS, *GUARDED_FIELDS)
    assert found["severity"] is None
    assert found["fields"]["kind"] == "shot"
    assert found["fields"]["listed_plate"] is None
    assert found["fields"]["vehicle"] is None
    assert mail(Message(NOTICE, shot), PAGE)[0] == "Nightjar alert 5"


def test_an_e_mail_says_number_severity_link_and_that_nothing_is_confirmed() -> None:
    for of_justice in (False, True):
        facts = replace(HIT, listed=replace(LISTED, criminal_justice=of_justice, severity="very\r\nhigh"))
        subject, text = mail(Message(NOTICE, facts), PAGE)
        assert subject == "Nightjar alert 5: very high"
        assert text == (
            "Nightjar alert 5: very high\n"
            "NOT CONFIRMED by this e-mail: look at the alert before anybody acts on it.\n"
            "https://rtcc.example/#alert=5\n"
        )


def test_the_signature_is_the_receivers() -> None:
    """As docs/routing.md has it."""
    secret, timestamp, content = b"s" * 32, "1795256000", body(Message(NOTICE, HIT), Allowance(), PAGE)
    expected = "v1=" + hmac.new(secret, timestamp.encode() + b"." + content, hashlib.sha256).hexdigest()
    assert signature(secret, timestamp, content) == expected
    assert signature(secret, "1795256001", content) != expected
