import numpy as np
import pytest

from edge_agent.errors import ModelError
from edge_agent.plates.regions import likeliest_region, region_codes
from edge_agent.records import PlateMark, Reading


def reading(**regions: float) -> Reading:
    return Reading(
        "AB_", "_", np.full((1, 3), 1 / 3, np.float32), {k.replace("_", "-"): v for k, v in regions.items()}, ""
    )


def test_names_become_codes_and_codes_stay() -> None:
    names = ["United States", "United Kingdom", "US-TX", "CA-ON", "Unknown", "Czech Republic"]
    assert region_codes(names, "config") == ("US", "GB", "US-TX", "CA-ON", None, "CZ")


def test_an_unknown_name_is_refused_with_its_place() -> None:
    with pytest.raises(ModelError, match=r"own\.yaml: plate_regions: got 'Atlantis'"):
        region_codes(["Albania", "Atlantis"], "own.yaml")


def test_a_region_is_named_only_when_likelier_than_all_else() -> None:
    assert likeliest_region(reading(US_TX=0.6, US_OK=0.4)) == "US-TX"
    assert likeliest_region(reading(US_TX=0.4, US_OK=0.35)) is None
    assert likeliest_region(reading()) is None


def test_no_region_is_named_by_infrared() -> None:
    """pains-06: without colours no region was measured."""
    assert likeliest_region(reading(US_TX=0.9), {PlateMark.INFRARED}) is None
    assert likeliest_region(reading(US_TX=0.9), {PlateMark.SMALL}) == "US-TX"
