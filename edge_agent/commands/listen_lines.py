"""How ``edge-agent listen`` puts a shot: as JSON, and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from edge_agent.records import HeardShot


def shot_line(shot: HeardShot) -> dict[str, Any]:
    """Return a shot as JSON has it; ``error_s`` is one sigma of ``at_s``, ``kind`` the likeliest class."""
    error_ns = math.hypot(shot.onset_error_ns, shot.timing.fit_error_ns)
    return {
        "at_s": round(shot.at_s, 6),
        "error_s": round(error_ns / 1e9, 6),
        "score": round(shot.probability, 6),
        "kind": max(shot.classes, key=shot.classes.__getitem__),
        "snr_db": round(shot.snr_db, 1),
        "wave": shot.wave,
        "others": [
            {"offset_s": round(o.offset_ns / 1e9, 6), "wave": o.wave, "level_db": round(o.level_db, 1)}
            for o in shot.others
        ],
        "burst": shot.burst,
        "round": shot.round,
        "rounds": shot.rounds,
        "fire": shot.fire,
        "marks": sorted(shot.marks),
    }


def recording_lines(shots: Sequence[HeardShot]) -> list[dict[str, Any]]:
    """Return the shots of a recording that is over: the rounds of each burst, and how it was fired, are all known."""
    last = {shot.burst: shot for shot in shots}
    return [shot_line(s) | {"rounds": last[s.burst].rounds, "fire": last[s.burst].fire} for s in shots]


def top_line(classes: Mapping[str, float]) -> dict[str, float]:
    """Return the probability of each class, likeliest first, as JSON has it."""
    return {name: round(share, 6) for name, share in sorted(classes.items(), key=lambda item: -item[1])}


def shot_in_words(line: Mapping[str, Any]) -> str:
    """Return one shot on one line, for people."""
    error_ms = line["error_s"] * 1000
    words = f"{line['at_s']:9.3f} s ± {error_ms:.{1 if error_ms < 10 else 0}f} ms  {line['score']:6.1%}"
    words += f"  {line['snr_db']:4.0f} dB over noise"
    if line["wave"] != "unknown":
        words += f"  {line['wave']}"
    if line["rounds"] > 1:
        words += f"  round {line['round']} of {line['rounds']}, {line['fire']}"
    return words + (f"  ({', '.join(line['marks'])})" if line["marks"] else "")


def top_in_words(classes: Mapping[str, float]) -> str:
    """Return what it sounds like, likeliest first, for people."""
    return ", ".join(f"{name} {share:.0%}" for name, share in top_line(classes).items())


def utc_text(utc_ns: int) -> str:
    """Return a UTC time as RFC 3339 with microseconds."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=utc_ns // 1000)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
