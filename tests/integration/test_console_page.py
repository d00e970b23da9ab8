"""The operator's page in a real Chromium, against a collector that a test can make fail."""

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import collector.console
from collector.errors import ConfigurationError


def _fake_api() -> ModuleType:
    file = Path(__file__).parents[1] / "collector" / "console" / "fake_api.py"
    spec = importlib.util.spec_from_file_location("console_fake_api", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fake_api = _fake_api()

FLAGS = [
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync",
    "--no-first-run", "--disable-domain-reliability", "--autoplay-policy=user-gesture-required",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def fake() -> Any:
    try:
        return fake_api.FakeCollector(collector.console.assets(), heartbeat_s=0.2)
    except ConfigurationError as error:
        pytest.skip(str(error))


@pytest.fixture
def address(fake: Any) -> Iterator[str]:
    with fake_api.serve(fake) as address:
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page with its own cookies, whose errors and policy violations fail the test."""
    context = browser.new_context(viewport={"width": 1600, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    context.close()
    assert wrong == []


@pytest.fixture
def desk(page: Page, address: str) -> Page:
    """The page logged in as operator, live."""
    page.goto(f"{address}/#login=one-time")
    expect_state(page, "live")
    return page


def expect_state(page: Page, state: str) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", state)


def alert_ids(page: Page) -> list[int]:
    return [int(row.get_attribute("data-alert-id") or "") for row in page.locator("#alert-list > li").all()]


def row(page: Page, alert: Any) -> Any:
    return page.locator(f'#alert-list [data-alert-id="{alert["id"]}"]')


def detail(page: Page, alert: Any) -> Any:
    return page.locator(f'#detail[data-alert-id="{alert["id"]}"]')


def raise_alert(fake: Any, text: str, plate: str | None = None, **changes: Any) -> Any:
    return fake.publish("alert", fake.alert(fake.read(text), plate or text, **changes))


def test_a_wrong_password_is_said_and_the_right_one_opens_the_desk(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_label("User name").fill("operator")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#login-message")).to_contain_text("wrong user name or password")
    page.get_by_label("Password").fill("operator")
    page.keyboard.press("Enter")
    expect_state(page, "live")
    expect(page.locator("#login")).to_be_hidden()
    page.reload()
    expect_state(page, "live")


def test_a_login_link_works_once_and_leaves_no_code_in_the_address(page: Page, address: str) -> None:
    page.goto(f"{address}/#login=one-time")
    expect_state(page, "live")
    assert page.url == f"{address}/"
    page.locator("#logout").click()
    expect(page.locator("#login-message")).to_have_text("Logged out.")
    page.goto("about:blank")
    page.goto(f"{address}/#login=one-time")
    expect(page.locator("#login-message")).to_contain_text("the code was used or has expired")
    assert page.url == f"{address}/"


def test_an_alert_arrives_by_itself_and_says_all_that_is_known(desk: Page, fake: Any) -> None:
    expect(desk.locator("#detail")).to_contain_text("No alerts")
    read = fake.read("KGV55O1", {5: [("O", 0.58), ("0", 0.41)]}, region="US-VA", regions=[["US-VA", 0.97]])
    alert = fake.publish("alert", fake.alert(read, "KGV5501", {"notes": "Case 26-0044"}))
    arrived = row(desk, alert)
    expect(arrived.locator(".plate-read")).to_have_text("KGV55O1")
    expect(arrived.locator(".plate-listed")).to_have_text("KGV5501")
    expect(arrived).to_contain_text("Stolen vehicle")
    expect(arrived).to_contain_text("trailer-07 · north-1 · 512 ms")
    shown = detail(desk, alert)
    expect(shown.locator(".plate-read .folded")).to_have_text("O")
    expect(shown.locator(".plate-read .low")).to_have_text("O")
    expect(shown.locator(".plate-probabilities")).to_have_text("58 %")
    expect(shown.locator("[data-fact=rule]")).to_contain_text("likely")
    expect(shown.locator("[data-fact=region]")).to_contain_text("DIFFERS from listed US-TX")
    expect(shown.locator("[data-fact=list]")).to_contain_text("stolen-vehicles, version 12")
    expect(shown.locator("[data-fact=list]")).to_contain_text("Case 26-0044")
    expect(shown.locator("[data-fact=captured]")).to_contain_text("UTC")
    expect(desk.locator("#unacknowledged")).to_have_text("1")
    expect(desk).to_have_title("(1) Nightjar")
    expect(desk.locator("#spoken")).to_contain_text("New alert: K G V 5 5 O 1, Stolen vehicle")
    shown.locator(".plate-read .folded").hover()
    expect(shown.locator(".slot-line")).to_contain_text("Position 6: read O with 58 %; else 0 41 %")
    desk.keyboard.press("ArrowRight")
    expect(shown.locator(".slot-line")).to_contain_text("Position 1: read K")


def test_text_from_outside_stays_text(desk: Page, fake: Any) -> None:
    attack = "<img src=x onerror=alert(1)><b>bold</b>"
    alert = fake.publish("alert", fake.alert(fake.read("ABC123"), "ABC123", {"reason": attack, "notes": attack}))
    expect(detail(desk, alert).locator(".detail-reason")).to_have_text(attack)
    expect(desk.locator("b")).to_have_count(0)


def test_the_picture_is_on_its_way_until_it_arrives(desk: Page, fake: Any) -> None:
    read = fake.read("TAF389")
    alert = fake.publish("alert", fake.alert(read, "TAF389"))
    picture = row(desk, alert).locator(".picture")
    expect(picture).to_have_attribute("data-state", "waiting")
    expect(picture).to_contain_text("on its way")
    fake.bring_picture(read, fake_api.plate_picture("TAF389"))
    expect(picture).to_have_attribute("data-state", "shown")
    expect(detail(desk, alert).get_by_alt_text("The plate that was read as TAF389")).to_be_visible()
    assert picture.locator("img").evaluate("image => image.naturalWidth") > 0


def test_a_picture_that_cannot_be_fetched_at_first_is_tried_again(desk: Page, fake: Any) -> None:
    read = fake.read("TAF389", crop_here=True)
    alert = fake.publish("alert", fake.alert(read, "TAF389"))
    picture = row(desk, alert).locator(".picture")
    expect(picture).to_have_attribute("data-state", "waiting")
    fake.pictures[read["crop"]] = fake_api.plate_picture("TAF389")
    expect(picture).to_have_attribute("data-state", "shown")


def test_acknowledge_by_key_says_who_and_when(desk: Page, fake: Any) -> None:
    alert = raise_alert(fake, "ABC123")
    expect(detail(desk, alert)).to_be_visible()
    desk.keyboard.press("a")
    expect(desk.locator("#acknowledge-outcome")).to_have_text(
        re.compile(r"Acknowledged by operator at \d\d:\d\d:\d\d \(.* UTC\)")
    )
    expect(row(desk, alert)).to_have_attribute("data-state", "acknowledged")
    expect(desk.locator("#unacknowledged")).to_have_text("0")
    assert fake.alerts[alert["id"]]["acknowledged_by"] == "operator"


def test_a_failed_acknowledgement_is_shown_on_its_alert_and_can_be_tried_again(desk: Page, fake: Any) -> None:
    older = raise_alert(fake, "OLD001")
    expect(detail(desk, older)).to_be_visible()
    fake.acknowledge_fails = (503, "the store is busy")
    desk.locator("#acknowledge").click()
    expect(desk.locator("#acknowledge-failure")).to_contain_text("Not acknowledged: the store is busy")
    expect(row(desk, older)).to_contain_text("NOT ACKNOWLEDGED")
    newer = raise_alert(fake, "NEW001")
    row(desk, newer).locator("button").click()
    expect(desk.locator("#acknowledge-failure")).to_be_empty()
    row(desk, older).locator("button").click()
    expect(desk.locator("#acknowledge-failure")).to_contain_text("the store is busy")
    fake.acknowledge_fails = None
    desk.keyboard.press("a")
    expect(row(desk, older)).to_have_attribute("data-state", "acknowledged")
    expect(desk.locator("#acknowledge-failure")).to_be_empty()


def test_an_alert_is_closed_with_a_disposition_that_somebody_chooses(desk: Page, fake: Any) -> None:
    alert = raise_alert(fake, "ABC123", probability=0.934)
    expect(detail(desk, alert)).to_be_visible()
    expect(row(desk, alert)).to_contain_text("512 ms · 93.4 %")
    desk.locator("#close-alert").click()  # nothing is chosen
    desk.locator("#disposition").select_option(label="wrong state")
    desk.locator("#close-alert").click()
    expect(desk.locator("#acknowledge-outcome")).to_contain_text("Closed as wrong state by operator at ")
    expect(row(desk, alert)).to_have_attribute("data-state", "closed")
    expect(desk.locator("#closing")).to_be_hidden()
    expect(desk.locator("#unacknowledged")).to_have_text("0")
    assert fake.alerts[alert["id"]]["disposition"] == "wrong-state"
    assert sum("/close?" in one for one in fake.requests) == 1


def test_an_alert_is_not_confirmed_until_its_record_check_says_active(desk: Page, fake: Any) -> None:
    alert = raise_alert(fake, "ABC123")
    shown = detail(desk, alert)
    state = shown.locator("#record-state")
    expect(state).to_have_text("NOT CONFIRMEDnobody has asked its source")
    expect(state).to_be_in_viewport()
    expect(shown.locator("#hand-off li").first).to_have_text(re.compile("^NOT CONFIRMED: nobody has asked"))
    expect(shown.locator("[data-fact=image-check]")).to_contain_text("nobody has compared the picture")
    expect(shown.locator("[data-fact=field-outcome]")).to_contain_text("nothing told")
    told = {"by": "maria", "at": alert["raised_at"]}
    image = {"plate": "match", "state": "mismatch", "vehicle": "cannot-tell", **told}
    outcome, by = {"outcome": "stopped", **told}, {"confirm_by": alert["raised_at"]}
    fake.publish("alert", {**alert, "image_check": image, "field_outcome": outcome, **by})
    expect(shown.locator("[data-fact=image-check]")).to_contain_text("state DOES NOT MATCH")
    expect(shown.locator("[data-fact=field-outcome]")).to_contain_text("stopped (maria, ")
    expect(shown.locator("[data-fact=record-check]")).to_contain_text("to be confirmed by ")
    asked = {"status": "active", "reference": "R1", **told}
    # It is the collector that says whether that confirms it: the entry may have been taken back since.
    fake.publish("alert", {**alert, "record_check": asked})
    expect(state).to_have_text(re.compile(r"NOT CONFIRMEDactive \(maria, "))
    fake.publish(
        "alert", {**alert, "record_check": asked, "confirmed": True, "hand_off": "Record ACTIVE: maria asked."}
    )
    expect(state).to_have_text(re.compile(r"RECORD ACTIVEmaria, "))
    expect(desk.locator("#hand-off")).to_have_text("Record ACTIVE: maria asked.")
    expect(shown.locator("[data-fact=record-check]")).to_contain_text("R1")


def test_an_alert_that_calls_again_is_spoken_again_and_says_where_it_went(desk: Page, fake: Any) -> None:
    alert = raise_alert(fake, "ABC123")
    expect(desk.locator("#spoken")).to_contain_text("New alert: A B C 1 2 3")
    sites = [{"site": "5th-and-main"}, {"site": "9th"}]
    moved = fake.publish("alert", {**alert, "soundings": 2, "trail": sites, "suppressed": 1})
    expect(desk.locator("#spoken")).to_contain_text("Alert again: A B C 1 2 3")
    expect(row(desk, alert)).to_contain_text("1 further read at a site; seen again at 9th")
    fake.publish("alert", {**moved, "soundings": 3, "recalled_why": "The owner has it back."})
    expect(desk.locator("#spoken")).to_contain_text(f"Recalled: alert {alert['id']}")
    expect(row(desk, alert)).to_contain_text("Recalled")
    expect(desk.locator(".cautions")).to_contain_text("Recalled: The owner has it back.")


def test_a_link_leads_to_its_alert(page: Page, address: str, fake: Any) -> None:
    first, _ = raise_alert(fake, "OLD001"), raise_alert(fake, "NEW001")
    page.goto(f"{address}/#login=one-time")
    expect_state(page, "live")
    page.goto(f"{address}/#alert={first['id']}")
    expect(detail(page, first)).to_be_visible()


def test_the_selected_alert_stays_when_others_arrive_and_when_it_is_acknowledged(desk: Page, fake: Any) -> None:
    first = raise_alert(fake, "FIRST1")
    expect(detail(desk, first)).to_be_visible()
    button = desk.locator("#acknowledge").bounding_box()
    others = [raise_alert(fake, f"BURST{number}") for number in range(5)]
    expect(desk.locator("#unacknowledged")).to_have_text("6")
    expect(detail(desk, first)).to_be_visible()
    assert desk.locator("#acknowledge").bounding_box() == button
    assert alert_ids(desk) == [*(alert["id"] for alert in reversed(others)), first["id"]]
    expect(row(desk, first)).to_be_in_viewport()
    desk.keyboard.press("k")
    expect(detail(desk, others[0])).to_be_visible()
    desk.keyboard.press("a")
    expect(row(desk, others[0])).to_have_attribute("data-state", "acknowledged")
    assert alert_ids(desk)[-2:] == [others[0]["id"], first["id"]]
    desk.keyboard.press("j")
    expect(detail(desk, first)).to_be_visible()
    assert alert_ids(desk)[-2:] == [first["id"], others[0]["id"]]
    expect(row(desk, first).locator("button")).to_be_focused()
    desk.keyboard.press("n")
    expect(detail(desk, others[-1])).to_be_visible()


def test_whoever_scrolled_down_is_not_moved_and_is_told_what_came(desk: Page, fake: Any) -> None:
    alerts = [raise_alert(fake, f"LIST{number:02}") for number in range(20)]
    expect(desk.locator("#unacknowledged")).to_have_text("20")
    row(desk, alerts[3]).locator("button").click()
    place = row(desk, alerts[3]).bounding_box()
    raise_alert(fake, "AFTER1")
    expect(desk.locator("#unacknowledged")).to_have_text("21")
    assert row(desk, alerts[3]).bounding_box() == place
    expect(desk.locator("#newer")).to_contain_text("unacknowledged above")
    desk.locator("#newer").click()
    expect(desk.locator("#newer")).to_be_hidden()


def test_labels_of_an_alert_that_nobody_should_chase(desk: Page, fake: Any) -> None:
    alert = raise_alert(fake, "ABC123", historical=True, support="unsupported")
    expect(row(desk, alert)).to_contain_text("No longer supported · Historical")
    expect(detail(desk, alert).locator(".cautions")).to_contain_text("No longer supported: a later revision")
    expect(detail(desk, alert).locator(".cautions")).to_contain_text("Historical: the vehicle passed")


def test_a_broken_stream_is_resumed_and_nothing_is_missed(desk: Page, fake: Any) -> None:
    raise_alert(fake, "BEFORE")
    expect(desk.locator("#unacknowledged")).to_have_text("1")
    with desk.expect_response(lambda response: "/api/stream" in response.url):
        fake.drop_streams()
    fake.keep("alert", fake.alert(fake.read("UNSAID"), "UNSAID"))
    raise_alert(fake, "DURING")
    expect(desk.locator("#unacknowledged")).not_to_have_text("1")
    expect_state(desk, "live")
    assert any(re.fullmatch(r"GET /api/stream\? 1", request) for request in fake.requests)


def test_a_refused_stream_is_asked_for_again_after_the_last_number_heard(desk: Page, fake: Any) -> None:
    raise_alert(fake, "BEFORE")
    expect(desk.locator("#unacknowledged")).to_have_text("1")
    fake.refuse_streams = True
    with desk.expect_response(lambda response: "/api/stream" in response.url and response.status == 503):
        fake.drop_streams()
    expect_state(desk, "reconnecting")
    raise_alert(fake, "DURING")
    fake.keep("alert", fake.alert(fake.read("UNSAID"), "UNSAID"))
    fake.refuse_streams = False
    expect(desk.locator("#unacknowledged")).to_have_text("3", timeout=15_000)
    expect_state(desk, "live")
    assert any(re.search(r"/api/stream\?after=1$", request) for request in fake.requests)


def test_an_acknowledgement_elsewhere_is_seen_after_a_gap(desk: Page, fake: Any) -> None:
    alert = raise_alert(fake, "ABC123")
    expect(detail(desk, alert)).to_be_visible()
    gone = {"state": "acknowledged", "acknowledged_by": "maria", "acknowledged_at": alert["raised_at"]}
    fake.keep("alert", {**alert, **gone})
    fake.drop_streams()
    expect(desk.locator("#acknowledge-outcome")).to_contain_text("Acknowledged by maria", timeout=15_000)


def test_a_silent_stream_is_stale_until_something_is_heard(page: Page, address: str, fake: Any) -> None:
    page.clock.install()
    page.goto(f"{address}/#login=one-time")
    expect_state(page, "live")
    fake.silent = True
    page.clock.fast_forward(13_000)
    expect_state(page, "stale")
    expect(page.locator("#connection-state")).to_have_text(re.compile(r"STALE SINCE \d\d:\d\d:\d\d"))
    expect(page).to_have_title("⚠ Nightjar")
    page.clock.fast_forward(13_000)  # Reopened by now, and open, but nothing was heard on it.
    expect_state(page, "stale")
    fake.silent = False
    expect_state(page, "live")


def test_it_is_not_live_while_the_collector_cannot_hear_its_devices(desk: Page, fake: Any) -> None:
    fake.hearing = False
    expect_state(desk, "deaf")
    expect(desk.locator("#connection-detail")).to_have_text("the collector cannot hear its devices")
    expect(desk).to_have_title("⚠ Nightjar")
    fake.hearing = True
    expect_state(desk, "live")


def test_the_picture_before_stays_until_that_of_the_revision_is_here(desk: Page, fake: Any) -> None:
    read = fake.read("ABC123")
    alert = fake.publish("alert", fake.alert(read, "ABC123"))
    fake.bring_picture(read, fake_api.plate_picture("ABC123"))
    crop = detail(desk, alert).locator(".picture-crop")
    expect(crop).to_have_attribute("data-state", "shown")
    sharper = {**read, "revision": 2, "crop": "f" * 64, "crop_here": False}
    fake.publish("alert", {**alert, "read": sharper})
    expect(crop).to_have_attribute("data-state", "earlier")
    expect(crop.locator("img")).to_be_visible()
    expect(crop).to_contain_text("the latest is on its way")


def test_it_is_not_live_while_the_lists_cannot_be_had(page: Page, address: str, fake: Any) -> None:
    fake.lists_fail = True
    page.goto(f"{address}/#login=one-time")
    expect_state(page, "catching-up")
    expect(page.locator("#connection-detail")).to_contain_text("the store is busy")
    fake.lists_fail = False
    expect_state(page, "live")


def test_a_session_that_ends_returns_to_the_login_and_leaves_nothing_on_the_page(desk: Page, fake: Any) -> None:
    alert = raise_alert(fake, "ABC123")
    expect(detail(desk, alert)).to_be_visible()
    fake.sessions.clear()
    desk.keyboard.press("a")
    expect(desk.locator("#login-message")).to_contain_text("The alert for ABC123 was not acknowledged")
    assert alert_ids(desk) == []
    desk.get_by_label("User name").fill("operator")
    desk.get_by_label("Password").fill("operator")
    desk.keyboard.press("Enter")
    expect(desk.locator("#acknowledge-failure")).to_contain_text("Not acknowledged: the session had ended")
    desk.keyboard.press("a")
    expect(row(desk, alert)).to_have_attribute("data-state", "acknowledged")


def test_a_session_that_ends_while_nothing_is_done_is_noticed(desk: Page, fake: Any) -> None:
    fake.end_sessions()
    expect(desk.locator("#login-message")).to_contain_text("Your session has ended", timeout=15_000)


def test_a_role_that_may_not_acknowledge_is_told_so(page: Page, address: str, fake: Any) -> None:
    alert = fake.keep("alert", fake.alert(fake.read("ABC123"), "ABC123"))
    page.goto(address)
    page.get_by_label("User name").fill("auditor")
    page.get_by_label("Password").fill("auditor")
    page.keyboard.press("Enter")
    expect(page.locator("#acknowledge-outcome")).to_contain_text("Your role (auditor) cannot acknowledge")
    page.keyboard.press("a")
    page.locator("#acknowledge").click(force=True)
    assert fake.alerts[alert["id"]]["state"] == "new"
    assert not any("/acknowledge?" in request for request in fake.requests)


def test_tickers_show_revisions_in_place_and_are_bounded(desk: Page, fake: Any) -> None:
    read = fake.publish("read", fake.read("OLD111"))
    expect(desk.locator(f'[data-read-id="{read["id"]}"]')).to_contain_text("OLD111")
    fake.publish("read", {**read, "text": "NEW111", "revision": 2})
    expect(desk.locator(f'[data-read-id="{read["id"]}"]')).to_contain_text("NEW111")
    shot = {
        "id": 7, "device": "trailer-03", "agency": "springfield", "microphone": "mic-1", "error_ms": 1.0,
        "captured_at": read["captured_at"], "probability": 0.97, "classes": [["gunshot", 0.97]], "peak_dbfs": -3.2,
        "rms_dbfs": -20.0, "received_at": read["received_at"], "latency_ms": 430, "timing": "classification only",
        "round": 2, "rounds": 3, "marks": ["wind"], "incident": 12,
    }  # fmt: skip
    fake.publish("shot", shot)
    expect(desk.locator('[data-shot-id="7"]')).to_contain_text("gunshot")
    expect(desk.locator('[data-shot-id="7"]')).to_contain_text(
        "round 2 of 3 · classification only · wind · incident 12"
    )
    for number in range(60):
        fake.publish("read", fake.read(f"MANY{number:02}"))
    expect(desk.locator("#read-list > li").first).to_contain_text("MANY59")
    expect(desk.locator("#read-list > li")).to_have_count(50)


def test_keys_are_shown_and_do_nothing_while_they_are(desk: Page, fake: Any) -> None:
    alert = raise_alert(fake, "ABC123")
    expect(detail(desk, alert)).to_be_visible()
    desk.keyboard.press("?")
    expect(desk.locator("#keys")).to_be_visible()
    desk.keyboard.press("a")
    desk.keyboard.press("Escape")
    expect(desk.locator("#keys")).to_be_hidden()
    assert fake.alerts[alert["id"]]["state"] == "new"
    expect(desk.locator("#sound")).to_have_attribute("aria-pressed", "true")
    desk.keyboard.press("m")
    expect(desk.locator("#sound")).to_have_attribute("aria-pressed", "false")


def test_an_alert_shows_the_overview_with_its_time_and_what_made_the_plate_hard_to_read(desk: Page, fake: Any) -> None:
    colour = fake_api.plate_picture("colour")
    sha256 = fake_api.hashlib.sha256(colour).hexdigest()
    overview = {"camera": "north-colour", "sha256": sha256, "offset_ms": -40.0, "here": False}
    read = fake.read(
        "TAF389",
        region=None,
        regions=[],
        marks=["infrared", "two-line"],
        travel="receding",
        overview=overview,
        vehicle={"body": "pickup", "colour": "white", "make": None},
    )
    alert = fake.publish("alert", fake.alert(read, "TAF389"))
    shown = detail(desk, alert)
    expect(shown.locator("[data-fact=marks]")).to_contain_text("infrared, two-line")
    expect(shown.locator("[data-fact=vehicle]")).to_contain_text("white pickup")
    expect(shown.locator("[data-fact=place]")).to_contain_text("receding")
    expect(shown.locator("[data-fact=region]")).to_contain_text("not read in infrared")
    expect(shown.locator("[data-fact=overview]")).to_contain_text("camera north-colour")
    expect(shown.locator("[data-fact=overview]")).to_contain_text("40 ms before the picture of the plate")
    picture = shown.locator(".picture-overview")
    expect(picture).to_have_attribute("data-state", "waiting")
    fake.bring_picture(read, colour, "overview")
    expect(picture).to_have_attribute("data-state", "shown")
    assert f"/api/pictures/{sha256}" in (picture.locator("img").get_attribute("src") or "")
    plain = raise_alert(fake, "ABC123")
    row(desk, plain).locator("button").click()
    expect(detail(desk, plain).locator(".picture-overview")).to_be_hidden()
    for fact in ("marks", "vehicle", "overview"):
        expect(detail(desk, plain).locator(f"[data-fact={fact}]")).to_be_hidden()


def test_an_alert_shows_what_other_cameras_saw_of_the_same_vehicle(desk: Page, fake: Any) -> None:
    read, other = fake.read("KGV5501"), fake.read("KGV5S01", device="trailer-08", camera="south", role="overview")
    for one in (read, other):
        fake.publish("read", one)
    first = fake.publish("alert", fake.alert(read, "KGV5501"))
    expect(detail(desk, first)).to_be_visible()
    expect(detail(desk, first).locator(".passage")).to_be_hidden()
    passage = fake.publish("passage", fake.passage(read, other))
    fake.publish("alert", first)
    second = fake.publish("alert", fake.alert(other, "KGV5501"))
    view = detail(desk, first).locator(".passage")
    expect(view).to_contain_text(f"Seen by 2 cameras · passage {passage['id']} at 5th-and-main")
    expect(view).to_contain_text(f"Same vehicle as alert {second['id']}")
    expect(view.locator(".other-read")).to_have_count(1)
    expect(view).to_contain_text("KGV5S01")
    expect(view).to_contain_text("trailer-08 · south (overview)")
    expect(row(desk, second)).to_contain_text(f"Same vehicle as alert {first['id']}")
    expect(row(desk, second).locator("button")).to_have_accessible_name(
        re.compile(f"Same vehicle as alert {first['id']}")
    )
    expect(desk.locator(f'[data-read-id="{read["id"]}"]')).to_contain_text("Seen by 2 cameras")
    fake.bring_picture(other, fake_api.plate_picture("KGV5S01"))
    expect(view.locator(".other-read .picture").first).to_have_attribute("data-state", "shown")
    # Of a revision the collector tells by the read alone; the passage is not told again.
    revised = {**other, "revision": 2, "text": "KGV55O1", "crop_here": False}
    revised["crop"] = fake_api.hashlib.sha256(fake_api.plate_picture("KGV55O1")).hexdigest()
    fake.publish("read", revised)
    expect(view.locator(".other-text")).to_contain_text("KGV55O1")
    picture = view.locator(".other-read .picture").first
    expect(picture).to_have_attribute("data-state", "earlier")
    expect(picture).to_contain_text("Earlier picture; the latest is on its way")
    fake.bring_picture(revised, fake_api.plate_picture("KGV55O1"))
    expect(picture).to_have_attribute("data-state", "shown")
    assert revised["crop"] in (picture.locator("img").get_attribute("src") or "")
    expect(row(desk, second)).to_contain_text("KGV55O1")
    # They turned out to be two vehicles.
    read["passage"] = other["passage"] = None
    fake.publish("passage", {**passage, "reads": [], "cameras": 0})
    fake.publish("alert", first)
    expect(view).to_be_hidden()
    expect(desk.locator(f'[data-read-id="{read["id"]}"]')).not_to_contain_text("Seen by")


def test_a_passage_that_was_not_heard_of_is_asked_for(page: Page, address: str, fake: Any) -> None:
    read, other = fake.read("KGV5501"), fake.read("KGV5501", camera="south")
    passage = fake.keep("passage", fake.passage(read, other))
    for _ in range(50):
        fake.keep("passage", fake.passage(fake.read("TAF389")))
    alert = fake.keep("alert", fake.alert(read, "KGV5501"))
    page.goto(f"{address}/#login=one-time")
    row(page, alert).locator("button").click()
    expect(detail(page, alert).locator(".passage")).to_contain_text("Seen by 2 cameras")
    assert any(request.startswith(f"GET /api/passages/{passage['id']}") for request in fake.requests)


def test_a_list_that_comes_late_does_not_undo_what_the_stream_has_said_since(desk: Page, fake: Any) -> None:
    read, other, third = (fake.read("KGV5501", camera=camera) for camera in ("north", "south", "west"))
    for one in (read, other, third):
        fake.publish("read", one)
    passage = fake.publish("passage", fake.passage(read, other))
    fake.publish("device", fake.device("trailer-01"))
    # What only the lists tell of shows that their answers have been taken.
    unsaid = fake.keep("read", fake.read("TAF389"))
    fake.keep("device", fake.device("trailer-02"))
    held: list[tuple[Any, Any]] = []
    desk.route(re.compile("/api/(reads|passages|devices)"), lambda route: held.append((route, route.fetch())))
    fake.drop_streams()
    while len(held) < 3:
        desk.wait_for_event("requestfinished")
    fake.publish("read", {**read, "text": "KGV5502", "revision": 2})
    third["passage"] = passage["id"]
    fake.publish("passage", {**passage, "cameras": 3, "reads": [read, other, third]})
    fake.publish("device", fake.device("trailer-01", link="offline"))
    line = desk.locator(f'[data-read-id="{read["id"]}"]')
    device = desk.locator('[data-device-id="trailer-01"]')

    def expect_the_newer() -> None:
        expect(line).to_contain_text("KGV5502")
        expect(line).to_contain_text("Seen by 3 cameras")
        expect(device).to_contain_text("offline")

    expect_the_newer()
    for route, answer in held:
        route.fulfill(response=answer)
    expect(desk.locator(f'[data-read-id="{unsaid["id"]}"]')).to_be_visible()
    expect(desk.locator('[data-device-id="trailer-02"]')).to_be_visible()
    expect_the_newer()


def test_a_device_is_looked_at_closely(desk: Page, fake: Any) -> None:
    report: dict[str, Any] = {
        "at": None, "uptime_s": 7_200,
        "uplink": {"state": "unacked", "unacked_s": 31, "last_ack_s": 40, "metered": False},
        "outbox": {"pending": 12, "oldest_s": 340, "bytes": 5_000_000, "lost": {"evicted": 40}},
        "power": {"source": "battery", "charge_percent": 64, "input_v": 0, "battery_v": 12.65, "runtime_s": 1_800},
        "data_plan": None, "temperature_c": 61.5, "disk_free_bytes": 10**10, "clock_source": "kernel",
        "clock_error_ms": 1.5, "version": "0.1.0", "versions": {"python": "3.11.2"}, "models": [["plates", "us"]],
        "model_digests": {}, "config_sha256": None,
    }  # fmt: skip
    change = {"id": 1, "subject": "camera", "ref": "north", "state": "failed", "before": "ok", "reason": "no route"}
    fake.changes["trailer-01"] = [
        {**change, "at": "2026-11-21T10:00:00.000000Z", "received_at": "2026-11-21T10:00:01.000000Z"}
    ]
    source = {"id": "north", "kind": "camera", "state": "ok", "reason": "", "rate_hz": 25.0, "skipped": 0}
    fake.publish("device", fake.device("trailer-01", {**source, "inference_ms": 18.25}, report=report))
    line = desk.locator('[data-device-id="trailer-01"]')
    expect(line).to_contain_text("power: on battery, 64 % charged, about 30 min left")
    expect(line).to_contain_text("connected, but nothing was stored here for 31 s")
    line.get_by_role("button", name="trailer-01").click()
    view = desk.locator("#device-view")
    expect(view.locator('[data-fact="outbox"]')).to_contain_text("12 waiting, the oldest for 5 min, 5.0 MB on its disk")
    expect(view.locator('[data-fact="losses"]')).to_contain_text("40 lost: 40 evicted")
    expect(view.locator('[data-fact="sources"]')).to_contain_text("north ok, 25.0 a second, 18 ms a run")
    expect(view.locator("#device-changes > li")).to_have_count(1)
    expect(view.locator("#device-changes")).to_contain_text("camera north: ok → failed: no route")
    last_word = "power lost: shutting down"
    fake.publish("device", fake.device("trailer-01", report=report, link="offline", last_word=last_word))
    expect(view.locator('[data-fact="last-word"]')).to_contain_text(last_word)
    desk.keyboard.press("Escape")
    expect(view).to_be_hidden()
    expect(line).to_contain_text(f"last word: {last_word}")


def test_devices_say_what_cannot_be_relied_on(desk: Page, fake: Any) -> None:
    ok = {"id": "north", "kind": "camera", "state": "ok", "reason": "", "rate_hz": 25.0, "skipped": 0}
    fake.publish("device", fake.device("trailer-01", ok))
    skipping = {**ok, "skipped": 1}
    fake.publish("device", fake.device("trailer-02", skipping, site="5th-and-main"))
    black = {**ok, "state": "doubtful", "reason": "black for 60 s", "skipped": 12}
    fake.publish("device", fake.device("trailer-03", black))
    lines = desk.locator("#device-list > li")
    expect(lines).to_have_count(3)
    expect(lines.first).to_contain_text("trailer-03")
    expect(lines.first).to_contain_text("north doubtful: black for 60 s · north skipped 12 frames")
    expect(lines.first).to_have_attribute("data-troubled", "true")
    expect(desk.locator('[data-device-id="trailer-02"]')).to_contain_text("site 5th-and-main · north skipped 1 frame")
    expect(desk.locator('[data-device-id="trailer-02"]')).to_have_attribute("data-troubled", "false")
    fake.publish("device", fake.device("trailer-03", ok, link="offline"))
    expect(lines.first).to_contain_text("offline")
    expect(lines.first).not_to_contain_text("doubtful")


# Shots


def five_sensors(fake: Any) -> list[Any]:
    """Two of them on one mast, and one with a wrong clock."""
    return [
        fake.sensor("ear-1", 40, -25),
        fake.sensor("ear-2", -110, 60, residual_ms=-3.4),
        fake.sensor("ear-3", -110, 61, residual_ms=2.2),
        fake.sensor("ear-6", 150, 130, residual_ms=0.4),
        fake.sensor("ear-4", 90, 260, used=False, residual_ms=None, why="411 ms late: its clock is wrong", clip=None),
    ]


def raise_shot(fake: Any, *sensors: Any, **changes: Any) -> tuple[Any, Any]:
    """A shot alert and its incident."""
    incident = fake.incident(*(sensors or five_sensors(fake)), **changes)
    return fake.publish("alert", fake.shot_alert(incident)), incident


def heard(page: Page, incident: Any) -> Any:
    return page.locator(f'#heard-list [data-incident-id="{incident["id"]}"]')


def revise(fake: Any, incident: Any, **changes: Any) -> None:
    """The collector knows more of an incident, and tells."""
    incident.update(changes, revision=incident["revision"] + 1)
    fake.publish("incident", incident)


def test_a_shot_is_called_in_the_same_queue_and_says_where_when_how_likely_and_why(desk: Page, fake: Any) -> None:
    hit = raise_alert(fake, "ABC123")
    expect(detail(desk, hit)).to_be_visible()
    silent_at = fake_api.place(300, -40)
    silent = [{"device": "ear-5", "latitude": silent_at[0], "longitude": silent_at[1], "expected": 0.8}]
    alert, incident = raise_shot(fake, silent=silent)
    expect(row(desk, alert)).to_be_visible()
    expect(detail(desk, hit)).to_be_visible()
    assert alert_ids(desk) == [alert["id"], hit["id"]]
    expect(desk.locator("#spoken")).to_contain_text(
        "New alert: gunfire 97 %, 3 rounds, burst, within 9.1 m, high confidence"
    )
    expect(row(desk, alert)).to_contain_text("Gunfire 97 %")
    expect(row(desk, alert)).to_contain_text("40.70010, -74.00020 · 5 sensors · 2.4 s")
    expect(row(desk, alert).locator("button")).to_have_accessible_name(
        re.compile(r"New alert, gunfire 97 %, 3 rounds, burst, within 9\.1 m")
    )
    desk.keyboard.press("n")
    shown = detail(desk, alert)
    expect(shown.locator(".detail-head")).to_contain_text(f"Alert {alert['id']} · incident {incident['id']}")
    expect(shown.locator("#coordinates")).to_have_text("40.70010, -74.00020")
    expect(shown.locator("[data-fact=where]")).to_contain_text("Within 9.1 m (95 %), high confidence: four sensors")
    expect(shown.locator("[data-fact=when]")).to_contain_text("First round fired")
    expect(shown.locator("[data-fact=when]")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d\.\d{3} UTC"))
    expect(shown.locator("[data-fact=why]")).to_contain_text("5 sensors heard 3 rounds.")
    expect(shown.locator("[data-fact=why]")).to_contain_text("ear-1/mast 0.95.")
    sensors = shown.get_by_role("table", name="Sensors").get_by_role("row")
    expect(sensors.nth(2)).to_have_text(re.compile(r"2ear-2 · mast125 m−3\.4 ms✓ used for the location"))
    expect(sensors.nth(5)).to_contain_text("rejected: 411 ms late: its clock is wrong")
    expect(sensors.nth(6)).to_contain_text("listened and heard nothing; expected to hear it with 80 %")
    desk.keyboard.press("a")
    expect(row(desk, alert)).to_have_attribute("data-state", "acknowledged")
    assert fake.alerts[alert["id"]]["acknowledged_by"] == "operator"


def test_the_coordinates_are_copied_or_selected_to_be_copied(desk: Page, fake: Any) -> None:
    alert, _ = raise_shot(fake)
    expect(detail(desk, alert)).to_be_visible()
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk.keyboard.press("c")
    expect(desk.locator(".copied")).to_have_text("Copied")
    assert desk.evaluate("navigator.clipboard.readText()") == "40.70010, -74.00020"
    # Without HTTPS the browser has no clipboard to give.
    desk.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    desk.locator("#copy").click()
    expect(desk.locator(".copied")).to_contain_text("Ctrl-C")
    assert desk.evaluate("getSelection().toString()") == "40.70010, -74.00020"


def test_the_plan_hides_no_sensor_and_is_to_scale(desk: Page, fake: Any) -> None:
    read = fake.read("KGV5501", device="ear-6")
    twin = dict(zip(("latitude", "longitude"), fake_api.place(-60, -200), strict=True))
    silent = [{"device": "ear-5", "latitude": 40.7001, "longitude": -73.9975, "expected": 0.8}]
    alert, _ = raise_shot(fake, twin=twin, silent=silent, reads=[fake.nearby(read, 199.0, 3.0)])
    plan = detail(desk, alert).locator(".plan-drawing")
    expect(plan).to_have_accessible_name(re.compile("north up: .* 4 used, 1 rejected, 1 silent"))
    expect(plan.locator(".plan-mark")).to_have_count(7)
    boxes = [mark.bounding_box() for mark in plan.locator(".plan-mark :is(circle, path, rect)").all()]
    area = plan.bounding_box()
    assert area is not None
    for index, box in enumerate(boxes):
        assert area["x"] <= box["x"]
        assert box["x"] + box["width"] <= area["x"] + area["width"]
        assert area["y"] <= box["y"]
        assert box["y"] + box["height"] <= area["y"] + area["height"]
        centre = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for other in boxes[index + 1 :]:
            apart = (other["x"] + other["width"] / 2 - centre[0], other["y"] + other["height"] / 2 - centre[1])
            assert (apart[0] ** 2 + apart[1] ** 2) ** 0.5 > 22
    expect(plan.locator(".plan-twin")).to_have_count(1)
    expect(plan.locator(".plan-north")).to_have_text("N")

    def metre_px() -> float:
        bar = plan.locator(".plan-scale path").evaluate("path => path.getBBox().width")
        text = plan.locator(".plan-scale text").text_content() or ""
        return float(bar) / float(text.removesuffix(" m"))

    def ellipse_px() -> float:
        return float(plan.locator(".plan-95").get_attribute("ry") or "")

    assert ellipse_px() == pytest.approx(9.1 * metre_px(), rel=0.002)
    before = metre_px()
    desk.keyboard.press("z")
    expect(detail(desk, alert).locator(".plan-words")).to_contain_text("outside this view")
    assert metre_px() > 5 * before
    assert ellipse_px() == pytest.approx(9.1 * metre_px(), rel=0.002)
    assert "rotate(31)" in (plan.locator(".plan-95").get_attribute("transform") or "")


def test_clips_come_one_by_one_and_play_by_hand_only(desk: Page, fake: Any) -> None:
    """pains-23: what is played is asked for by the hash that the detection names, whatever its sensor is called."""
    alert, incident = raise_shot(fake)
    clips = detail(desk, alert).locator(".clip")
    expect(clips).to_have_count(5)
    expect(clips.first).to_contain_text("1 · ear-1, 47 mon its way")
    expect(clips.last).to_contain_text("no clip yet")
    desk.keyboard.press("l")
    expect(clips.first).to_have_attribute("data-state", "waiting")
    for device in ("ear-1", "ear-2"):
        fake.bring_clip(incident, device, fake_api.clip_of(1.0, 1.4))
    expect(clips.nth(0)).to_contain_text("4.0 s")
    expect(clips.nth(1)).to_contain_text("4.0 s")
    expect(clips.first.locator(".clip-strip")).to_be_visible()
    assert clips.locator("audio").evaluate_all("all => all.every(one => one.paused && one.currentTime === 0)")
    desk.keyboard.press("l")
    expect(clips.first).to_have_attribute("data-state", "playing")
    played_s = "one => one.currentTime"
    desk.wait_for_function("() => document.querySelector('.clip audio').currentTime > 0.3")
    address = clips.first.locator("audio").get_attribute("src")
    assert address == f"/api/clips/{incident['sensors'][0]['clip']}"
    # A revision that arrives meanwhile stops nothing.
    revise(fake, incident, rounds=4)
    expect(desk.locator(".detail-reason")).to_have_text("4 rounds, burst")
    assert clips.first.locator("audio").evaluate(played_s) > 0.3
    expect(clips.first).to_have_attribute("data-state", "playing")
    desk.keyboard.press("l")
    expect(clips.nth(1)).to_have_attribute("data-state", "playing")
    expect(clips.nth(0)).to_have_attribute("data-state", "here")
    desk.keyboard.press("s")
    expect(clips.nth(1)).to_have_attribute("data-state", "here")
    desk.get_by_role("button", name="Play the clip of sensor 1, ear-1, 47 m away").click()
    expect(clips.first).to_have_attribute("data-state", "playing")
    other, _ = raise_shot(fake)
    row(desk, other).locator("button").click()
    assert desk.locator("audio").evaluate_all("all => all.every(one => one.paused)")


def test_a_clip_that_cannot_be_fetched_at_first_is_tried_again(desk: Page, fake: Any) -> None:
    sensor = fake.sensor("ear-1", 40, -25, clip_here=True)
    alert, _ = raise_shot(fake, sensor)
    clip = detail(desk, alert).locator(".clip")
    expect(clip).to_contain_text("trying again")
    fake.clips[sensor["clip"]] = fake_api.clip_of(1.0, duration_s=2.0)
    expect(clip).to_contain_text("2.0 s")


def test_a_verdict_by_key_says_who_and_when_and_a_later_one_replaces_it(desk: Page, fake: Any) -> None:
    alert, incident = raise_shot(fake)
    expect(desk.locator("#verdict-due")).to_have_text(re.compile(r"\d\d s left"))
    expect(desk.locator("#spoken")).to_contain_text("New alert")
    desk.keyboard.press("2")
    outcome = desk.locator("#verdict-outcome")
    expect(outcome).to_have_text(re.compile(r"✓ Probable, by operator at \d\d:\d\d:\d\d .* 31 s after the alert"))
    expect(desk.locator("#verdict-due")).to_be_empty()
    expect(row(desk, alert)).to_contain_text("Probable, operator")
    expect(desk.locator('[data-verdict="probable"]')).to_have_attribute("aria-pressed", "true")
    expect(desk.locator("#spoken")).to_have_text("Verdict recorded: Probable, by operator")
    assert incident["verdict"]["verdict"] == "probable"
    fake.judge(incident, "fireworks", "maria")
    expect(outcome).to_contain_text("Fireworks, by maria")
    expect(desk.locator("#verdict-earlier")).to_have_text(re.compile(r"Before: Probable, operator at \d\d:\d\d:\d\d"))
    desk.get_by_role("button", name="Gunshot 1").click()
    expect(outcome).to_contain_text("Gunshot, by operator")
    expect(desk.locator("#verdict-earlier")).to_contain_text("Before: Fireworks, maria")
    # What it was is one thing; that somebody has seen the alert is another.
    expect(row(desk, alert)).to_have_attribute("data-state", "new")


def test_other_asks_what_it_was_and_what_is_typed_is_no_command(desk: Page, fake: Any) -> None:
    alert, incident = raise_shot(fake)
    expect(detail(desk, alert)).to_be_visible()
    desk.keyboard.press("4")
    desk.keyboard.press("Escape")
    expect(desk.locator("#verdict-other")).to_be_hidden()
    desk.keyboard.press("4")
    desk.keyboard.type("a nail gun, 2 am")
    desk.keyboard.press("Enter")
    expect(desk.locator("#verdict-outcome")).to_contain_text("Other: a nail gun, 2 am, by operator")
    assert incident["verdict"]["what"] == "a nail gun, 2 am"
    assert alert["state"] == "new"
    assert sum("/verdict?" in request for request in fake.requests) == 1


def test_a_verdict_that_was_not_recorded_is_shown_and_so_is_what_another_one_said(desk: Page, fake: Any) -> None:
    alert, incident = raise_shot(fake)
    expect(detail(desk, alert)).to_be_visible()
    fake.verdict_fails = (503, "the store is busy")
    desk.keyboard.press("1")
    failure = desk.locator("#verdict-failure")
    expect(failure).to_have_text("Gunshot may not be recorded: the store is busy. Trying again is safe.")
    expect(desk.locator('[data-verdict="gunshot"]')).to_have_attribute("aria-pressed", "false")
    fake.judge(incident, "fireworks", "maria")
    expect(desk.locator("#verdict-outcome")).to_contain_text("Fireworks, by maria")
    expect(failure).to_contain_text("Gunshot may not be recorded")
    fake.verdict_fails = (409, "the incident was merged")
    desk.keyboard.press("1")
    expect(failure).to_have_text("Gunshot is not recorded: the incident was merged.")
    fake.verdict_fails = None
    desk.keyboard.press("1")
    expect(desk.locator("#verdict-outcome")).to_contain_text("Gunshot, by operator")
    expect(failure).to_be_empty()
    assert incident["verdict"]["verdict"] == "gunshot"


def test_a_verdict_that_met_the_end_of_the_session_is_not_lost_silently(desk: Page, fake: Any) -> None:
    alert, _ = raise_shot(fake)
    expect(detail(desk, alert)).to_be_visible()
    fake.sessions.clear()
    desk.keyboard.press("3")
    expect(desk.locator("#login-message")).to_contain_text('The verdict "Fireworks" was not recorded')
    desk.get_by_label("User name").fill("operator")
    desk.get_by_label("Password").fill("operator")
    desk.keyboard.press("Enter")
    expect(desk.locator("#verdict-failure")).to_contain_text("Fireworks is not recorded: the session had ended")


def test_a_verdict_that_is_late_says_by_how_much(desk: Page, fake: Any) -> None:
    due = fake_api.timestamp(fake_api.datetime.now(fake_api.UTC) - fake_api.timedelta(seconds=150))
    raise_shot(fake, verdict_due_at=due)
    expect(desk.locator("#verdict-due")).to_have_text("overdue by 2 min")


def test_a_role_that_may_not_judge_is_told_so(page: Page, address: str, fake: Any) -> None:
    incident = fake.incident(*five_sensors(fake))
    alert = fake.keep("alert", fake.shot_alert(incident))
    page.goto(address)
    page.get_by_label("User name").fill("auditor")
    page.get_by_label("Password").fill("auditor")
    page.keyboard.press("Enter")
    expect(detail(page, alert).locator("#verdict-outcome")).to_have_text("Your role (auditor) cannot give verdicts")
    page.keyboard.press("1")
    page.locator('[data-verdict="unsure"]').click(force=True)
    assert incident["verdict"] is None
    assert not any("/verdict?" in request for request in fake.requests)


def test_plates_read_nearby_have_picture_distance_time_and_hold(desk: Page, fake: Any) -> None:
    before, after = fake.read("KGV5501"), fake.read("TAF389")
    reads = [fake.nearby(before, 120.4, -3.1), fake.nearby(after, 1240.0, 14.2, "confirmed")]
    alert, _ = raise_shot(fake, reads=reads)
    nearby = detail(desk, alert).locator(".nearby .other-read")
    expect(nearby).to_have_count(2)
    expect(nearby.first).to_contain_text("3.1 s before the shot, 120 m away")
    expect(nearby.first).to_contain_text("Hold provisional, until")
    expect(nearby.last).to_contain_text("14.2 s after the shot, 1.2 km away")
    expect(nearby.last).to_contain_text("Hold confirmed, until")
    fake.bring_picture(before, fake_api.plate_picture("KGV5501"))
    expect(nearby.first.locator(".picture")).to_have_attribute("data-state", "shown")


def test_what_is_weak_about_an_incident_stands_above_it(desk: Page, fake: Any) -> None:
    three = [fake.sensor(f"ear-{n}", 100 * n, 30 * n) for n in range(1, 4)]
    no_point = {"location": None, "confidence": "low"}
    corners = [list(fake_api.place(*at)) for at in ((-50, -300), (-50, 300), (50, 300), (50, -300))]
    cautions = desk.locator(".cautions")

    def select(alert: Any) -> None:
        row(desk, alert).locator("button").click()
        expect(detail(desk, alert)).to_be_visible()

    select(raise_shot(fake, *three)[0])
    expect(cautions).to_have_text("Low confidence: three sensors")
    select(raise_shot(fake, *three[:2], region={"kind": "band", "outline": corners}, **no_point)[0])
    expect(cautions).to_contain_text("No location: two sites heard it in time")
    expect(desk.locator("#coordinates")).to_have_text("No point")
    expect(desk.locator("#copy")).to_be_hidden()
    expect(desk.locator(".plan-region")).to_have_count(1)
    expect(desk.locator("[data-fact=when]")).to_contain_text("when it was fired is not known")
    select(raise_shot(fake, three[0], region={"kind": "zone", "outline": corners}, **no_point)[0])
    expect(cautions).to_contain_text("No location: one site heard it in time")
    nowhere = fake.sensor("ear-1", 0, 0, latitude=None, longitude=None, distance_m=None)
    select(raise_shot(fake, nowhere, region=None, location=None, confidence=None)[0])
    expect(desk.locator(".plan-words")).to_contain_text("The place of no sensor is known")
    old = fake.incident(*five_sensors(fake), historical=True, probability=0.31)
    alert = fake.publish("alert", fake.shot_alert(old, support="unsupported"))
    select(alert)
    expect(cautions).to_contain_text("No longer supported: gunfire with 31 % now, alerts are from 50 %")
    expect(cautions).to_contain_text("Historical: heard")
    expect(row(desk, alert)).to_contain_text("No longer supported · Historical")
    expect(desk.locator("#verdict-due")).to_be_empty()


def test_an_incident_that_was_merged_leads_to_the_other_one(desk: Page, fake: Any) -> None:
    into, other = raise_shot(fake)
    alert, incident = raise_shot(fake)
    row(desk, alert).locator("button").click()
    gone = {"rounds": 0, "location": None, "region": None, "sensors": [], "probability": None, "confidence": None}
    revise(fake, incident, merged_into=other["id"], **gone)
    expect(detail(desk, alert).locator(".cautions")).to_contain_text(f"belong to incident {other['id']}")
    expect(row(desk, alert)).to_contain_text("Merged")
    expect(desk.locator(".plan")).to_be_hidden()
    expect(desk.locator(".verdict")).to_be_hidden()
    desk.locator("#show-merged").click()
    expect(detail(desk, into)).to_be_visible()


def test_the_other_incident_is_asked_for_where_its_alert_is_older_than_those_shown(desk: Page, fake: Any) -> None:
    done = {"state": "acknowledged", "acknowledged_by": "maria", "acknowledged_at": "2026-11-21T20:01:01.000000Z"}
    other = fake.incident(*five_sensors(fake))
    into = fake.keep("alert", fake.shot_alert(other, **done))
    for number in range(60):
        fake.publish("alert", {**fake.alert(fake.read(f"MANY{number:02}"), "MANY"), **done})
    alert, _ = raise_shot(fake, rounds=0, location=None, region=None, confidence=None, merged_into=other["id"])
    expect(detail(desk, alert)).to_be_visible()
    expect(row(desk, into)).to_have_count(0)
    desk.locator("#show-merged").click()
    expect(detail(desk, into)).to_contain_text("Acknowledged by maria")
    expect(detail(desk, into).locator("#coordinates")).to_have_text("40.70010, -74.00020")


def test_a_revision_says_what_it_changed_for_whoever_has_looked(desk: Page, fake: Any) -> None:
    alert, incident = raise_shot(fake)
    expect(detail(desk, alert)).to_be_visible()
    expect(desk.locator("#spoken")).to_contain_text("New alert")
    expect(desk.locator("#revised")).to_be_empty()
    latitude, longitude = fake_api.place(9, 9)
    moved = {**incident["location"], "latitude": latitude, "longitude": longitude}
    revise(fake, incident, location=moved, rounds=4, stage="revised")
    expect(desk.locator("#revised")).to_have_text(
        re.compile(r"Revised at \d\d:\d\d:\d\d, since you opened it: 4 rounds, was 3; moved 13 m north-east")
    )
    expect(desk.locator("#spoken")).to_contain_text("Incident revised: 4 rounds, was 3")
    expect(desk.locator("#coordinates")).to_have_text("40.70018, -74.00009")
    # An older answer undoes nothing.
    fake.publish("incident", {**incident, "revision": 1, "rounds": 3})
    fake.publish("read", fake.read("LATER1"))
    expect(desk.locator("#read-list")).to_contain_text("LATER1")
    expect(desk.locator(".detail-reason")).to_have_text("4 rounds, burst")


def test_what_raised_no_alert_is_in_a_quiet_list_and_can_be_judged(desk: Page, fake: Any) -> None:
    why = ["ear-1/mast 0.31: fireworks likelier."]
    first = fake.publish("incident", fake.incident(*five_sensors(fake), probability=0.31, probability_why=why))
    second = fake.publish("incident", fake.incident(*five_sensors(fake), probability=0.2))
    expect(heard(desk, first)).to_contain_text("31 %")
    expect(heard(desk, first)).to_contain_text("below 50 % · ear-1/mast 0.31: fireworks likelier. · 5 sensors")
    expect(desk.locator("#heard-count")).to_have_text("2")
    expect(desk.locator("#spoken")).to_have_text("live")
    expect(desk.locator("#unacknowledged")).to_have_text("0")
    expect(desk.locator("#detail")).to_contain_text("No alerts")
    desk.keyboard.press("h")
    shown = desk.locator(f'#detail[data-incident-id="{second["id"]}"]')
    expect(shown).to_contain_text("Not alerted")
    expect(heard(desk, second).locator("button")).to_be_focused()
    desk.keyboard.press("h")
    expect(desk.locator(f'#detail[data-incident-id="{first["id"]}"]')).to_contain_text("Raised no alert: below 50 %")
    expect(desk.locator("#acknowledge")).to_be_hidden()
    expect(desk.locator("#verdict-due")).to_be_empty()
    desk.keyboard.press("3")
    expect(heard(desk, first)).to_contain_text("✓ Fireworks, operator")
    # An alert that comes meanwhile calls, and takes nothing out of the operator's hands.
    hit = raise_alert(fake, "ABC123")
    expect(desk.locator("#spoken")).to_contain_text("New alert: A B C 1 2 3")
    expect(desk.locator(f'#detail[data-incident-id="{first["id"]}"]')).to_be_visible()
    desk.keyboard.press("n")
    expect(detail(desk, hit)).to_be_visible()
    expect(desk.locator("#heard-list [aria-current]")).to_have_count(0)


def test_what_was_heard_and_alerts_later_becomes_the_alert_under_the_operators_eyes(desk: Page, fake: Any) -> None:
    incident = fake.publish("incident", fake.incident(*five_sensors(fake), probability=0.4))
    heard(desk, incident).locator("button").click()
    incident["probability"] = 0.9
    alert = fake.publish("alert", fake.shot_alert(incident))
    expect(detail(desk, alert)).to_contain_text("90 %")
    expect(desk.locator("#acknowledge")).to_be_visible()
    expect(heard(desk, incident)).to_have_count(0)


def test_older_incidents_are_asked_for_by_hand(page: Page, address: str, fake: Any) -> None:
    for number in range(60):
        fake.keep("incident", fake.incident(fake.sensor("ear-1", 40, -25), probability=0.2, rounds=number + 1))
    page.goto(f"{address}/#login=one-time")
    expect(page.locator("#heard-list > li")).to_have_count(50)
    page.locator("#heard-older").click()
    expect(page.locator("#heard-list > li")).to_have_count(60)
    expect(page.locator("#heard-older")).to_be_hidden()


def test_an_alert_of_a_kind_that_the_page_does_not_know_is_shown_plainly(desk: Page, fake: Any) -> None:
    plain = {**fake.alert(fake.read("ABC123"), "ABC123"), "read": None, "entry": None, "rule": None}
    alert = fake.publish("alert", {**plain, "kind": "drone", "why": ["A drone was seen over Main Street."]})
    expect(row(desk, alert)).to_contain_text("Alert of kind drone")
    expect(detail(desk, alert)).to_contain_text("A drone was seen over Main Street.")
    expect(detail(desk, alert).locator(".cautions")).to_contain_text("This page is older than the collector")
    expect(desk.locator("#spoken")).to_contain_text("New alert: Alert of kind drone")
    desk.keyboard.press("a")
    expect(row(desk, alert)).to_have_attribute("data-state", "acknowledged")


def test_an_incident_that_cannot_be_read_is_asked_for_again(desk: Page, fake: Any) -> None:
    incident = fake.incident(*five_sensors(fake), probability=0.2)
    fake.keep("incident", incident)
    fake.publish("incident", {"id": incident["id"], "stage": "torn"})
    fake.keep("incident", incident)
    expect(heard(desk, incident)).to_have_count(1, timeout=15_000)
    expect_state(desk, "live")


CONTRAST = """root => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [0, 0, 0];
  };
  const poor = [];
  for (const element of root.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (!own || element.checkVisibility && !element.checkVisibility()) continue;
    const drawn = element.closest("svg") !== null;
    const style = getComputedStyle(element);
    const text = luminance(parse(drawn ? style.fill : style.color));
    const mark = element.closest(".plan-mark")?.querySelector("circle, path");
    const behind = luminance(mark ? parse(getComputedStyle(mark).fill) : ground(element));
    const ratio = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
    if (ratio < 4.5) poor.push(`${element.outerHTML} ${ratio.toFixed(2)}`);
  }
  return poor;
}"""
UNNAMED = """root => [...root.querySelectorAll("button, input, img, audio, [role=img], [role=group], table, section")]
  .filter((one) => one.checkVisibility() && !one.closest("[aria-hidden=true]"))
  .filter((one) => !["aria-label", "aria-labelledby", "alt"].some((name) => one.getAttribute(name)))
  .filter((one) => one.textContent.trim() === "" && !one.labels?.length)
  .map((one) => one.outerHTML.slice(0, 120))"""


def test_everything_about_a_shot_has_a_name_and_enough_contrast(desk: Page, fake: Any) -> None:
    silent = [{"device": "ear-5", "latitude": 40.7001, "longitude": -73.9975, "expected": 0.8}]
    reads = [fake.nearby(fake.read("KGV5501"), 120.4, -3.1)]
    alert, incident = raise_shot(fake, silent=silent, reads=reads)
    fake.publish("incident", fake.incident(*five_sensors(fake), probability=0.2))
    expect(detail(desk, alert).locator(".plan-mark")).to_have_count(6)
    for _ in ("as it comes", "judged, with the question open"):
        assert desk.locator("#desk").evaluate(CONTRAST) == []
        assert desk.locator("#desk").evaluate(UNNAMED) == []
        fake.judge(incident, "gunshot", "maria")
        desk.keyboard.press("4")
        expect(desk.locator("#verdict-what")).to_be_focused()
    assert desk.locator("audio[autoplay], audio[controls]").count() == 0


@pytest.mark.parametrize("width", [820, 1440])
def test_nothing_of_a_shot_is_wider_than_its_place(desk: Page, fake: Any, width: int) -> None:
    desk.set_viewport_size({"width": width, "height": 900})
    alert, _ = raise_shot(fake, reads=[fake.nearby(fake.read("KGV5501"), 120.4, -3.1)])
    expect(detail(desk, alert).locator(".plan-mark")).to_have_count(5)
    wide = "all => all.filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.className)"
    assert desk.locator("body, #detail, .figures, .figures .fact, .heard, .clips, .verdict").evaluate_all(wide) == []
