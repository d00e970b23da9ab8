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
    expect(shown.locator("[data-fact=rule]")).to_contain_text("folded 0/O 1/I")
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
        "rms_dbfs": -20.0, "received_at": read["received_at"], "latency_ms": 430,
    }  # fmt: skip
    fake.publish("shot", shot)
    expect(desk.locator('[data-shot-id="7"]')).to_contain_text("gunshot")
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
