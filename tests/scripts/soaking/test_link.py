"""The link that can be spoilt."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from soaking.link import FaultyLink


@pytest.fixture
def link() -> Iterator[FaultyLink]:
    """A link to a server that sends everything back."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection: socket.socket) -> None:
        with connection:
            try:
                while content := connection.recv(4_096):
                    connection.sendall(content)
            except OSError:
                return

    accepting = threading.Thread(target=serve)
    accepting.start()
    with FaultyLink(*server.getsockname()[:2]) as link:
        yield link
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    accepting.join()


@pytest.fixture
def client(link: FaultyLink) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", link.port), timeout=5.0) as client:
        assert exchange(client, b"hello") == b"hello"
        yield client


def exchange(client: socket.socket, content: bytes) -> bytes:
    client.sendall(content)
    received = b""
    while len(received) < len(content):
        received += client.recv(65_536)
    return received


def hears_nothing(client: socket.socket, within_s: float = 0.2) -> bool:
    client.settimeout(within_s)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5.0)
    return False


def test_what_is_sent_comes_back_whole(client: socket.socket) -> None:
    content = bytes(range(256)) * 4_000
    sending = threading.Thread(target=client.sendall, args=(content,))
    sending.start()
    received = b""
    while len(received) < len(content):
        received += client.recv(65_536)
    sending.join()
    assert received == content


def test_a_reset_ends_connections_and_new_ones_work(link: FaultyLink, client: socket.socket) -> None:
    link.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with socket.create_connection(("127.0.0.1", link.port), timeout=5.0) as again:
        assert exchange(again, b"again") == b"again"


def test_a_cut_link_resets_new_connections_too(link: FaultyLink, client: socket.socket) -> None:
    link.cut = True
    link.reset()
    with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", link.port), timeout=5.0) as new:
        new.recv(1)


def test_a_silent_time_leaves_connections_dead_for_ever(link: FaultyLink, client: socket.socket) -> None:
    link.silent = True
    client.sendall(b"into the void")
    assert hears_nothing(client)
    link.silent = False
    client.sendall(b"is anybody there")
    assert hears_nothing(client)
    with socket.create_connection(("127.0.0.1", link.port), timeout=5.0) as again:
        assert exchange(again, b"yes") == b"yes"


def test_a_stall_loses_nothing(link: FaultyLink, client: socket.socket) -> None:
    link.stalled = True
    client.sendall(b"patience")
    assert hears_nothing(client)
    link.stalled = False
    assert client.recv(100) == b"patience"


def test_latency_is_in_each_direction(link: FaultyLink, client: socket.socket) -> None:
    link.latency_s = 0.15
    began_s = time.monotonic()
    assert exchange(client, b"there and back") == b"there and back"
    assert time.monotonic() - began_s >= 0.3


def test_the_deaf_are_heard_and_hear_nothing(link: FaultyLink, client: socket.socket) -> None:
    link.deaf = True
    client.sendall(b"sent back for nothing")
    assert hears_nothing(client)
