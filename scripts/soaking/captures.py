"""The log of what a trailer captured, kept outside its outbox: what the verdict believes.

One JSON line each, written with one ``write`` to a file opened for appending, so that it survives the trailer's
``kill -9`` (it is not synced: the machine itself is not cut off here). Before a detection is put, its intention: token,
kind, digest of its content. After ``put`` has returned, its identity: from then on it counts as captured. One that was
killed in between may be in the outbox or not, and is counted as found or as uncommitted, never as lost.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge_wire import codec
from edge_wire.messages import Header, UpBody

# The digest is over the body alone: what comes with it (epoch, sequence) is known only after the put.
_NO_HEADER = Header(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Capture:
    """One detection, as the log has it.

    Attributes:
        token: names the detection itself, in the message too: the same twice in the store is a duplicate.
        kind: the message's kind.
        digest: SHA-256 of its body's encoding, in hex.
        boot_ns: CLOCK_BOOTTIME when it was captured.
        crop: SHA-256 of its crop in hex, empty for none.
        identity: (epoch, stream, sequence) once ``put`` returned.
        failure: why ``put`` did not store it.
    """

    token: str
    kind: int
    digest: str
    boot_ns: int
    crop: str = ""
    identity: tuple[int, int, int] | None = None
    failure: str | None = None


class CaptureLog:
    """A log open for writing. One trailer writes it at a time."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def intend(self, token: str, kind: int, digest: str, boot_ns: int, crop: str) -> None:
        """Write that this is about to be put."""
        self._write({"intend": token, "kind": kind, "digest": digest, "boot_ns": boot_ns, "crop": crop})

    def stored(self, token: str, identity: tuple[int, int, int]) -> None:
        """Write that ``put`` has returned."""
        self._write({"stored": token, "identity": identity})

    def failed(self, token: str, why: str) -> None:
        """Write that ``put`` refused it."""
        self._write({"failed": token, "why": why})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")


def digest_of(body: UpBody) -> str:
    """SHA-256, in hex, of what a body says, whatever header it travels under."""
    return hashlib.sha256(codec.encode(_NO_HEADER, body)).hexdigest()


def read_log(path: Path) -> Iterator[Capture]:
    """Yield the captures of a log; the last line may have been cut off by a kill, and is then no capture."""
    intended: dict[str, Capture] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            said = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "intend" in said:
            token = said["intend"]
            intended[token] = Capture(token, said["kind"], said["digest"], said["boot_ns"], said["crop"])
        elif "stored" in said:
            before = intended[said["stored"]]
            epoch, stream, sequence = said["identity"]
            intended[before.token] = Capture(
                before.token, before.kind, before.digest, before.boot_ns, before.crop, (epoch, stream, sequence)
            )
        elif "failed" in said:
            before = intended[said["failed"]]
            intended[before.token] = Capture(
                before.token, before.kind, before.digest, before.boot_ns, before.crop, None, said["why"]
            )
    yield from intended.values()
