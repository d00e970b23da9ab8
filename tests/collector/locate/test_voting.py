"""Votes of sites for places and moments."""

import numpy as np
import pytest

from collector.locate.voting import FULL_VOTE, Ballot, find_peaks

BALLOT = Ballot(step_s=0.01, full_s=0.02, none_s=0.05)


@pytest.mark.parametrize("sites", [4, 31, 32, 40])
def test_however_many_sites_agree_all_their_votes_count(sites: int) -> None:
    travel_s = np.linspace(0.1, 1.0, sites)[None]
    arrivals_s = [np.array([2.0 + way_s]) for way_s in travel_s[0]]
    (peak,) = find_peaks(BALLOT, arrivals_s, travel_s, np.ones((1, sites), dtype=np.bool_), 1.0, 200)
    assert peak.votes == sites * FULL_VOTE
    assert peak.time_s == pytest.approx(2.0, abs=0.03)


def test_who_cannot_hear_a_place_has_no_vote_there() -> None:
    travel_s = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
    reached = np.array([[True, False, True], [True, True, True]])
    arrivals_s = [np.array([2.1]), np.array([2.2]), np.array([2.3])]
    best, other = find_peaks(BALLOT, arrivals_s, travel_s, reached, 1.0, 200, most=2)
    assert (best.node, best.votes) == (1, 3 * FULL_VOTE)
    assert (other.node, other.votes) == (0, 2 * FULL_VOTE)
