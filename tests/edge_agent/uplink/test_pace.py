"""What may be handed over, by urgency: by the cap, and by how much the broker has not confirmed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.sending import Urgency
from edge_agent.uplink.pace import IN_HAND_BYTES, Pace

S = 1_000_000_000
PART = 25_000
LIVE = [Urgency.OPEN, Urgency.SHOT, Urgency.LIVE_READ]
NOBODY_WAITS_FOR = [Urgency.REPORT, Urgency.BACKLOG, Urgency.OTHER_MEDIA]


def filled(pace, urgency, size_bytes=PART):
    """Hand over as many as may go."""
    count = 0
    while pace.allows(urgency, size_bytes, 0) and count < 1_000:
        pace.handed_over(size_bytes)
        count += 1
    return count


@pytest.mark.parametrize("urgency", NOBODY_WAITS_FOR)
def test_what_nobody_waits_for_leaves_the_socket_nearly_empty(urgency):
    pace = Pace(None, 0)
    assert filled(pace, urgency) == IN_HAND_BYTES // PART
    pace.confirmed(PART)
    assert filled(pace, urgency) == 1


def test_what_was_asked_for_goes_behind_a_full_backlog_and_a_shot_behind_both():
    pace = Pace(None, 0)
    filled(pace, Urgency.OTHER_MEDIA)
    assert filled(pace, Urgency.ASKED_MEDIA) >= 2
    assert not pace.allows(Urgency.ASKED_MEDIA, PART, 0)
    assert all(pace.allows(urgency, 500, 0) for urgency in LIVE)


def test_one_message_larger_than_the_bound_still_goes_alone():
    pace = Pace(None, 0, in_hand_bytes=1_000)
    assert filled(pace, Urgency.OTHER_MEDIA) == 1


def test_under_a_cap_the_rate_is_kept_and_live_rows_overtake():
    pace = Pace(80, 0)  # 10,000 bytes a second
    assert filled(pace, Urgency.OTHER_MEDIA, 1_000) == 32
    assert pace.wait_s(Urgency.OTHER_MEDIA, 1_000, 0) == pytest.approx(0.0232)
    assert pace.allows(Urgency.ASKED_MEDIA, PART, 0)
    pace.handed_over(PART)
    pace.confirmed(57_000)
    assert not pace.allows(Urgency.OTHER_MEDIA, 1_000, S)  # the debt comes first
    assert pace.wait_s(Urgency.OTHER_MEDIA, 1_000, S) == pytest.approx(1.5232)
    assert pace.allows(Urgency.SHOT, 500, S)
    assert pace.allows(Urgency.OTHER_MEDIA, 1_000, S + round(1.58 * S))


def test_the_largest_message_goes_under_the_smallest_cap():
    pace = Pace(1, 0)
    pace.spent(32 * 1024)
    assert not pace.allows(Urgency.OTHER_MEDIA, PART, 0)
    assert pace.allows(Urgency.OTHER_MEDIA, PART, 400 * S)


def test_what_has_to_flow_is_taken_off_and_so_is_what_was_only_measured():
    pace = Pace(80, 0)
    pace.spent(10_000)
    pace.measured(30_000)  # 20,000 of it were nobody's: a handshake, pings
    assert pace.wait_s(Urgency.BACKLOG, 10_000, 0) == pytest.approx(0.7232)
    pace.measured(30_000)
    assert pace.wait_s(Urgency.BACKLOG, 10_000, 0) == pytest.approx(0.7232)


@given(
    kbps=st.integers(1, 10_000),
    tries=st.lists(
        st.tuples(st.sampled_from(Urgency), st.integers(100, 26_000), st.floats(0, 2)), min_size=1, max_size=200
    ),
)
def test_over_any_time_no_more_goes_out_than_the_cap_and_two_buckets(kbps, tries):
    pace, now_ns, sent_bytes = Pace(kbps, 0), 0, 0
    for urgency, size_bytes, after_s in tries:
        now_ns += round(after_s * S)
        if pace.allows(urgency, size_bytes, now_ns):
            pace.handed_over(size_bytes)
            pace.confirmed(size_bytes)
            sent_bytes += size_bytes
    bucket_bytes = max(kbps * 125, 32 * 1024)
    assert sent_bytes <= kbps * 125 * now_ns / S + 2 * bucket_bytes + 1
