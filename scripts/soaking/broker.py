"""The run's mosquitto: the demo's private broker, beside it one who may do everything, and loss of memory at will."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from private_broker import ClientFiles, PrivateBroker

from collector.fleet import certificates

INTRUDER = "nightjar.intruder"
"""Whoever has the broker in hand: publishes and reads everything. The protocol must hold against that."""


class SoakBroker(PrivateBroker):
    """A private broker with an intruder in it."""

    def __init__(self, folder: Path, devices: Iterable[str], collectors: Iterable[str]) -> None:
        super().__init__(folder, devices, tuple(collectors))
        self._memory = folder / "mosquitto.db"
        self._let_in(folder)

    @property
    def intruder(self) -> ClientFiles:
        """With what the intruder connects."""
        return self.client(INTRUDER)

    def forget(self) -> None:
        """Come up without anything that was remembered: no session, no queue, nothing retained."""
        self.kill()
        self._memory.unlink(missing_ok=True)
        self.start()

    def _let_in(self, folder: Path) -> None:
        files = self.client(INTRUDER)
        if not files.certificate.exists():
            authority = certificates.Authority(self.authority.read_bytes(), (folder / "ca.key").read_bytes())
            key = certificates.new_key()
            certificates.write_private(files.key, key)
            files.certificate.write_bytes(certificates.issue_service(authority, certificates.public_key(key), INTRUDER))
        access = folder / "dynamic-security.json"
        state = json.loads(access.read_bytes())
        if all(client["username"] != INTRUDER for client in state["clients"]):
            kinds = ("publishClientSend", "publishClientReceive", "subscribePattern")
            rights = [{"acltype": kind, "topic": "nightjar/#", "priority": 0, "allow": True} for kind in kinds]
            state["roles"].append({"rolename": INTRUDER, "acls": rights})
            state["clients"].append({"username": INTRUDER, "roles": [{"rolename": INTRUDER, "priority": 0}]})
            access.write_bytes(json.dumps(state).encode())
