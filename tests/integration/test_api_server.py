"""The API on a real socket: the stream as clients get it, TLS, and how it ends."""

import asyncio
import datetime
import json
import ssl
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from sqlalchemy import insert

from collector.api.app import create_app
from collector.api.server import serve
from collector.commands.sse import Message, Stream
from collector.errors import AuthenticationError, ConfigurationError
from collector.incidents.rules import Rules
from collector.incidents.verdicts import Verdicts
from collector.store import feed, tables
from collector.store.database import Store, sqlite_url
from collector.store.feed import FeedKind
from collector.store.users import CredentialKind, Role, Users
from edge_wire.clock import SystemClock

DAY_NS = 86_400 * 1_000_000_000
HEARTBEAT_S = 0.05
PATIENCE_S = 20


class NoPictures:
    def path(self, sha256: bytes) -> Path:
        return Path("/nonexistent") / sha256.hex()


@dataclass
class Served:
    """A running server; ``end`` ends it and waits."""

    app: FastAPI
    store: Store
    users: Users
    url: str
    end: Callable[[], Any]

    async def token(self, role: Role = Role.OPERATOR) -> str:
        if role.value not in {user.name for user in await self.users.everybody()}:
            await self.users.add(role.value, role, None, by="test")
        return await self.users.issue(role.value, CredentialKind.TOKEN, "test", DAY_NS, by="test")

    async def add_devices(self, *names: str) -> None:
        async with self.store.write() as tx:
            await tx.execute(
                insert(tables.device),
                [{"id": name, "agency": "pd", "status": "enrolled", "added_at_ns": 1} for name in names],
            )
            await feed.append_all(tx, [(FeedKind.DEVICE, name) for name in names])

    @property
    def streams_open(self) -> int:
        return int(self.app.state.streams.open)


async def ask_nobody(_: int, _shots: Collection[int] | None) -> None:
    """No device is connected."""


@asynccontextmanager
async def serving(store: Store, port: int = 0, **tls: Path) -> AsyncIterator[Served]:
    clock = SystemClock()
    users = Users(store, clock)
    app = create_app(
        store,
        users,
        store.committed,
        NoPictures(),
        None,
        clock,
        secure=bool(tls),
        hearing=lambda: True,
        verdicts=Verdicts(store, Rules(), ask_nobody),
        heartbeat_s=HEARTBEAT_S,
    )
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(app, "127.0.0.1", port, ready=ready.set_result, **tls))

    async def end() -> None:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    either: list[asyncio.Future[Any]] = [task, ready]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    served = Served(app, store, users, ready.result(), end)
    try:
        yield served
    finally:
        if not task.done():
            await end()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(sqlite_url(tmp_path / "collector.db"))
    yield store
    await store.close()


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    async with serving(store) as served:
        yield served


@asynccontextmanager
async def following(
    served: Served, token: str, *, after: int | None = None, last_event_id: int | None = None
) -> AsyncIterator[AsyncIterator[tuple[str, str, Any]]]:
    """Open the stream; yields (id, kind, object) of each message. When it is open the server has its place."""
    headers = {"Authorization": f"Bearer {token}"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = str(last_event_id)
    params = {} if after is None else {"after": str(after)}
    async with (
        httpx.AsyncClient(timeout=PATIENCE_S) as client,
        client.stream("GET", f"{served.url}/api/stream", headers=headers, params=params) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield _messages(answer)


async def _messages(answer: httpx.Response) -> AsyncIterator[tuple[str, str, Any]]:
    number, kind, data = "", "", ""
    async for line in answer.aiter_lines():
        field, _, value = line.partition(": ")
        if field == "id":
            number = value
        elif field == "event":
            kind = value
        elif field == "data":
            data = value
        elif line == "" and data:
            yield number, kind, json.loads(data)
            kind, data = "", ""


async def _devices(messages: AsyncIterator[tuple[str, str, Any]], count: int) -> list[tuple[int, str]]:
    """The next ``count`` device messages, as (number, device)."""
    found: list[tuple[int, str]] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            number, kind, body = await anext(messages)
            if kind == "device":
                found.append((int(number), body["id"]))
    return found


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what it waits for is a number of the server's, which tells nobody
            await asyncio.sleep(0.001)


async def test_without_a_number_it_begins_now_and_brings_what_comes(served: Served) -> None:
    await served.add_devices("before")
    async with following(served, await served.token()) as messages:
        await served.add_devices("a", "b")
        assert await _devices(messages, 2) == [(2, "a"), (3, "b")]


async def test_a_client_that_comes_back_loses_and_doubles_nothing(served: Served) -> None:
    token = await served.token()
    names = [f"d{number:03d}" for number in range(350)]
    await served.add_devices(*names[:200])
    seen: list[tuple[int, str]] = []
    adding = asyncio.create_task(_add_one_by_one(served, names[200:]))
    while len(seen) < len(names):
        last = seen[-1][0] if seen else 0
        async with following(served, token, last_event_id=last) as messages:
            seen += await _devices(messages, min(37, len(names) - len(seen)))
    await adding
    assert seen == list(enumerate(names, start=1))
    await _until(lambda: served.streams_open == 0)


async def _add_one_by_one(served: Served, names: list[str]) -> None:
    for name in names:
        await served.add_devices(name)


async def test_after_does_the_same_and_last_event_id_wins(served: Served) -> None:
    token = await served.token()
    await served.add_devices("a", "b", "c")
    async with following(served, token, after=1) as messages:
        assert await _devices(messages, 2) == [(2, "b"), (3, "c")]
    async with following(served, token, after=0, last_event_id=2) as messages:
        assert await _devices(messages, 1) == [(3, "c")]


async def test_a_number_that_the_feed_has_not_reached_begins_now(served: Served) -> None:
    await served.add_devices("a")
    async with following(served, await served.token(), last_event_id=1_000) as messages:
        await served.add_devices("b")
        assert await _devices(messages, 1) == [(2, "b")]


async def test_one_object_is_sent_once_a_batch_as_it_is_now(served: Served) -> None:
    token = await served.token()
    await served.add_devices("a", "b")
    async with served.store.write() as tx:
        await feed.append_all(tx, [(FeedKind.DEVICE, "a")] * 5 + [(FeedKind.DEVICE, "gone"), (FeedKind.READ, 999)])
    async with following(served, token, after=0) as messages:
        assert await _devices(messages, 2) == [(2, "b"), (7, "a")]
        await served.add_devices("c")
        assert await _devices(messages, 1) == [(10, "c")]


async def test_what_another_process_writes_arrives_too(served: Served, tmp_path: Path) -> None:
    async with following(served, await served.token()) as messages:
        await anext(messages)
        other = await Store.open(sqlite_url(tmp_path / "collector.db"))
        async with other.write() as tx:
            await tx.execute(insert(tables.device).values(id="cli", agency="pd", status="enrolled", added_at_ns=1))
            await feed.append(tx, FeedKind.DEVICE, "cli")
        await other.close()
        assert await _devices(messages, 1) == [(1, "cli")]


async def test_heartbeats_say_the_time_and_have_no_number_of_their_own(served: Served) -> None:
    await served.add_devices("a")
    async with following(served, await served.token()) as messages:
        beats = [await anext(messages) for _ in range(3)]
    assert [(number, kind) for number, kind, _ in beats] == [("1", "heartbeat")] * 3
    assert beats[0][2]["at"] < beats[1][2]["at"] < beats[2][2]["at"]


@pytest.mark.parametrize(("role", "seen"), [(Role.HOTLIST_MANAGER, []), (Role.AUDITOR, ["picture"])])
async def test_who_keeps_the_lists_sees_no_detections(served: Served, role: Role, seen: list[str]) -> None:
    picture = {"sha256": b"\1" * 32, "device": "a", "part": 1, "epoch": 1, "total_bytes": 1, "complete": True}
    async with served.store.write() as tx:
        await tx.execute(insert(tables.media_file).values(**picture))
        await feed.append(tx, FeedKind.PICTURE, "a/" + "01" * 32)
    await served.add_devices("b")
    kinds: list[str] = []
    async with following(served, await served.token(role), after=0) as messages, asyncio.timeout(PATIENCE_S):
        while "device" not in kinds:
            _, kind, _ = await anext(messages)
            kinds.append(kind)
    assert [kind for kind in kinds if kind != "heartbeat"] == [*seen, "device"]


async def test_a_stream_ends_with_its_credential(served: Served) -> None:
    async with following(served, await served.token()) as messages:
        await anext(messages)
        await served.users.disable("operator", by="test")
        async with asyncio.timeout(PATIENCE_S):
            assert all([kind == "heartbeat" async for _, kind, _ in messages])
    await _until(lambda: served.streams_open == 0)


async def test_clients_that_leave_are_cleaned_up(served: Served) -> None:
    token = await served.token()
    for _ in range(3):
        async with following(served, token) as one, following(served, token) as two:
            await anext(one)
            await anext(two)
            assert served.streams_open == 2
        await _until(lambda: served.streams_open == 0)


async def test_a_client_that_does_not_read_costs_a_batch_and_holds_nobody_up(served: Served) -> None:
    token = await served.token()
    host, port = served.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1_024)
    writer.write(f"GET /api/stream?after=0 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    await writer.drain()
    await _until(lambda: served.streams_open == 1)
    names = [f"d{number:04d}" for number in range(2_000)]
    async with following(served, token, after=0) as messages:
        await served.add_devices(*names)
        assert len(await _devices(messages, len(names))) == len(names)
    writer.transport.abort()
    await _until(lambda: served.streams_open == 0)


async def test_the_end_of_the_server_does_not_wait_for_streams(served: Served) -> None:
    async with following(served, await served.token()) as messages:
        await anext(messages)
        started = asyncio.get_running_loop().time()
        ending = asyncio.create_task(served.end())
        async with asyncio.timeout(PATIENCE_S):
            assert all([kind == "heartbeat" async for _, kind, _ in messages])
            await ending
        assert asyncio.get_running_loop().time() - started < 2.5


async def test_the_port_is_told_and_a_taken_one_is_refused(served: Served, store: Store) -> None:
    assert served.url.startswith("http://127.0.0.1:")
    port = int(served.url.rpartition(":")[2])
    assert port > 0
    with pytest.raises(ConfigurationError, match=r"http\.port.*cannot listen"):
        async with serving(store, port):
            pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
async def test_plain_http_is_for_loopback_only(served: Served, host: str) -> None:
    with pytest.raises(ConfigurationError, match="certificate"):
        await serve(served.app, host, 0, ready=lambda _: None)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "collector")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


async def test_https_with_a_certificate(store: Store, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    async with serving(store, tls_cert=cert, tls_key=key) as served:
        assert served.url.startswith("https://")
        url = served.url.replace("127.0.0.1", "localhost")
        trusting = ssl.create_default_context(cafile=cert)
        async with httpx.AsyncClient(verify=trusting) as client:
            answer = await client.get(f"{url}/healthz")
        assert answer.json()["ok"]
        assert "strict-transport-security" in answer.headers
        token = await served.token()
        message = await asyncio.to_thread(lambda: next(Stream(url, token, ca=cert).messages()))
        assert message.kind == "heartbeat"
        with pytest.raises(ConfigurationError, match="does not verify"):
            await asyncio.to_thread(lambda: next(Stream(url, token).messages()))


async def test_a_certificate_that_is_none_is_refused(store: Store, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("not a certificate")
    for cert in (broken, tmp_path / "missing.pem"):
        with pytest.raises(ConfigurationError, match=r"http\.certificate"):
            async with serving(store, tls_cert=cert, tls_key=cert):
                pass


async def test_the_command_s_stream_survives_a_restart_of_the_collector(store: Store) -> None:
    told: list[str] = []
    lost = Event()
    found: list[Message] = []
    going = Event()

    def tell(sentence: str) -> None:
        told.append(sentence)
        lost.set()

    def hurry(_: float) -> None:
        # A breath between attempts, so that the server that comes back gets to run.
        Event().wait(0.02)

    def follow(url: str, token: str) -> None:
        for message in Stream(url, token, told=tell, wait=hurry).messages():
            going.set()
            if message.kind == "device":
                found.append(message)
            if len(found) == 3:
                return

    async with serving(store) as served:
        port = int(served.url.rpartition(":")[2])
        following = asyncio.create_task(asyncio.to_thread(follow, served.url, await served.token()))
        await asyncio.to_thread(going.wait, PATIENCE_S)
        await served.add_devices("a")
        await _until(lambda: len(found) == 1)
    await asyncio.to_thread(lost.wait, PATIENCE_S)
    await served.add_devices("b")
    async with serving(store, port) as served:
        await served.add_devices("c")
        async with asyncio.timeout(PATIENCE_S):
            await following
    assert [(message.number, message.body["id"]) for message in found] == [(1, "a"), (2, "b"), (3, "c")]
    assert "not connected" in told[0]
    assert "connected again" in told[-1]


async def test_the_command_s_stream_says_that_a_token_is_not_good(served: Served) -> None:
    with pytest.raises(AuthenticationError, match="token"):
        await asyncio.to_thread(lambda: next(Stream(served.url, "0" * 64).messages()))
