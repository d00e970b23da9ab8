"""A TLS socket that reads ahead gives the same bytes as any, and tells what it holds."""

import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest

from collector.fleet import certificates
from collector.ingest.read_ahead import ReadAheadSocket


def test_single_bytes_are_read_from_what_arrived_at_once(tmp_path: Path) -> None:
    authority = certificates.create_authority("test")
    key = certificates.new_key()
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    (tmp_path / "key.pem").write_bytes(key)
    certificate = certificates.issue_server(authority, certificates.public_key(key), ["localhost"])
    (tmp_path / "server.pem").write_bytes(certificate)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(tmp_path / "server.pem", tmp_path / "key.pem")
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.sslsocket_class = ReadAheadSocket
    near, far = socket.socketpair()
    near.settimeout(10)
    far.settimeout(10)

    def serve() -> None:
        with serving.wrap_socket(far, server_side=True) as served:
            served.sendall(b"abcdef")
            served.recv(1)
            with contextlib.suppress(OSError):
                served.unwrap()

    server = threading.Thread(target=serve)
    server.start()
    with context.wrap_socket(near, server_hostname="localhost") as reader:
        assert isinstance(reader, ReadAheadSocket)
        assert [reader.recv(1), reader.recv(2)] == [b"a", b"bc"]
        assert reader.pending() == 3
        assert reader.recv(100) == b"def"
        assert reader.pending() == 0
        reader.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            reader.recv(1)
        reader.setblocking(True)
        reader.sendall(b".")
        assert reader.recv(1) == b""
    server.join(10)
