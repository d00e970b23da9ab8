"""The log of captures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from soaking.captures import Capture, CaptureLog, digest_of, read_log
from wire_samples import UP

from edge_wire import codec


def test_what_was_written_is_read_and_a_line_that_was_cut_off_is_not(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with CaptureLog(path) as log:
        log.intend("a", 2, "ab", 5, "cd")
        log.stored("a", (7, 1, 1))
        log.intend("b", 3, "ef", 6, "")
        log.failed("b", "disk full")
        log.intend("c", 3, "01", 7, "")
    with path.open("ab") as file:
        file.write(b'{"stored": "c", "ident')
    assert list(read_log(path)) == [
        Capture("a", 2, "ab", 5, "cd", (7, 1, 1)),
        Capture("b", 3, "ef", 6, "", None, "disk full"),
        Capture("c", 3, "01", 7, ""),
    ]


def test_the_digest_is_of_what_a_body_says_and_survives_the_wire() -> None:
    header, body = UP["plate_read"]
    decoded = codec.decode_up(codec.encode(header, body)).body
    assert digest_of(decoded) == digest_of(body)
    assert digest_of(replace(body, track=1)) != digest_of(body)  # type: ignore[call-arg]  # it is a PlateRead
