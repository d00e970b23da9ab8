import json
import re
import stat
from pathlib import Path

import pytest

from collector.fleet import broker_access
from collector.fleet.broker_access import AccessError
from edge_wire.errors import TopicError


def grants(file: bytes, name: str) -> set[tuple[str, str]]:
    state = json.loads(file)
    (client,) = [client for client in state["clients"] if client["username"] == name]
    roles = {granted["rolename"] for granted in client["roles"]}
    return {
        (acl["acltype"], acl["topic"])
        for role in state["roles"]
        if role["rolename"] in roles
        for acl in role["acls"]
        if acl["allow"]
    }


def test_nothing_is_allowed_by_default() -> None:
    defaults = json.loads(broker_access.render(["trailer-1"]))["defaultACLAccess"]
    assert {name for name, allowed in defaults.items() if allowed} == {"unsubscribe"}


def test_a_device_has_its_own_up_and_down_and_nothing_else() -> None:
    assert grants(broker_access.render(["trailer-1", "trailer-2"]), "trailer-1") == {
        ("publishClientSend", "nightjar/v1/+/trailer-1/up/#"),
        ("publishClientReceive", "nightjar/v1/+/trailer-1/down/#"),
        ("subscribePattern", "nightjar/v1/+/trailer-1/down/#"),
    }


def test_the_collector_reads_every_up_and_writes_every_down() -> None:
    assert grants(broker_access.render([]), broker_access.COLLECTOR) == {
        ("publishClientSend", "nightjar/v1/+/+/down/#"),
        ("publishClientReceive", "nightjar/v1/+/+/up/#"),
        ("subscribePattern", "nightjar/v1/+/+/up/#"),
        ("subscribePattern", "$share/nightjar/nightjar/v1/+/+/up/#"),
    }


def test_each_collector_has_a_name_and_the_same_rights() -> None:
    file = broker_access.render([], [broker_access.COLLECTOR, "nightjar.collector-2"])
    assert grants(file, "nightjar.collector-2") == grants(file, broker_access.COLLECTOR)
    added = broker_access.with_collector(broker_access.render([]), "nightjar.collector-2")
    assert grants(added, "nightjar.collector-2") == grants(file, "nightjar.collector-2")


@pytest.mark.parametrize("name", ["", "trailer-1", "nightjar.fleet", "nightjar.collector2", "nightjar.collector-", "*"])
def test_only_a_collectors_name_gets_a_collectors_rights(name: str) -> None:
    with pytest.raises(AccessError, match=r"expected 'nightjar\.collector'"):
        broker_access.render([], [name])
    with pytest.raises(AccessError, match=r"expected 'nightjar\.collector'"):
        broker_access.collector_addition(name)


def test_the_probe_is_a_device_like_any_other() -> None:
    file = broker_access.render(["trailer-1"])
    as_if = {
        (kind, topic.replace(broker_access.PROBE, "trailer-1")) for kind, topic in grants(file, broker_access.PROBE)
    }
    assert as_if == grants(file, "trailer-1")
    assert broker_access.PROBE.startswith(broker_access.RESERVED)


def test_the_control_topic_belongs_to_the_fleet_service_alone() -> None:
    file = broker_access.render(["trailer-1"])
    assert ("publishClientSend", broker_access.CONTROL_TOPIC) in grants(file, broker_access.FLEET)
    state = json.loads(file)
    others = [role for role in state["roles"] if role["rolename"] != broker_access.FLEET]
    assert "$CONTROL" not in json.dumps(others)


def test_there_is_no_password_anywhere() -> None:
    assert b"password" not in broker_access.render(["trailer-1"])
    assert b"password" not in broker_access.addition("trailer-1")


def test_a_device_added_to_a_file_is_as_if_rendered_with_it() -> None:
    file = broker_access.with_device(broker_access.render(["trailer-1"]), "trailer-2")
    both = broker_access.render(["trailer-1", "trailer-2"])
    assert grants(file, "trailer-2") == grants(both, "trailer-2")
    assert json.loads(broker_access.with_device(file, "trailer-2")) == json.loads(file)


def test_what_the_plugin_added_to_its_file_stays() -> None:
    state = json.loads(broker_access.render([]))
    state["groups"] = [{"groupname": "theirs"}]
    file = broker_access.with_device(json.dumps(state).encode(), "trailer-1")
    assert json.loads(file)["groups"] == state["groups"]


@pytest.mark.parametrize("file", [b"", b"[]", b"{}", b'{"clients": [{}], "roles": []}', b"\xff"])
def test_a_file_that_is_not_the_plugins_is_refused(file: bytes) -> None:
    with pytest.raises(AccessError, match="expected lists of clients and roles"):
        broker_access.with_device(file, "trailer-1")


@pytest.mark.parametrize("device", ["", "+", "a/b", "#", "nightjar.collector", "A"])
def test_only_device_ids_get_rights(device: str) -> None:
    with pytest.raises(TopicError):
        broker_access.render([device])
    with pytest.raises(TopicError):
        broker_access.addition(device)
    with pytest.raises(TopicError):
        broker_access.removal(device)
    with pytest.raises(TopicError):
        broker_access.with_device(broker_access.render([]), device)


def test_a_refused_command_is_named_with_its_reason() -> None:
    broker_access.check_response(b'{"responses": [{"command": "createRole"}]}')
    with pytest.raises(AccessError, match="createClient: Client already exists"):
        broker_access.check_response(
            b'{"responses": [{"command": "createRole"}, {"command": "createClient", "error": "Client already exists"}]}'
        )
    with pytest.raises(AccessError, match="expected a list of responses"):
        broker_access.check_response(b"{}")


def test_whether_a_file_knows_a_device() -> None:
    file = broker_access.render(["trailer-1"])
    assert broker_access.knows(file, "trailer-1")
    assert not broker_access.knows(file, "trailer")


def test_what_the_readme_has_people_run_makes_what_it_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = Path(__file__).parents[3] / "configs" / "mosquitto" / "README.md"
    block, for_notices = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, str(readme), "exec"), {})
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {
        "ca.key",
        "ca.pem",
        "broker.key",
        "broker.pem",
        "nightjar.collector.key",
        "nightjar.collector.pem",
        "nightjar.fleet.key",
        "nightjar.fleet.pem",
        "nightjar-probe.key",
        "nightjar-probe.pem",
        "dynamic-security.json",
    }
    assert broker_access.knows((tmp_path / "dynamic-security.json").read_bytes(), "trailer-1")
    assert {stat.S_IMODE(key.stat().st_mode) for key in tmp_path.glob("*.key")} == {0o600}
    exec(compile(for_notices, str(readme), "exec"), {})
    access = (tmp_path / "dynamic-security.json").read_bytes()
    assert broker_access.knows(access, broker_access.NOTICES)
    assert broker_access.knows(access, "nightjar.listener-cad")


def test_notices_are_published_by_one_name_and_heard_by_agency() -> None:
    file = broker_access.with_notices(broker_access.render(["trailer-1"]), "nightjar/alerts")
    file = broker_access.with_listener(file, "nightjar.listener-cad", "nightjar/alerts", ["springfield"])
    assert grants(file, broker_access.NOTICES) == {("publishClientSend", "nightjar/alerts/+")}
    assert grants(file, "nightjar.listener-cad") == {
        ("publishClientReceive", "nightjar/alerts/springfield"),
        ("subscribePattern", "nightjar/alerts/springfield"),
    }
    assert grants(file, "trailer-1") == grants(broker_access.render(["trailer-1"]), "trailer-1")


def test_the_same_can_be_said_to_a_running_broker() -> None:
    role, client = json.loads(broker_access.notices_addition("nightjar/alerts"))["commands"]
    assert (role["command"], role["rolename"], client["username"]) == ("createRole", *[broker_access.NOTICES] * 2)
    asked = broker_access.listener_addition("nightjar.listener-cad", "alerts", ["springfield"])
    assert json.loads(asked)["commands"][1]["username"] == "nightjar.listener-cad"


@pytest.mark.parametrize("prefix", ["nightjar", "nightjar/v1", "nightjar/v1/x", "a/#", "a/+", "", "a//b", "$CONTROL"])
def test_notices_stay_away_from_the_devices(prefix: str) -> None:
    with pytest.raises(AccessError, match="prefix: got"):
        broker_access.notices_addition(prefix)


@pytest.mark.parametrize("name", ["nightjar.collector", "nightjar.listener-", "trailer-1", "nightjar.listener-A"])
def test_a_listener_is_called_one(name: str) -> None:
    with pytest.raises(AccessError, match="listener: got"):
        broker_access.listener_addition(name, "alerts", ["springfield"])
    with pytest.raises(TopicError):
        broker_access.listener_addition("nightjar.listener-cad", "alerts", ["#"])
