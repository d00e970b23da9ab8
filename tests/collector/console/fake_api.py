"""A collector that says what a test tells it to, over the HTTP API and stream, for developing and testing the page.

`FakeCollector` keeps what the page may ask for; `serve` runs it with uvicorn on a free loopback port, in a thread of
its own. A test's thread changes records only through its methods, which hand the change to the server's loop.

By hand: ``python tests/collector/console/fake_api.py`` serves the built page with alerts that keep coming, on the port
that ``npm run dev`` forwards to; user name and password are both ``operator``.
"""

import asyncio
import contextlib
import hashlib
import io
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
import soundfile
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

Record = dict[str, Any]

COOKIE = "nightjar_session"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


PLACE = (40.7001, -74.0002)
"""Where the incidents are, in latitude and longitude."""


def place(east_m: float, north_m: float) -> tuple[float, float]:
    """The place so far from `PLACE`."""
    metres_per_degree = 111_320.0
    latitude, longitude = PLACE
    east_per_degree = metres_per_degree * float(np.cos(np.radians(latitude)))
    return latitude + north_m / metres_per_degree, longitude + east_m / east_per_degree


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


def clip_of(*shots_at_s: float, duration_s: float = 4.0) -> bytes:
    """A clip as a device sends it, Ogg Opus: quiet, with a bang at each of these times."""
    rate_hz = 48_000
    random = np.random.default_rng(7)
    sound = random.normal(size=int(duration_s * rate_hz)) * 0.002
    for at_s in shots_at_s:
        first = int(at_s * rate_hz)
        tail = np.exp(-np.arange(min(9_600, sound.size - first)) / 1_200)
        sound[first : first + tail.size] += random.normal(size=tail.size) * tail * 0.4
    file = io.BytesIO()
    soundfile.write(file, np.clip(sound, -1, 1), rate_hz, format="OGG", subtype="OPUS", compression_level=0.92)
    return file.getvalue()


class FakeCollector:
    """Alerts, reads, shots, pictures and sessions, and the ways in which a collector can fail."""

    def __init__(self, page: Path | None = None, heartbeat_s: float = 5.0) -> None:
        self.heartbeat_s = heartbeat_s
        self.alerts: dict[int, Record] = {}
        self.reads: dict[int, Record] = {}
        self.passages: dict[int, Record] = {}
        self.shots: dict[int, Record] = {}
        self.devices: dict[str, Record] = {}
        self.changes: dict[str, list[Record]] = {}
        self.incidents: dict[int, Record] = {}
        self.verdicts: dict[int, list[Record]] = {}
        self.pictures: dict[str, bytes] = {}
        self.clips: dict[str, bytes] = {}
        self.codes = {"one-time"}
        self.passwords = {"operator": "operator", "auditor": "auditor"}
        self.sessions: dict[str, str] = {}
        self.acknowledge_fails: tuple[int, str] | None = None
        self.verdict_fails: tuple[int, str] | None = None
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
            "last_heard_at": timestamp(datetime.now(UTC)), "last_word": None, "health": {}, "report": None,
            "sources": list(sources), **changes,
        }  # fmt: skip

    def alert(self, read: Record, plate: str, entry: Record | None = None, **changes: Any) -> Record:
        """A new alert for a read; not yet published."""
        return {
            "id": next(self._ids), "kind": "hit", "incident": None,
            "state": "new", "support": "raised", "raised_at": timestamp(datetime.now(UTC)), "latency_ms": 512,
            "rule": "exact" if plate == read["text"] else "likely",
            "why": [f"read {read['text']} is listed as {plate}"],
            "entry": {"plate": plate, "region": "US-TX", "list": "stolen-vehicles", "version": 12,
                      "reason": "Stolen vehicle", "severity": "high", "notes": None, **(entry or {})},
            "historical": False, "acknowledged_by": None, "acknowledged_at": None, "soundings": 1, "escalated_at": None,
            "recalled_why": None, "disposition": None, "closed_by": None, "closed_at": None, "suppressed": 0,
            "trail": [{"site": read["site"]}], "probability": None, "match": None, "read": read, "image_check": None,
            "record_check": None, "field_outcome": None, "confirm_by": None, "confirmed": False,
            "hand_off": "NOT CONFIRMED: nobody has asked its source. A hit alone is no ground to stop anybody.\n"
                        f"Alert: {plate} (US-TX), Stolen vehicle, list stolen-vehicles.\n"
                        f"Read as {read['text']} at {read['site']}.\nNobody has compared the picture with the entry.",
            **changes,
        }  # fmt: skip

    def sensor(self, name: str, east_m: float, north_m: float, **changes: Any) -> Record:
        """A microphone that heard it, so far from the incident's usual place, with a clip that has not arrived."""
        latitude, longitude = place(east_m, north_m)
        return {
            "device": name, "microphone": "mast", "latitude": latitude, "longitude": longitude, "used": True,
            "why": None, "residual_ms": 1.2, "arrivals": [], "clip": hashlib.sha256(name.encode()).hexdigest(),
            "clip_here": False, "recording": None, "recording_here": False,
            "distance_m": (east_m**2 + north_m**2) ** 0.5, **changes,
        }  # fmt: skip

    def incident(self, *sensors: Record, **changes: Any) -> Record:
        """Three rounds located 2 s ago, that raised no alert; not yet published."""
        at = datetime.now(UTC) - timedelta(seconds=2)
        latitude, longitude = PLACE
        used = sum(sensor["used"] for sensor in sensors)
        return {
            "id": next(self._ids), "stage": "located", "revision": 1, "agency": "springfield", "at": timestamp(at),
            "rounds": 3, "fire": "burst", "probability": 0.97,
            "probability_why": [f"{sensor['device']}/{sensor['microphone']} 0.95." for sensor in sensors[:2]],
            "confidence": "high" if used > 3 else "low",
            "location": {
                "latitude": latitude, "longitude": longitude, "error_m": 9.1,
                "ellipse50": {"semi_major_m": 4.4, "semi_minor_m": 2.0, "azimuth_deg": 31.0},
                "ellipse95": {"semi_major_m": 9.1, "semi_minor_m": 4.2, "azimuth_deg": 31.0},
            },
            "twin": None, "region": {"kind": "ellipse", "outline": [list(PLACE)]}, "sensors": list(sensors),
            "silent": [], "verdict": None, "verdict_due_at": timestamp(at + timedelta(seconds=62)), "reads": [],
            "alert": None, "alert_from": 0.5, "historical": False, "merged_into": None, **changes,
        }  # fmt: skip

    def shot_alert(self, incident: Record, **changes: Any) -> Record:
        """A new alert for an incident, which knows it from now on; not yet published."""
        number = next(self._ids)
        incident["alert"] = number
        return {
            "id": number, "kind": "shot", "state": "new", "support": "raised",
            "raised_at": timestamp(datetime.now(UTC)), "latency_ms": 2412.3, "rule": None,
            "why": [f"{len(incident['sensors'])} sensors heard {incident['rounds']} rounds."], "entry": None,
            "historical": incident["historical"], "acknowledged_by": None, "acknowledged_at": None, "read": None,
            "incident": incident, **changes,
        }  # fmt: skip

    def nearby(self, read: Record, distance_m: float, offset_s: float, hold: str = "provisional") -> Record:
        """A read near an incident."""
        until = timestamp(datetime.now(UTC) + timedelta(hours=24))
        return {"read": read, "distance_m": distance_m, "offset_s": offset_s, "held_until": until, "hold": hold}

    def bring_clip(self, incident: Record, device: str, clip: bytes) -> None:
        """Let a device's clip arrive: kept, said, and from now on there in the incident, which is told again."""

        def bring() -> None:
            for sensor in incident["sensors"]:
                if sensor["device"] == device:
                    sensor["clip_here"] = True
                    self.clips[sensor["clip"]] = clip
                    self._publish("picture", {"sha256": sensor["clip"], "part": "clip", "read": None})
            self._publish("incident", incident)

        self._call(bring)

    def judge(self, incident: Record, verdict: str, by: str, what: str | None = None) -> None:
        """Somebody gives a verdict."""
        self._call(lambda: self._judge(incident, verdict, what, by))

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
            "device": self.devices, "incident": self.incidents,
        }.get(kind)  # fmt: skip
        if shelf is not None:
            shelf[record["id"]] = record
        if kind == "alert" and record.get("incident") is not None:
            self.incidents[record["incident"]["id"]] = record["incident"]

    def _publish(self, kind: str, record: Record) -> None:
        self._keep(kind, record)
        said = (next(self._numbers), kind, json.loads(json.dumps(record)))
        self._feed.append(said)
        for stream in self._streams:
            stream.put_nowait(said)

    def _judge(self, incident: Record, verdict: str, what: str | None, by: str) -> None:
        at = timestamp(datetime.now(UTC))
        incident["revision"] += 1
        incident["stage"] = "reviewed"
        incident["verdict"] = {"verdict": verdict, "what": what, "by": by, "at": at, "after_s": 31.2}
        known = {"verdict": verdict, "what": what, "by": by}
        revision = {"revision": incident["revision"], "stage": "reviewed", "at": at, "known": known}
        self.verdicts.setdefault(incident["id"], []).append(revision)
        self._publish("incident", incident)

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

        @app.post("/api/alerts/{number}/close")
        async def close(number: int, given: Record, name: str = user) -> Record:
            known = self.alerts[number]
            if known.get("disposition") not in (None, given["disposition"]):
                raise HTTPException(409, f"alert {number}: {known['closed_by']} has closed it")
            known |= {"state": "closed", "disposition": given["disposition"], "closed_by": name}
            known["acknowledged_by"] = known["acknowledged_by"] or name
            known["closed_at"] = timestamp(datetime.now(UTC))
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

        @app.get("/api/devices/{device_id}/changes")
        async def device_changes(device_id: str, limit: int = 50, name: str = user) -> Record:
            return {"changes": self.changes.get(device_id, [])[:limit]}

        @app.get("/api/shots")
        async def shots(limit: int = 50, name: str = user) -> Record:
            return {"shots": sorted(self.shots.values(), key=lambda shot: -shot["id"])[:limit]}

        @app.get("/api/pictures/{sha256}")
        async def picture(sha256: str, name: str = user) -> Response:
            if sha256 not in self.pictures:
                raise HTTPException(404, "this picture has not arrived")
            headers = {"Cache-Control": "private, immutable, max-age=31536000"}
            return Response(self.pictures[sha256], media_type="image/jpeg", headers=headers)

        @app.get("/api/incidents")
        async def incidents(limit: int = 50, before: int | None = None, name: str = user) -> Record:
            known = sorted(self.incidents.values(), key=lambda incident: -incident["id"])
            below = [incident for incident in known if before is None or incident["id"] < before]
            return {"incidents": below[:limit]}

        @app.get("/api/incidents/{number}")
        async def incident(number: int, name: str = user) -> Record:
            if number not in self.incidents:
                raise HTTPException(404, "no such incident")
            return self.incidents[number]

        @app.get("/api/incidents/{number}/revisions")
        async def revisions(number: int, name: str = user) -> Record:
            first = {"revision": 1, "stage": "raw", "at": timestamp(datetime.now(UTC)), "known": {"rounds": 1}}
            return {"revisions": [first, *self.verdicts.get(number, [])]}

        @app.post("/api/incidents/{number}/verdict")
        async def judge(number: int, request: Request, name: str = user) -> Record:
            if self.verdict_fails is not None:
                raise HTTPException(*self.verdict_fails)
            given = await request.json()
            if given["verdict"] == "other" and not given.get("what"):
                raise HTTPException(422, "`what` is wanted with `other`")
            self._judge(self.incidents[number], given["verdict"], given.get("what"), name)
            return self.incidents[number]

        @app.get("/api/clips/{sha256}")
        async def clip(sha256: str, request: Request, name: str = user) -> Response:
            if sha256 not in self.clips:
                raise HTTPException(404, "this clip has not arrived")
            headers = {"Cache-Control": "private, immutable, max-age=31536000"}
            return Response(self.clips[sha256], media_type="audio/ogg", headers=headers)

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
    """Serve the built page with an alert every 8 s, of shots every fourth, until Ctrl-C."""
    collector = FakeCollector(Path(__file__).parents[3] / "collector" / "console" / "dist")
    with serve(collector, 8099) as address, contextlib.suppress(KeyboardInterrupt):
        print(f"{address}/  user name and password: operator")
        for number in itertools.count(100):
            read = collector.read(f"KGV55O{number % 10}", {5: [("O", 0.58), ("0", 0.41)]})
            collector.publish("read", read)
            collector.publish("alert", collector.alert(read, f"KGV550{number % 10}"))
            if number % 4 == 0:
                sensors = [collector.sensor(f"ear-{index}", 90 * index, 70 * (-1) ** index) for index in range(1, 6)]
                near = [collector.nearby(read, 120.0, 3.2)]
                incident = collector.incident(*sensors, reads=near)
                collector.publish("alert", collector.shot_alert(incident))
                collector.publish("incident", collector.incident(*sensors[:2], probability=0.2))
                threading.Event().wait(2)
                for sensor in sensors[:3]:
                    collector.bring_clip(incident, sensor["device"], clip_of(1.0, 1.3, 1.6))
            threading.Event().wait(3)
            collector.bring_picture(read, plate_picture(read["text"]))
            threading.Event().wait(5)


if __name__ == "__main__":
    main()
