"""Who may publish and read what at the broker: the state of mosquitto's dynamic-security plugin.

Purpose: a stolen trailer must not read, forge or swallow what others send. The broker takes the common name of a
verified client certificate as user name and as client id; this module says what each name may do.

Invariants:
    * Everything that is not granted is denied: publish, receive, subscribe, ``$share`` included. A name that the
      plugin does not know may do nothing, however good its certificate.
    * A device publishes to its own ``up`` and receives its own ``down``, whatever the agency: that follows from the
      device's assignment at the collector. One role a device: the plugin's ``%u`` patterns do not work for subscribe.
    * There are no passwords: the certificate is the only proof.

What mosquitto 2.0.11 does, measured:
    * The plugin reads its file at start only. SIGHUP does not make it read again, and its next change of its own
      overwrites the file; so an edit counts after a restart, and a running broker is changed through ``CONTROL_TOPIC``.
    * ``deleteClient`` disconnects at once and leaves the name with nothing. ``disableClient`` disconnects too, but a
      certificate is not a password: the disabled client may come back and has its rights. So ``removal`` deletes.
    * A forbidden PUBLISH is answered "not authorized", and the connection is closed. A will on a forbidden topic is
      taken at connect and never sent.

All functions are pure. Any thread may call them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from collector.errors import CollectorError
from edge_wire.topics import PREFIX, check_name

COLLECTOR: Final = "nightjar.collector"
"""Common name of the collector's certificate. The dot keeps it apart from every device id."""

FLEET: Final = "nightjar.fleet"
"""Common name of the certificate that may add and remove devices, and may do nothing else."""

CONTROL_TOPIC: Final = "$CONTROL/dynamic-security/v1"
"""Where the plugin takes commands; it answers on ``RESPONSE_TOPIC``, to the asker only."""

RESPONSE_TOPIC: Final = f"{CONTROL_TOPIC}/response"

_DENIED_BY_DEFAULT: Final = ("publishClientSend", "publishClientReceive", "subscribe")


class AccessError(CollectorError):
    """The plugin refused a command or its file is not what it should be. The text says which and why."""


def render(devices: Iterable[str]) -> bytes:
    """Return the plugin's file for these devices, the collector and the fleet service.

    Raises:
        TopicError: a device id does not follow the protocol.
    """
    names = sorted(set(devices))
    return _encode(
        {
            "defaultACLAccess": {**dict.fromkeys(_DENIED_BY_DEFAULT, False), "unsubscribe": True},
            "roles": [_collector_role(), _fleet_role(), *map(_device_role, names)],
            "clients": [_client(COLLECTOR), _client(FLEET), *map(_client, names)],
        }
    )


def with_device(file: bytes, device: str) -> bytes:
    """Return the plugin's ``file`` with ``device`` in it; for a broker that is not running.

    Raises:
        TopicError: the id does not follow the protocol.
        AccessError: ``file`` is not the plugin's.
    """
    role, state = _device_role(device), _decode(file)
    roles = [other for other in state["roles"] if other["rolename"] != device]
    clients = [other for other in state["clients"] if other["username"] != device]
    return _encode({**state, "roles": [*roles, role], "clients": [*clients, _client(device)]})


def knows(file: bytes, device: str) -> bool:
    """Whether the plugin's ``file`` has ``device`` in it.

    Raises:
        AccessError: ``file`` is not the plugin's.
    """
    return any(client["username"] == device for client in _decode(file)["clients"])


def addition(device: str) -> bytes:
    """Return the command that lets ``device`` connect to the running broker; published to ``CONTROL_TOPIC``.

    Raises:
        TopicError: the id does not follow the protocol.
    """
    return _encode(
        {
            "commands": [
                {"command": "createRole", **_device_role(device)},
                {"command": "createClient", **_client(device)},
            ]
        }
    )


def removal(device: str) -> bytes:
    """Return the command that disconnects ``device`` and takes all its rights; published to ``CONTROL_TOPIC``.

    Raises:
        TopicError: the id does not follow the protocol.
    """
    name = check_name(device, "device")
    return _encode(
        {
            "commands": [
                {"command": "deleteClient", "username": name},
                {"command": "deleteRole", "rolename": name},
            ]
        }
    )


def check_response(response: bytes) -> None:
    """Check what the plugin answered on ``RESPONSE_TOPIC``.

    Raises:
        AccessError: it refused a command; the text names each with its reason.
    """
    try:
        answers = json.loads(response)["responses"]
        refusals = [f"{answer['command']}: {answer['error']}" for answer in answers if "error" in answer]
    except (ValueError, KeyError, TypeError) as error:
        raise AccessError(f"dynamic-security response: got {error!r}, expected a list of responses") from error
    if refusals:
        raise AccessError("dynamic-security refused " + ", ".join(refusals))


def _device_role(device: str) -> dict[str, Any]:
    name = check_name(device, "device")
    up, down = f"{PREFIX}/+/{name}/up/#", f"{PREFIX}/+/{name}/down/#"
    return _role(name, publish=up, receive=down, subscribe=down)


def _collector_role() -> dict[str, Any]:
    up, down = f"{PREFIX}/+/+/up/#", f"{PREFIX}/+/+/down/#"
    return _role(COLLECTOR, publish=down, receive=up, subscribe=up)


def _fleet_role() -> dict[str, Any]:
    return _role(FLEET, publish=CONTROL_TOPIC, receive=RESPONSE_TOPIC, subscribe=RESPONSE_TOPIC)


def _role(name: str, *, publish: str, receive: str, subscribe: str) -> dict[str, Any]:
    granted = (("publishClientSend", publish), ("publishClientReceive", receive), ("subscribePattern", subscribe))
    return {
        "rolename": name,
        "acls": [{"acltype": kind, "topic": topic, "priority": 0, "allow": True} for kind, topic in granted],
    }


def _client(name: str) -> dict[str, Any]:
    return {"username": name, "roles": [{"rolename": name, "priority": 0}]}


def _decode(file: bytes) -> dict[str, Any]:
    """Return the plugin's state, its clients and roles named."""
    try:
        state: dict[str, Any] = json.loads(file)
        named = all("username" in client for client in state["clients"])
        named = named and all("rolename" in role for role in state["roles"])
    except (ValueError, KeyError, TypeError) as error:
        raise AccessError(f"dynamic-security file: got {error!r}, expected lists of clients and roles") from error
    if not named:
        raise AccessError("dynamic-security file: got one without a name, expected lists of clients and roles")
    return state


def _encode(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=1).encode()
