"""The collector's settings."""

from pathlib import Path

import pytest

from collector.config import CollectorConfig
from edge_wire.yaml_config import ConfigError, load

GOOD = """
data_dir: data
broker: {host: broker.example, ca: ca.pem, certificate: collector.pem, key: collector.key}
http: {host: 127.0.0.1, port: 8080}
"""


def test_the_store_is_in_the_data_folder_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "collector.yaml").write_text(GOOD, encoding="utf-8")
    config = load(tmp_path / "collector.yaml", CollectorConfig)
    assert config.url == f"sqlite+aiosqlite:///{tmp_path}/data/collector.db"
    assert config.signing_key == tmp_path / "data/collector-key.pem"


@pytest.mark.parametrize(
    ("http", "said"),
    [
        ("{host: 0.0.0.0}", "served by HTTPS only"),
        ("{certificate: a.pem}", "`certificate` and `key` together"),
        ("{port: 99999}", "http.port: got 99999"),
    ],
)
def test_plain_http_is_for_loopback_only(tmp_path: Path, http: str, said: str) -> None:
    path = tmp_path / "collector.yaml"
    path.write_text(GOOD.replace("{host: 127.0.0.1, port: 8080}", http), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, CollectorConfig)
    assert said in str(caught.value)


def test_half_a_probe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "collector.yaml"
    path.write_text(GOOD.replace("key: collector.key", "key: collector.key, probe_key: probe.key"), encoding="utf-8")
    with pytest.raises(ConfigError, match="`probe_certificate` and `probe_key` together, or neither"):
        load(path, CollectorConfig)


def test_the_example_is_good() -> None:
    example = load(Path(__file__).parents[2] / "configs" / "collector.example.yaml", CollectorConfig)
    assert example.http.port == 8443
    assert example.broker.probe_certificate is not None


@pytest.mark.parametrize(
    ("locate", "said"),
    [
        ("{alert_from: 1}", "locate.alert_from: got 1"),
        ("{weather: {wind_mps: 3}}", "locate.weather.temperature_c"),
        ("{audible_m: 1}", "locate.audible_m: got 1"),
        ("{threshold: 0.5}", "locate.threshold"),
    ],
)
def test_what_incidents_cannot_be_judged_by_is_refused(tmp_path: Path, locate: str, said: str) -> None:
    path = tmp_path / "collector.yaml"
    path.write_text(f"{GOOD}locate: {locate}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, CollectorConfig)
    assert said in str(caught.value)


def test_a_password_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "collector.yaml"
    path.write_text(f"{GOOD}store_url: postgresql+asyncpg://nightjar:s3cret@db.example/nightjar\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="passfile") as caught:
        load(path, CollectorConfig)
    assert "s3cret" not in str(caught.value)


def test_several_collectors_share_a_postgresql(tmp_path: Path) -> None:
    path = tmp_path / "collector.yaml"
    shared = GOOD.replace("key: collector.key}", "key: collector.key, share: nightjar}")
    path.write_text(shared, encoding="utf-8")
    with pytest.raises(ConfigError, match="a file serves one collector"):
        load(path, CollectorConfig)
    url = "postgresql+asyncpg://nightjar@db.example/nightjar?passfile=/etc/nightjar/pgpass"
    path.write_text(f"{shared}store_url: {url}\n", encoding="utf-8")
    config = load(path, CollectorConfig)
    assert (config.url, config.broker.share) == (url, "nightjar")
