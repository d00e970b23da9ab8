import pytest

from edge_agent.plates.characters import characters_of


def test_each_character_has_its_runner_up_and_empty_slots_are_left_out(reading) -> None:
    answer = reading("AB1")
    slot = answer.probabilities[1]
    slot[:] = 0
    slot[answer.alphabet.index("B")], slot[answer.alphabet.index("8")] = 0.6, 0.4
    characters = characters_of(answer)
    assert [c.character for c in characters] == ["A", "B", "1"]
    assert (characters[1].runner_up, characters[1].probability) == ("8", pytest.approx(0.6))
    assert characters[1].runner_up_probability == pytest.approx(0.4)


def test_nothing_read_has_no_characters(reading) -> None:
    assert characters_of(reading("")) == []
