"""The group ``routing`` of the configuration."""

from pathlib import Path

import pytest

from collector.alerts.sending.joining import DevicesBroker, carriers_of, routes_of
from collector.config import CollectorConfig
from collector.errors import ConfigurationError
from edge_wire.yaml_config import ConfigError, load

BROKER = """
broker: {host: broker.example, ca: ca.pem, certificate: collector.pem, key: collector.key}
"""
HOOK = "{name: cad, url: 'https://cad.example/hook', secret_file: cad.secret"


def loaded(folder: Path, routing: str, more: str = "") -> CollectorConfig:
    path = folder / "collector.yaml"
    path.write_text(f"{BROKER}{more}routing:\n{routing}", encoding="utf-8")
    return load(path, CollectorConfig)


def refused(folder: Path, routing: str, more: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, routing, more)
    return str(caught.value)


@pytest.mark.parametrize("group", ["fields", "criminal_justice_fields"])
def test_plate_reason_and_place_travel_by_mutual_tls_only(tmp_path: Path, group: str) -> None:
    said = refused(tmp_path, f"  webhooks:\n    - {HOOK},\n       {group}: [agency, plate, position]}}\n")
    assert said.startswith(f"collector.yaml:6: routing.webhooks[0].{group}: ")
    assert "none of plate, position without mutual TLS" in said
    assert "Set `certificate` and `key` of this webhook, or leave them out" in said
    with_both = f"  webhooks:\n    - {HOOK}, {group}: [agency, plate], certificate: a.pem, key: a.key}}\n"
    assert loaded(tmp_path, with_both).routing.webhooks[0].certificate == tmp_path / "a.pem"
    assert loaded(tmp_path, f"  webhooks:\n    - {HOOK}, {group}: [agency]}}\n").routing.webhooks[0].key is None


@pytest.mark.parametrize(
    ("routing", "said"),
    [
        ("  webhooks: [{name: cad, url: 'http://cad.example', secret_file: s}]\n", "routing.webhooks[0].url"),
        ("  webhooks: [{name: cad, url: 'https://me:pw@cad.example', secret_file: s}]\n", "routing.webhooks[0].url"),
        (f"  webhooks: [{HOOK}, certificate: a.pem}}]\n", "`certificate` and `key` together"),
        (f"  webhooks: [{HOOK}}}, {HOOK}}}]\n", "these stand twice: cad"),
        (f"  webhooks: [{HOOK}, fields: [plates]}}]\n", "routing.webhooks[0].fields[0]"),
        ("  topics: [{name: all, certificate: a.pem}]\n", "routing.topics[0].key: is missing"),
        ("  topics: [{name: all, certificate: a, key: b, prefix: nightjar/v1/x}]\n", "below nightjar/v1 are the dev"),
        ("  topics: [{name: all, certificate: a, key: b, prefix: 'a/#'}]\n", "routing.topics[0].prefix"),
        ("  mail: {host: mail.example, sender: a@pd.example, user: me}\n", "`user` and `password_file` together"),
        ("  zone: Mars/Olympus\n", "a time zone that this machine knows"),
        ("  routes: [{name: one}]\n", "somebody to tell"),
        ("  routes: [{name: one, people: [a], hours: ['22:00']}]\n", "such as 22:00-06:00"),
        ("  routes: [{name: one, people: [a], area: [[1, 2], [3, 4]]}]\n", "at least three corners"),
        ("  routes: [{name: one, people: [a], area: [[100, 2], [3, 4], [5, 6]]}]\n", "latitude (-90 to 90)"),
        ("  routes: [{name: one, people: [a]}, {name: one, people: [b]}]\n", "a name of its own for each route"),
        ("  routes: [{name: one, webhooks: [cad]}]\n", "routes[0].webhooks only names of `webhooks` (there is none)"),
        ("  routes: [{name: one, email: [a@pd.example]}]\n", "`mail` beside `routes`"),
        ("  routes: [{name: one, email: ['a@pd.example\\nBcc: b']}]\n", "routing.routes[0].email[0]"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, routing: str, said: str) -> None:
    assert said in refused(tmp_path, routing)


def test_links_need_somewhere_to_lead(tmp_path: Path) -> None:
    routing = f"  webhooks: [{HOOK}}}]\n  routes: [{{name: one, webhooks: [cad]}}]\n"
    open_port = "http: {port: 0}\n"
    assert "`routing.page`" in refused(tmp_path, routing, open_port)
    assert loaded(tmp_path, routing + "  page: https://rtcc.example\n", open_port).page == "https://rtcc.example"
    assert loaded(tmp_path, routing).page == "http://127.0.0.1:8443"


def test_routes_are_what_the_settings_say(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
  zone: America/Chicago
  mail: {host: mail.example, sender: rtcc@pd.example}
  routes:
    - name: night
      lists: [stolen]
      area: [[39, -90], [40, -90], [40, -89]]
      hours: [22:00-06:00]
      days: [fri]
      people: [jane]
      email: [a@pd.example]
""",
    )
    (route,) = routes_of(config.routing)
    assert route.lists == {"stolen"}
    assert route.area is not None
    assert route.area.holds(39.5, -89.6)
    assert route.hours is not None
    assert route.hours.days == {4}
    assert route.targets == ("email:a@pd.example",)
    assert "raised" in route.occasions


@pytest.mark.parametrize(
    ("secret", "mode", "said"),
    [
        (b"s" * 31, 0o600, "got 31 bytes, expected at least 32"),
        (b"s" * 32, 0o640, "got mode 0640, expected 0600; run: chmod 600"),
        (None, 0, "No such file"),
    ],
)
def test_a_secret_is_long_and_its_own(
    tmp_path: Path, clock: object, secret: bytes | None, mode: int, said: str
) -> None:
    config = loaded(tmp_path, f"  webhooks: [{HOOK}}}]\n")
    if secret is not None:
        (tmp_path / "cad.secret").write_bytes(secret)
        (tmp_path / "cad.secret").chmod(mode)
    broker = DevicesBroker("broker.example", 8883, tmp_path / "ca.pem")
    with pytest.raises(ConfigurationError) as caught:
        carriers_of(config.routing, "https://rtcc.example", broker, bytes(16), clock)  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert "routing.webhooks[0].secret_file" in str(caught.value)
    assert "sss" not in str(caught.value)
