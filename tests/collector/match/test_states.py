import pytest

from collector.match.states import chance


@pytest.mark.parametrize(
    ("regions", "region", "expected"),
    [
        # No evidence is not evidence.
        ((), "US-TX", None),
        ((("US-TX", 0.9),), None, None),
        ((("US-TX", 0.7),), "US-TX", 0.7 + 0.3 / 50),
        # What is not told by itself has its part of what is not told.
        ((("US-TX", 0.7), ("US", 0.2)), "US-CA", 0.3 / 50),
        # The country alone says nothing of its states.
        ((("US", 0.9),), "US-TX", 0.9),
        ((("US-TX", 0.6), ("US", 0.3)), "US", 0.9 + 0.1 / 50),
        ((("DE", 0.7),), "US-TX", 0.3 / 50),
        ((("DE", 1.0),), "US-TX", 0.001),
        ((("US-TX", 1.0),), "US-TX", 1.0),
    ],
)
def test_what_a_picture_says_of_a_state(
    regions: tuple[tuple[str, float], ...], region: str | None, expected: float | None
) -> None:
    assert chance(regions, region) == (None if expected is None else pytest.approx(expected))
