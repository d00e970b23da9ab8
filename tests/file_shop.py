"""A server on loopback that serves one file the way the world does: in ranges, cut off, moved, and out of order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Shop:
    """What is served, and what was asked for."""

    content: bytes = bytes(range(256)) * 1200
    etag: str = '"one"'
    takes_ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    """Answers of the next requests, before the file is given."""
    cuts: list[int] = field(default_factory=list)
    """After how many bytes of the body the next answers end."""
    stalls: bool = False
    """After a cut the connection stays open and nothing more comes."""
    moved_to: str = ""
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """Path, Range and If-Range of each request."""
    port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/detector.onnx"


class _Counter(BaseHTTPRequestHandler):
    shop: Shop

    def do_GET(self) -> None:
        shop = self.shop
        wanted, version = self.headers["Range"], self.headers["If-Range"]
        shop.asked.append((self.path, wanted, version))
        if shop.statuses:
            return self.send_error(shop.statuses.pop(0))
        if shop.moved_to and self.path != "/moved":
            self.send_response(302)
            self.send_header("Location", shop.moved_to)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        begin = 0
        if wanted and shop.takes_ranges and version in (None, shop.etag):
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        total = len(shop.content)
        if begin and begin >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{total - 1}/{total}")
        if shop.etag:
            self.send_header("ETag", shop.etag)
        self.send_header("Content-Length", str(total - begin))
        self.end_headers()
        body = shop.content[begin:]
        self.wfile.write(body[: shop.cuts.pop(0)] if shop.cuts else body)
        if shop.stalls:
            self.wfile.flush()
            shop.closing.wait()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def opened_shop() -> Iterator[Shop]:
    """Serve until the block ends."""
    shop = Shop()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Counter", (_Counter,), {"shop": shop}))
    shop.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield shop
    finally:
        shop.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
