"""What carries notices: one port, however they travel."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path
from typing import Protocol

from collector.alerts.sending.records import Message
from collector.errors import CollectorError, ConfigurationError


class CarryError(CollectorError):
    """A notice could not be delivered, or nobody knows whether it was: it is tried again.

    The text says where, what was there and what was expected, without secrets and without what the notice says.
    """


class Carrier(Protocol):
    """Carries notices to some targets that share a connection, or a server.

    Attributes:
        targets: to these, see ``records.target``.
        at_once: how many notices at most.
    """

    targets: frozenset[str]
    at_once: int

    async def carry(self, message: Message) -> None:
        """Deliver one notice, within a time of its own.

        Raises:
            CarryError: it was not delivered, as far as anybody knows.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; nothing is carried afterwards."""
        ...


def secret_of(path: Path, setting: str, *, least_bytes: int = 1) -> bytes:
    """Read a secret from its file, without the line's end.

    Raises:
        ConfigurationError: it cannot be read, is too short, or others may read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(f"{setting}: {path}: {error.strerror or error}") from error
    if mode & 0o077:
        raise ConfigurationError(f"{setting}: {path}: got mode {mode:04o}, expected 0600; run: chmod 600 {path}")
    if len(secret) < least_bytes:
        raise ConfigurationError(f"{setting}: {path}: got {len(secret)} bytes, expected at least {least_bytes}")
    return secret


def tls_of(place: str, ca: Path | None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Return a context that verifies the server, and shows our certificate if there is one.

    Args:
        place: the group of settings that names the files.
        ca: whom to trust, instead of those whom this machine trusts.
        certificate: ours.
        key: its private key.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"{place}: {error}; got ca {ca}, certificate {certificate}, key {key}, expected readable PEM files that "
            "belong together"
        ) from error
    return context


def reason_of(error: BaseException) -> str:
    """Return what went wrong as the operating system or TLS says it; of anything else only what kind of error it is.

    What a library or the other side says may repeat addresses with tokens in them, or for whom a message was.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {cause.reason}"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
