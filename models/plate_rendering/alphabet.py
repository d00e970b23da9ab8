"""The alphabet: the forms that each character of a plate takes, as paths of ``strokes``.

A form is a width relative to the die's own (1 is its common width, 0 a single stroke) and its paths. A character's
first form is the common one. Forms that only forgery-hindering plates (Germany's, Mercosul's) have are named "fe".
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@dataclass(frozen=True, slots=True)
class Form:
    """One shape of one character.

    Attributes:
        width: outer width as a share of the die's width; 0 is one stroke.
        paths: its strokes.
    """

    width: float
    paths: tuple[str, ...]


def _form(width: float, *paths: str) -> Form:
    return Form(width, paths)


def _turned(form: Form) -> Form:
    """The form after half a turn: every 9 is its die's 6."""
    paths = []
    for path in form.paths:
        words = []
        for word in path.split():
            if word == "z":
                words.append(word)
                continue
            x, _, y = word.partition(",")
            corner = y[-1] if y[-1] in "oqre" else ""
            words.append(f"{1 - float(x):g},{1 - float(y[: len(y) - len(corner)]):g}{corner}")
        paths.append(" ".join(words))
    return Form(form.width, tuple(paths))


_RING = "0,0o 1,0o 1,1o 0,1o z"
_RING_SQUARED = "0,0q 1,0q 1,1q 0,1q z"
_RING_ROUND = "0,0r 1,0r 1,1r 0,1r z"
_C = "1,.26 1,0o 0,0o 0,1o 1,1o 1,.74"
_G = "1,.26 1,0o 0,0o 0,1o 1,1o "

_SIXES = {
    "plain": _form(1, "1,.25 1,0o 0,0o 0,.7", "0,.43o 1,.43o 1,1o 0,1o z"),
    "flat": _form(1, "1,.25 1,0o 0,0o 0,1o 1,1o 1,.43o 0,.43"),
    "curled": _form(1, "1,.3 1,0o 0,0o 0,.7", "0,.46o 1,.46o 1,1o 0,1o z"),
    "straight": _form(1, ".76,0 0,.56o 0,.75", "0,.44o 1,.44o 1,1o 0,1o z"),
    "short": _form(1, ".85,0 .45,0o 0,.35o 0,.75", "0,.41o 1,.41o 1,1o 0,1o z"),
    "fe": _form(1, ".68,0 0,.6 0,.7", "0,.4r 1,.4r 1,1r 0,1r z"),
}

FORMS: MappingProxyType[str, dict[str, Form]] = MappingProxyType(
    {
        "A": {
            "plain": _form(1.04, "0,1 .5,0 1,1", ".16,.68 .84,.68"),
            "flat": _form(1.04, "0,1 .34,0 .66,0 1,1", ".11,.68 .89,.68"),
            "low": _form(1.04, "0,1 .5,0 1,1", ".12,.76 .88,.76"),
            "high": _form(1.04, "0,1 .5,0 1,1", ".2,.6 .8,.6"),
            "blunt": _form(1.0, "0,1 .42,0 .58,0 1,1", ".15,.65 .85,.65"),
        },
        "B": {
            "plain": _form(1, "0,w 0,0 .93,0o .93,wo 0,w", "0,w 1,wo 1,1o 0,1 0,w"),
            "even": _form(1, "0,w 0,0 1,0o 1,wo 0,w", "0,w 1,wo 1,1o 0,1 0,w"),
            "soft": _form(1, "0,w 0,0e .93,0o .93,wo .1,w", ".1,w 1,wo 1,1o 0,1e 0,w"),
            "squared": _form(1, "0,w 0,0 .95,0q .95,wq 0,w", "0,w 1,wq 1,1q 0,1 0,w"),
        },
        "C": {
            "plain": _form(1, _C),
            "open": _form(1, "1,.19 1,0o 0,0o 0,1o 1,1o 1,.81"),
            "curled": _form(1, "1,.33 1,0o 0,0o 0,1o 1,1o 1,.67"),
        },
        "D": {
            "plain": _form(1, "0,.5 0,0 1,0o 1,1o 0,1 0,.5"),
            "soft": _form(1, "0,.5 0,0e 1,0o 1,1o 0,1e 0,.5"),
            "round": _form(1.03, "0,.5 0,0 1,0r 1,1r 0,1 0,.5"),
            "squared": _form(1, "0,.5 0,0 1,0q 1,1q 0,1 0,.5"),
        },
        "E": {
            "plain": _form(0.92, "1,0 0,0 0,1 1,1", "0,w .86,w"),
            "short": _form(0.86, "1,0 0,0 0,1 1,1", "0,w .7,w"),
            "even": _form(0.94, "1,0 0,0 0,1 1,1", "0,.5 1,.5"),
        },
        "F": {
            "plain": _form(0.92, "1,0 0,0 0,1", "0,w .84,w"),
            "short": _form(0.86, "1,0 0,0 0,1", "0,w .68,w"),
            "low": _form(0.9, "1,0 0,0 0,1", "0,.53 .85,.53"),
            "fe": _form(0.94, "1,0 0,0 0,1", "0,.42 .72,.42"),
        },
        "G": {
            "bar": _form(1, _G + "1,.54 .52,.54"),
            "short": _form(1, _G + "1,.55 .72,.55"),
            "spur": _form(1, "1,.26 1,0o 0,0o 0,1o .7,1 1,.78 1,.54 .52,.54", "1,.54 1,1"),
            "plain": _form(1, _G + "1,.52"),
            "cross": _form(1, _G + "1,.56", ".48,.56 1.16,.56"),
            "curled": _form(1, "1,.32 1,0o 0,0o 0,1o 1,1o 1,.5 .5,.5"),
        },
        "H": {
            "plain": _form(1, "0,0 0,1", "1,0 1,1", "0,.48 1,.48"),
            "low": _form(1, "0,0 0,1", "1,0 1,1", "0,.54 1,.54"),
        },
        "I": {
            "serif": _form(0.6, "0,0 1,0", ".5,0 .5,1", "0,1 1,1"),
            "plain": _form(0, "0,0 0,1"),
            "bracket": _form(0.66, "0,0 1,0", ".5,0 .5,1", "0,1 1,1"),
            "narrow": _form(0.5, "0,0 1,0", ".5,0 .5,1", "0,1 1,1"),
            "wide": _form(0.86, "0,0 1,0", ".5,0 .5,1", "0,1 1,1"),
        },
        "J": {
            "plain": _form(0.94, "1,0 1,1o 0,1o 0,.7"),
            "shallow": _form(0.88, "1,0 1,1o 0,1o 0,.82"),
            "bar": _form(0.94, ".36,0 1,0 1,1o 0,1o 0,.7"),
            "cap": _form(1, ".3,0 1,0", ".72,0 .72,1o 0,1o 0,.72"),
            "hook": _form(0.94, "1,0 1,1o 0,1o 0,.6"),
        },
        "K": {
            "plain": _form(1.02, "0,0 0,1", ".97,0 0,.64", ".34,.415 1,1"),
            "vertex": _form(1.02, "0,0 0,1", ".97,0 .06,.5 1,1"),
            "link": _form(1.02, "0,0 0,1", "0,.5 .28,.5", ".97,0 .28,.5 1,1"),
            "low": _form(1.02, "0,0 0,1", ".95,0 0,.7", ".22,.54 1,1"),
        },
        "L": {"plain": _form(0.9, "0,0 0,1 1,1"), "short": _form(0.8, "0,0 0,1 1,1"), "full": _form(1, "0,0 0,1 1,1")},
        "M": {
            "half": _form(1.12, "0,1 0,0 .5,.58 1,0 1,1"),
            "full": _form(1.14, "0,1 0,0 .5,1 1,0 1,1"),
            "short": _form(1.1, "0,1 0,0 .5,.4 1,0 1,1"),
            "deep": _form(1.14, "0,1 0,0 .5,.76 1,0 1,1"),
            "splayed": _form(1.2, "0,1 .1,0 .5,.72 .9,0 1,1"),
            "narrow": _form(1.0, "0,1 0,0 .5,.5 1,0 1,1"),
        },
        "N": {
            "plain": _form(1.02, "0,1 0,0 1,1 1,0"),
            "narrow": _form(0.92, "0,1 0,0 1,1 1,0"),
            "inset": _form(1.02, "0,1 0,0 0,.06 1,.94 1,1 1,0"),
        },
        "O": {
            "plain": _form(1, _RING),
            "squared": _form(1, _RING_SQUARED),
            "round": _form(1.06, _RING_ROUND),
            "wide": _form(1.12, _RING),
        },
        "P": {
            "plain": _form(0.97, "0,1 0,0 1,0o 1,.54o 0,.54"),
            "low": _form(0.97, "0,1 0,0 1,0o 1,.61o 0,.61"),
            "high": _form(0.97, "0,1 0,0 1,0o 1,.48o 0,.48"),
            "soft": _form(0.97, "0,1 0,0e 1,0o 1,.55o 0,.55"),
            "fe": _form(0.97, "0,1 0,0 1,0r 1,.54r .46,.54"),
        },
        "Q": {
            "inner": _form(1, _RING, ".5,.68 1,1"),
            "plain": _form(1.02, _RING, ".58,.74 1.1,1.0"),
            "outer": _form(1.02, _RING, ".68,.82 1.24,1.0"),
            "cross": _form(1, _RING, ".42,.6 1.1,.98"),
            "foot": _form(1, "0,0o 1,0o 1,.9o 0,.9o z", ".5,.72 .62,1 1.04,1"),
            "round": _form(1.06, _RING_ROUND, ".56,.7 1.04,1"),
        },
        "R": {
            "plain": _form(1.02, "0,1 0,0 .97,0o .97,.53o 0,.53", ".46,.53 1,1"),
            "stem": _form(1.02, "0,1 0,0 .97,0o .97,.55o 0,.55", ".2,.55 1,1"),
            "leg": _form(1, "0,1 0,0 1,0o 1,.5o 0,.5", ".4,.5 .94,.5q .98,1"),
            "far": _form(1.02, "0,1 0,0 .97,0o .97,.55o 0,.55", ".62,.55 1,1"),
            "soft": _form(1.02, "0,1 0,0e .97,0o .97,.54o 0,.54", ".46,.54 1,1"),
            "fe": _form(1.02, "0,1 0,0 .97,0r .97,.53r .46,.53", ".5,.53 1,1"),
        },
        "S": {
            "plain": _form(1, "1,.25 1,0o 0,0o 0,.43o 1,.54o 1,1o 0,1o 0,.75"),
            "flat": _form(1, "1,.25 1,0o 0,0o 0,wo 1,wo 1,1o 0,1o 0,.75"),
            "curled": _form(1, "1,.31 1,0o 0,0o 0,.44o 1,.54o 1,1o 0,1o 0,.69"),
            "diagonal": _form(1, "1,.22 1,0o 0,0o 0,.36o 1,.62o 1,1o 0,1o 0,.78"),
            "open": _form(1, "1,.18 1,0o 0,0o 0,.44o 1,.52o 1,1o 0,1o 0,.82"),
            "topped": _form(1, ".92,.25 .92,0o .07,0o .07,.43o 1,.54o 1,1o 0,1o 0,.75"),
            "angular": _form(1, "1,.24 1,0q 0,0q 0,.45q 1,.52q 1,1q 0,1q 0,.76"),
        },
        "T": {
            "plain": _form(1, "0,0 1,0", ".5,0 .5,1"),
            "serif": _form(1.04, "0,.16 0,0 1,0 1,.16", ".5,0 .5,1"),
            "foot": _form(1.04, "0,.16 0,0 1,0 1,.16", ".5,0 .5,1", ".24,1 .76,1"),
            "narrow": _form(0.9, "0,0 1,0", ".5,0 .5,1"),
        },
        "U": {
            "plain": _form(1, "0,0 0,1o 1,1o 1,0"),
            "squared": _form(1, "0,0 0,1q 1,1q 1,0"),
            "round": _form(1, "0,0 0,1r 1,1r 1,0"),
        },
        "V": {
            "plain": _form(1.04, "0,0 .5,1 1,0"),
            "flat": _form(1.04, "0,0 .42,1 .58,1 1,0"),
            "soft": _form(1.02, "0,0 .5,1e 1,0"),
            "kinked": _form(1, "0,0 0,.45 .5,1 1,.45 1,0"),
        },
        "W": {
            "plain": _form(1.2, "0,0 .22,1 .5,.22 .78,1 1,0"),
            "short": _form(1.14, "0,0 .2,1 .5,.48 .8,1 1,0"),
            "tall": _form(1.24, "0,0 .25,1 .5,0 .75,1 1,0"),
            "straight": _form(1.12, "0,0 0,1 .5,.46 1,1 1,0"),
            "stub": _form(1.1, "0,0 .1,1 .5,.58 .9,1 1,0"),
            "narrow": _form(1.02, "0,0 .2,1 .5,.32 .8,1 1,0"),
            "round": _form(1.14, "0,0 0,1o .5,1o .5,.36", "1,0 1,1o .5,1o .5,.36"),
        },
        "X": {"plain": _form(1.04, "0,0 1,1", "1,0 0,1"), "narrow": _form(0.96, ".03,0 1,1", ".97,0 0,1")},
        "Y": {
            "plain": _form(1.04, "0,0 .5,.54 1,0", ".5,.54 .5,1"),
            "low": _form(1.04, "0,0 .5,.64 1,0", ".5,.64 .5,1"),
            "high": _form(1.04, "0,0 .5,.44 1,0", ".5,.44 .5,1"),
            "fork": _form(1, "0,0 0,.5o 1,.5o 1,0", ".5,.5 .5,1"),
        },
        "Z": {
            "plain": _form(0.98, "0,0 1,0 0,1 1,1"),
            "bar": _form(0.98, "0,0 1,0 0,1 1,1", ".2,.5 .8,.5"),
            "steep": _form(0.98, "0,0 1,0 1,.1 0,.9 0,1 1,1"),
        },
        "0": {
            "plain": _form(1, _RING),
            "squared": _form(1, _RING_SQUARED),
            "slashed": _form(1, _RING, ".1,.8 .9,.2"),
            "steep": _form(1, _RING, ".2,.86 .8,.14"),
            "narrow": _form(0.9, _RING),
            "round": _form(1, _RING_ROUND),
            "fe": _form(1, ".8,0 0,0o 0,1o 1,1o 1,.15"),
        },
        "1": {
            "flag": _form(0.46, "0,.2 1,0 1,1"),
            "foot": _form(0.7, "0,.19 .5,0 .5,1", "0,1 1,1"),
            "short": _form(0.36, "0,.14 1,0 1,1"),
            "hook": _form(0.5, "0,.2 .5,.2 1,0 1,1"),
            "long": _form(0.62, "0,.3 1,0 1,1"),
            "level": _form(0.42, "0,0 1,0 1,1"),
            "nick": _form(0.38, "0,.1 1,0 1,1"),
            "stub": _form(0.4, "0,.2 1,.06 1,0 1,1"),
            "base": _form(0.72, "0,.12 .5,.12 .5,0 .5,1", "0,1 1,1"),
        },
        "2": {
            "plain": _form(1, "0,.26 0,0o 1,0o 1,.44o 0,1 1,1"),
            "straight": _form(1, "0,.27 0,0o 1,0o 1,.36e 0,.94 0,1 1,1"),
            "swan": _form(1, "0,.26 0,0o 1,0o 1,.48o 0,.72o 0,1 1,1"),
            "squared": _form(1, "0,.24 0,0o 1,0o 1,wo 0,wo 0,1 1,1"),
            "curled": _form(1, "0,.32 0,0o 1,0o 1,.46o 0,1 1,1"),
            "hooked": _form(1.02, "0,.38 0,0o 1,0o 1,.46o 0,1 1,1"),
            "flat": _form(1, "0,.2 0,0o 1,0o 1,.34e 0,.96 0,1 1,1"),
            "open": _form(1, "0,.18 0,0o 1,0o 1,.42o 0,1 1,1"),
        },
        "3": {
            "plain": _form(1, "0,.25 0,0o 1,0o 1,wo .34,w", ".34,w 1,wo 1,1o 0,1o 0,.75"),
            "flat": _form(1, "0,0 1,0 .42,.38", ".42,.38 1,.38o 1,1o 0,1o 0,.76"),
            "long": _form(1, "0,.25 0,0o 1,0o 1,wo .16,w", ".16,w 1,wo 1,1o 0,1o 0,.75"),
            "small": _form(1, "0,.22 0,0o .94,0o .94,.44o .44,.44", ".44,.44 1,.44o 1,1o 0,1o 0,.74"),
            "curled": _form(1, "0,.3 0,0o 1,0o 1,wo .4,w", ".4,w 1,wo 1,1o 0,1o 0,.7"),
            "fe": _form(1, "0,0 1,0 .36,.4", ".36,.4 .5,.4 1,.4r 1,1r 0,1r 0,.78"),
        },
        "4": {
            "plain": _form(1.04, ".74,1 .74,0 0,.7 1,.7"),
            "high": _form(1.04, ".76,1 .76,0 0,.6 1,.6"),
            "corner": _form(1, "1,1 1,0 0,.66 1,.66"),
            "low": _form(1.04, ".74,1 .74,0 0,.78 1,.78"),
            "open": _form(1.04, ".36,0 0,.68 1,.68", ".72,.36 .72,1"),
            "narrow": _form(0.98, ".72,1 .72,0 .56,0 0,.74 1,.74"),
            "steep": _form(1.0, ".7,1 .7,0 .56,0 0,.66 0,.72 1,.72"),
            "fe": _form(1.04, ".42,0 0,.66 1,.66", ".7,.42 .7,1"),
        },
        "5": {
            "plain": _form(1, ".95,0 .04,0 0,.46", "0,.46 0,.38o 1,.38o 1,1o 0,1o 0,.75"),
            "square": _form(1, ".96,0 0,0 0,.42 1,.42o 1,1o 0,1o 0,.76"),
            "tilted": _form(1, ".95,0 .1,0 .02,.48 .3,.37 1,.37o 1,1o 0,1o 0,.77"),
            "curled": _form(1, ".95,0 .04,0 0,.48", "0,.48 0,.39o 1,.39o 1,1o 0,1o 0,.7"),
            "low": _form(1, ".96,0 0,0 0,w 1,wo 1,1o 0,1o 0,.8"),
            "topped": _form(1, "1,0 0,0 0,.47", "0,.47 0,.4o 1,.4o 1,1o 0,1o 0,.78"),
        },
        "6": _SIXES,
        "7": {
            "plain": _form(0.98, "0,0 1,0 .32,1"),
            "curved": _form(0.98, "0,0 1,0 1,.16o .36,.5o .34,1"),
            "serif": _form(0.98, "0,.17 0,0 1,0 .32,1"),
            "steep": _form(0.98, "0,0 1,0 .5,1"),
            "kinked": _form(0.98, "0,0 1,0 1,.24e .4,.62e .4,1"),
            "shallow": _form(0.98, "0,0 1,0 .16,1"),
        },
        "8": {
            "plain": _form(1, ".07,0o .93,0o .93,wo .07,wo z", "0,wo 1,wo 1,1o 0,1o z"),
            "even": _form(1, "0,0o 1,0o 1,wo 0,wo z", "0,wo 1,wo 1,1o 0,1o z"),
            "small": _form(1, ".12,0o .88,0o .88,.43o .12,.43o z", "0,.43o 1,.43o 1,1o 0,1o z"),
            "squared": _form(1, ".05,0q .95,0q .95,wq .05,wq z", "0,wq 1,wq 1,1q 0,1q z"),
        },
        "9": {name: _turned(form) for name, form in _SIXES.items()},
    }
)


def form(character: str, name: str) -> Form:
    """The named form of a character, or its common one where it has none of that name.

    Raises:
        KeyError: not a character of plates.
    """
    forms = FORMS[character]
    return forms.get(name) or next(iter(forms.values()))
