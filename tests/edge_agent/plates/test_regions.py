import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.errors import ModelError
from edge_agent.plates.format_model import FormatModel
from edge_agent.plates.formats import packaged_formats
from edge_agent.plates.regions import RegionPosterior, likeliest_region, region_codes, told
from edge_agent.records import PlateMark, Reading

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
CODES = ("US-GA", "US-NH", "US-OK", "US-VT", "RO", None)


def reading(**regions: float) -> Reading:
    return Reading(
        "AB_", "_", np.full((1, 3), 1 / 3, np.float32), {k.replace("_", "-"): v for k, v in regions.items()}, ""
    )


def slots_of(text: str) -> NDArray[np.float32]:
    rows = np.full((10, len(ALPHABET)), 0.01 / 36, np.float32)
    for row, character in zip(rows, text.ljust(10, "_"), strict=True):
        row[ALPHABET.index(character)] = 0.99
    return rows / rows.sum(axis=1, keepdims=True)


def head(**probabilities: float) -> NDArray[np.float32]:
    """The answer of a head with the outputs CODES; what is not given goes evenly to the others."""
    given = {code.replace("_", "-"): p for code, p in probabilities.items()}
    rest = (1 - sum(given.values())) / (len(CODES) - len(given))
    return np.array([given.get(code or "", rest) for code in CODES], np.float32)


@pytest.fixture(scope="module")
def formats() -> FormatModel:
    return FormatModel(packaged_formats(), ALPHABET, "_")


@pytest.fixture(scope="module")
def posterior(formats: FormatModel) -> RegionPosterior:
    return RegionPosterior(CODES, formats)


def test_names_become_codes_and_codes_stay() -> None:
    names = ["United States", "United Kingdom", "US-TX", "CA-ON", "Unknown", "Czech Republic"]
    assert region_codes(names, "config") == ("US", "GB", "US-TX", "CA-ON", None, "CZ")


def test_an_unknown_name_is_refused_with_its_place() -> None:
    with pytest.raises(ModelError, match=r"own\.yaml: plate_regions: got 'Atlantis'"):
        region_codes(["Albania", "Atlantis"], "own.yaml")


def test_a_serial_may_turn_what_the_looks_leave_open(posterior: RegionPosterior) -> None:
    """pains-06: New Hampshire's seven digits are no Georgian serial, Vermont's ABC 123 no seven digits."""
    unsure = head(US_GA=0.4, US_NH=0.35, US_VT=0.2)
    by_serial = posterior.of(unsure, slots_of("3861224"))
    assert next(iter(by_serial)) == "US-NH"
    assert by_serial["US-NH"] > 2 * by_serial["US-GA"]


def test_looks_and_serial_that_leave_states_open_name_none(posterior: RegionPosterior) -> None:
    """pains-06: Vermont or Oklahoma, both of which have ABC 123: the country is named, and no state."""
    regions = posterior.of(head(US_VT=0.45, US_OK=0.43, US_GA=0.06, US_NH=0.05), slots_of("GHK123"))
    assert set(list(regions)[:2]) == {"US-VT", "US-OK"}
    assert likeliest_region(Reading(ALPHABET, "_", slots_of("GHK123"), regions, "")) == "US"


def test_sure_looks_stand_against_a_serial_of_nobody(posterior: RegionPosterior) -> None:
    regions = posterior.of(head(US_VT=0.97), slots_of("MAPLE"))
    assert next(iter(regions)) == "US-VT"


def test_probabilities_come_to_one_with_what_is_elsewhere(posterior: RegionPosterior) -> None:
    answer = head(US_VT=0.3, RO=0.3)
    assert sum(posterior.of(answer, slots_of("B123XYZ")).values()) <= 1 + 1e-6
    assert next(iter(posterior.of(answer, slots_of("B123XYZ")))) == "RO"


def test_a_head_that_names_countries_gets_its_states_from_the_serial(formats: FormatModel) -> None:
    countries = RegionPosterior(("US", "RO", None), formats)
    regions = countries.of(np.array([0.9, 0.05, 0.05], np.float32), slots_of("7ABC123"))
    assert next(iter(regions)) == "US-CA"
    assert likeliest_region(Reading(ALPHABET, "_", slots_of("7ABC123"), regions, "")) in ("US", "US-CA")


def test_without_a_head_no_region_is_known(formats: FormatModel) -> None:
    assert RegionPosterior((), formats).of(np.zeros(0, np.float32), slots_of("7ABC123")) == {}


def test_a_state_has_to_be_surer_than_a_country() -> None:
    assert likeliest_region(reading(US_TX=0.95, US_OK=0.05)) == "US-TX"
    assert likeliest_region(reading(US_TX=0.4, US_OK=0.35)) == "US"
    assert likeliest_region(reading(US_TX=0.3, MX=0.3)) is None
    assert likeliest_region(reading(RO=0.6)) == "RO"
    assert likeliest_region(reading()) is None


def test_no_region_is_named_by_infrared() -> None:
    """pains-06: without colours no region was measured."""
    assert likeliest_region(reading(US_TX=0.99), {PlateMark.INFRARED}) is None
    assert likeliest_region(reading(US_TX=0.99), {PlateMark.SMALL}) == "US-TX"


def test_a_read_carries_few_regions_and_no_country_loses_mass() -> None:
    regions = {"US-VT": 0.4, "US-NH": 0.3, "US-OK": 0.15, "US-GA": 0.1, "RO": 0.05}
    assert told(regions) == (("US-VT", 0.4), ("US-NH", 0.3), ("US", pytest.approx(0.25)))
    assert dict(told(regions, 5)) == regions
    unsure = {f"US-{state}": 0.2 for state in ("VT", "NH", "OK", "GA", "ME")}
    assert told(unsure)[0] == ("US", pytest.approx(0.6))
    assert told({}) == ()
    assert told({"US-VT": 0.9, "US-NH": 0.08}) == (("US-VT", 0.9), ("US-NH", 0.08))
    assert told({"US-VT": 0.9, "US-NH": 0.08, "RO": 0.01})[2] == ("RO", 0.01)
