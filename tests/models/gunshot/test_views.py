"""Views keep folds and licences apart, and label only what is sure."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.gunshot.corpus import BACKGROUND, FIREWORKS, GUNSHOT, IMPULSIVE, Recording
from models.gunshot.sampling import allowed_for, chances
from models.gunshot.views import EVERY_FOLD, Stacked, Views, _mixed_kind, plan, prepare


def recording(path: Path, kind: int, fold: int, *, clean: bool) -> Recording:
    return Recording(path.name, path, 0.0, None, kind, "x", path.stem, "y", fold, clean, None, False)


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    rng = np.random.default_rng(1)
    made = []
    for fold in range(4):
        for kind in (GUNSHOT, BACKGROUND):
            for clean in (True, False):
                path = tmp_path / f"{fold}{kind}{clean}.flac"
                soundfile.write(path, rng.standard_normal(8000) * 0.1, 16_000)
                made.append(recording(path, kind, fold, clean=clean))
    return made


def test_views_are_made_once_and_stay_in_their_fold(recordings: list[Recording], tmp_path: Path) -> None:
    made = prepare(recordings, None, tmp_path / "views", share=0.02, workers=1)
    again = prepare(recordings, None, tmp_path / "views", share=0.02, workers=1)

    assert len(made.kind) == len(plan(recordings, 0.02))
    np.testing.assert_array_equal(made.pictures[:], again.pictures[:])
    for row, number in enumerate(made.recording):
        if number >= 0:
            assert made.fold[row] == recordings[number].fold
            assert made.clean[row] == recordings[number].clean
        else:
            assert made.fold[row] == EVERY_FOLD
            assert not made.sure[row]


def test_views_of_other_recordings_are_refused(recordings: list[Recording], tmp_path: Path) -> None:
    prepare(recordings, None, tmp_path / "views", share=0.02, workers=1)

    with pytest.raises(SystemExit, match="something else"):
        prepare(recordings[:-1], None, tmp_path / "views", share=0.02, workers=1)


@pytest.mark.parametrize(
    ("main", "other", "below_db", "told"),
    [
        ((GUNSHOT, True), (BACKGROUND, True), 10.0, (GUNSHOT, True)),
        ((GUNSHOT, True), (BACKGROUND, True), -6.0, (GUNSHOT, False)),
        ((BACKGROUND, True), (GUNSHOT, True), 20.0, (GUNSHOT, False)),
        ((BACKGROUND, True), (GUNSHOT, True), -5.0, (GUNSHOT, True)),
        ((FIREWORKS, True), (IMPULSIVE, True), 3.0, (FIREWORKS, True)),
        ((BACKGROUND, True), (BACKGROUND, False), 5.0, (BACKGROUND, False)),
    ],
)
def test_a_shot_is_labelled_where_it_is_the_louder(
    main: tuple[int, bool], other: tuple[int, bool], below_db: float, told: tuple[int, bool]
) -> None:
    assert _mixed_kind(main, other, below_db) == told


def views(fold: list[int], clean: list[bool], plain: list[bool]) -> Views:
    count = len(fold)
    return Views(
        np.zeros((count, 2, 2), np.float16),
        np.zeros((count, 3), np.float16),
        np.zeros((count, 3), np.float16),
        np.zeros(count, np.int32),
        np.zeros(count, np.int8),
        np.ones(count, bool),
        np.array(fold, np.int8),
        np.array(clean),
        np.zeros(count, bool),
        np.array(plain),
    )


def test_nothing_of_a_held_out_fold_or_a_restricted_licence_is_drawn() -> None:
    some = views([0, 1, 2, EVERY_FOLD], [True, True, False, True], [False] * 4)

    assert allowed_for("gunshot", (0,), some).tolist() == [False, True, False, True]
    assert allowed_for("gunshot-mn04", (), some).tolist() == [True, True, False, True]
    assert allowed_for("gunshot-research", (0, 1), some).tolist() == [False, False, True, True]


def test_plain_views_are_drawn_more_often(recordings: list[Recording]) -> None:
    some = views([1, 1, 1], [True] * 3, [False, True, True])

    drawn = chances(recordings, some, np.array([True, True, False]), plain=5.0, live_fire=0.1)

    np.testing.assert_allclose(drawn, [1 / 6, 5 / 6, 0])


def test_stacked_arrays_are_read_as_one() -> None:
    stacked = Stacked(np.arange(3, dtype=np.float16), np.arange(10, 14, dtype=np.float16))

    np.testing.assert_array_equal(stacked[np.array([0, 2, 3, 6])], [0, 2, 10, 13])
