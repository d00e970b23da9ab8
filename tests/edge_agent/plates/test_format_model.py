from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_agent.plates.format_model import FormatModel
from edge_agent.plates.formats import Format, packaged_formats

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
FORMATS = (
    Format("US-CA", "9AAA999", 1.0, "", "passenger"),
    Format("US-WA", "999-AAA", 1.0, "", "passenger"),
    Format("FR", "AA-999-AA", 1.0, "IOU", "passenger"),
)

Slots = Callable[..., NDArray[np.float32]]


@pytest.fixture(scope="module")
def model() -> FormatModel:
    return FormatModel(FORMATS, ALPHABET, "_")


@pytest.fixture(scope="module")
def packaged() -> FormatModel:
    return FormatModel(packaged_formats(), ALPHABET, "_")


def slots_of(*slots: dict[str, float], most: int = 10) -> NDArray[np.float32]:
    """Slots with these probabilities, the rest of each spread evenly; then empty ones."""
    rows = np.zeros((most, len(ALPHABET)), np.float32)
    for row, slot in zip(rows, [*slots, *[{"_": 0.9999}] * (most - len(slots))], strict=True):
        row += (1 - sum(slot.values())) / len(ALPHABET)
        for character, probability in slot.items():
            row[ALPHABET.index(character)] += probability
    return rows


def sure(text: str) -> list[dict[str, float]]:
    return [{character: 0.99} for character in text]


def text_of(slots: NDArray[np.float32]) -> str:
    return "".join(ALPHABET[at] for at in slots.argmax(axis=1)).replace("_", "")


@pytest.mark.parametrize(
    ("doubtful", "read", "weighed"),
    [
        ({"0": 0.55, "O": 0.44}, "0", "O"),
        ({"1": 0.55, "I": 0.44}, "1", "I"),
        ({"8": 0.55, "B": 0.44}, "8", "B"),
        ({"5": 0.55, "S": 0.44}, "5", "S"),
        ({"2": 0.55, "Z": 0.44}, "2", "Z"),
    ],
)
def test_a_doubtful_character_is_settled_by_its_place(
    model: FormatModel, doubtful: dict[str, float], read: str, weighed: str
) -> None:
    letters = slots_of(*sure("7A"), doubtful, *sure("C123"))
    assert text_of(letters) == f"7A{read}C123"
    assert text_of(model.weighed(letters, {"US-CA": 1.0})) == f"7A{weighed}C123"
    swapped = {read: doubtful[weighed], weighed: doubtful[read]}
    digits = slots_of(*sure("7ABC1"), swapped, *sure("3"))
    assert text_of(model.weighed(digits, {"US-CA": 1.0})) == f"7ABC1{read}3"


def test_what_the_picture_shows_surely_stays(model: FormatModel) -> None:
    """Owners' choices follow no format; nothing that was read surely is bent into one."""
    for text in ("70BC123", "GOB1RDS", "B0SS", "1", "ABCDEF"):
        assert text_of(model.weighed(slots_of(*sure(text)), {"US-CA": 1.0})) == text


def test_an_inserted_character_is_doubted_and_a_lost_one_kept_open(model: FormatModel) -> None:
    inserted = slots_of({"1": 0.5, "_": 0.49}, *sure("7ABC123"))
    assert text_of(inserted) == "17ABC123"
    assert text_of(model.weighed(inserted, {"US-CA": 1.0})) == "7ABC123"
    lost = slots_of(*sure("7ABC12"), {"3": 0.3, "_": 0.69})
    assert text_of(lost) == "7ABC12"
    assert text_of(model.weighed(lost, {"US-CA": 1.0})) == "7ABC123"


def test_a_surely_empty_slot_stays_empty(model: FormatModel) -> None:
    slots = slots_of(*sure("7ABC12"))
    assert text_of(model.weighed(slots, {"US-CA": 1.0})) == "7ABC12"


def test_the_format_of_another_region_settles_nothing(model: FormatModel) -> None:
    slots = slots_of(*sure("7A"), {"0": 0.55, "O": 0.44}, *sure("C123"))
    assert text_of(model.weighed(slots, {"US-WA": 1.0})) == "7A0C123"


def test_no_strength_changes_nothing(model: FormatModel) -> None:
    slots = slots_of(*sure("7A"), {"0": 0.55, "O": 0.44}, *sure("C123"))
    np.testing.assert_allclose(model.weighed(slots, {}, 0.0, 0.0), slots, atol=1e-6)


def test_a_country_stands_for_its_states(model: FormatModel) -> None:
    slots = slots_of(*sure("7A"), {"0": 0.55, "O": 0.44}, *sure("C123"))
    np.testing.assert_allclose(
        model.weighed(slots, {"US": 1.0}), model.weighed(slots, {"US-CA": 0.5, "US-WA": 0.5}), atol=1e-6
    )


def test_evidence_is_the_sum_over_all_that_a_reading_may_be(model: FormatModel) -> None:
    """Against a sum written out: a serial at two lengths, one slot open."""
    slots = slots_of(*sure("123ABC"), {"_": 0.5, "4": 0.5}, most=7)
    by_region = dict(zip(model.regions, model.evidence(slots), strict=True))
    assert by_region["US-WA"] > 100 * by_region["US-CA"]
    assert by_region["US-CA"] == pytest.approx(by_region["FR"], rel=0.2)
    assert min(by_region.values()) > 0.1


def test_evidence_tells_regions_apart(packaged: FormatModel) -> None:
    def likeliest(text: str) -> str:
        return packaged.regions[int(packaged.evidence(slots_of(*sure(text))).argmax())]

    assert likeliest("7ABC123") == "US-CA"
    assert likeliest("AB123CD") in ("FR", "IT")
    assert likeliest("CJ12XYZ") == "RO"
    assert likeliest("1234BCD") == "ES"


def test_an_ocr_may_order_or_lack_characters(model: FormatModel) -> None:
    slots = slots_of(*sure("7A"), {"0": 0.55, "8": 0.44}, *sure("C123"))
    backwards = FormatModel(FORMATS, ALPHABET[::-1], "_")
    np.testing.assert_allclose(
        backwards.weighed(slots[:, ::-1], {})[:, ::-1], model.weighed(slots, {}), rtol=1e-4, atol=1e-7
    )
    digits_only = FormatModel(FORMATS, "0123456789_", "_")
    some = np.full((3, 11), 1 / 11, np.float32)
    assert np.isfinite(digits_only.weighed(some, {})).all()


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 2.0))
def test_slots_stay_distributions(model: FormatModel, seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    slots = rng.dirichlet(np.full(len(ALPHABET), spread / 10), 10).astype(np.float32)
    weighed = model.weighed(slots, {"US": 0.7})
    assert weighed.shape == slots.shape
    assert (weighed >= 0).all()
    np.testing.assert_allclose(weighed.sum(axis=1), 1, atol=1e-5)
    assert (model.evidence(slots) > 0).all()


def test_a_blank_reading_says_nothing(packaged: FormatModel) -> None:
    blank = np.zeros((10, len(ALPHABET)), np.float32)
    blank[:, -1] = 1
    np.testing.assert_array_equal(packaged.weighed(blank, {}), blank)
    assert len(set(packaged.evidence(blank).tolist())) == 1
