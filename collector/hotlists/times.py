"""How times are written for people and programs that read of hotlists."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text(at_ns: int) -> str:
    """Return a UTC time to the second, such as ``2026-11-22T08:00:00Z``."""
    return f"{datetime.fromtimestamp(at_ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
