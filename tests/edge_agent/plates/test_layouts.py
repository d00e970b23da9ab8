import cv2
import numpy as np

from edge_agent.plates.layouts import has_stacked_letters, joined, lines_of


def plate(*words: tuple[str, int, int, float], size: tuple[int, int] = (200, 100)) -> np.ndarray:
    """A white plate with words at (left, bottom, scale)."""
    picture = np.full((size[1], size[0], 3), 240, np.uint8)
    for text, left, bottom, scale in words:
        cv2.putText(picture, text, (left, bottom), cv2.FONT_HERSHEY_DUPLEX, scale, (20, 20, 20), 2)
    return picture


def rows(*best: tuple[int, float]) -> np.ndarray:
    """Slots over three characters, the last of which is the pad."""
    out = np.zeros((len(best), 3), np.float32)
    for slot, (at, sure) in zip(out, best, strict=True):
        slot[:] = (1 - sure) / 2
        slot[at] = sure
    return out


def test_lines_are_cut_between_the_characters() -> None:
    """pains-07"""
    upper, lower = lines_of(plate(("ABC", 40, 45, 1.3), ("1234", 30, 92, 1.3)))
    assert 45 < len(upper) < 66
    assert len(upper) + len(lower) - 100 < 12
    assert len(lower) > 30


def test_two_lines_make_one_text_in_as_many_slots() -> None:
    """pains-07"""
    upper = rows((0, 0.9), (1, 0.8), (2, 0.99), (2, 0.7))
    lower = rows((1, 0.95), (2, 0.6), (2, 0.9), (2, 0.9))
    both = joined(upper, lower, pad=2)
    assert both.argmax(axis=1).tolist() == [0, 1, 1, 2]
    assert both[3, 2] == np.float32(0.6)  # the doubt whether a line goes on is kept


def test_more_characters_than_slots_make_more_slots() -> None:
    full = rows((0, 0.9), (1, 0.9))
    assert joined(full, full, pad=2).argmax(axis=1).tolist() == [0, 1, 0, 1]


def test_lines_of_unequal_slots_keep_their_doubts_in_place() -> None:
    upper = rows((0, 0.9), (2, 0.6), (1, 0.8))
    lower = rows((2, 0.98), (1, 0.95))
    assert joined(upper, lower, pad=2).argmax(axis=1).tolist() == [0, 1, 1]
    both = joined(rows((0, 0.9), (2, 0.6), (1, 0.8), (2, 0.9)), lower, pad=2)
    assert both.argmax(axis=1).tolist() == [0, 2, 1, 1]


def test_stacked_letters_are_seen() -> None:
    """pains-07"""
    stacked = plate(("W", 8, 48, 0.8), ("V", 8, 76, 0.8), ("2468", 45, 76, 2.0))
    assert has_stacked_letters(stacked)
    assert has_stacked_letters(255 - stacked)


def test_ordinary_plates_have_none() -> None:
    assert not has_stacked_letters(plate(("ABC123", 10, 70, 1.6)))
    assert not has_stacked_letters(plate(("TEXAS", 70, 20, 0.6), ("ABC123", 10, 75, 1.6)))
    assert not has_stacked_letters(plate(("AB", 4, 30, 0.9), size=(60, 40)))


def test_stacked_letters_of_real_plates(assets) -> None:
    """pains-07: all nine of ten that were looked at and stand free, and hardly an ordinary plate."""
    folder = assets / "data" / "plates" / "us-crops"
    stacked = ["ar834", "dc545", "ma142", "mn1618", "nc1443", "nc610", "nc812", "nj654", "wy712"]
    assert all(has_stacked_letters(cv2.imread(str(folder / f"{name}.jpg"))) for name in stacked)
    ordinary = sorted(folder.glob("t*.jpg")) + sorted(folder.glob("p*.jpg")) + sorted(folder.glob("k*.jpg"))
    found = [path.stem for path in ordinary if has_stacked_letters(cv2.imread(str(path)))]
    assert len(found) <= len(ordinary) // 20, found
