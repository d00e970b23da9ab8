"""The kernel's own count of a connection."""

import socket

import pytest

from edge_agent.uplink.carried import header_bytes, read_carried


@pytest.fixture
def pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    with near, far:
        yield near, far


def test_content_and_headers_are_counted_both_ways(pair):
    near, far = pair
    before = read_carried(near)
    near.sendall(bytes(1_000))
    far.recv(2_000)
    far.sendall(bytes(300))
    near.recv(2_000)
    after = read_carried(near)
    header = header_bytes(socket.AF_INET)
    # One packet each way, and at most two more that only confirm.
    assert 1_000 + header <= after.up_bytes - before.up_bytes <= 1_000 + 3 * header
    assert 300 + header <= after.down_bytes - before.down_bytes <= 300 + 3 * header


def test_both_ends_agree(pair):
    near, far = pair
    for _ in range(50):
        near.sendall(bytes(5_000))
        far.recv(5_000, socket.MSG_WAITALL)
    ours, theirs = read_carried(near), read_carried(far)
    assert ours.up_bytes == pytest.approx(theirs.down_bytes, rel=0.01)
    assert ours.down_bytes == pytest.approx(theirs.up_bytes, abs=10 * header_bytes(socket.AF_INET))


def test_a_closed_socket_has_no_count(pair):
    pair[0].close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        read_carried(pair[0])


def test_the_newer_protocol_has_longer_headers():
    assert header_bytes(socket.AF_INET) == 52
    assert header_bytes(socket.AF_INET6, timestamps=False) == 60
