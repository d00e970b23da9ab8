"""The dies draw every character, alike every time, and keep apart what must be told apart."""

import cv2
import numpy as np
import pytest

from models.plate_rendering import catalogue, dies, fonts
from models.plate_rendering.alphabet import CHARACTERS, FORMS
from models.plate_rendering.strokes import Pen, stamp

STATES = (
    "al ak az ar ca co ct dc de fl ga hi ia id il in ks ky la ma md me mi mn mo ms mt nc nd ne nh nj nm nv ny oh ok or "
    "pa ri sc sd tn tx ut va vt wa wi wv wy"
)
# Pairs that people and machines confuse, yet every die draws them differently. O and 0 are alike on many.
CONFUSABLE = (
    *("08", "B8", "S5", "2Z", "D0", "CG", "EF", "PR", "UV", "MN"),
    *("17", "69", "6G", "38", "AR", "KX", "OQ", "VY", "49"),
)
PEN = Pen(stroke=0.12, corner_x=0.2, corner_y=0.2)


def overlap(left, right):
    """Share of ink that two masks have in common when brought to one width."""
    width = max(left.shape[1], right.shape[1])
    left, right = (cv2.resize(mask, (width, mask.shape[0])).astype(float) for mask in (left, right))
    return np.minimum(left, right).sum() / np.maximum(left, right).sum()


def test_a_die_has_every_character_at_full_height_and_tight_in_width():
    for die in dies.die_names():
        for character in CHARACTERS:
            which = f"{die}: {character}"
            mask = dies.glyph(die, character, 60)
            assert mask.dtype == np.uint8
            assert mask.shape[0] == 60
            assert 3 <= mask.shape[1] <= 80, which
            for edge in (mask[:2], mask[-2:], mask[:, :2], mask[:, -2:]):
                assert edge.max() > 64, f"{which} stops short of an edge"
            solid = (mask > 128).mean()
            assert solid > 0.1, which
            assert solid < 0.86 or character in "I1", f"{which}: {solid:.2f}"


def test_a_die_keeps_confusable_characters_apart():
    for die in dies.die_names():
        for one, other in CONFUSABLE:
            common = overlap(dies.glyph(die, one, 60), dies.glyph(die, other, 60))
            assert common < 0.955, f"{die}: {one}{other}: {common:.3f}"


def test_our_own_dies_never_draw_i_and_1_alike():
    for die in catalogue.NAMED:
        letter, digit = dies.glyph(die, "I", 60), dies.glyph(die, "1", 60)
        assert letter.shape != digit.shape or overlap(letter, digit) < 0.955, die


def test_every_state_has_a_die_of_its_own():
    assert len(STATES.split()) == 51
    assert {f"us-{state}" for state in STATES.split()} <= set(dies.die_names())


def test_european_and_american_dies_are_there():
    expected = {"din", "din-narrow", "fe", "uk", "fr", "nl", "it", "pl", "ro", "scand", "mx", "br", "mercosul"}
    assert expected <= set(dies.die_names())


def test_a_mask_is_shared_and_cannot_be_written_to():
    mask = dies.glyph("us-ca", "A", 60)
    assert mask is dies.glyph("us-ca", "A", 60)
    with pytest.raises(ValueError, match="read-only"):
        mask[0, 0] = 1


def test_a_variation_is_another_die_but_always_the_same():
    first = [dies.glyph("us~7", character, 60).copy() for character in CHARACTERS]
    for cache in (dies.glyph, dies._drawn, dies._resolved):
        cache.cache_clear()
    assert all(np.array_equal(dies.glyph("us~7", c, 60), mask) for c, mask in zip(CHARACTERS, first, strict=True))
    assert not all(np.array_equal(dies.glyph("us~8", c, 60), mask) for c, mask in zip(CHARACTERS, first, strict=True))


@pytest.mark.parametrize("family", ["us", "eu", "any", "fe", "us-mo"])
def test_random_dies_can_all_be_drawn(family):
    rng = np.random.default_rng(3)
    names = {dies.random_die(rng, family) for _ in range(40)}
    assert len(names) > (3 if family in ("fe", "us-mo") else 20)
    for name in names:
        assert 0.03 < dies.spacing(name) < 0.3
        for character in "A8W1Q":
            assert dies.glyph(name, character, 48).shape[0] == 48


def test_a_nine_is_its_dies_six_after_half_a_turn():
    for die in ("us-ca", "us~11", "fe"):
        six, nine = dies.glyph(die, "6", 80), dies.glyph(die, "9", 80)
        assert overlap(six, nine[::-1, ::-1]) > 0.85


def test_characters_of_germanys_plates_have_their_gaps():
    # A ring encloses one counter; the German zero is slit, so its inside is joined to the outside.
    def counters(die, character):
        framed = cv2.copyMakeBorder(dies.glyph(die, character, 90), 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0)
        return cv2.connectedComponents((framed < 128).astype(np.uint8), connectivity=4)[0] - 2

    assert counters("din", "0") == 1
    assert counters("fe", "0") == 0
    assert counters("din", "P") == 1
    assert counters("fe", "P") == 0


def test_unknown_names_say_what_there_is():
    rng = np.random.default_rng(1)
    with pytest.raises(KeyError, match="us-ca"):
        dies.glyph("us-xx", "A", 60)
    with pytest.raises(KeyError, match="expected one of ABC"):
        dies.glyph("us-ca", "a", 60)
    with pytest.raises(KeyError, match="expected us, eu, any"):
        dies.random_die(rng, "atlantis")
    with pytest.raises(ValueError, match="script"):
        fonts.lettering("Texas", "gothic", 20)
    with pytest.raises(ValueError, match="nothing to see"):
        fonts.lettering("  ", "sans", 20)


def test_fonts_that_are_missing_are_named_with_their_package(tmp_path):
    missing = fonts.missing(tmp_path)
    assert missing["roadgeek-b"] == "fonts-roadgeek"
    assert set(fonts.DIE_FONTS) <= set(missing)
    assert not set(fonts.missing()) & set(dies.die_names())
    with pytest.raises(FileNotFoundError, match="not there"):
        fonts.outline("no-such-font", "A")


def test_without_fonts_our_own_dies_and_lettering_are_enough(monkeypatch):
    monkeypatch.setattr(fonts, "present", lambda name: False)
    rng = np.random.default_rng(4)
    assert dies.die_names() == tuple(catalogue.NAMED)
    for family in ("us", "eu", "any"):
        drawn = {dies.random_die(rng, family).partition("~")[0] for _ in range(60)}
        assert not drawn & set(fonts.DIE_FONTS)
    for style in fonts.STYLES:
        mask = fonts.lettering("Zzyzx", style, 21)
        assert mask.shape[0] == 21
        assert mask.max() > 200
    fonts.lettering.cache_clear()


@pytest.mark.parametrize("style", fonts.STYLES)
def test_lettering_fills_its_height(style):
    mask = fonts.lettering("California", style, 20)
    assert mask.shape[0] == 20
    assert mask.shape[1] > 40
    assert mask[0].max() > 32
    assert mask[-1].max() > 32
    assert mask is fonts.lettering("California", style, 20)


def test_square_ends_fill_the_corner_that_round_ones_leave():
    paths = ("0,0 0,1 1,1",)
    rounded = stamp(paths, 0.5, 80, PEN)
    square = stamp(paths, 0.5, 80, Pen(0.12, 0.2, 0.2, ends="square"))
    assert rounded[-2, 1] < 128
    assert min(square[-2, 1], square[-2, -2], square[1, 1]) > 200


@pytest.mark.parametrize("ends", ["round", "square"])
@pytest.mark.parametrize("stroke", [0.08, 0.1, 0.13, 0.17])
def test_a_stroke_is_as_wide_as_asked(ends, stroke):
    upright = stamp(("0,0 0,1",), 0, 96, Pen(stroke, 0.2, 0.2, ends=ends))
    assert upright[48].sum() / 255 == pytest.approx(stroke * 96, abs=0.6)


def test_softness_rounds_and_slant_leans():
    paths = ("0,0 0,1",)
    hard = stamp(paths, 0, 80, Pen(0.2, 0.2, 0.2, ends="square"))
    soft = stamp(paths, 0, 80, Pen(0.2, 0.2, 0.2, ends="square", softness=0.6))
    lean = stamp(paths, 0, 80, Pen(0.2, 0.2, 0.2, ends="square", slant=0.2))
    assert soft[0, 0] < hard[0, 0]
    assert soft.shape[0] == 80
    assert np.argmax(lean[2]) > np.argmax(lean[-3])


def test_a_path_that_cannot_be_read_is_quoted():
    with pytest.raises(ValueError, match='vertex "0;1"'):
        stamp(("0,0 0;1",), 0.5, 80, PEN)


def test_every_form_can_be_drawn():
    for character, forms in FORMS.items():
        for name, shape in forms.items():
            for pen in (PEN, Pen(0.14, 0.25, 0.25, ends="square", softness=0.2)):
                mask = stamp(shape.paths, shape.width * 0.5, 64, pen)
                assert mask.any(), f"{character}:{name}"


def test_a_catalogue_that_asks_for_what_there_is_not_is_refused():
    row = 'width = 0.4, stroke = 0.1, corner = [0.2, 0.2], gap = 0.1, forms = "{}"'
    assert catalogue.read("[us]\na = { " + row.format("1:foot") + " }", "x.toml")["us"]["a"].forms["1"] == "foot"
    with pytest.raises(ValueError, match=r'x.toml: us.a: got form "wavy" for 1, expected one of flag, foot'):
        catalogue.read("[us]\na = { " + row.format("1:wavy") + " }", "x.toml")
    with pytest.raises(ValueError, match=r"x.toml: us.a: .*colour"):
        catalogue.read("[us]\na = { colour = 1, " + row.format("") + " }", "x.toml")
    with pytest.raises(ValueError, match=r"x.toml: us.a: .*gap"):
        catalogue.read("[us]\na = { width = 0.4 }", "x.toml")
