"""A collector that says what a test tells it to, over the HTTP API and stream, for developing and testing the page.

`FakeCollector` keeps what the page may ask for; `serve` runs it with uvicorn on a free loopback port, in a thread of
its own. A test's thread changes records only through its methods, which hand the change to the server's loop.

By hand: ``python tests/collector/console/fake_api.py`` serves the built page with alerts that keep coming, on the port
that ``npm run dev`` forwards to; user name and password are both ``operator``.
"""

import asyncio
import contextlib
import hashlib
import itertools
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

Record = dict[str, Any]

COOKIE = "nightjar_session"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as the API writes times."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def slots_of(text: str, low: dict[int, list[tuple[str, float]]] | None = None) -> list[list[list[Any]]]:
    """Distributions for a text read with certainty, but for the positions in `low`, given likeliest first."""
    certain: list[list[list[Any]]] = [
        [[character, 0.993], ["8" if character != "8" else "B", 0.004]] for character in text
    ]
    for position, distribution in (low or {}).items():
        certain[position] = [list(candidate) for candidate in distribution]
    return certain


def plate_picture(text: str) -> bytes:
    """A JPEG that shows a text as a plate would."""
    plate = np.full((90, 220, 3), (225, 235, 240), np.uint8)
    cv2.putText(plate, text, (8, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.3, (90, 30, 20), 4, cv2.LINE_AA)
    return cv2.imencode(".jpg", plate)[1].tobytes()


class FakeCollector:
    """Alerts, reads, shots, pictures and sessions, and the ways in which a collector can fail."""

    def __init__(self, page: Path | None = None, heartbeat_s: float = 5.0) -> None:
        self.heartbeat_s = heartbeat_s
        self.alerts: dict[int, Record] = {}
        self.reads: dict[int, Record] = {}
        self.passages: dict[int, Record] = {}
        self.shots: dict[int, Record] = {}
        self.devices: dict[str, Record] = {}
        self.pictures: dict[str, bytes] = {}
        self.codes = {"one-time"}
        self.passwords = {"operator": "operator", "auditor": "auditor"}
        self.sessions: dict[str, str] = {}
        self.acknowledge_fails: tuple[int, str] | None = None
        self.lists_fail = False
        self.silent = False
        self.hearing = True
        self.refuse_streams = False
        self.requests: list[str] = []
        self._feed: list[tuple[int, str, Record]] = []
        self._numbers = itertools.count(1)
        self._ids = itertools.count(1)
        self._streams: set[asyncio.Queue[tuple[int, str, Record] | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.app = self._build(page)

    # What a test does to it

    def read(self, text: str, low: dict[int, list[tuple[str, float]]] | None = None, **changes: Any) -> Record:
        """A read captured 0.4 s ago, with a crop that has not arrived; not yet published."""
        now = datetime.now(UTC)
        number = next(self._ids)
        slots = slots_of(text, low)
        return {
            "id": number, "device": "trailer-07", "agency": "springfield", "camera": "north-1", "role": "lpr",
            "pair": None, "lane": 1, "direction": "approaching", "face": "rear", "deployment": "5th-and-main",
            "track": number, "revision": 1, "final": True, "text": text, "slots": slots,
            "confidence": min((slot[0][1] for slot in slots), default=0.0),
            "region": "US-TX", "regions": [["US-TX", 0.91], ["US-LA", 0.05]],
            "captured_at": timestamp(now - timedelta(milliseconds=400)), "clock_error_ms": 3.0,
            "received_at": timestamp(now), "latency_ms": 380, "frames": 6,
            "crop": hashlib.sha256(plate_picture(text)).hexdigest(), "crop_here": False, "frame": None,
            "frame_here": False, "overview": None, "travel": None, "marks": [], "vehicle": None, "site": "5th-and-main",
            "passage": None, **changes,
        }  # fmt: skip

    def passage(self, *reads: Record, **changes: Any) -> Record:
        """A passage of these reads, which know it from now on; not yet published."""
        number = next(self._ids)
        for read in reads:
            read["passage"] = number
        return {
            "id": number, "site": "5th-and-main", "agency": "springfield", "text": reads[0]["text"], "confidence": 0.95,
            "first_at": reads[0]["captured_at"], "last_at": reads[-1]["captured_at"],
            "cameras": len({(read["device"], read["camera"]) for read in reads}), "reads": list(reads), **changes,
        }  # fmt: skip

    def device(self, name: str, *sources: Record, **changes: Any) -> Record:
        """A device that is online; not yet published."""
        return {
            "id": name, "agency": "springfield", "site": name, "status": "enrolled", "link": "online",
            "last_heard_at": timestamp(datetime.now(UTC)), "health": {}, "sources": list(sources), **changes,
        }  # fmt: skip

    def alert(self, read: Record, plate: str, entry: Record | None = None, **changes: Any) -> Record:
        """A new alert for a read; not yet published."""
        return {
            "id": next(self._ids), "state": "new", "support": "raised", "raised_at": timestamp(datetime.now(UTC)),
            "latency_ms": 512, "rule": "exact" if plate == read["text"] else "folded",
            "why": [f"read {read['text']} is listed as {plate}"],
            "entry": {"plate": plate, "region": "US-TX", "list": "stolen-vehicles", "version": 12,
                      "reason": "Stolen vehicle", "severity": "high", "notes": None, **(entry or {})},
            "historical": False, "acknowledged_by": None, "acknowledged_at": None, "read": read, **changes,
        }  # fmt: skip

    def publish(self, kind: str, record: Record) -> Record:
        """Keep a record and say so on every stream."""
        self._call(lambda: self._publish(kind, record))
        return record

    def keep(self, kind: str, record: Record) -> Record:
        """Keep a record without saying so: what a page finds that was not listening."""
        self._call(lambda: self._keep(kind, record))
        return record

    def bring_picture(self, read: Record, picture: bytes, part: str = "crop") -> None:
        """Let a picture arrive: kept, said, and from now on there in every record that names it."""

        def bring() -> None:
            sha256 = read["overview"]["sha256"] if part == "overview" else read[part]
            self.pictures[sha256] = picture
            if part == "overview":
                read["overview"]["here"] = True
            else:
                read[f"{part}_here"] = True
            self._publish("picture", {"sha256": sha256, "part": part, "read": read["id"]})

        self._call(bring)

    def drop_streams(self) -> None:
        """Break every stream's connection."""

        def drop() -> None:
            for stream in self._streams:
                stream.put_nowait(None)

        self._call(drop)

    def end_sessions(self) -> None:
        """Forget every session, and break the streams that they opened."""
        self._call(self.sessions.clear)
        self.drop_streams()

    def _call(self, change: Callable[[], object]) -> None:
        if self._loop is None:
            change()
            return
        done = threading.Event()

        def change_and_tell() -> None:
            change()
            done.set()

        self._loop.call_soon_threadsafe(change_and_tell)
        assert done.wait(5), "the server's loop does not run"

    # What it does

    def _keep(self, kind: str, record: Record) -> None:
        shelf: dict[Any, Record] | None = {
            "alert": self.alerts, "read": self.reads, "passage": self.passages, "shot": self.shots,
            "device": self.devices,
        }.get(kind)  # fmt: skip
        if shelf is not None:
            shelf[record["id"]] = record

    def _publish(self, kind: str, record: Record) -> None:
        self._keep(kind, record)
        said = (next(self._numbers), kind, json.loads(json.dumps(record)))
        self._feed.append(said)
        for stream in self._streams:
            stream.put_nowait(said)

    async def _note(self, request: Request) -> None:
        self._loop = asyncio.get_running_loop()
        last = request.headers.get("last-event-id", "")
        self.requests.append(f"{request.method} {request.url.path}?{request.url.query} {last}".rstrip())

    async def _user(self, request: Request) -> str:
        user = self.sessions.get(request.cookies.get(COOKIE, ""))
        if user is None:
            raise HTTPException(401, "not logged in")
        origin = request.headers.get("origin")
        if request.method == "POST" and origin != str(request.base_url).rstrip("/"):
            raise HTTPException(403, f"got origin {origin}")
        return user

    def _role(self, user: str) -> str:
        return user if user == "auditor" else "operator"

    async def _stream(self, after: int | None) -> AsyncIterator[str]:
        stream: asyncio.Queue[tuple[int, str, Record] | None] = asyncio.Queue()
        if after is not None:
            for said in self._feed:
                if said[0] > after:
                    stream.put_nowait(said)
        self._streams.add(stream)
        try:
            yield "retry: 100\n\n"
            while True:
                if not self.silent:
                    ingest = "connected" if self.hearing else "disconnected"
                    beat = {"at": timestamp(datetime.now(UTC)), "ingest": ingest}
                    yield f"event: heartbeat\ndata: {json.dumps(beat)}\n\n"
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.heartbeat_s):
                        while True:
                            next_said = await stream.get()
                            if next_said is None:
                                return
                            number, kind, record = next_said
                            yield f"id: {number}\nevent: {kind}\ndata: {json.dumps(record)}\n\n"
        finally:
            self._streams.discard(stream)

    def _build(self, page: Path | None) -> FastAPI:
        app = FastAPI(openapi_url=None, dependencies=[Depends(self._note)])
        user = Depends(self._user)

        @app.post("/api/login")
        async def login(request: Request) -> JSONResponse:
            given = await request.json()
            name = given.get("username", "operator")
            if given.get("code") in self.codes:
                self.codes.discard(given["code"])
            elif "username" not in given or self.passwords.get(name) != given.get("password"):
                reason = "wrong user name or password" if "username" in given else "the code was used or has expired"
                raise HTTPException(401, reason)
            token = f"session-{next(self._ids)}"
            self.sessions[token] = name
            response = JSONResponse({"user": name, "role": self._role(name)})
            response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
            return response

        @app.post("/api/logout")
        async def logout(request: Request, name: str = user) -> dict[str, str]:
            del self.sessions[request.cookies[COOKIE]]
            return {}

        @app.get("/api/me")
        async def me(name: str = user) -> dict[str, str]:
            return {"user": name, "role": self._role(name)}

        @app.get("/api/alerts")
        async def alerts(state: str, limit: int = 50, before: int | None = None, name: str = user) -> Record:
            if self.lists_fail:
                raise HTTPException(503, "the store is busy")
            known = sorted(self.alerts.values(), key=lambda alert: -alert["id"])
            below = [alert for alert in known if before is None or alert["id"] < before]
            return {"alerts": [alert for alert in below if alert["state"] == state][:limit]}

        @app.get("/api/alerts/{number}")
        async def alert(number: int, name: str = user) -> Record:
            if number not in self.alerts:
                raise HTTPException(404, "no such alert")
            return self.alerts[number]

        @app.post("/api/alerts/{number}/acknowledge")
        async def acknowledge(number: int, name: str = user) -> Record:
            if self.acknowledge_fails is not None:
                raise HTTPException(*self.acknowledge_fails)
            known = self.alerts[number]
            if known["state"] == "new":
                known |= {"state": "acknowledged", "acknowledged_by": name}
                known["acknowledged_at"] = timestamp(datetime.now(UTC))
                self._publish("alert", known)
            return known

        @app.get("/api/reads")
        async def reads(limit: int = 50, name: str = user) -> Record:
            return {"reads": sorted(self.reads.values(), key=lambda read: -read["id"])[:limit]}

        @app.get("/api/passages")
        async def passages(limit: int = 50, name: str = user) -> Record:
            return {"passages": sorted(self.passages.values(), key=lambda passage: -passage["id"])[:limit]}

        @app.get("/api/passages/{number}")
        async def passage(number: int, name: str = user) -> Record:
            if number not in self.passages:
                raise HTTPException(404, "no such passage")
            return self.passages[number]

        @app.get("/api/devices")
        async def devices(name: str = user) -> Record:
            return {"devices": list(self.devices.values())}

        @app.get("/api/shots")
        async def shots(limit: int = 50, name: str = user) -> Record:
            return {"shots": sorted(self.shots.values(), key=lambda shot: -shot["id"])[:limit]}

        @app.get("/api/pictures/{sha256}")
        async def picture(sha256: str, name: str = user) -> Response:
            if sha256 not in self.pictures:
                raise HTTPException(404, "this picture has not arrived")
            headers = {"Cache-Control": "private, immutable, max-age=31536000"}
            return Response(self.pictures[sha256], media_type="image/jpeg", headers=headers)

        @app.get("/api/stream")
        async def stream(request: Request, after: int | None = None, name: str = user) -> StreamingResponse:
            if self.refuse_streams:
                raise HTTPException(503, "no streams now")
            last = request.headers.get("last-event-id")
            said = self._stream(int(last) if last else after)
            return StreamingResponse(said, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

        if page is not None:
            app.mount("/assets", StaticFiles(directory=page / "assets"))

            @app.get("/")
            async def index() -> FileResponse:
                return FileResponse(
                    page / "index.html", headers={"Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
                )

        return app


@contextlib.contextmanager
def serve(collector: FakeCollector, port: int = 0) -> Iterator[str]:
    """Serve on a loopback port (0: a free one) until the block ends; gives the address."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(collector.app, log_level="error", ws="none", lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="fake-collector")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        collector.drop_streams()
        server.should_exit = True
        thread.join(10)
        listener.close()


def main() -> None:
    """Serve the built page with an alert every 8 s, until Ctrl-C."""
    collector = FakeCollector(Path(__file__).parents[3] / "collector" / "console" / "dist")
    with serve(collector, 8099) as address, contextlib.suppress(KeyboardInterrupt):
        print(f"{address}/  user name and password: operator")
        for number in itertools.count(100):
            read = collector.read(f"KGV55O{number % 10}", {5: [("O", 0.58), ("0", 0.41)]})
            collector.publish("read", read)
            collector.publish("alert", collector.alert(read, f"KGV550{number % 10}"))
            threading.Event().wait(3)
            collector.bring_picture(read, plate_picture(read["text"]))
            threading.Event().wait(5)


if __name__ == "__main__":
    main()
