import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from collector.commands.tail import say, tail

READ: dict[str, Any] = {
    "id": 1,
    "device": "lpr-1",
    "camera": "north",
    "text": "7ABC123",
    "confidence": 0.912,
    "revision": 1,
    "captured_at": "2026-11-21T10:41:47.123456Z",
    "latency_ms": 411.6,
}
ALERT: dict[str, Any] = {
    "id": 5,
    "kind": "hit",
    "incident": None,
    "read": READ,
    "entry": {"plate": "7ABC1Z3", "list": "stolen", "reason": "stolen vehicle"},
    "state": "new",
    "support": "raised",
    "historical": False,
    "latency_ms": 430.2,
}
SHOT: dict[str, Any] = {
    "device": "ear-1",
    "microphone": "mast",
    "probability": 0.97,
    "peak_dbfs": -1.23,
    "captured_at": "2026-11-21T10:41:48.000000Z",
    "latency_ms": 99.5,
}
INCIDENT: dict[str, Any] = {
    "id": 7,
    "stage": "located",
    "revision": 2,
    "at": "2026-11-21T10:41:46.000045Z",
    "rounds": 3,
    "fire": "burst",
    "probability": 0.973,
    "location": {"latitude": 40.7001, "longitude": -74.0002, "error_m": 9.1},
    "region": {"kind": "ellipse"},
    "sensors": [{"device": "ear-2"}, {"device": "ear-1"}, {"device": "ear-1"}],
    "verdict": None,
    "merged_into": None,
}

cli = typer.Typer()
cli.command()(tail)


def test_lines_say_when_what_where_and_how_long_it_took() -> None:
    assert say("read", READ) == ("2026-11-21T10:41:47.123456Z  read  7ABC123 0.91  lpr-1/north  revision 1  412 ms")
    assert say("alert", ALERT) == (
        "2026-11-21T10:41:47.123456Z  ALERT 5 7ABC123 listed as 7ABC1Z3 (stolen: stolen vehicle)"
        "  lpr-1/north  new  430 ms to the alert"
    )
    assert say("shot", SHOT) == ("2026-11-21T10:41:48.000000Z  shot  0.97, peak -1 dBFS  ear-1/mast  100 ms")


def test_an_incident_says_how_likely_how_many_where_and_who_heard_it() -> None:
    said = "0.97, 3 rounds (burst)  40.70010,-74.00020 to 9 m  ear-1 ear-2"
    assert say("incident", INCIDENT) == f"2026-11-21T10:41:46.000045Z  incident 7 located  {said}  revision 2"
    alert = ALERT | {"kind": "shot", "read": None, "entry": None, "incident": INCIDENT, "support": "strengthened"}
    assert say("alert", alert) == (
        f"2026-11-21T10:41:46.000045Z  ALERT 5 gunfire  {said}  new  430 ms to the alert  shot strengthened"
    )


def test_an_incident_says_what_is_not_known_of_it_and_what_people_said() -> None:
    unsure = {"probability": None, "rounds": 1, "fire": "single", "location": None}
    line = say("incident", INCIDENT | unsure | {"region": {"kind": "zone"}})
    assert "  ?, 1 round  in a zone  " in line
    assert "  somewhere  " in say("incident", INCIDENT | unsure | {"region": None})
    verdict = {"verdict": "other", "what": "nail gun", "by": "ada"}
    assert say("incident", INCIDENT | {"verdict": verdict}).endswith("revision 2  nail gun, says ada")
    gone = {"merged_into": 3, "rounds": 0, "sensors": [], "stage": "revised"}
    assert say("incident", INCIDENT | gone).endswith("incident 7 revised  its shots are of incident 3")


def test_a_passage_names_its_site_and_cameras() -> None:
    passage = {
        "id": 3,
        "site": "5th-and-main",
        "text": "7ABC123",
        "confidence": 0.912,
        "first_at": "2026-11-21T10:41:47.000000Z",
        "reads": [READ, READ | {"id": 2, "camera": "colour"}, READ | {"id": 3}],
    }
    assert say("passage", passage) == (
        "2026-11-21T10:41:47.000000Z  passage 3 7ABC123 0.91  site 5th-and-main  lpr-1/colour lpr-1/north"
    )
    assert say("passage", passage | {"reads": []}).endswith("site 5th-and-main  was of different vehicles")


def test_an_alert_says_that_it_is_historical_or_no_longer_supported() -> None:
    line = say("alert", ALERT | {"historical": True, "support": "unsupported"})
    assert line.endswith("430 ms to the alert  historical  hit unsupported")


def test_a_hotlist_cannot_move_the_cursor() -> None:
    nasty = ALERT | {"entry": ALERT["entry"] | {"reason": "\x1b[2Jx\ny\u202e"}}
    assert "(stolen: ?[2Jx?y?)" in say("alert", nasty)


class Collector(http.server.BaseHTTPRequestHandler):
    """Says three things, then that the token is not good any more."""

    asked: list[str | None]

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Last-Event-ID"))
        if self.headers["Authorization"] != "Bearer good" or len(self.asked) > 1:
            self.send_response(401)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()
        messages = [("read", READ), ("device", {"id": "lpr-1"}), ("alert", ALERT), ("heartbeat", {"at": "x"})]
        for number, (kind, body) in enumerate(messages, start=40):
            self.wfile.write(f"id: {number}\nevent: {kind}\ndata: {json.dumps(body)}\n\n".encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[tuple[str, list[str | None]]]:
    asked: list[str | None] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Once", (Collector,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_json_is_one_object_a_line_with_its_kind_and_a_refused_token_exits_2_with_the_fix(collector: Any) -> None:
    url, asked = collector
    ran = CliRunner().invoke(cli, ["--json", "--url", url], env={"NIGHTJAR_TOKEN": "good"})
    assert ran.exit_code == 2
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [
        {**READ, "kind": "read"},
        {**ALERT, "kind": "alert"},
    ]
    assert "not connected" in ran.stderr
    assert "collector user token" in ran.stderr
    # It came back to where it was cut off.
    assert asked == [None, "43"]


@pytest.mark.parametrize("arguments", [[], ["--token-file", "/nonexistent"], ["--url", "http://192.0.2.1"]])
def test_what_has_to_be_changed_exits_2_and_is_said(arguments: list[str]) -> None:
    token = "good" if "--url" in arguments else ""
    ran = CliRunner().invoke(cli, arguments, env={"NIGHTJAR_TOKEN": token})
    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert ran.stderr.strip()


def test_the_token_comes_from_a_file_when_one_is_named(collector: Any, tmp_path: Path) -> None:
    url, _ = collector
    (tmp_path / "token").write_text("good\n")
    ran = CliRunner().invoke(cli, ["--url", url, "--token-file", str(tmp_path / "token")])
    assert [line.split()[1] for line in ran.stdout.splitlines()] == ["read", "ALERT"]


def test_the_address_is_the_configurations_where_none_is_named(
    collector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = collector
    config = tmp_path / "collector.yaml"
    broker = "broker: {host: localhost, ca: ca.pem, certificate: c.pem, key: k.pem}\n"
    config.write_text(f"{broker}http: {{host: 127.0.0.1, port: {url.rpartition(':')[2]}}}\n")
    ran = CliRunner().invoke(cli, ["--config", str(config)], env={"NIGHTJAR_TOKEN": "good"})
    assert [line.split()[1] for line in ran.stdout.splitlines()] == ["read", "ALERT"]
    config.write_text(f"{broker}http: {{port: 0}}\n")
    ran = CliRunner().invoke(cli, ["--config", str(config)], env={"NIGHTJAR_TOKEN": "good"})
    assert ran.exit_code == 2
    assert "--url" in ran.stderr
    ran = CliRunner().invoke(cli, [], env={"NIGHTJAR_TOKEN": "good", "NIGHTJAR_CONFIG": str(tmp_path / "no.yaml")})
    assert ran.exit_code == 2
    assert "no.yaml" in ran.stderr


def test_ctrl_c_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def messages(self) -> Iterator[object]:
            return self

        def __next__(self) -> object:
            raise KeyboardInterrupt

        def __iter__(self) -> Iterator[object]:
            return self

    monkeypatch.setattr("collector.commands.tail.Stream", Interrupted)
    ran = CliRunner().invoke(cli, [], env={"NIGHTJAR_TOKEN": "good"})
    assert ran.exit_code == 130


def test_help_has_examples() -> None:
    ran = CliRunner().invoke(cli, ["--help"], env={"COLUMNS": "200"})
    assert "Examples" in ran.stdout
