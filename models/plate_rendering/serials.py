"""Texts of number plates: serials by format, and what owners choose.

A *layout* is a string as a face is set: letters and digits, and between them marks: " " a gap, "-" a dash, "*" the
picture in mid-plate, "[AB]" small letters stacked one above the other, "@" an emblem, "&" the wheelchair, "~" a heart,
"|" the break between two lines. The marks are not in the text that a reader reports. No state but the table of formats,
read once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from edge_agent.plates.formats import load_formats

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = "0123456789"
_PARTS = re.compile(r"\[[^\]]*\]|.")
_MARKS = re.compile(r"\[[^\]]*\]|[^A-Z0-9]")
# Words of the kind that people buy; what matters is only that they are no serials.
_SAYINGS = """
ALOHA ANGEL ARTIST ATTY AWESOME BABY BANDIT BEACH BEAR BEER BENZ BIGDOG BIKER BIRDIE BLESSED BLUE BOAT BOSS BRAVO
BUBBA BUNNY BUSY BYE CAMP CANDY CARGUY CHEF CHILL CLASSY COACH COFFEE COOL COWBOY CRAZY CRUISE CUTIE DADDY DANCE DIVA
DOC DOGS DREAM DUCK EAGLE ELVIS ENJOY FAITH FAMILY FAST FIDDLE FISH FLYBOY FORD FREE FUN GATOR GEEK GIRL GOBLUE GOLF
GONE GOOD GRAMMY GRANDMA GREEN GYM HAPPY HAWK HEART HEY HIKER HOCKEY HOME HONEY HOPE HORSE HOTROD HUNTER ICE IMAGINE
IRISH ISLAND JAZZ JEEP JET JOY JUDGE JUICY JULIE JUMP KARMA KIDS KING KITTY KNIT KOALA LADY LAKE LASER LAW LEMON
LIBERTY LION LOVE LUCKY LUNA MAGIC MAMA MAX MELODY MIMI MINI MOM MOON MUSIC MUSTANG MY NANA NAVY NERD NICE NINJA NURSE
OCEAN OHANA OLD OPERA ORCHID PAPA PARTY PEACE PEARL PHOTO PIANO PILOT PINK PIZZA POET PRINCE PUPPY QUEEN QUICK QUIET
QUILT RACER RANCH REBEL RED RIDE RIVER ROCK ROYAL RUBY RUN SAILOR SALSA SASSY SHARK SHINY SILVER SKI SKY SMILE SMOKEY
SNOW SOCCER SOLAR SPEED SPOILED STAR STORM SUNNY SURF SWEET TANGO TAXI TEACH TENNIS TIGER TOYS TRAVEL TRUCK TURBO
UNCLE UNICORN VEGAN VETTE VIOLET VIPER VOLVO WALRUS WATER WILD WINE WIZARD WOLF WOW YES YOGA YOUNG ZEBRA ZEN ZIPPY
ZOOM EXPLORE JINX JOKER KAYAK OXFORD PHOENIX QUARTZ WAXED XRAY
"""
_WORDS = tuple(_SAYINGS.split())
_SPOKEN = (
    ("ATE", "8"),
    ("FOR", "4"),
    ("TO", "2"),
    ("ONE", "1"),
    ("O", "0"),
    ("I", "1"),
    ("E", "3"),
    ("S", "5"),
    ("YOU", "U"),
)


def text_of(layout: str) -> str:
    """Return the letters and digits that a person reports of ``layout``."""
    return _MARKS.sub("", layout)


def parts_of(layout: str) -> list[str]:
    """Split ``layout`` into its characters and marks."""
    return _PARTS.findall(layout)


def fill(pattern: str, rng: np.random.Generator, without: str = "") -> str:
    """Make a layout of ``pattern``: "A" becomes a letter, "9" a digit, everything else stays.

    Args:
        pattern: a serial format.
        rng: where chance comes from.
        without: letters that the format does not use.
    """
    letters = [c for c in _LETTERS if c not in without] if without else _LETTERS
    picks = rng.random(len(pattern))
    out = []
    for mark, pick in zip(pattern, picks.tolist(), strict=True):
        if mark == "A":
            out.append(letters[int(pick * len(letters))])
        elif mark == "9":
            out.append(_DIGITS[int(pick * 10)])
        else:
            out.append(mark)
    return "".join(out)


def chosen(rng: np.random.Generator) -> str:
    """Make a layout of 2 to 8 characters as owners choose them: words, cut, respelled, with figures or initials."""
    kind = rng.random()
    word = _WORDS[int(rng.integers(len(_WORDS)))]
    if kind < 0.3:
        layout = word
    elif kind < 0.5:
        said, written = _SPOKEN[int(rng.integers(len(_SPOKEN)))]
        layout = word.replace(said, written)
    elif kind < 0.7:
        other = _WORDS[int(rng.integers(len(_WORDS)))]
        layout = (
            word[: int(rng.integers(1, 5))] + (" ", "", "-", "~")[int(rng.choice(4, p=(0.4, 0.35, 0.15, 0.1)))] + other
        )
    elif kind < 0.85:
        layout = (
            word[: int(rng.integers(1, 6))] + ("", " ", "-")[int(rng.integers(3))] + str(int(rng.integers(1, 2000)))
        )
    else:
        # Initials and consonants: nothing that a dictionary could help with.
        layout = "".join(rng.choice(list(_LETTERS + _DIGITS * (rng.random() < 0.5)), int(rng.integers(2, 8))).tolist())
    layout = layout[: int(rng.choice([5, 6, 7, 8], p=(0.1, 0.3, 0.5, 0.1)))].strip(" -~")
    return layout if len(text_of(layout)) > 1 else word[:7]


@dataclass(frozen=True, slots=True)
class Serial:
    """One serial format.

    Attributes:
        pattern: as ``fill`` reads it.
        without: letters that it does not use.
        starts: what its first characters must be; none: anything.
    """

    pattern: str
    without: str = ""
    starts: tuple[str, ...] = ()

    def make(self, rng: np.random.Generator) -> str:
        """Make a layout of this format."""
        layout = fill(self.pattern, rng, self.without)
        if self.starts:
            start = self.starts[int(rng.integers(len(self.starts)))]
            layout = start + layout[len(start) :]
        return layout

    def fits(self, text: str) -> bool:
        """Whether ``text``, letters and digits only, is of this format."""
        return _regex(self.pattern).fullmatch(text) is not None

    def spread(self, text: str) -> str:
        """Put the marks of this format between the characters of ``text``, which fits it."""
        rest = iter(text)
        return "".join(next(rest) if part.isalnum() else part for part in parts_of(self.pattern))


@lru_cache(maxsize=2000)
def _regex(pattern: str) -> re.Pattern[str]:
    plain = _MARKS.sub("", pattern)
    return re.compile("".join("[A-Z]" if c == "A" else "[0-9]" if c == "9" else c for c in plain))


@lru_cache(maxsize=1)
def formats() -> dict[str, tuple[tuple[float, Serial], ...]]:
    """Return the serial formats of every region, each with its share of the region's plates.

    Raises:
        ModelError: the table of formats is not as it should be.
    """
    found: dict[str, list[tuple[float, Serial]]] = {}
    for row in load_formats(Path(__file__).parent.parent / "plate_formats" / "formats.toml"):
        found.setdefault(row.region, []).append((row.weight, Serial(row.pattern, row.without, row.starts)))
    return {region: tuple(serials) for region, serials in found.items()}
