"""A real HTTPS server and a real SFTP server on loopback, and keys for both."""

import asyncio
import contextlib
import datetime
import email.utils
import ssl
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import asyncssh
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from collector.hotlists.feeds.snapshot_folder import SnapshotFolder

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates for this test."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def identity(self, name: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(subject, key).add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        files = Identity(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        files.certificate.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
        )


@dataclass
class WebServer:
    """What is served, and what was asked for."""

    port: int
    content: bytes = b"plate,state\n7ABC123,TX\n"
    etag: str | None = '"one"'
    modified_s: int | None = 1_795_000_000
    token: str | None = None
    status: int = 200
    cut: int | None = None
    chunks: Iterable[bytes] | None = None
    """Sent in chunks instead of ``content``, without a length."""
    nameless: bool = False
    """Says neither how long it is nor where it ends."""
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/lists/stolen.csv?secret=1"


class _Answers(BaseHTTPRequestHandler):
    # Chunks are of HTTP/1.1.
    protocol_version = "HTTP/1.1"
    web: WebServer

    def do_GET(self) -> None:
        web = self.web
        web.asked.append(dict(self.headers.items()))
        self.close_connection = True
        if web.token is not None and self.headers["Authorization"] != f"Bearer {web.token}":
            return self._say(401)
        if web.etag is not None and self.headers["If-None-Match"] == web.etag:
            return self._say(304)
        if web.status != 200:
            return self._say(web.status)
        self.send_response(200)
        if web.etag is not None:
            self.send_header("ETag", web.etag)
        if web.modified_s is not None:
            self.send_header("Last-Modified", email.utils.formatdate(web.modified_s, usegmt=True))
        for name, value in web.headers.items():
            self.send_header(name, value)
        if web.chunks is not None:
            return self._in_chunks(web.chunks)
        if not web.nameless:
            self.send_header("Content-Length", str(len(web.content)))
        self.end_headers()
        self.wfile.write(web.content[: web.cut])

    def _in_chunks(self, chunks: Iterable[bytes]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever reads it has heard enough
            for one in chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(one), one))
                self.wfile.flush()
            if self.web.cut is None:
                self.wfile.write(b"0\r\n\r\n")

    def _say(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Location", "https://elsewhere.example/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust us hangs up in the middle."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def web(authority: Authority) -> Iterator[WebServer]:
    """Serves by HTTPS; asks for a certificate of the authority, and takes callers that have none."""
    server = _Server(("127.0.0.1", 0), _Answers)
    web = WebServer(server.server_address[1])
    server.RequestHandlerClass = type("Answers", (_Answers,), {"web": web})
    identity = authority.identity("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_OPTIONAL
    # In the thread of each connection, so that one that fails keeps no other waiting.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield web
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class SshServer:
    """An SFTP server over a folder."""

    port: int
    folder: Path
    key: Path
    known_hosts: Path


@pytest.fixture
async def ssh(tmp_path: Path) -> AsyncIterator[SshServer]:
    folder = tmp_path / "served"
    (folder / "out").mkdir(parents=True)
    ours, theirs = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    ours.write_private_key(tmp_path / "id")
    ours.write_public_key(tmp_path / "authorized")
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[theirs],
        authorized_client_keys=str(tmp_path / "authorized"),
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(folder)),
    )
    port = server.get_port()
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{port} {theirs.export_public_key().decode()}")
    yield SshServer(port, folder, tmp_path / "id", known_hosts)
    server.close()
    async with asyncio.timeout(5):
        await server.wait_closed()


@pytest.fixture
def kept(tmp_path: Path) -> SnapshotFolder:
    return SnapshotFolder(tmp_path / "kept")
