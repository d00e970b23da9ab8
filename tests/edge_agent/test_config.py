"""The agent's settings: what a technician gets wrong is said with its place and the fix."""

from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        (
            '"rtsp://camera/1"',
            '"http://camera/1"',
            'agent.yaml:5: cameras[0].url: got "http://camera/1", exp',
        ),
        ("trailer-07", "Trailer_07", "agent.yaml:2: device.id: got"),
        ("pair: north-1c", "pair: south", "there is none called ['south']"),
        ("id: mast", "id: north-1", "these stand twice: ['north-1']"),
        ("direction: NW", "direction: up", "cameras[0].direction"),
        ("role: overview", "role: overveiw", "cameras[1].role"),
        ("source: device", "source: device, starts_at: 2026-11-21 10:00:00", "a time with its zone"),
        ("lane: 1", "lane: 1, colour: red", "agent.yaml:5: cameras[0].colour: there is no such setting"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, wrong: str, right: str, said: str) -> None:
    assert wrong in GOOD
    assert said in findings(tmp_path, GOOD.replace(wrong, right))


def test_an_agent_without_sources_is_refused(tmp_path: Path) -> None:
    text = GOOD.partition("cameras:")[0]
    assert "at least one camera or microphone" in findings(tmp_path, text)


def test_the_example_is_good() -> None:
    example = Path(__file__).parents[2] / "configs" / "edge-agent.example.yaml"
    assert load(example, AgentConfig).device.id == "trailer-07"
