"""Programs that are wanted to run: started, killed, and started again when they end by themselves, as systemd would."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).absolute().parents[2]
_STOP_S = 12.0


class ProgramError(RuntimeError):
    """A program did not come up; the text holds the end of its log."""


class Program:
    """One program. Any thread may call; what takes time holds its lock.

    Args:
        name: for people.
        command: what to run.
        log: its standard error goes there.

    Attributes:
        restarts: how often it was started again after ending by itself.
        announced: the first line that it printed at its last start.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.restarts = 0
        self.announced = ""
        self._command = list(command)
        self._log = log
        self._lock = threading.RLock()
        self._running: subprocess.Popen[str] | None = None
        self._wanted = False

    @property
    def runs(self) -> bool:
        """Whether it is there now."""
        return self._running is not None and self._running.poll() is None

    def launch(self) -> None:
        """Start it, without waiting until it is ready."""
        with self._lock:
            self._wanted = True
            if self.runs:
                return
            self._forget()
            with self._log.open("a") as log:
                self._running = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    cwd=ROOT,
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C reaches the driver, which then ends everything in order
                )

    def start(self, timeout_s: float) -> None:
        """Start it and wait for the first line that it prints.

        Raises:
            ProgramError: it ended before, or took longer.
        """
        with self._lock:
            self.launch()
            running = self._running
            assert running is not None
            assert running.stdout is not None
            killer = threading.Timer(timeout_s, running.kill)
            killer.start()
            self.announced = running.stdout.readline().strip()
            killer.cancel()
            if not self.announced:
                raise ProgramError(f"{self.name}: not up within {timeout_s:g} s; the end of its log:\n{self.tail()}")

    def kill(self) -> None:
        """End it as a power cut would, and keep it down."""
        self._send(signal.SIGKILL)

    def stop(self) -> None:
        """Let it end in order, and keep it down."""
        self._send(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; it is still wanted."""
        with self._lock:
            if self._running is not None:
                self._running.send_signal(number)

    def limit_files(self, most_bytes: int | None) -> None:
        """Let it write no file beyond ``most_bytes``; None takes that back. A quota, for want of a disk to fill."""
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._running is not None and self.runs:
                hard = resource.prlimit(self._running.pid, resource.RLIMIT_FSIZE)[1]
                limit = hard if most_bytes is None else most_bytes
                resource.prlimit(self._running.pid, resource.RLIMIT_FSIZE, (limit, hard))

    def wait_until_ended(self, timeout_s: float) -> bool:
        """Whether it ended within ``timeout_s``; it is not started again meanwhile."""
        with self._lock:
            self._wanted = False
            running = self._running
            if running is None:
                return True
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(timeout_s)
            return running.poll() is not None

    def tell(self, line: str) -> None:
        """Write a line to its standard input, if it is there to read it."""
        with self._lock, contextlib.suppress(OSError):
            if self.runs and self._running is not None and self._running.stdin is not None:
                self._running.stdin.write(line + "\n")
                self._running.stdin.flush()

    def restart_if_ended(self) -> bool:
        """Start it again if it ended by itself; whether it had."""
        if not self._lock.acquire(blocking=False):
            return False  # somebody is about it
        try:
            if not self._wanted or self.runs:
                return False
            self.restarts += 1
            self.launch()
            return True
        finally:
            self._lock.release()

    def tail(self) -> str:
        """The end of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    def _send(self, number: signal.Signals) -> None:
        with self._lock:
            self._wanted = False
            running = self._running
            if running is None:
                return
            running.send_signal(number)
            try:
                running.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
            self._forget()

    def _forget(self) -> None:
        running, self._running = self._running, None
        for pipe in (running.stdin, running.stdout) if running is not None else ():
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class Keeper:
    """Starts programs again that ended by themselves, from a thread of its own."""

    def __init__(self, every_s: float = 0.3) -> None:
        self.programs: list[Program] = []
        self._every_s = every_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _keep(self) -> None:
        while not self._ending.wait(self._every_s):
            for program in list(self.programs):
                if program.restart_if_ended():
                    say(f"{program.name} had ended by itself and was started again")


_began_s = time.monotonic()


def say(text: str) -> None:
    """Print a line of progress to standard error, with the seconds since the driver began."""
    print(f"{time.monotonic() - _began_s:7.1f} s  {text}", file=sys.stderr, flush=True)


def program(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs one of this package's programs."""
    return [sys.executable, "-m", module, *arguments]


def _environment() -> Mapping[str, str]:
    paths = [str(ROOT / "scripts"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path), "OMP_NUM_THREADS": "1"}
