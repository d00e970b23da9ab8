from collector.api.times import milliseconds, rfc3339


def test_times_always_have_microseconds_and_are_cut_off() -> None:
    assert rfc3339(1_795_256_507_123_456_999) == "2026-11-21T10:21:47.123456Z"
    assert rfc3339(1_795_256_507_000_000_000) == "2026-11-21T10:21:47.000000Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"


def test_durations_keep_their_sign() -> None:
    assert milliseconds(412_345_678) == 412.346
    assert milliseconds(-1_000) == -0.001
