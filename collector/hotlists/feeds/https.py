"""A web server as a source, by HTTPS.

The server's certificate is always verified. Redirects are not followed, nor does anything in the environment name a
proxy or a password: the token goes to the address of the configuration and nowhere else. A file that ends before its
end is no delivery: the server must name its length or send it in chunks, of which the last one says that it is. How
much comes and how long that may take is bounded here, whatever the server says of it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from collector.config import FeedHttps
from collector.hotlists.feeds.records import Delivery, FeedError
from collector.hotlists.feeds.snapshot_folder import SnapshotFolder, TooLargeError

# However slowly it drips: a million entries are 200 MB.
_LONGEST_S = 3_600.0
_NOT_MODIFIED = 304
_OK = 200
_ETAG, _LAST_MODIFIED = "etag", "last-modified"


@dataclass(frozen=True, slots=True)
class HttpsSource:
    """The ``Source`` over one address.

    Attributes:
        settings: which, and what it takes.
        longest_s: a file that has not come whole by then is given up.
    """

    settings: FeedHttps
    longest_s: float = _LONGEST_S

    @property
    def where(self) -> str:
        """Host and path; what follows may be a secret."""
        url = httpx.URL(self.settings.url)
        return f"https://{url.netloc.decode('ascii')}{url.path}"

    async def fetch(self, modified: str, into: SnapshotFolder, most_bytes: int) -> Delivery | None:
        """Return what the server has, as ``Source.fetch``; None where it says that nothing is newer."""
        settings = self.settings
        try:
            async with (
                asyncio.timeout(self.longest_s),
                httpx.AsyncClient(verify=self._trust(), timeout=settings.timeout_s, trust_env=False) as client,
                client.stream("GET", settings.url, headers=self._headers(modified)) as response,
            ):
                if response.status_code == _NOT_MODIFIED:
                    return None
                if response.status_code != _OK:
                    raise FeedError(f"{self.where}: {_refusal(response)}")
                if "content-length" not in response.headers and "transfer-encoding" not in response.headers:
                    raise FeedError(
                        f"{self.where}: the server says neither how long the file is nor where it ends, so one that "
                        "was cut off would look whole; have it send Content-Length"
                    )
                with into.writing(most_bytes) as kept:
                    # As it is: what a server has packed is unpacked within the bounds of every other file.
                    async for content in response.aiter_raw():
                        kept.write(content)
                    await asyncio.to_thread(kept.settle)
                said = _said(response.headers)
        except TooLargeError as error:
            raise FeedError(f"{self.where}: {error}; `most_bytes` says how many are taken") from error
        except TimeoutError as error:
            raise FeedError(f"{self.where}: took longer than {self.longest_s:g} s") from error
        except httpx.HTTPError as error:
            raise FeedError(f"{self.where}: {error or type(error).__name__}") from error
        except OSError as error:
            raise FeedError(f"{error.filename or self.where}: {error.strerror or error}") from error
        name = httpx.URL(settings.url).path.rpartition("/")[2] or "list"
        text = json.dumps(said, sort_keys=True) if said else ""
        return Delivery(
            into.path_of(kept.sha256), kept.sha256, kept.size_bytes, name, text, _made_at_ns(said.get(_LAST_MODIFIED))
        )

    def _trust(self) -> ssl.SSLContext:
        settings = self.settings
        files = [str(one) for one in (settings.ca, settings.certificate, settings.key) if one is not None]
        try:
            context = ssl.create_default_context(cafile=None if settings.ca is None else str(settings.ca))
            if settings.certificate is not None and settings.key is not None:
                context.load_cert_chain(settings.certificate, settings.key)
        except OSError as error:
            # None of these errors names the file.
            raise FeedError(f"{' or '.join(files)}: {error.strerror or error}") from error
        return context

    def _headers(self, modified: str) -> dict[str, str]:
        # The hash is of the file, not of what a server makes of it.
        headers = {"Accept-Encoding": "identity", "User-Agent": "nightjar"}
        said = _noted(modified)
        if _ETAG in said:
            headers["If-None-Match"] = said[_ETAG]
        if _LAST_MODIFIED in said:
            headers["If-Modified-Since"] = said[_LAST_MODIFIED]
        if self.settings.token_file is not None:
            # Read anew each time: tokens are changed while we run.
            token = self.settings.token_file.read_text(encoding="ascii", errors="replace").strip()
            if not token or not token.isascii() or not token.isprintable() or " " in token:
                raise FeedError(f"{self.settings.token_file}: got no token, expected one line with nothing else")
            headers["Authorization"] = f"Bearer {token}"
        return headers


def _refusal(response: httpx.Response) -> str:
    if response.is_redirect:
        return f"got {response.status_code}, which leads elsewhere; put the address itself into `url`"
    meaning = {401: "does it want another token?", 403: "may we have it?", 404: "is the path right?"}
    hint = meaning.get(response.status_code)
    return f"got {response.status_code}, expected 200" + (f"; {hint}" if hint else "")


def _said(headers: httpx.Headers) -> dict[str, str]:
    """What the server says of this version of the file, as far as it can be said to the server again."""
    said = {name: headers[name] for name in (_ETAG, _LAST_MODIFIED) if name in headers}
    return {name: value for name, value in said.items() if value.isascii() and value.isprintable()}


def _noted(modified: str) -> dict[str, str]:
    """Return what ``_said`` was; nothing where another kind of source noted it, before the configuration changed."""
    try:
        said = json.loads(modified)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _made_at_ns(last_modified: str | None) -> int | None:
    if last_modified is None:
        return None
    try:
        at = parsedate_to_datetime(last_modified)
    except (ValueError, OverflowError):
        return None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000
