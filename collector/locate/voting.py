"""Consensus before any fit: places and emission times, and how many sites agree to each.

If a shot was fired at a place and a moment, every site that heard it has an arrival one travel time later. So each
arrival votes, for every place of a grid, for one emission time; where and when the votes of most sites meet, there was
a shot. Echoes, false arrivals and wrong clocks vote too, but apart from each other: that is why this comes before
least squares, which a single echo leads astray.

A site votes once for a place and a moment, however many of its arrivals fit. A vote counts less the worse it fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

FULL_VOTE = 8
_VOTES_AT_ONCE = 400_000
"""How many places x moments are counted at a time: what a core's cache holds is counted several times as fast."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """How finely moments are told apart.

    Attributes:
        step_s: between moments.
        full_s: a vote so far off still counts fully.
        none_s: one so far off counts nothing; linear between.
    """

    step_s: float
    full_s: float
    none_s: float


@dataclass(frozen=True, slots=True)
class Peak:
    """A place and moment at which votes meet.

    Attributes:
        node: number of the place.
        time_s: the emission time.
        votes: sum of the sites' votes, ``FULL_VOTE`` each at most.
    """

    node: int
    time_s: float
    votes: int


def votes_over_time(
    ballot: Ballot, arrivals_s: Sequence[NDArray[np.float64]], from_s: float, moments: int
) -> NDArray[np.uint16]:
    """Count the votes at one place.

    Args:
        ballot: how finely.
        arrivals_s: of each site its arrivals, less the travel time from the place.
        from_s: the first moment.
        moments: how many, ``ballot.step_s`` apart.

    Returns:
        (moments,) votes.
    """
    votes = np.zeros(moments, dtype=np.uint16)
    for times_s in arrivals_s:
        if len(times_s):
            votes += _calls(ballot, times_s - from_s, moments)
    return votes


def find_peaks(
    ballot: Ballot,
    arrivals_s: Sequence[NDArray[np.float64]],
    travel_s: NDArray[np.float64],
    reached: NDArray[np.bool_],
    from_s: float,
    moments: int,
    most: int = 1,
) -> list[Peak]:
    """The best moments of the best places, best first; a place gives one at most.

    Args:
        ballot: how finely.
        arrivals_s: of each site, its arrivals.
        travel_s: (N, sites) from each place to each site.
        reached: (N, sites) whether a shot there may be heard at the site at all.
        from_s: the first moment.
        moments: how many, ``ballot.step_s`` apart.
        most: how many peaks.
    """
    shift = np.rint(travel_s / ballot.step_s).astype(np.int64)
    length = moments + int(shift[reached].max(initial=0)) + 1
    # Who cannot be reached votes in a stretch of time of which nothing is told.
    shift[~reached] = length
    voters = [site for site, times_s in enumerate(arrivals_s) if len(times_s)]
    count = _count_of(len(voters))
    calls = {site: np.zeros(length + moments, dtype=count) for site in voters}
    for site, told in calls.items():
        told[:length] = _calls(ballot, arrivals_s[site] - from_s, length)
    windows = {site: sliding_window_view(told, moments) for site, told in calls.items() if told.any()}
    found: list[tuple[int, int, int]] = []
    block = max(1, _VOTES_AT_ONCE // moments)
    for first in range(0, len(travel_s), block):
        part = slice(first, first + block)
        votes = _count(windows, shift[part], reached[part], moments, count)
        at = votes.argmax(axis=1)
        best = votes[np.arange(len(votes)), at]
        top = np.argsort(-best.astype(np.int64), kind="stable")[:most]
        found += [(-int(best[node]), first + int(node), int(at[node])) for node in top]
    found.sort()
    return [Peak(node, from_s + ballot.step_s * at, -votes) for votes, node, at in found[:most]]


def _count_of(voters: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type that holds the votes of so many sites: half the bytes are counted in half the time."""
    return np.uint8 if voters * FULL_VOTE <= np.iinfo(np.uint8).max else np.uint16


def _count(
    windows: Mapping[int, NDArray[Any]],
    shift: NDArray[np.int64],
    reached: NDArray[np.bool_],
    moments: int,
    count: type[np.unsignedinteger[Any]],
) -> NDArray[Any]:
    """Votes (N, moments) of places: each site's calls, shifted by the travel time."""
    votes = np.zeros((len(shift), moments), dtype=count)
    for site, window in windows.items():
        here = np.flatnonzero(reached[:, site])
        # Adding nothing to many is cheaper than picking some, but not than picking few.
        if 3 * len(here) > len(votes):
            votes += window[shift[:, site]]
        elif len(here):
            votes[here] += window[shift[here, site]]
    return votes


def _calls(ballot: Ballot, times_s: NDArray[np.float64], length: int) -> NDArray[np.uint16]:
    """A site's vote at every moment: of the arrival that fits best there."""
    calls = np.zeros(length, dtype=np.uint16)
    times_s = times_s[(times_s >= -ballot.none_s) & (times_s <= length * ballot.step_s + ballot.none_s)]
    if not len(times_s):
        return calls
    reach = int(np.ceil(ballot.none_s / ballot.step_s))
    at = np.rint(times_s / ballot.step_s).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    off_s = np.abs(at * ballot.step_s - times_s[:, None])
    worth = np.clip((ballot.none_s - off_s) / (ballot.none_s - ballot.full_s), 0.0, 1.0) * FULL_VOTE
    within = (at >= 0) & (at < length)
    np.maximum.at(calls, at[within], np.rint(worth[within]).astype(np.uint16))
    return calls
