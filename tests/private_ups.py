"""A UPS of one's own: Debian's upsd and its dummy driver, in a folder and on a port that nobody else has."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import eventually

from edge_agent.telemetry.nut import UpsAddress

_NOBODY = "nobody"
_LINE = {"battery.charge": "97", "battery.voltage": "13.42", "battery.runtime": "1800", "input.voltage": "230.1"}


def _program(name: str) -> str:
    # Debian's /usr/sbin/upsd is a script that asks /etc/nut whether upsd is wanted; the program lies behind it.
    for folder in ("/lib/nut", "/usr/lib/nut", "/usr/libexec/nut"):
        if Path(folder, name).is_file():
            return str(Path(folder, name))
    found = None if name == "upsd" and Path("/lib/nut").is_dir() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing; install it with: apt-get install nut-server")
    return found


class PrivateUps:
    """One UPS, ``dummy``, of which tests say what it says."""

    def __init__(self, folder: Path) -> None:
        self._programs = {"driver": _program("dummy-ups"), "upsd": _program("upsd")}
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._log = (folder / "log").open("wb")
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        (folder / "run").mkdir(mode=0o700)
        device = folder / "dummy.dev"
        write = {
            "ups.conf": f"maxretry = 1\npollinterval = 1\n[dummy]\n driver = dummy-ups\n port = {device}\n"
            " mode = dummy-once\n",
            "upsd.conf": f"LISTEN 127.0.0.1 {self.port}\nSTATEPATH {folder / 'run'}\nMAXAGE 3\n",
            "upsd.users": "[monitor]\n password = not-secret\n upsmon primary\n",
        }
        for name, text in write.items():
            (folder / name).write_text(text, encoding="ascii")
            (folder / name).chmod(0o640)
        self.says("OL")
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, _NOBODY)

    @property
    def address(self) -> UpsAddress:
        return UpsAddress("dummy", "127.0.0.1", self.port)

    def says(self, status: str, **variables: str) -> None:
        """Let it say so from its next look on (once a second)."""
        told = {"ups.status": status, **_LINE, **variables}
        partial = self._folder / "dummy.partial"
        partial.write_text("".join(f"{name}: {value}\n" for name, value in told.items()), encoding="ascii")
        partial.chmod(0o644)
        partial.replace(self._folder / "dummy.dev")

    def start(self) -> None:
        self.start_driver()
        self.start_upsd()
        eventually(lambda: "OL" in self._upsd_says())

    def start_driver(self) -> None:
        self._start("driver", "-a", "dummy", "-F")
        eventually((self._folder / "run" / "dummy-ups-dummy").exists)

    def start_upsd(self) -> None:
        self._start("upsd", "-F", "-P", str(self._folder / "run" / "upsd.pid"))
        eventually(lambda: bool(self._upsd_says()))

    def end(self, name: str) -> None:
        running = self._running.pop(name)
        running.terminate()
        running.wait(10)

    def force_shutdown(self) -> None:
        """Do as upsmon does when it decides that the machine has to go down."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as upsd, upsd.makefile("rwb") as lines:
            for command in ("USERNAME monitor", "PASSWORD not-secret", "LOGIN dummy", "PRIMARY dummy", "FSD dummy"):
                lines.write(command.encode() + b"\n")
                lines.flush()
                answer = lines.readline()
                assert answer.startswith(b"OK"), (command, answer)

    def stop(self) -> None:
        for name in list(self._running):
            self.end(name)
        self._log.close()

    def _start(self, name: str, *arguments: str) -> None:
        user = _NOBODY if os.geteuid() == 0 else None
        paths = {"NUT_CONFPATH": str(self._folder), "NUT_STATEPATH": str(self._folder / "run")}
        self._running[name] = subprocess.Popen(
            [self._programs[name], *arguments, *(["-u", user] if user else [])],
            env={**os.environ, **paths, "NUT_ALTPIDPATH": paths["NUT_STATEPATH"]},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            user=user,
            group="nogroup" if user else None,
            extra_groups=() if user else None,
        )

    def _upsd_says(self) -> str:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as upsd:
                upsd.sendall(b"GET VAR dummy ups.status\n")
                return upsd.recv(200).decode()
        except OSError:
            return ""


@contextmanager
def running_ups() -> Iterator[PrivateUps]:
    """A UPS that says OL until it is told to say something else."""
    # Not below tmp_path, where no other user may look.
    with tempfile.TemporaryDirectory(prefix="nj-ups-") as folder:
        Path(folder).chmod(0o711)
        ups = PrivateUps(Path(folder))
        try:
            ups.start()
            yield ups
        finally:
            ups.stop()
