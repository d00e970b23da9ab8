"""Connecting with paho, where nothing answers as it should."""

import asyncio
import socket
import ssl
import threading
import time
from dataclasses import replace

import pytest
from support import eventually

from edge_agent.uplink import Fault, LinkError, check_broker
from edge_agent.uplink.link import open_link


def connecting_threads():
    return [thread for thread in threading.enumerate() if thread.name == "uplink-connect"]


@pytest.mark.parametrize("host", ["broker..example", "x" * 64 + ".example"])
async def test_what_cannot_be_a_name_is_a_fault_of_the_name(site, host):
    settings = replace(site.settings, host=host)
    for attempt in (check_broker(settings), open_link(settings, None)):
        with pytest.raises(LinkError, match="name cannot be resolved") as caught:
            await attempt
        assert caught.value.fault == Fault.DNS


async def test_a_certificate_that_goes_while_the_agent_runs_is_tried_again(site):
    with pytest.raises(LinkError, match="absent") as caught:
        await open_link(replace(site.settings, cert_path=site.tmp_path / "absent"), None)
    assert caught.value.fault == Fault.TLS


def test_the_end_of_the_loop_does_not_wait_for_a_host_that_says_nothing(site):
    with listening() as silent:
        settings = at(site, silent, connect_timeout_s=4.0)
        began_s = time.monotonic()
        peer = asyncio.run(give_up(settings, silent))
        assert time.monotonic() - began_s < 2.0
        peer.close()
    eventually(lambda: not connecting_threads())


async def test_a_connection_that_comes_about_too_late_is_put_away(site):
    with listening() as server:
        peer = await give_up(at(site, server), server)
        said = await asyncio.to_thread(all_that_is_said, peer, site.settings)
    assert said[:1] == b"\x10"  # CONNECT had to go out before anyone could know; the DISCONNECT drops its will
    assert said.endswith(b"\xe0\x00")


async def test_a_handshake_that_fails_is_counted_and_its_socket_closed(site):
    """A device whose certificate has run out tries every minute: that costs, and must not leak descriptors."""
    with listening() as server:
        attempt = asyncio.create_task(open_link(at(site, server), None))
        peer, _ = await asyncio.get_running_loop().sock_accept(server)
        said = await asyncio.get_running_loop().sock_recv(peer, 4096)
        await asyncio.get_running_loop().sock_sendall(peer, b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(LinkError, match="TLS failed") as caught:
            await attempt
        assert caught.value.carried.up_bytes > len(said)
        assert caught.value.carried.down_bytes > 28
        assert await at_end(peer)
        peer.close()


async def at_end(peer):
    """Whether the other side has closed."""
    try:
        while await asyncio.get_running_loop().sock_recv(peer, 4096):
            pass
    except ConnectionResetError:
        return True
    return True


async def test_what_never_came_about_cost_nothing_that_can_be_known(site):
    with listening() as server:
        settings = at(site, server)
    with pytest.raises(LinkError, match="cannot be reached") as caught:
        await open_link(settings, None)
    assert caught.value.carried == (0, 0)


def listening():
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    return server


def at(site, server, **changes):
    return replace(site.settings, host="127.0.0.1", port=server.getsockname()[1], **changes)


async def give_up(settings, server):
    """Begin to connect and give that up during the handshake; return the server's end."""
    attempt = asyncio.create_task(open_link(settings, None))
    peer, _ = await asyncio.get_running_loop().sock_accept(server)
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    assert attempt.cancelled()
    return peer


def all_that_is_said(peer, settings):
    """Do the server's part of the handshake, then read until the other side closes."""
    peer.settimeout(5)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.cert_path, settings.key_path)
    with context.wrap_socket(peer, server_side=True, suppress_ragged_eofs=True) as secure:
        return b"".join(iter(lambda: secure.recv(4096), b""))
