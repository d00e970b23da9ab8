"""Faces: what they show, what they say they show, and that chance comes from the caller alone."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.plate_rendering import faces, looks
from models.plate_rendering.alphabet import CHARACTERS
from models.plate_rendering.fonts import STYLES
from models.plate_rendering.graphics import ART, paint
from models.plate_rendering.layouts import broken, layout_for, layout_of
from models.plate_rendering.looks import SHAPES, Art, Look, load
from models.plate_rendering.serials import Serial, chosen, fill, formats, text_of
from models.plate_rendering.setting import _strip
from models.plate_rendering.strays import stray_look

HERE = Path(looks.__file__).parent


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def drawn() -> list[faces.Face]:
    """Faces as training draws them."""
    generator = rng(1)
    return [faces.draw(generator) for _ in range(200)]


def test_every_region_can_be_drawn() -> None:
    for region in (*faces.REGIONS, ""):
        face = faces.draw(rng(), region)
        assert face.region == region
        assert face.image.dtype == np.uint8
        assert face.image.shape[1::-1] in SHAPES.values(), region
        assert 1 <= len(face.text) <= 10, region
        assert set(face.text) <= set(CHARACTERS), region


def test_the_same_generator_gives_the_same_faces() -> None:
    first, second = rng(3), rng(3)
    for _ in range(20):
        a, b = faces.draw(first), faces.draw(second)
        assert (a.text, a.region, a.lines) == (b.text, b.region, b.lines)
        assert np.array_equal(a.image, b.image)


def test_a_face_is_the_callers_own() -> None:
    before = faces.draw(rng(5), "US-CA")
    before.image[:] = 0
    assert faces.draw(rng(5), "US-CA").image.any()


def test_a_text_that_is_asked_for_is_on_the_plate() -> None:
    for seed in range(4):
        one, other = (faces.draw(rng(seed), "US-TX", text) for text in ("BK7T421", "BK7T427"))
        assert one.text == "BK7T421"
        assert (one.image != other.image).any()


@pytest.mark.parametrize("text", ["", "ab", "A-1", "Ä1"])
def test_a_text_that_no_plate_shows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected one or more of A-Z and 0-9"):
        faces.draw(rng(), "US-TX", text)


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'US-XX'"):
        faces.draw(rng(), "US-XX")


def test_regions_name_every_state() -> None:
    assert len([code for code in faces.REGIONS if code.startswith("US-")]) == 51
    assert faces.REGIONS[-1] == "Other"
    assert len(set(faces.REGIONS)) == len(faces.REGIONS)


def test_most_draws_are_states_and_some_are_nobodys(drawn: list[faces.Face]) -> None:
    regions = [face.region for face in drawn]
    assert 0.5 < sum(code.startswith("US-") for code in regions) / len(drawn) < 0.75
    assert 0.05 < regions.count("") / len(drawn) < 0.25


def test_two_line_plates_are_rare_and_say_so(drawn: list[faces.Face]) -> None:
    lines = [face.lines for face in drawn]
    assert set(lines) == {1, 2}
    assert lines.count(2) / len(lines) < 0.12


def test_marks_and_stacked_letters_are_not_in_the_text() -> None:
    assert text_of("[CB]12*A-3|B@&~9") == "12A3B9"


def test_some_plates_carry_small_letters_emblems_and_wheelchairs_that_no_text_has() -> None:
    generator = rng(7)
    look = Look("US-NY", "ffffff", "000000", serials=("AAA*9999",))
    layouts = [layout_for(look, generator) for _ in range(600)]
    for mark, least in (("[", 30), ("@", 25), ("&", 6)):
        carrying = [layout for layout in layouts if mark in layout]
        assert len(carrying) >= least
        assert all(set(text_of(layout)) <= set(CHARACTERS) for layout in carrying)


@pytest.mark.parametrize("small", ["A", "AB", "ABC"])
def test_small_letters_stand_beside_the_serial_and_stay_small(small: str) -> None:
    strip = _strip(Look("", "ffffff", "000000"), f"[{small}]123", "us-ca", rng(8)).opacity
    _, _, boxes, _ = cv2.connectedComponentsWithStats((strip > 96).astype(np.uint8))
    lefts, heights = boxes[1:, cv2.CC_STAT_LEFT], boxes[1:, cv2.CC_STAT_HEIGHT]
    of_serial = heights > 0.9 * strip.shape[0]
    assert of_serial.sum() == 3
    assert (~of_serial).sum() == len(small)
    assert heights[~of_serial].max() < 0.6 * strip.shape[0]
    assert lefts[~of_serial].max() < lefts[of_serial].min()


def test_looks_that_are_nobodys_come_in_every_shape() -> None:
    assert {stray_look(number).shape for number in range(60)} == {"us", "moto", "eu"}


def test_formats_give_serials_that_fit_them() -> None:
    generator = rng(4)
    for serials in formats().values():
        for weight, serial in serials:
            assert weight > 0
            text = text_of(serial.make(generator))
            assert serial.fits(text)
            assert not serial.starts or text.startswith(serial.starts)


def test_letters_that_a_format_leaves_out_do_not_occur() -> None:
    generator = rng(5)
    made = "".join(fill("AAAAAAA", generator, "IOQ") for _ in range(100))
    assert not set(made) & set("IOQ")


def test_marks_are_put_between_the_characters_of_a_given_text() -> None:
    assert Serial("9A 99999").spread("3B12345") == "3B 12345"
    look = Look("US-NY", "ffffff", "000000", serials=("AAA*9999",))
    assert layout_of(look, "ABC1234") == "ABC*1234"
    assert layout_of(look, "HELLO") == "HELLO"


def test_what_owners_choose_is_short() -> None:
    generator = rng(6)
    for _ in range(300):
        assert 2 <= len(text_of(chosen(generator))) <= 8


def test_layouts_break_into_two_lines() -> None:
    assert broken("B 123 ABC") == "B|123 ABC"
    assert broken("AB123C") == "AB1|23C"
    assert text_of(broken("AB-123-CD")) == "AB123CD"


@pytest.mark.parametrize("table", ["looks_us.toml", "looks_world.toml"])
def test_looks_name_graphics_and_styles_that_exist(table: str) -> None:
    for look in load(HERE / table):
        arts = (*look.art, *((look.picture,) if look.picture else ()))
        assert {art.name for art in arts} <= set(ART)
        assert {word.style for word in look.words} <= set(STYLES)
        assert all(len(code) == 6 for art in arts for code in art.colours)
        assert look.region in faces.REGIONS


def test_a_look_with_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    table = tmp_path / "looks.toml"
    table.write_text('[[looks]]\nregion = "US-TX"\nground = "ffffff"\nink = "000000"\ncolor = "red"\n')
    with pytest.raises(ValueError, match=r"looks\.toml: looks\[1\] \(US-TX\): .*color"):
        load(table)


def test_a_look_of_an_unknown_shape_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "looks.toml"
    table.write_text('[[looks]]\nregion = "US-TX"\nground = "ffffff"\nink = "000000"\nshape = "round"\n')
    with pytest.raises(ValueError, match="got 'round', expected one of us"):
        load(table)


def test_every_graphic_draws_within_reach_of_its_box() -> None:
    for name in ART:
        canvas = np.full((200, 200, 3), 128, np.uint8)
        paint(canvas, Art(name, colours=("ff0000", "00ff00", "0000ff")), (80, 80, 40, 40))
        changed = np.argwhere((canvas != 128).any(axis=2))
        assert len(changed), name
        assert changed.min() >= 70, name
        assert changed.max() <= 130, name
