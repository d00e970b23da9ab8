"""The agent's settings: what a technician gets wrong is said with its place and the fix."""

import inspect
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.commands.read import read
from edge_agent.config import AgentConfig
from edge_wire.yaml_config import ConfigError, load

GOOD = """
device: {id: trailer-07, agency: pd, deployment: main-st, key: device.key, certificate: device.pem}
broker: {host: broker.example, ca: ca.pem, collector_keys: [collector.pub]}
cameras:
  - {id: north-1, url: "rtsp://camera/1", pair: north-1c, lane: 1, direction: NW, face: rear}
  - {id: north-1c, url: /dev/video0, role: overview}
microphones:
  - {id: mast, source: device}
"""


def findings(tmp_path: Path, text: str) -> str:
    (tmp_path / "agent.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "agent.yaml", AgentConfig)
    return str(caught.value)


def test_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(GOOD, encoding="utf-8")
    config = load(tmp_path / "agent.yaml", AgentConfig)
    assert config.device.key == tmp_path / "device.key"
    assert config.cameras[1].role == "overview"
    assert config.microphones[0].threshold is None


def test_either_camera_of_a_pair_may_name_the_other_and_the_overview_is_not_read(tmp_path: Path) -> None:
    turned = GOOD.replace("pair: north-1c, ", "").replace("role: overview", "role: overview, pair: north-1")
    alone = GOOD.replace("pair: north-1c, ", "")
    both = GOOD.replace("role: overview", "role: overview, plates: true")
    read_plates, pairs = [], []
    for text in (GOOD, turned, alone, both):
        (tmp_path / "agent.yaml").write_text(text, encoding="utf-8")
        config = load(tmp_path / "agent.yaml", AgentConfig)
        north, colour = config.cameras
        shown = config.overview_of(north)
        pairs.append((config.pair_of(north) == colour, config.pair_of(colour) == north))
        read_plates.append((shown == colour, config.reads_plates(north), config.reads_plates(colour)))
    assert read_plates == [(True, True, False), (True, True, False), (False, True, True), (True, True, True)]
    assert pairs == [(True, True), (True, True), (False, False), (True, True)], "whichever of them names the other"


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        (
            '"rtsp://camera/1"',
            '"http://camera/1"',
            'agent.yaml:5: cameras[0].url: got "http://camera", exp',
        ),
        ("/dev/video0", "file:///road.mp4", 'cameras[1].url: got "file://", exp'),
        ("source: device", "source: rtsp://camera/1", "expected device, device:NAME, or a recording"),
        (
            "source: device",
            "source: device, model: plates",
            'agent.yaml:8: microphones[0].model: got "plates", expected one of gunshot, gunshot-research, gunshot-mn04',
        ),
        (
            "source: device",
            "source: device, latency_ms: 5000",
            "microphones[0].latency_ms: got 5000, expected less than",
        ),
        ("source: device", "source: device, starts_at: 5", 'microphones[0].starts_at: got 5, expected "now" or'),
        ("source: device", 'source: device, starts_at: "5"', "a time with its zone"),
        ("source: device", "source: device, starts_at: yesterday", "a time with its zone"),
        ("trailer-07", "Trailer_07", "agent.yaml:2: device.id: got"),
        ("pair: north-1c", "pair: south", "there is none called ['south']"),
        (
            ", role: overview",
            "",
            "`pair` names a camera in the other role (`lpr`, `overview`); not so that of ['north-1']",
        ),
        ("lane: 1", "lane: 1, ca: c.pem", "`ca` is for rtsps:// alone"),
        ("face: rear}", "face: rear, plates: false}", "nothing would be done with ['north-1']"),
        ("id: mast", "id: north-1", "these stand twice: ['north-1']"),
        ("direction: NW", "direction: up", "cameras[0].direction"),
        ("role: overview", "role: overveiw", "cameras[1].role"),
        ("source: device", "source: device, starts_at: 2026-11-21 10:00:00", "a time with its zone"),
        ("lane: 1", "lane: 1, transport: sctp", "cameras[0].transport"),
        ("lane: 1", "lane: 1, decoder: gpu", "cameras[0].decoder"),
        ("lane: 1", "lane: 1, colour: red", "agent.yaml:5: cameras[0].colour: there is no such setting"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, wrong: str, right: str, said: str) -> None:
    assert wrong in GOOD
    assert said in findings(tmp_path, GOOD.replace(wrong, right))


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:se#cret@camera/1",
        "rtsp://admin:se/cret@camera/1",
        "rtsp://admin:se?cret@camera/1",
        "rtsp://camera/?user=admin&password=se@cret",
        "http://admin:secret@camera/1",
        "rtsp:/admin:secret@camera/1",
        "admin:secret@camera/1",
    ],
)
def test_an_address_that_could_be_taken_otherwise_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    said = findings(tmp_path, GOOD.replace("rtsp://camera/1", url))
    assert "agent.yaml:5: cameras[0].url: got" in said
    assert "cret" not in said


@pytest.mark.parametrize(
    "url", ["rtsp://admin:se[cret@camera/1", "rtsp://admin:se%23cret@camera/1", "0", "/dev/v4l/by-id/usb-Lens_A-index0"]
)
def test_an_address_is_kept_as_it_stands(tmp_path: Path, url: str) -> None:
    (tmp_path / "agent.yaml").write_text(GOOD.replace("rtsp://camera/1", url), encoding="utf-8")
    assert load(tmp_path / "agent.yaml", AgentConfig).cameras[0].url == url


def test_relative_sources_are_meant_from_the_files_folder(tmp_path: Path) -> None:
    text = GOOD.replace("rtsp://camera/1", "media/road.mp4").replace("source: device", "source: sound")
    (tmp_path / "agent.yaml").write_text(text, encoding="utf-8")
    config = load(tmp_path / "agent.yaml", AgentConfig)
    assert config.cameras[0].url == str(tmp_path / "media/road.mp4")
    assert config.cameras[1].url == "/dev/video0"
    assert config.microphones[0].source == str(tmp_path / "sound")


@pytest.mark.parametrize("at", ["2026-11-21T10:00:00Z", '"2026-11-21T10:00:00Z"', "2026-11-21 11:00:00+01:00"])
def test_when_a_recording_began(tmp_path: Path, at: str) -> None:
    text = GOOD.replace("source: device", f"source: a.wav, starts_at: {at}")
    (tmp_path / "agent.yaml").write_text(text, encoding="utf-8")
    assert load(tmp_path / "agent.yaml", AgentConfig).microphones[0].starts_at == datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("{lat: 91, lon: 0}", "agent.yaml:2: device.position.lat: got 91, expected less than or equal to 90"),
        ("{lat: 40.4, lon: -80, error_m: 0}", "device.position.error_m: got 0, expected greater than 0"),
        ("{lat: 40.4}", "agent.yaml:2: device.position: expected {lat, lon} or {x_m, y_m, origin}; lon is missing"),
        ("{x_m: 1, y_m: 2}", "device.position: expected {lat, lon} or {x_m, y_m, origin}; origin is missing"),
        ("{x_m: 1, y_m: 2, origin: {lat: 40}}", "agent.yaml:2: device.position.origin.lon: is missing"),
        ("{x_m: 1, y_m: 2, lat: 3, lon: 4, origin: {lat: 40, lon: 4}}", "not of both; got lat, lon, x_m, y_m, origin"),
        ("{x_m: 200000, y_m: 2, origin: {lat: 40, lon: 4}}", "device.position.x_m: got 200000, expected less than"),
        ('"40.4, -80"', "agent.yaml:2: device.position: got"),
        ("{latitude: 40.4, longitude: -80}", "device.position.latitude: there is no such setting"),
    ],
)
def test_a_place_that_cannot_be_is_said_with_its_line(tmp_path: Path, place: str, said: str) -> None:
    assert said in findings(tmp_path, GOOD.replace("certificate: device.pem", f"certificate: d.pem, position: {place}"))


def test_a_microphone_stands_where_the_device_does_or_where_it_says(tmp_path: Path) -> None:
    text = GOOD.replace(
        "certificate: device.pem", "certificate: d.pem, position: {lat: 40.4, lon: -80, altitude_m: 300}"
    )
    text += (
        "  - {id: roof, source: device:USB, position: {x_m: 1, y_m: 2, origin: {lat: 40, lon: -80}, error_m: 0.1}}\n"
    )
    (tmp_path / "agent.yaml").write_text(text, encoding="utf-8")
    config = load(tmp_path / "agent.yaml", AgentConfig)
    mast, roof = map(config.place_of, config.microphones)
    assert mast is not None
    assert (mast.lat, mast.lon, mast.altitude_m, mast.error_m) == (40.4, -80, 300, 5)
    assert roof is not None
    assert (roof.x_m, roof.z_m, roof.error_m) == (1, None, 0.1)
    (tmp_path / "agent.yaml").write_text(GOOD, encoding="utf-8")
    config = load(tmp_path / "agent.yaml", AgentConfig)
    assert config.place_of(config.microphones[0]) is None


def test_clips_cannot_be_made_a_recording_of_the_street(tmp_path: Path) -> None:
    for setting in ("before_s: 60", "after_s: 60"):
        assert "expected less than" in findings(tmp_path, f"{GOOD}clips: {{{setting}}}\n")


def test_the_padding_has_one_bound(tmp_path: Path) -> None:
    """That of the command, which may not be wider, as its figures are for settings."""
    option = inspect.signature(read, eval_str=True).parameters["pad"].annotation.__metadata__[0]
    bound = AgentConfig.model_json_schema()["$defs"]["Plates"]["properties"]["pad"]["maximum"]
    assert option.max == bound


def test_an_agent_without_sources_is_refused(tmp_path: Path) -> None:
    text = GOOD.partition("cameras:")[0]
    assert "at least one camera or microphone" in findings(tmp_path, text)


def test_the_example_is_good() -> None:
    example = Path(__file__).parents[2] / "configs" / "edge-agent.example.yaml"
    assert load(example, AgentConfig).device.id == "trailer-07"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            "outbox: {quota_bytes: 1000}",
            "agent.yaml:9: outbox.quota_bytes: got 1000, expected greater than or equal to",
        ),
        ("outbox: {quota_bytes: 1000000}", "agent.yaml:9: outbox: expected a `ballast_bytes` of at most half of"),
        ("outbox: {free_floor_bytes: -1}", "outbox.free_floor_bytes: got -1, expected greater than or equal to 0"),
        ("uplink: {max_kbps: 1}", "agent.yaml:9: uplink.max_kbps: got 1, expected greater than or equal to 8"),
        ("uplink: {billing_day: 32}", "uplink.billing_day: got 32, expected less than or equal to 31"),
        ("uplink: {monthly_gb: 5}", "agent.yaml:9: uplink.monthly_gb: there is no such setting"),
        ("uplink: {unacked_after_s: 0}", "uplink.unacked_after_s: got 0, expected greater than or equal to 2"),
        ("power: {ups: ups}", 'agent.yaml:9: power.ups: got "ups", expected NAME@HOST or NAME@HOST:PORT'),
        (
            "power: {ups: ups@host:99999}",
            "expected NAME@HOST or NAME@HOST:PORT as NUT writes it, such as ups@localhost",
        ),
    ],
)
def test_what_is_wrong_with_room_plan_or_power_is_said_with_its_line(tmp_path: Path, settings: str, said: str) -> None:
    assert said in findings(tmp_path, f"{GOOD}{settings}\n")


def test_a_metered_link_saves_bytes(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(GOOD, encoding="utf-8")
    config = load(tmp_path / "agent.yaml", AgentConfig)
    assert (config.health_pause_s, config.crops_up_to_bytes) == (60, None)
    for more, pause_s in (("", 300), ("health_every_s: 900\n", 900)):
        (tmp_path / "agent.yaml").write_text(f"{GOOD}uplink: {{metered: true}}\n{more}", encoding="utf-8")
        config = load(tmp_path / "agent.yaml", AgentConfig)
        assert (config.health_pause_s, config.crops_up_to_bytes) == (pause_s, 4_096)
