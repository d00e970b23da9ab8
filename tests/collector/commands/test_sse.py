import http.client
import socket
import threading
from pathlib import Path

import pytest

from collector.commands.sse import Message, Stream, parse
from collector.errors import ConfigurationError


def test_messages_are_read_as_the_standard_says() -> None:
    lines = [
        b"retry: 1000\n",
        b"id: 7\n",
        b"\n",
        b": a comment\n",
        b"event: heartbeat\r\n",
        b'data: {"at":"x"}\r\n',
        b"\r\n",
        b"id: 9\n",
        b"event: read\n",
        b'data:{"id":\n',
        b"data: 3}\n",
        b"\n",
        b"event: shot\n",
        b'data: {"id": 4}\n',
    ]
    # The first id stands alone and counts; the last message is not complete and does not.
    assert list(parse(lines)) == [Message("heartbeat", 7, {"at": "x"}), Message("read", 9, {"id": 3})]


@pytest.mark.parametrize("data", [b"data: {\n", b"data: 3\n"])
def test_what_no_collector_sends_breaks_the_connection(data: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        list(parse([b"event: read\n", data, b"\n"]))


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x", "https://", "https://x/path", "https://x:port", "http://rtcc.example:8443", "http://192.0.2.1"],
)
def test_an_address_that_cannot_be_used_or_would_show_the_token_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--url"):
        Stream(url, "token")


def test_an_answer_that_is_no_http_raises_the_question_of_https() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_as_tls_does() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")

        class SaidEnoughError(Exception):
            pass

        told: list[str] = []

        def stop(_: float) -> None:
            raise SaidEnoughError

        thread = threading.Thread(target=answer_as_tls_does)
        thread.start()
        stream = Stream(f"http://127.0.0.1:{server.getsockname()[1]}", "token", told=told.append, wait=stop)
        with pytest.raises(SaidEnoughError):
            next(stream.messages())
        thread.join()
    assert "is it https://?" in told[0]


def test_an_authority_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--ca"):
        Stream("https://rtcc.example", "token", ca=tmp_path / "missing.pem")
