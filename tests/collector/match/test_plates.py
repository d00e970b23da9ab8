import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.match.plates import fold, normalise


@pytest.mark.parametrize("written", ["7abc123", " 7ABC-123 ", "7 abc·123", "７ＡＢＣ１２３"])
def test_pains_13_letter_case_and_separators_do_not_count(written: str) -> None:
    assert normalise(written) == "7ABC123"


def test_letters_of_other_countries_stay() -> None:
    assert normalise("b-öx 12") == "BÖX12"


@given(st.text(max_size=12))
def test_normalising_and_folding_again_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert fold(fold(normalise(text))) == fold(normalise(text))
