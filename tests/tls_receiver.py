"""A program that receives webhooks: HTTPS on loopback with certificates of its own authority, by threads."""

from __future__ import annotations

import json
import queue
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from collector.fleet import certificates


class Authority:
    """A throwaway authority, and what it certifies, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._authority = certificates.create_authority("Nightjar throwaway receivers")
        self.file = folder / "ca.pem"
        self.file.write_bytes(self._authority.certificate)

    def server(self, *names: str) -> tuple[Path, Path]:
        """Certificate and key of a server."""
        return self._issued("server", names=names)

    def client(self, name: str = "nightjar.notices") -> tuple[Path, Path]:
        """Certificate and key of a client."""
        return self._issued(name)

    def _issued(self, file: str, names: tuple[str, ...] = ()) -> tuple[Path, Path]:
        key = certificates.new_key()
        public = certificates.public_key(key)
        made = (
            certificates.issue_server(self._authority, public, names)
            if names
            else certificates.issue_service(self._authority, public, file)
        )
        certificate, private = self._folder / f"{file}.pem", self._folder / f"{file}.key"
        certificate.write_bytes(made)
        private.unlink(missing_ok=True)
        certificates.write_private(private, key)
        return certificate, private


class Came(NamedTuple):
    """One request."""

    headers: dict[str, str]
    body: bytes
    client: str | None
    """The common name of the client's certificate."""

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class TlsReceiver:
    """Receives, and answers as it is told.

    Args:
        authority: certifies it.
        mutual: whether clients must show a certificate of that authority.
        names: of its certificate.
    """

    def __init__(
        self, authority: Authority, *, mutual: bool = False, names: tuple[str, ...] = ("localhost", "127.0.0.1")
    ) -> None:
        self.came: queue.Queue[Came] = queue.Queue()
        self.answered: queue.Queue[None] = queue.Queue()
        self.status = 204
        self.location = ""
        self.gate = threading.Event()
        self.gate.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                shown = self.connection.getpeercert() if mutual else None  # type: ignore[attr-defined]  # it is TLS
                names = [value for part in (shown or {}).get("subject", ()) for name, value in part]
                receiver.came.put(Came(dict(self.headers), body, names[0] if names else None))
                receiver.gate.wait(30)
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "0")
                self.end_headers()
                self.wfile.flush()
                receiver.answered.put(None)

            def do_GET(self) -> None:
                receiver.came.put(Came(dict(self.headers), b"", None))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # who is killed, or does not trust us, ends the connection

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.server(*names))
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(authority.file)
        self._server = Server(("127.0.0.1", 0), Handler)
        # Handshakes in the threads of the requests, so that one client holds up no other.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_address[1]}/hook?token=LETMEIN"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
