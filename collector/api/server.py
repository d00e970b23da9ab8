"""Serving the API: a socket, TLS wherever others could listen, and an end that open streams do not delay.

uvicorn's signal handling is left out: whoever started the collector decides when it ends, by cancelling ``serve``.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from collector.api.app import stop_streams
from collector.api.patience import PatientProtocol
from collector.config import is_loopback
from collector.errors import ConfigurationError

# An open stream that does not notice the end in this time is cut.
_GRACE_S = 3
# Connections at once, streams included; beyond it the answer is 503. A process may have 1,024 files open by default.
_MOST_CONNECTIONS = 500


async def serve(
    app: FastAPI,
    host: str,
    port: int,
    *,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    ready: Callable[[str], None],
) -> None:
    """Serve until cancelled; then end the streams, finish the answers under way, and return within seconds.

    Args:
        app: of ``create_app``, made with ``secure`` exactly when there is a certificate.
        host: address to listen on.
        port: TCP port; 0 takes a free one.
        tls_cert: certificate chain (PEM).
        tls_key: its private key (PEM).
        ready: called once with the address to open, ``https://HOST:PORT``, when requests are answered.

    Raises:
        ConfigurationError: no certificate though others can reach the address, an unusable one, or an address that
            cannot be listened on.
    """
    if tls_cert is None and not is_loopback(host):
        raise ConfigurationError(
            f"http.host: got {host} without a certificate, expected loopback or http.certificate and http.key"
        )
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # Requests name plates; who asked is in the audit log where it matters.
        proxy_headers=False,  # Believing X-Forwarded-For would let anybody on this machine dodge the login throttle.
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        limit_concurrency=_MOST_CONNECTIONS,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"http.certificate {tls_cert}, http.key {tls_key}: cannot be used: {error}") from error
    listening = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    scheme = "http" if tls_cert is None else "https"
    address = f"{scheme}://{shown}:{listening.getsockname()[1]}"
    server = _Server(config, lambda: ready(address))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        stop_streams(app)
        server.should_exit = True
        await serving
        raise


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_started = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_started()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise ConfigurationError(f"http.host {host}, http.port {port}: cannot listen: {error}") from error
    return listening
