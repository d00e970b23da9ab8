"""A PostgreSQL of one's own: in a folder under the system's temporary one, over a Unix socket, for tests and the soak.

It commits as a production server does (``fsync`` on), is never run as root (PostgreSQL refuses), and nobody but its own
account and root can connect. Everything it writes lies in one folder, which ``close`` removes.

    with PrivatePostgresql() as server:
        url = server.create("nightjar")
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_ROLE = "nightjar"
_DEADLINE_S = 30.0
_POLL_S = 0.02
# Debian keeps the server's programs away from PATH, a folder a version.
_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
_UNPRIVILEGED = "nobody"


class PostgresqlError(RuntimeError):
    """PostgreSQL is not installed, does not start or does not do what it is told. The text says why."""


def installed() -> bool:
    """Whether there is a PostgreSQL server to run."""
    return _program("initdb") is not None


class PrivatePostgresql:
    """A server with an empty cluster.

    Attributes:
        log: the server's own log.

    Raises:
        PostgresqlError: it is not installed, or the cluster cannot be made.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="nightjar-pg-"))
        self.log = self._folder / "log"
        self._account: dict[str, object] = {}
        self._server: subprocess.Popen[bytes] | None = None
        try:
            if os.geteuid() == 0:
                shutil.chown(self._folder, _UNPRIVILEGED)
                self._account = {"user": _UNPRIVILEGED, "extra_groups": []}
            # Other accounts cannot enter the folder, so nobody else reaches the socket; and no collation of the
            # system's, so that text sorts the same everywhere.
            self._run("initdb", "-D", str(self._data), "-U", _ROLE, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        except BaseException:
            self.close()
            raise

    def start(self) -> Self:
        """Start the server and wait until it takes connections.

        Raises:
            PostgresqlError: it did not come up within 30 s; its log is in the text.
        """
        if self.running:
            return self
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [_needed("postgres"), "-D", str(self._data), "-k", str(self._folder), "-c", "listen_addresses="],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._account,  # type: ignore[call-overload]  # only of root's: user, extra_groups
            )
        deadline = time.monotonic() + _DEADLINE_S
        while not self._is_ready():
            if self._server.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise PostgresqlError(f"PostgreSQL did not come up:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(_POLL_S)
        return self

    def stop(self) -> None:
        """End it in order, without waiting for clients; safe when it does not run."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End every one of its programs as a power cut would; safe when it does not run."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End it and remove everything that it wrote."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def running(self) -> bool:
        """Whether the server is alive."""
        return self._server is not None and self._server.poll() is None

    def url(self, database: str) -> str:
        """The URL of one of its databases, as the collector takes it."""
        return f"postgresql+asyncpg://{_ROLE}@/{database}?host={self._folder}"

    def create(self, database: str, template: str = "template0") -> str:
        """Make a database, empty or as a copy of another that nobody is connected to; return its URL.

        Raises:
            PostgresqlError: the server refused.
        """
        self.sql(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        """Remove a database, and whoever is connected to it from it.

        Raises:
            PostgresqlError: the server refused.
        """
        self.sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement as the owner of everything; return what it selects, a line a row.

        Raises:
            PostgresqlError: the server refused.
        """
        return self._run(
            "psql",
            "-h",
            str(self._folder),
            "-U",
            _ROLE,
            "-d",
            database,
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            statement,
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _is_ready(self) -> bool:
        ready = [_needed("pg_isready"), "-h", str(self._folder), "-q"]
        return subprocess.run(ready, stdin=subprocess.DEVNULL, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [_needed(program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **self._account,  # type: ignore[call-overload]  # only of root's: user, extra_groups
        )
        if done.returncode:
            raise PostgresqlError(f"{program}: {(done.stderr or done.stdout).strip()[-2000:]}")
        return str(done.stdout).strip()

    def _end(self, number: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        if server.poll() is None:
            # Its own session: with SIGKILL its workers go too, which would otherwise finish what they were told.
            if number is signal.SIGKILL:
                os.killpg(server.pid, number)
            else:
                server.send_signal(number)
        server.wait()


def _program(name: str) -> str | None:
    places = os.pathsep.join([*map(str, _PLACES), os.environ.get("PATH", os.defpath)])
    return shutil.which(name, path=places)


def _needed(name: str) -> str:
    found = _program(name)
    if found is None:
        raise PostgresqlError(f"{name} is not installed: ./scripts/setup --for-tests, or apt-get install postgresql")
    return found
