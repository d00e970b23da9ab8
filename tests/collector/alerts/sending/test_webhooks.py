"""Webhooks, received by a real server over real TLS."""

import hashlib
import hmac
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tls_receiver import Authority, TlsReceiver

from collector.alerts.sending.carriers import CarryError, tls_of
from collector.alerts.sending.content import Allowance
from collector.alerts.sending.records import Message
from collector.alerts.sending.webhooks import WebhookCarrier

SECRET = b"0123456789abcdef0123456789abcdef"
TIMEOUT_S = 10
NOTHING = Allowance()
Connect = Callable[..., WebhookCarrier]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def receiver(authority: Authority) -> Iterator[TlsReceiver]:
    with TlsReceiver(authority) as started:
        yield started


@pytest.fixture
async def connect(authority: Authority, clock: Any) -> AsyncIterator[Connect]:
    made: list[WebhookCarrier] = []

    def one(
        url: str,
        *,
        ca: Path | None = authority.file,
        certificate: tuple[Path, Path] | tuple[None, None] = (None, None),
        timeout_s: float = TIMEOUT_S,
        allowance: Allowance = NOTHING,
    ) -> WebhookCarrier:
        tls = tls_of("routing.webhooks[0]", ca, *certificate)
        made.append(WebhookCarrier("cad", url, SECRET, tls, allowance, "https://rtcc.example", timeout_s, clock))
        return made[-1]

    yield one
    for carrier in made:
        await carrier.close()


async def failure(carrying: Awaitable[None]) -> str:
    with pytest.raises(CarryError) as caught:
        await carrying
    assert "LETMEIN" not in str(caught.value)
    assert SECRET.decode() not in str(caught.value)
    return str(caught.value)


async def test_a_receiver_can_check_who_sent_what_and_when(
    receiver: TlsReceiver, connect: Connect, message: Message
) -> None:
    await connect(receiver.url).carry(message)
    came = receiver.came.get(timeout=TIMEOUT_S)
    timestamp = came.headers["Nightjar-Timestamp"]
    assert timestamp == "1795256000"
    expected = hmac.new(SECRET, timestamp.encode() + b"." + came.body, hashlib.sha256).hexdigest()
    assert came.headers["Nightjar-Signature"] == f"v1={expected}"
    assert came.headers["Nightjar-Notice"] == "12"
    assert came.headers["Content-Type"] == "application/json"
    assert came.told["alert"] == 5
    assert came.told["fields"] == {}
    assert b"7ABC123" not in came.body


async def test_fields_come_over_mutual_tls(authority: Authority, connect: Connect, message: Message) -> None:
    with TlsReceiver(authority, mutual=True) as receiver:
        allowance = Allowance(frozenset({"plate"}))
        await connect(receiver.url, certificate=authority.client(), allowance=allowance).carry(message)
        came = receiver.came.get(timeout=TIMEOUT_S)
        assert came.client == "nightjar.notices"
        assert came.told["fields"] == {"plate": "7ABC123"}
        assert "webhook cad: " in await failure(connect(receiver.url).carry(message))
        assert receiver.came.empty()


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_any_2xx_will_do(receiver: TlsReceiver, connect: Connect, message: Message, status: int) -> None:
    receiver.status = status
    await connect(receiver.url).carry(message)


@pytest.mark.parametrize("status", [302, 308, 400, 401, 404, 410, 429, 500, 503])
async def test_nothing_else_will(receiver: TlsReceiver, connect: Connect, message: Message, status: int) -> None:
    receiver.status = status
    said = await failure(connect(receiver.url).carry(message))
    assert said == f"webhook cad: got status {status}, expected 2xx"


async def test_redirects_are_not_followed(receiver: TlsReceiver, connect: Connect, message: Message) -> None:
    receiver.status, receiver.location = 307, receiver.url
    await failure(connect(receiver.url).carry(message))
    receiver.came.get(timeout=TIMEOUT_S)
    assert receiver.came.empty()


async def test_a_receiver_of_another_authority_is_not_told(
    receiver: TlsReceiver, connect: Connect, message: Message, tmp_path: Path
) -> None:
    said = await failure(connect(receiver.url, ca=Authority(tmp_path).file).carry(message))
    assert "certificate signature failure" in said or "unable to get local issuer" in said or "self-signed" in said
    assert receiver.came.empty()


async def test_a_receiver_under_another_name_is_not_told(
    authority: Authority, connect: Connect, message: Message
) -> None:
    with TlsReceiver(authority, names=("other.example",)) as other:
        said = await failure(connect(other.url).carry(message))
        assert "Hostname mismatch" in said
        assert other.came.empty()


async def test_whoever_does_not_answer_is_waited_for_so_long(
    receiver: TlsReceiver, connect: Connect, message: Message
) -> None:
    receiver.gate.clear()
    said = await failure(connect(receiver.url, timeout_s=0.2).carry(message))
    assert said == "webhook cad: no answer within 0.2 s"


async def test_a_receiver_that_is_away_is_said_to_be(connect: Connect, message: Message) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        said = await failure(connect(f"https://localhost:{port}/hook?token=LETMEIN").carry(message))
    assert said.startswith("webhook cad: ")
