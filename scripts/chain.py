"""The whole chain on one machine: private broker, collector and edge agents as real programs, in one folder.

The demo runs it for people and the end-to-end tests for themselves, so that what is shown is what is tested. Programs
are started by their command names out of the environment that runs this, and write their logs into the folder.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from private_broker import PrivateBroker

from collector.api.login import LOGIN_CODE_LASTS_S
from collector.config import CollectorConfig
from collector.fleet import devices
from collector.store import queries
from collector.store.database import Store
from collector.store.users import CredentialKind, Role, Users
from edge_wire.clock import SystemClock
from edge_wire.yaml_config import load

_WHO = "chain"
_SOME_ROWS_REJECTED = 1
_START_S = 60.0
_STOP_S = 15.0
AGENCY = "demo-pd"


class ChainError(RuntimeError):
    """A part of the chain did not start or failed; the text holds the end of its log."""


class Chain:
    """Broker, collector and agents.

    Args:
        folder: everything lies here; an earlier run's folder is taken up again.
        names: device ids of the agents.
        under: what goes before the command line of a program, by the name of its log; a tracer, for tests.
        broker: makes the broker, given its folder and who may connect; for benches that need another one.
    """

    def __init__(
        self,
        folder: Path,
        names: Iterable[str],
        *,
        under: Callable[[str], Sequence[str]] = lambda _: (),
        broker: Callable[[Path, Iterable[str]], PrivateBroker] = PrivateBroker,
    ) -> None:
        self._under = under
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.broker = broker(self.folder / "broker", names)
        self.url = ""
        self._devices = tuple(names)
        self._collector: subprocess.Popen[str] | None = None
        self._agents: dict[str, subprocess.Popen[str]] = {}
        self._write_collector_config()
        self._config = load(self.collector_config, CollectorConfig)

    @property
    def collector_config(self) -> Path:
        """The collector's configuration file."""
        return self.folder / "collector.yaml"

    def log(self, name: str) -> Path:
        """Return the log of a part: ``collector``, or an agent by its device."""
        return self.folder / f"{name}.log"

    def import_hotlist(self, file: Path, name: str) -> dict[str, Any]:
        """Import a hotlist with the collector's own command; return its summary.

        Raises:
            ChainError: the file cannot be used.
        """
        command = [_program("collector"), "hotlist", "import", str(file), "--list", name, "--json"]
        command += ["--config", str(self.collector_config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, _SOME_ROWS_REJECTED):
            raise ChainError(f"{' '.join(command[1:])}: exit {done.returncode}\n{done.stderr.strip()}")
        summary: dict[str, Any] = json.loads(done.stdout)
        return summary

    def operator(self, name: str) -> tuple[str, str]:
        """Add an operator if need be; return a bearer token for a day and a one-time login code."""
        return asyncio.run(self._operator(name))

    async def _operator(self, name: str) -> tuple[str, str]:
        store = await Store.open(self._config.url)
        try:
            users = Users(store, SystemClock())
            if name not in {user.name for user in await users.everybody()}:
                await users.add(name, Role.OPERATOR, None, by=_WHO)
            token = await users.issue(name, CredentialKind.TOKEN, "chain", 86_400 * 10**9, by=_WHO)
            code = await users.issue(name, CredentialKind.CODE, "chain", LOGIN_CODE_LASTS_S * 10**9, by=_WHO)
        finally:
            await store.close()
        return token, code

    async def _enrol(self) -> None:
        self._config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = await Store.open(self._config.url)
        try:
            async with store.read() as tx:
                enrolled = {device.id for device in await queries.devices(tx)}
            for device in self._devices:
                if device not in enrolled:
                    key = devices.load_public_key(self.broker.client(device).certificate)
                    await devices.add_device(store, device, AGENCY, key, who=_WHO, at_ns=SystemClock().utc_ns())
        finally:
            await store.close()

    def start(self) -> Self:
        """Start broker and collector, and enrol the devices that are not enrolled yet.

        Raises:
            ChainError, BrokerError: one of them does not start.
        """
        self.broker.start()
        asyncio.run(self._enrol())
        self.start_collector()
        return self

    def start_collector(self) -> None:
        """Start the collector and wait until it serves.

        Raises:
            ChainError: it does not.
        """
        log = self.log("collector").open("a")
        self._collector = subprocess.Popen(
            [
                *self._under("collector"),
                _program("collector"),
                "serve",
                "--config",
                str(self.collector_config),
                "--json",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C reaches whoever runs the chain, who then ends it in order
        )
        log.close()
        killer = threading.Timer(_START_S, self._collector.kill)
        killer.start()
        assert self._collector.stdout is not None
        line = self._collector.stdout.readline()
        killer.cancel()
        if not line:
            raise ChainError(f"the collector does not start:\n{self._tail('collector')}")
        self.url = json.loads(line)["url"]

    @property
    def collector_pid(self) -> int:
        """The collector's process number, for those who measure it."""
        assert self._collector is not None, "it was not started"
        return self._collector.pid

    def stop_collector(self) -> None:
        """End the collector in order; ``start_collector`` takes up where it was."""
        _end(self._collector)
        self._collector = None

    def kill_collector(self) -> None:
        """End the collector as a power cut would."""
        if self._collector is not None:
            self._collector.kill()
            _end(self._collector)

    def agent_config(
        self,
        device: str,
        *,
        cameras: Sequence[dict[str, Any]] = (),
        microphones: Sequence[dict[str, Any]] = (),
        position: dict[str, Any] | None = None,
    ) -> Path:
        """Write an agent's configuration and return the file."""
        files = self.broker.client(device)
        (self.folder / device).mkdir(mode=0o700, exist_ok=True)
        settings: dict[str, Any] = {
            "data_dir": str(self.folder / device),
            "device": {
                "id": device,
                "agency": AGENCY,
                "deployment": f"{device}-demo",
                "key": str(files.key),
                "certificate": str(files.certificate),
                **({} if position is None else {"position": position}),
            },
            "broker": {
                "host": self.broker.host,
                "port": self.broker.port,
                "ca": str(self.broker.authority),
                "collector_keys": [str(self.folder / "collector" / "collector-key.pub.pem")],
            },
            "cameras": list(cameras),
            "microphones": list(microphones),
        }
        path = self.folder / f"{device}.yaml"
        path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        return path

    def start_agent(self, device: str, config: Path, *, once: bool = False) -> subprocess.Popen[str]:
        """Start an agent."""
        with self.log(device).open("a") as log:
            self._agents[device] = subprocess.Popen(
                [*self._under(device), _program("edge-agent"), "run", "--config", str(config), *(["--once"] * once)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        return self._agents[device]

    @property
    def agents_ended(self) -> bool:
        """Whether every agent that was started has ended."""
        return all(running.poll() is not None for running in self._agents.values())

    def fail_if_any_died(self) -> None:
        """Raise if a program ended that should not have.

        Raises:
            ChainError: with the end of its log.
        """
        for name, running in {"collector": self._collector, **self._agents}.items():
            if running is not None and running.poll() not in (None, 0):
                raise ChainError(f"{name} ended with exit {running.returncode}:\n{self._tail(name)}")

    def stop(self) -> None:
        """End everything in order: agents first, so that they can say goodbye."""
        for part in (*self._agents.values(), self._collector):
            _end(part)
        self._agents.clear()
        self._collector = None
        self.broker.stop()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _write_collector_config(self) -> None:
        files = self.broker.collector
        settings = {
            "data_dir": str(self.folder / "collector"),
            "broker": {
                "host": self.broker.host,
                "port": self.broker.port,
                "ca": str(self.broker.authority),
                "certificate": str(files.certificate),
                "key": str(files.key),
                "probe_certificate": str(self.broker.probe.certificate),
                "probe_key": str(self.broker.probe.key),
            },
            "http": {"host": "127.0.0.1", "port": 0},
        }
        self.collector_config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")

    def _tail(self, name: str) -> str:
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-20:])


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _end(part: subprocess.Popen[str] | None) -> None:
    if part is None:
        return
    part.terminate()  # does nothing to one that has ended
    try:
        part.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        part.kill()
        part.wait()
    if part.stdout is not None:
        part.stdout.close()
