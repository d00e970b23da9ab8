"""One file over HTTPS, with resume: what comes is kept until the whole is there, whatever happens in between.

Invariants:

- A connection is made to the address that was given, and to where that one redirects over HTTPS; plain HTTP is for
  loopback only. Nothing here knows an address by itself.
- Bytes of two versions of a file are never joined: a rest is asked for under the validator (``ETag`` or
  ``Last-Modified``) that the first part came with, which lies beside it; without one, only a file whose digest is
  known beforehand is resumed.
- What is beyond the expected size is not written.

Blocking; called by ``edge-agent models pull`` in its main thread, which may be interrupted at any time.
"""

from __future__ import annotations

import errno
import fcntl
import http.client
import ipaddress
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from edge_agent.errors import PullError

MAXIMUM_BYTES = 512_000_000
"""No network that a trailer can run is larger: a bound for files whose size nobody knows beforehand."""
_ATTEMPTS = 5  # in a row without a byte more than before: 1 + 2 + 4 + 8 s
_LONGEST_PAUSE_S = 30.0
_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 16
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})

Progress = Callable[[int, int | None], None]
"""Is told how many bytes are there, and of how many, if that is known."""

Pause = Callable[[float, str], None]
"""Waits between attempts: for how many seconds, and why."""


def wait(seconds: float, reason: str) -> None:
    """Wait, and say nothing. Implements ``Pause``."""
    time.sleep(seconds)


class _CutError(Exception):
    """The transfer ended early; worth another attempt."""


def download(
    url: str,
    part: Path,
    *,
    size_bytes: int | None = None,
    digest_known: bool = False,
    progress: Progress = lambda have, total: None,
    pause: Pause = wait,
) -> None:
    """Fetch ``url`` into ``part``, going on where an earlier call was cut off.

    Args:
        url: ``https://``; ``http://`` on loopback only.
        part: the file to write; kept when this fails or is interrupted, complete when it returns.
        size_bytes: the size that the file must have, if that is known.
        digest_known: the caller will hold the file to a digest, so that resuming blindly does no harm.
        progress: see ``Progress``.
        pause: waits between attempts.

    Raises:
        PullError: the address is refused, says no, gives something else than was expected, or cannot be reached for
            long; or the file cannot be written.
    """
    _check_address(url, None)
    opener = urllib.request.build_opener(_CarefulRedirects)
    with _locked(part) as file:
        failures, most = 0, file.seek(0, os.SEEK_END)
        while True:
            try:
                _attempt(opener, url, file, _Validator(part), size_bytes, digest_known, progress)
                break
            except _CutError as error:
                have = file.seek(0, os.SEEK_END)
                failures = 1 if have > most else failures + 1
                most = max(have, most)
                if failures >= _ATTEMPTS:
                    kept = f"What came ({have:,} bytes) is kept: run" if have else "Run"
                    raise PullError(
                        f"{url}: {error}; gave up after {failures} attempts. {kept} the same command again to go on, "
                        "or take the file from a folder: --from FOLDER."
                    ) from error
                reason = str(error)
            pause(min(2.0 ** (failures - 1), _LONGEST_PAUSE_S), reason)
        os.fsync(file.fileno())
    _Validator(part).forget()


class _Validator:
    """What tells one version of the file at an address from the next; lies beside ``part``."""

    def __init__(self, part: Path) -> None:
        self.part = part
        self._path = part.with_name(part.name + ".version")

    def read(self) -> str:
        try:
            return self._path.read_text(encoding="ascii").partition("\n")[0].strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return ""

    def write(self, headers: http.client.HTTPMessage) -> None:
        etag, modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
        # A weak ETag must not be used for ranges (RFC 9110, 13.1.5).
        self._path.write_text(
            modified if etag.startswith("W/") else etag or modified, encoding="ascii", errors="ignore"
        )

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


class _CarefulRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects as far as ``_check_address`` allows."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            _check_address(newurl, req.full_url)
        except PullError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_address(url: str, came_from: str | None) -> None:
    address = urlsplit(url)
    secure = address.scheme == "https"
    on_loopback = address.scheme == "http" and _is_loopback(address.hostname or "")
    if secure or (on_loopback and (came_from is None or urlsplit(came_from).scheme == "http")):
        return
    where = url if came_from is None else f"{came_from}: redirects to {url}"
    raise PullError(f"{where}: refused; expected https:// (http:// is for this machine only).")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """Open ``part`` without losing what it holds, for one program at a time."""
    try:
        # Unbuffered: a full disk shows at the write, not at some later close.
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise PullError(f"{part}: cannot be written ({error.strerror}).") from error
    with open(descriptor, "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PullError(f"{part}: another pull is writing it; wait for that one.") from error
        try:
            yield file
        finally:
            if file.seek(0, os.SEEK_END) == 0:
                part.unlink()  # nothing came: nothing to go on with
                _Validator(part).forget()


def _attempt(
    opener: urllib.request.OpenerDirector,
    url: str,
    file: IO[bytes],
    validator: _Validator,
    size_bytes: int | None,
    digest_known: bool,
    progress: Progress,
) -> None:
    have = file.seek(0, os.SEEK_END)
    version = validator.read()
    if have and have == size_bytes and digest_known:
        return
    if have and not (version or digest_known):
        have = 0
    request = urllib.request.Request(url, headers={"User-Agent": "nightjar", "Accept-Encoding": "identity"})  # noqa: S310 -- the scheme was checked
    if have:
        request.add_header("Range", f"bytes={have}-")
        if version:
            request.add_header("If-Range", version)
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            _receive(response, url, file, have, validator, size_bytes, progress)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                if version and error.headers.get("Content-Range") == f"bytes */{have}":
                    return  # everything had come before, only nobody had taken note of it
                file.truncate(0)
                raise _CutError("what came before does not fit what is there now") from error
            if error.code in _TRANSIENT_STATUS:
                raise _CutError(f"the server says {error.code} {error.reason}") from error
            raise PullError(
                f"{url}: the server says {error.code} {error.reason}. Take the file from a folder: --from FOLDER."
            ) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise PullError(
                f"{url}: its certificate is not accepted ({error.reason.verify_message}). "
                "Is the clock right? Behind an inspecting proxy, SSL_CERT_FILE names its authority."
            ) from error
        raise _CutError(f"cannot be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(f"cut off ({error or type(error).__name__})") from error


def _receive(
    response: http.client.HTTPResponse,
    url: str,
    file: IO[bytes],
    have: int,
    validator: _Validator,
    size_bytes: int | None,
    progress: Progress,
) -> None:
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != have:
            file.truncate(0)
            raise _CutError(f"the server sent another range ({response.headers.get('Content-Range')})")
        total: int | None = int(found[2])
    else:
        have, total = 0, response.length
    if size_bytes is not None and total is not None and total != size_bytes:
        raise PullError(
            f"{url}: offers {total:,} bytes, expected {size_bytes:,}. It is another file than the manifest's."
        )
    limit = size_bytes or MAXIMUM_BYTES
    if (total or 0) > limit:
        raise PullError(f"{url}: offers {total:,} bytes, expected at most {limit:,}.")
    file.seek(have)
    file.truncate()
    if have == 0:
        validator.write(response.headers)  # after the old bytes are gone: a crash in between must not join versions
    progress(have, total)
    while chunk := response.read1(_CHUNK_BYTES):  # what is there, so that it is kept if the rest never comes
        if have + len(chunk) > limit:
            raise PullError(f"{url}: gives more than {limit:,} bytes; expected no more.")
        _write(file, chunk, validator.part)
        have += len(chunk)
        progress(have, total)
    if total is not None and have < total:
        raise _CutError(f"cut off after {have:,} of {total:,} bytes")


def _write(file: IO[bytes], chunk: bytes, part: Path) -> None:
    rest = memoryview(chunk)
    while rest:
        try:
            rest = rest[file.write(rest) :]
        except OSError as error:
            fix = (
                "Free some room there, or choose another folder with --to"
                if error.errno == errno.ENOSPC
                else "Check it"
            )
            raise PullError(
                f"{part}: cannot be written ({error.strerror}). {fix}; what came is kept, run the command again."
            ) from error
