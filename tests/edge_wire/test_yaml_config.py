"""Configuration errors name the file, the line, the setting, what stood there and what was expected; all at once."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from edge_wire.yaml_config import ConfigError, ConfigPath, Settings, find, load, without_secrets


class Inner(Settings):
    url: str
    rate: Annotated[int, Field(ge=1)] = 5


class Outer(Settings):
    name: str
    key: ConfigPath = Path("key.pem")
    inner: tuple[Inner, ...] = ()


def findings(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "agent.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, Outer)
    return [str(finding) for finding in caught.value.findings]


def test_a_good_file_and_its_relative_paths(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("name: x\nkey: keys/a.pem\ninner:\n  - url: u\n", encoding="utf-8")
    settings = load(path, Outer)
    assert settings.key == tmp_path / "keys/a.pem"
    assert settings.inner[0].rate == 5


def test_everything_wrong_is_said_at_once_with_its_line(tmp_path: Path) -> None:
    text = "name: 5\nnam: x\ninner:\n  - url: u\n    rate: 0\n  - rate: 3\n"
    assert findings(tmp_path, text) == [
        "agent.yaml:1: name: got 5, expected a valid string",
        "agent.yaml:2: nam: there is no such setting",
        "agent.yaml:5: inner[0].rate: got 0, expected greater than or equal to 1",
        "agent.yaml:6: inner[1].url: is missing",
    ]


def test_a_setting_that_stands_twice_is_not_passed_over(tmp_path: Path) -> None:
    assert findings(tmp_path, "name: a\nname: b\n") == ["agent.yaml:2: name: stands twice"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: [", "agent.yaml:1: this is not YAML"),
        ("a: b\n\tc: d\n", "agent.yaml:2: this is not YAML"),
        ("", "expected settings in the form"),
        ("- a\n", "expected settings in the form"),
        ("name: !!python/object:os.system x\n", "agent.yaml:1: this is not YAML"),
        ("key: a.pem\nname: {{ device }}\n", "agent.yaml:2: this is not YAML: expected a name, got a group"),
        ("name: &x [*x]\n", "agent.yaml: nests too deeply, or an alias"),
        ("name: " + 2000 * "[", "agent.yaml: nests too deeply"),
        ("name: 2026-13-45\n", "agent.yaml: a value cannot be read: month must be in 1..12"),
    ],
)
def test_what_is_no_configuration(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in findings(tmp_path, text)[0]


def test_a_missing_file_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read \(No such file.*NIGHTJAR_CONFIG"):
        load(tmp_path / "none.yaml", Outer)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://cam.local:554/live", "rtsp://cam.local:554"),
        ("rtsp://admin:secret@cam.local:554/live", "rtsp://cam.local:554"),
        ("rtsp://admin:se@cret@cam/1", "rtsp://cam"),
        ("rtsp://admin:se[cret@cam/1", "rtsp://cam"),
        ("rtsp://admin:secret@[::1]:554/1", "rtsp://[::1]:554"),
        ("rtsp://admin:pa#secret@cam/1", "rtsp://…"),
        ("rtsp://admin:pa/secret@cam/1", "rtsp://…"),
        ("rtsp://admin:pa?secret@cam/1", "rtsp://…"),
        ("rtsp://cam:554/user=admin&password=secret", "rtsp://cam:554"),
        ("rtsp://cam/?user=admin&password=se@cret", "rtsp://…"),
        ("rtsp:///user=admin&password=secret", "rtsp://"),
        ("rtsp:/admin:secret@cam/1", "rtsp:/cam"),
        ("admin:secret@cam/1", "admin:cam"),
        ("/media/night@home.mp4", "/media/night@home.mp4"),
        ("", ""),
    ],
)
def test_of_an_address_only_scheme_and_host_are_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@pytest.mark.parametrize("value", ['"http://admin:secret@cam/1"', "[rtsp://admin:secret@cam/1]"])
def test_findings_keep_passwords_to_themselves(tmp_path: Path, value: str) -> None:
    said = findings(tmp_path, f"name: x\ninner:\n  - url: u\n    rate: {value}\n  - url: {value}\n    rate: 0\n")
    assert "inner[0].rate" in said[0]
    assert "secret" not in "".join(said)


def test_the_option_goes_before_the_environment_before_the_default() -> None:
    default = Path("/etc/nightjar/x.yaml")
    assert find(Path("a.yaml"), default, {"NIGHTJAR_CONFIG": "b.yaml"}) == Path("a.yaml")
    assert find(None, default, {"NIGHTJAR_CONFIG": "b.yaml"}) == Path("b.yaml")
    assert find(None, default, {}) == default
