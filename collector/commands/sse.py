"""Following the collector's stream from a program, with the standard library only.

Reconnects for ever, to the place where it was cut off. What waiting cannot cure is raised: a refused token, a
certificate that does not verify. Blocking; belongs to the thread that iterates.
"""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from collector.config import is_loopback
from collector.errors import AuthenticationError, ConfigurationError, PermissionDeniedError

# Three heartbeats: a connection that is silent for longer is dead, whatever TCP says.
SILENCE_S: Final = 15.0
_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 10.0
_LONGEST_LINE_BYTES: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the stream.

    Attributes:
        kind: ``alert``, ``read``, ``passage``, ``shot``, ``incident``, ``picture``, ``device`` or ``heartbeat``.
        number: the feed number that has been reached; what to begin behind next time.
        body: the object.
    """

    kind: str
    number: int | None
    body: dict[str, Any]


class Stream:
    """The stream of one collector; iterate ``messages``.

    Args:
        url: the collector's address, ``https://HOST:PORT``; plain HTTP for loopback only.
        token: a bearer token.
        ca: certificate authority (PEM) to trust instead of the system's.
        after: feed number to begin behind; None begins now.
        told: called with a sentence when the connection is lost and when it is back.
        wait: sleeps for some seconds; tests pass one that does not.

    Raises:
        ConfigurationError: the address or the certificate authority cannot be used.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca: Path | None = None,
        after: int | None = None,
        told: Callable[[str], None] = lambda _: None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect = _connector(url, ca)
        self._url = url
        self._secure = url.lower().startswith("https:")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        self._after = after
        self._told = told
        self._wait = wait

    def messages(self) -> Iterator[Message]:
        """Yield messages as they arrive, for ever.

        Raises:
            AuthenticationError: the token is not good (any more).
            PermissionDeniedError: its role may not follow.
            ConfigurationError: the certificate does not verify, or this is not a collector.
        """
        wait_s = _FIRST_WAIT_S
        cut = False
        while True:
            reason = "it ended the stream"
            try:
                with closing(self._connect()) as connection, self._opened(connection) as response:
                    for message in parse(_lines(response)):
                        if cut:
                            self._told(f"{self._url}: connected again")
                        cut, wait_s = False, _FIRST_WAIT_S
                        self._after = message.number if message.number is not None else self._after
                        yield message
            except ssl.SSLCertVerificationError as error:
                raise ConfigurationError(
                    f"{self._url}: its certificate does not verify ({error.verify_message}); "
                    "name its authority with --ca, or the name that stands in it with --url"
                ) from error
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
                # What an answer in TLS looks like to somebody who does not speak it.
                if isinstance(error, http.client.BadStatusLine | ConnectionResetError) and not self._secure:
                    reason += "; is it https://?"
            cut = True
            self._told(f"{self._url}: not connected ({reason}); again in {wait_s:.0f} s")
            self._wait(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    @contextmanager
    def _opened(self, connection: http.client.HTTPConnection) -> Iterator[http.client.HTTPResponse]:
        headers = self._headers
        if self._after is not None:
            headers = headers | {"Last-Event-ID": str(self._after)}
        connection.request("GET", "/api/stream", headers=headers)
        # Closed by itself: an answer that ends with its connection keeps the socket when the connection is closed.
        with connection.getresponse() as response:
            if response.status == http.HTTPStatus.UNAUTHORIZED:
                raise AuthenticationError(f"{self._url}: the token is unknown or expired")
            if response.status == http.HTTPStatus.FORBIDDEN:
                raise PermissionDeniedError(f"{self._url}: the token's role may not follow the stream")
            if response.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
                raise http.client.HTTPException(f"answered {response.status} {response.reason}")
            if response.status != http.HTTPStatus.OK or response.headers.get_content_type() != "text/event-stream":
                raise ConfigurationError(
                    f"{self._url}: answered {response.status} {response.reason}, expected a collector"
                )
            yield response


def parse(lines: Iterable[bytes]) -> Iterator[Message]:
    """Yield the messages of server-sent event lines (WHATWG HTML, 9.2.6).

    Raises:
        http.client.HTTPException: a message is not what a collector sends.
    """
    kind, data, number = "", "", None
    for line in lines:
        text = line.rstrip(b"\r\n").decode(errors="replace")
        if text == "":
            if data:
                yield Message(kind, number, _body(data))
            kind, data = "", ""
            continue
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            kind = value
        elif field == "data":
            data += value
        elif field == "id" and value.isdecimal():
            number = int(value)


def _body(data: str) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except ValueError as error:
        raise http.client.HTTPException(f"sent what is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise http.client.HTTPException(f"sent {type(body).__name__}, expected an object")
    return body


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while line := response.readline(_LONGEST_LINE_BYTES):
        if not line.endswith(b"\n"):
            raise http.client.HTTPException("broke off in the middle of a line")
        yield line


def _connector(url: str, ca: Path | None) -> Callable[[], http.client.HTTPConnection]:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"--url: got {url!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not host or parts.path not in ("", "/"):
        raise ConfigurationError(f"--url: got {url!r}, expected https://HOST:PORT")
    if parts.scheme == "http":
        if not is_loopback(host):
            raise ConfigurationError(f"--url: got {url!r}: a token goes by https:// only, except to this machine")
        return lambda: http.client.HTTPConnection(host, port, timeout=SILENCE_S)
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"--ca: {ca} cannot be used: {error}") from error
    return lambda: http.client.HTTPSConnection(host, port, timeout=SILENCE_S, context=context)
