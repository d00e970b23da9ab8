"""What a connection really carried, as the kernel counted it: TLS, retransmissions and TCP/IP headers included.

Linux keeps these counts for each TCP socket (``struct tcp_info`` of <linux/tcp.h>). They are what a mobile network
bills, as far as one end can know it: what is retransmitted on the way to us, and the name server, are not in it.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_ROOM_BYTES = 512
_OPTIONS = struct.Struct("<5xB")
_RECEIVED = struct.Struct("<128xQII")  # bytes_received, segs_out, segs_in
_SENT = struct.Struct("<200xQ")  # bytes_sent: retransmissions are in it
_TIMESTAMPS = 1
_TIMESTAMP_BYTES = 12
_TCP_BYTES, _IPV4_BYTES, _IPV6_BYTES = 20, 20, 40


class Carried(NamedTuple):
    """Bytes that went out and came in, headers included."""

    up_bytes: int = 0
    down_bytes: int = 0


def header_bytes(family: int, *, timestamps: bool = True) -> int:
    """Return what each packet costs beside its content."""
    ip_bytes = _IPV6_BYTES if family == socket.AF_INET6 else _IPV4_BYTES
    return ip_bytes + _TCP_BYTES + (_TIMESTAMP_BYTES if timestamps else 0)


def read_carried(connected: socket.socket) -> Carried:
    """Return what ``connected`` carried so far.

    A kernel before 4.19 does not count all of it; what it does not count is 0.

    Raises:
        OSError: the socket is closed.
    """
    counted = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ROOM_BYTES).ljust(_ROOM_BYTES, b"\0")
    (options,) = _OPTIONS.unpack_from(counted)
    received_bytes, packets_out, packets_in = _RECEIVED.unpack_from(counted)
    (sent_bytes,) = _SENT.unpack_from(counted)
    header = header_bytes(connected.family, timestamps=bool(options & _TIMESTAMPS))
    return Carried(sent_bytes + packets_out * header, received_bytes + packets_in * header)
