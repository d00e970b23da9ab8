import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain import Rule
from collector.match.plates import compare, fold, normalise


@pytest.mark.parametrize("written", ["7abc123", " 7ABC-123 ", "7 abc·123", "７ＡＢＣ１２３"])
def test_pains_13_letter_case_and_separators_do_not_count(written: str) -> None:
    assert normalise(written) == "7ABC123"


def test_letters_of_other_countries_stay() -> None:
    assert normalise("b-öx 12") == "BÖX12"


@pytest.mark.parametrize(
    ("seen", "listed", "rule"),
    [
        ("7ABC123", "7ABC123", Rule.EXACT),
        ("O1I0", "0I10", Rule.FOLDED),
        ("7ABC123", "7ABC128", None),
        ("ABC", "ABCD", None),
    ],
)
def test_what_counts_as_the_same(seen: str, listed: str, rule: Rule | None) -> None:
    assert compare(seen, listed) is rule
    assert compare(listed, seen) is rule


@given(st.text(max_size=12))
def test_normalising_and_folding_again_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert fold(fold(normalise(text))) == fold(normalise(text))
