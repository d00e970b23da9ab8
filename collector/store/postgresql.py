"""A store in a PostgreSQL database, which several collectors may share; ``turns`` says how they write.

Writers read what is committed when a statement begins (READ COMMITTED): their turns keep it from changing. Readers see
one instant (REPEATABLE READ) and wait for nobody. A collector that vanishes without a word holds its turn for half a
minute at most: the server then ends a session that does nothing within a transaction, or that no longer answers.

The password comes from a file in libpq's form (``?passfile=PATH`` of the URL, else PGPASSFILE) and is in no error text.
Over a network the server's certificate is verified (``?sslrootcert=PATH`` names an authority of one's own), unless the
URL's ``ssl`` says otherwise.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import asyncpg
from sqlalchemy import Dialect, event, exc
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from collector.errors import ConfigurationError, StoreError, StoreRefusedError
from collector.store.backends import from_json, to_json

LOCK_TIMEOUT_S = 10
_CONNECT_S = 10.0
_COMMAND_S = 60.0
_SETTINGS = {
    "application_name": "nightjar collector",
    # Compiling a query takes longer than any of ours.
    "jit": "off",
    "lock_timeout": f"{LOCK_TIMEOUT_S}s",
    # Whatever database or role are set to: turns are right under READ COMMITTED only, and an ack deletes evidence.
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "30s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_CA = "sslrootcert"
# Of SQLSTATE (PostgreSQL's manual, appendix A): a bad value, a broken constraint, a row that is too large.
_REFUSED = ("22", "23", "54")
# A statement of ours is wrong; but not: a role without the right to do it.
_OURS, _NO_RIGHT = "42", "42501"
_HINTS = {
    "28": "is the role's password in the URL's passfile, or in PGPASSFILE, for its owner alone (0600)?",
    "3D": "make the database: docs/postgresql.md",
    _NO_RIGHT: "the role has too few rights: docs/postgresql.md",
    "25006": "this server only reads: is it a standby?",
    "55P03": f"others have been writing for {LOCK_TIMEOUT_S} s; nothing was changed, try again",
}


class Postgresql:
    """The ``Backend`` of one database.

    Args:
        url: ``postgresql+asyncpg://ROLE@HOST/DATABASE``.
    """

    one_writer = False
    writing: Mapping[str, Any] = {}
    writing_briskly: Mapping[str, Any] = {}
    reading: Mapping[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    def __init__(self, url: URL) -> None:
        self._host = url.host or str(url.query.get("host", ""))
        self.where = f"{self._host or 'local'}/{url.database}"
        self._url = url

    def make(self) -> None:
        """Nothing: people make the database, with the rights that the role is to have."""

    def expect(self) -> None:
        """Nothing: connecting tells."""

    def engine(self, *, to_read: bool, patient: bool = False) -> AsyncEngine:
        """Return an engine over the database; unless it is ``patient``, no statement may take longer than a minute.

        Raises:
            ConfigurationError: the certificate of ``sslrootcert`` cannot be read.
        """
        settings = _SETTINGS | ({"default_transaction_read_only": "on"} if to_read else {})
        connect: dict[str, Any] = {"timeout": _CONNECT_S, "server_settings": settings}
        if not patient:
            # A network that swallows everything is noticed.
            connect["command_timeout"] = _COMMAND_S
        if "ssl" not in self._url.query and self._host not in _LOCAL and not self._host.startswith("/"):
            connect["ssl"] = self._tls()
        engine = create_async_engine(
            self._url.difference_update_query([_CA]),
            connect_args=connect,
            pool_timeout=_CONNECT_S,
            json_serializer=to_json,
            json_deserializer=from_json,
        )
        event.listen(engine.sync_engine, "do_connect", self._connect)
        return engine

    def classed(self, error: Exception) -> Exception | None:
        """Return what callers are to see of ``error``."""
        cause = _cause(error)
        state = getattr(cause, "sqlstate", None)
        if isinstance(cause, asyncpg.DataError) or (state is not None and state.startswith(_REFUSED)):
            return StoreRefusedError(f"store {self.where}: refused the rows: {reason_of(cause)}")
        if state is not None and state.startswith(_OURS) and state != _NO_RIGHT:
            return None
        if state is None and not isinstance(error, _UNREACHABLE):
            return None
        hint = _HINTS.get(state or "", _HINTS.get((state or "")[:2]))
        return StoreError(f"store {self.where}: {reason_of(cause)}{f': {hint}' if hint else ''}")

    def _connect(self, dialect: Dialect, _record: object, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        # The driver hands on what the network says, which within a transaction could be of some file.
        try:
            return dialect.connect(*args, **named)
        except OSError as error:
            raise StoreError(f"store {self.where}: cannot be reached: {error or type(error).__name__}") from error

    def _tls(self) -> ssl.SSLContext:
        ca = self._url.query.get(_CA)
        try:
            return ssl.create_default_context(cafile=None if ca is None else str(ca))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"store {self.where}: {_CA}: got {ca}, expected the certificate (PEM) of the authority that signed the "
                f"server's: {error}"
            ) from error


_LOCAL = ("", "localhost", "127.0.0.1", "::1")
# Nobody of ours waits for anything else within a transaction, so a time-out or a lost connection is the database's.
_UNREACHABLE = (exc.DBAPIError, exc.TimeoutError, TimeoutError, ConnectionError)


def reason_of(error: BaseException) -> str:
    """Return why the server or the way to it refused; not the DETAIL of the server's message, which shows rows."""
    told = error.args[0] if isinstance(error, asyncpg.PostgresError) and error.args else error
    return str(told) or repr(error)


def _cause(error: Exception) -> BaseException:
    """Return the driver's own error: the text of SQLAlchemy's shows the statement and its values."""
    cause: BaseException = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    return cause.__cause__ if isinstance(cause.__cause__, (asyncpg.PostgresError, asyncpg.InterfaceError)) else cause
