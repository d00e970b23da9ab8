"""Who may publish and read what at the broker: the state of mosquitto's dynamic-security plugin.

Purpose: a stolen trailer must not read, forge or swallow what others send. The broker takes the common name of a
verified client certificate as user name and as client id; this module says what each name may do.

Invariants:
    * Everything that is not granted is denied: publish, receive, subscribe, ``$share`` included. A name that the
      plugin does not know may do nothing, however good its certificate.
    * A device publishes to its own ``up`` and receives its own ``down``, whatever the agency: that follows from the
      device's assignment at the collector. One role a device: the plugin's ``%u`` patterns do not work for subscribe.
    * ``$share`` is for collectors, in their one group. Each has a name of its own: one name is one MQTT session, and
      a second connection of the same name ends the first.
    * ``PROBE`` is a device like any other to the broker, and is enrolled nowhere: with it a collector proves at start
      what a device cannot do (``broker_proof``).
    * Notices of alerts have a prefix of their own, outside of the devices': one name publishes there, and each
      listener receives the agencies that it was given.
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
import re
from collections.abc import Iterable
from typing import Any, Final

from collector.errors import CollectorError
from edge_wire.topics import PREFIX, check_name

COLLECTOR: Final = "nightjar.collector"
"""Common name of the collector's certificate. The dot keeps it apart from every device id. Each further collector on
the same broker has a dash and a name after it: ``nightjar.collector-2``."""

SHARE_GROUP: Final = "nightjar"
"""The group in which several collectors share what devices send: ``$share/nightjar/…``."""

RESERVED: Final = "nightjar-"
"""What no enrolled device's id begins with: these are ours, for the proof at start."""

PROBE: Final = "nightjar-probe"
"""Common name of the certificate with which a collector tries what a device can do."""

FLEET: Final = "nightjar.fleet"
"""Common name of the certificate that may add and remove devices, and may do nothing else."""

NOTICES: Final = "nightjar.notices"
"""Common name of the certificate with which notices of alerts are published; it may do nothing else."""

LISTENER: Final = "nightjar.listener-"
"""What the common name of a program begins with that listens to such notices."""

CONTROL_TOPIC: Final = "$CONTROL/dynamic-security/v1"
"""Where the plugin takes commands; it answers on ``RESPONSE_TOPIC``, to the asker only."""

RESPONSE_TOPIC: Final = f"{CONTROL_TOPIC}/response"

_COLLECTOR_NAME: Final = re.compile(re.escape(COLLECTOR) + r"(-[a-z0-9-]{1,20})?\Z")
_LISTENER_NAME: Final = re.compile(re.escape(LISTENER) + r"[a-z0-9-]{1,20}\Z")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\Z")
_DENIED_BY_DEFAULT: Final = ("publishClientSend", "publishClientReceive", "subscribe")


class AccessError(CollectorError):
    """The plugin refused a command or its file is not what it should be. The text says which and why."""


def render(devices: Iterable[str], collectors: Iterable[str] = (COLLECTOR,)) -> bytes:
    """Return the plugin's file for these devices and collectors, the probe and the fleet service.

    Raises:
        TopicError: a device id does not follow the protocol.
        AccessError: a collector's name is not ``COLLECTOR``, or that with a dash and a name after it.
    """
    roles = [
        *map(_collector_role, sorted(set(collectors))),
        _fleet_role(),
        *map(_device_role, sorted({PROBE, *devices})),
    ]
    return _encode(
        {
            "defaultACLAccess": {**dict.fromkeys(_DENIED_BY_DEFAULT, False), "unsubscribe": True},
            "roles": roles,
            "clients": [_client(role["rolename"]) for role in roles],
        }
    )


def with_device(file: bytes, device: str) -> bytes:
    """Return the plugin's ``file`` with ``device`` in it; for a broker that is not running.

    Raises:
        TopicError: the id does not follow the protocol.
        AccessError: ``file`` is not the plugin's.
    """
    return _with_role(file, _device_role(device))


def with_collector(file: bytes, collector: str) -> bytes:
    """Return the plugin's ``file`` with a ``collector`` in it, its rights as they are now; for a broker at rest.

    Raises:
        AccessError: ``file`` is not the plugin's, or the name is not a collector's.
    """
    return _with_role(file, _collector_role(collector))


def with_notices(file: bytes, prefix: str) -> bytes:
    """Return the plugin's ``file`` with ``NOTICES`` in it, which may publish below ``prefix``; for a broker at rest.

    Raises:
        AccessError: ``file`` is not the plugin's, or devices would be below the prefix.
    """
    return _with_role(file, _notices_role(prefix))


def with_listener(file: bytes, listener: str, prefix: str, agencies: Iterable[str]) -> bytes:
    """Return the plugin's ``file`` with a ``listener`` in it, to notices of these agencies; for a broker at rest.

    Raises:
        TopicError: an agency does not follow the protocol.
        AccessError: ``file`` is not the plugin's, the name is not a listener's, or devices would be below the prefix.
    """
    return _with_role(file, _listener_role(listener, prefix, agencies))


def knows(file: bytes, name: str) -> bool:
    """Whether the plugin's ``file`` has a device or collector called ``name`` in it.

    Raises:
        AccessError: ``file`` is not the plugin's.
    """
    return any(client["username"] == name for client in _decode(file)["clients"])


def addition(device: str) -> bytes:
    """Return the command that lets ``device`` connect to the running broker; published to ``CONTROL_TOPIC``.

    Raises:
        TopicError: the id does not follow the protocol.
    """
    return _addition(_device_role(device))


def collector_addition(collector: str) -> bytes:
    """Return the command that lets one more ``collector`` connect to the running broker.

    Raises:
        AccessError: the name is not a collector's.
    """
    return _addition(_collector_role(collector))


def notices_addition(prefix: str) -> bytes:
    """Return the command that lets ``NOTICES`` publish below ``prefix`` at the running broker.

    Raises:
        AccessError: devices would be below the prefix.
    """
    return _addition(_notices_role(prefix))


def listener_addition(listener: str, prefix: str, agencies: Iterable[str]) -> bytes:
    """Return the command that lets a ``listener`` hear notices of these agencies at the running broker.

    Raises:
        TopicError: an agency does not follow the protocol.
        AccessError: the name is not a listener's, or devices would be below the prefix.
    """
    return _addition(_listener_role(listener, prefix, agencies))


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


def _addition(role: dict[str, Any]) -> bytes:
    return _encode(
        {
            "commands": [
                {"command": "createRole", **role},
                {"command": "createClient", **_client(role["rolename"])},
            ]
        }
    )


def _with_role(file: bytes, role: dict[str, Any]) -> bytes:
    name, state = role["rolename"], _decode(file)
    roles = [other for other in state["roles"] if other["rolename"] != name]
    clients = [other for other in state["clients"] if other["username"] != name]
    return _encode({**state, "roles": [*roles, role], "clients": [*clients, _client(name)]})


def _device_role(device: str) -> dict[str, Any]:
    name = check_name(device, "device")
    up, down = f"{PREFIX}/+/{name}/up/#", f"{PREFIX}/+/{name}/down/#"
    return _role(name, publish=[up], receive=[down], subscribe=[down])


def _collector_role(name: str) -> dict[str, Any]:
    if not _COLLECTOR_NAME.match(name):
        raise AccessError(f"collector: got {name!r}, expected {COLLECTOR!r}, or that with '-' and a name after it")
    up, down = f"{PREFIX}/+/+/up/#", f"{PREFIX}/+/+/down/#"
    return _role(name, publish=[down], receive=[up], subscribe=[up, f"$share/{SHARE_GROUP}/{up}"])


def _fleet_role() -> dict[str, Any]:
    return _role(FLEET, publish=[CONTROL_TOPIC], receive=[RESPONSE_TOPIC], subscribe=[RESPONSE_TOPIC])


def _notices_role(prefix: str) -> dict[str, Any]:
    return _role(NOTICES, publish=[f"{_below_devices(prefix)}/+"])


def _listener_role(name: str, prefix: str, agencies: Iterable[str]) -> dict[str, Any]:
    if not _LISTENER_NAME.match(name):
        raise AccessError(f"listener: got {name!r}, expected {LISTENER!r} and a name after it")
    topics = [f"{_below_devices(prefix)}/{check_name(one, 'agency')}" for one in sorted(set(agencies))]
    return _role(name, receive=topics, subscribe=topics)


def _below_devices(prefix: str) -> str:
    if not _PREFIX.match(prefix) or f"{prefix}/".startswith(f"{PREFIX}/") or f"{PREFIX}/".startswith(f"{prefix}/"):
        raise AccessError(f"prefix: got {prefix!r}, expected words and slashes, and nothing that holds {PREFIX}")
    return prefix


def _role(
    name: str, *, publish: Iterable[str] = (), receive: Iterable[str] = (), subscribe: Iterable[str] = ()
) -> dict[str, Any]:
    granted = [("publishClientSend", topic) for topic in publish]
    granted += [("publishClientReceive", topic) for topic in receive]
    granted += [("subscribePattern", topic) for topic in subscribe]
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
