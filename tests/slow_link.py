"""A TCP link of so many bits a second between a device and the broker, as a trailer's modem is one."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

_PORTION_BYTES = 4096


class SlowLink:
    """Listens on loopback and passes on what comes to ``host:port``, each direction at most ``kbps`` kilobits a second.

    Use ``with SlowLink(…) as link`` and connect to ``link.port``.
    """

    def __init__(self, host: str, port: int, kbps: int) -> None:
        self._target = host, port
        self._bytes_per_s = kbps * 1000 / 8
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.carried_bytes = 0
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            for one in (self._listening, *self._open):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._target)
                with self._lock:
                    self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        free_at_s = time.monotonic()
        with contextlib.suppress(OSError):  # one side has gone; the other is told below
            while portion := source.recv(_PORTION_BYTES):
                free_at_s = max(free_at_s, time.monotonic()) + len(portion) / self._bytes_per_s
                time.sleep(max(0.0, free_at_s - time.monotonic()))
                sink.sendall(portion)
                with self._lock:
                    self.carried_bytes += len(portion)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
