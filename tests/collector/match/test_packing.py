import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from collector.match import packing

PLATES = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", max_size=12)
ANY = PLATES | st.text(max_size=16).filter(lambda text: "\0" not in text)


@given(st.lists(PLATES))
def test_what_is_packed_is_unpacked_and_the_letter_o_comes_back_from_its_mask(texts: list[str]) -> None:
    keys = packing.pack(texts)
    assert packing.unpack(keys) == [text.replace("O", "0") for text in texts]
    assert packing.unpack(keys, packing.o_masks(packing.as_bytes(texts)) if texts else None) == texts
    assert (keys < packing.ODD).all()
    masks = packing.o_masks(packing.as_bytes(texts)).tolist() if texts else []
    assert [packing.unpack_one(key, mask) for key, mask in zip(keys.tolist(), masks, strict=True)] == texts


@given(st.lists(ANY, min_size=1))
@example(["", "A" * 12, "A" * 13, "a", "Ä", "A B", "\ud800"])
def test_keys_are_equal_where_texts_are_but_for_o_and_0(texts: list[str]) -> None:
    keys = packing.pack(texts).tolist()
    folded = [text.replace("O", "0") for text in texts]
    for one, key in zip(folded, keys, strict=True):
        for other, other_key in zip(folded, keys, strict=True):
            assert (one == other) == (key == other_key)


@given(st.lists(ANY, min_size=1))
def test_a_text_that_does_not_fit_has_a_key_above_all_others(texts: list[str]) -> None:
    for text, key in zip(texts, packing.pack(texts).tolist(), strict=True):
        fits = len(text) <= packing.LONGEST and all(c.isascii() and (c.isdigit() or c.isupper()) for c in text)
        assert (key < packing.ODD) == fits


@given(st.lists(PLATES, min_size=1))
def test_bytes_are_packed_as_texts_are(texts: list[str]) -> None:
    keys, fits = packing.pack_bytes(packing.as_bytes(texts))
    assert fits.all()
    assert keys.tolist() == packing.pack(texts).tolist()


def test_bytes_that_are_no_plate_do_not_fit() -> None:
    rows = np.zeros((5, 13), np.uint8)
    rows[0, :13] = ord("A")
    rows[1, :2] = (ord("A"), ord("a"))
    rows[2, :3] = (ord("A"), 0, ord("B"))
    rows[3, 0] = 200
    rows[4, :12] = ord("A")
    assert packing.pack_bytes(rows)[1].tolist() == [False, False, False, False, True]


def test_a_longer_text_continues_the_key_of_a_shorter_one() -> None:
    front, behind, both = packing.pack(["7AB", "123", "7AB123"]).tolist()
    assert both == front * packing.BASE**3 + behind


def test_nothing_has_no_keys() -> None:
    assert len(packing.pack([])) == 0
    assert packing.unpack(packing.pack([])) == []
