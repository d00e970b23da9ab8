import pytest

from edge_wire.regions import named_region


@pytest.mark.parametrize(
    ("regions", "named"),
    [
        ((), None),
        ((("US-VT", 0.85), ("US-NH", 0.1)), "US-VT"),
        ((("US-VT", 0.5), ("US-OK", 0.4)), "US"),
        ((("US-VT", 0.3), ("US", 0.4), ("RO", 0.3)), "US"),
        ((("US", 0.95),), "US"),
        ((("RO", 0.5),), "RO"),
        ((("RO", 0.4), ("DE", 0.4)), None),
    ],
)
def test_a_state_has_to_be_surer_than_a_country(regions: tuple[tuple[str, float], ...], named: str | None) -> None:
    """pains-06: VT that may be OK is named US, and nothing more."""
    assert named_region(regions) == named
