"""Turns what a CTC network says of a plate, column by column, into a distribution per character slot. Pure.

A CTC network (Graves et al., "Connectionist Temporal Classification", 2006) gives each narrow column of the picture a
character or a blank; a text's probability is the sum over all ways to write it: equal neighbours are one character,
blanks separate and vanish. The matcher and the vote want slots. So the likeliest text is taken, and its slots are
filled with the exact probabilities of every text that is one edit away from it:

- a character's slot holds each other character in its place, and under ``pad`` the text without it;
- between, before and behind the characters stands a slot for a character too few, likeliest ``pad``, where that is
  likely enough to matter.

So a doubt whether a character is there at all keeps its probability, as does which one it is. Several crops of one
plate are a mixture: a text's probability is its mean over them. They need no alignment for it.

Invariants:

- Rows sum to 1.
- The slots' likeliest text is the best of all that were considered: no single edit of it is likelier.

The sums over paths are forward and backward variables, extended by one character in every place at once; docs/plates.md
has what it costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_SLOTS = 12
"""Of one plate, those between the characters included."""
# A place where a character too few is less likely than this gets no slot of its own.
_LEAST_INSERTED = 0.01
# Nothing is impossible: every text has some probability to compare.
_SMALLEST = 1e-9
# An edit is made only for a true gain, not for a rounding error: so the search ends.
_GAIN = 1 + 1e-9

_Probabilities = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Edits:
    """How likely a text and all texts one edit away are.

    Attributes:
        same: the text itself.
        changed: (characters, alphabet) another character in its place; under the blank, without it.
        inserted: (characters + 1, alphabet) one more, before the first character, …, behind the last; 0 under the blank
            and where the character before is the same, which is the text of the gap before that.
    """

    same: float
    changed: _Probabilities
    inserted: _Probabilities


def slots_of(
    columns: NDArray[np.float32], weights: NDArray[np.float64], *, blank: int, most: int = MOST_SLOTS
) -> NDArray[np.float32]:
    """Return the slots of one plate.

    Args:
        columns: (crops, columns, alphabet), rows sum to 1: what the network said of each crop of the plate.
        weights: (crops,) what each crop counts; all together 1.
        blank: the place of "no character" in the alphabet.
        most: characters that a plate may have at most.

    Returns:
        (1 to ``MOST_SLOTS`` slots, alphabet), rows sum to 1.
    """
    crops = np.maximum(columns.astype(np.float64), _SMALLEST)
    starts = {_greedy(crop, blank, most) for crop in columns}
    text = max(starts, key=lambda start: likelihood(crops, start, blank) @ weights) if len(starts) > 1 else starts.pop()
    while True:
        edits = _edits(crops, weights, text, blank)
        better = _best_edit(text, edits, blank, most)
        if better is None:
            return _as_slots(text, edits, blank, min(most, MOST_SLOTS))
        text = better


def likelihood(crops: _Probabilities, text: Sequence[int], blank: int) -> _Probabilities:
    """Return the probability of ``text``, places in the alphabet, in each of ``crops``, (crops, columns, alphabet)."""
    paths = _forward(crops[None], np.array([text], np.intp), blank)[-1, 0]
    return np.asarray(paths[:, -1] + paths[:, -2])


def _greedy(columns: NDArray[np.float32], blank: int, most: int) -> tuple[int, ...]:
    """Return the text of the likeliest path through (columns, alphabet); if it is too long, its ``most`` surest."""
    path = columns.argmax(axis=-1)
    first = np.flatnonzero(np.append(True, path[1:] != path[:-1]))
    surest = np.maximum.reduceat(columns.max(axis=-1), first)
    written = np.flatnonzero(path[first] != blank)
    kept = np.sort(written[np.argsort(-surest[written], kind="stable")[:most]])
    return tuple(int(character) for character in path[first[kept]])


def _forward(columns: _Probabilities, texts: NDArray[np.intp], blank: int) -> _Probabilities:
    """Return how likely the first columns write the first characters, for several texts of one length.

    Args:
        columns: (texts, crops, columns, alphabet).
        texts: (texts, characters) places in the alphabet.
        blank: the place of the blank.

    Returns:
        (columns + 1, texts, crops, 2 + 2 * characters): after so many columns, the paths that have written so many
        characters; at ``2 * n`` those that end in the n-th itself (none for n = 0), at ``2 * n + 1`` those that end in
        a blank behind it.
    """
    (_, crops, times, _), (count, characters) = columns.shape, texts.shape
    states = 2 + 2 * characters
    written = np.full((count, states), blank, np.intp)
    written[:, 2::2] = texts
    # Stay, go on by one, and leave the blank out between different characters. State 0 is never reached.
    moves = np.zeros((count, states, states))
    at = np.arange(states)
    moves[:, at, at] = 1.0
    moves[:, at[:-1], at[1:]] = 1.0
    if characters > 1:
        moves[:, at[2:-2:2], at[4::2]] = texts[:, 1:] != texts[:, :-1]
    emitted = np.take_along_axis(columns, np.broadcast_to(written[:, None, None], (count, crops, times, states)), -1)
    paths = np.zeros((times + 1, count, crops, states))
    paths[0, :, :, 1] = 1.0
    for time in range(times):
        np.matmul(paths[time], moves, out=paths[time + 1])
        paths[time + 1] *= emitted[:, :, time]
    return paths


def _edits(crops: _Probabilities, weights: _Probabilities, text: tuple[int, ...], blank: int) -> _Edits:
    """Return the mean probabilities over ``crops``, (crops, columns, alphabet), of ``text`` and of what is near it."""
    _, times, alphabet = crops.shape
    length = len(text)
    characters = np.array(text, np.intp)
    both = _forward(np.stack([crops, crops[:, ::-1]]), np.stack([characters, characters[::-1]]), blank)
    before, behind = both[:, 0], both[::-1, 1]
    # One row for each character that is replaced, then one for each gap: what stands before and behind stays.
    places = np.arange(length + 1)
    before_n = np.concatenate([places[:-1], places])
    behind_n = length - np.concatenate([places[1:], places])
    ends, ends_blank = before[..., 2 * before_n], before[..., 2 * before_n + 1]
    begins, begins_blank = behind[..., 2 * behind_n], behind[..., 2 * behind_n + 1]
    # A run of the new character must not touch the same character: columns + 1, crops, rows, alphabet.
    last = np.append(-1, characters)[before_n]
    following = np.append(characters, -1)[length - behind_n]
    may_follow = last[:, None] != np.arange(alphabet)
    may_precede = following[:, None] != np.arange(alphabet)
    begun = ends_blank[..., None] + ends[..., None] * may_follow
    runs = np.zeros((times + 1, *begun.shape[1:]))
    for time in range(times):
        np.add(runs[time], begun[time], out=runs[time + 1])
        runs[time + 1] *= crops[:, time, None]
    likely = np.einsum("tcra,tcr->cra", runs, begins_blank)
    likely += np.einsum("tcra,tcr->cra", runs, begins) * may_precede
    mean = np.tensordot(weights, likely, axes=1)
    same = float(weights @ before[-1, :, -2:].sum(axis=-1))
    mean[:, blank] = 0.0
    # Without the character: what is behind begins where what is before has ended.
    n, rest = before_n[:length], following[:length]
    meets = ends_blank[..., :length] + ends[..., :length] * (last[:length] != rest)
    without = (meets * begins[..., :length]).sum(axis=0)
    if length:
        without[:, -1] = before[-1, :, 2 * n[-1]] + before[-1, :, 2 * n[-1] + 1]
    mean[:length, blank] = weights @ without
    inserted = mean[length:]
    inserted[places[1:], characters] = 0.0
    return _Edits(same, mean[:length], inserted)


def _best_edit(text: tuple[int, ...], edits: _Edits, blank: int, most: int) -> tuple[int, ...] | None:
    """Return the likeliest text one edit away from ``text`` if it is likelier, else None."""
    best, better = edits.same * _GAIN, None
    if text:
        at, character = divmod(int(edits.changed.argmax()), edits.changed.shape[1])
        if edits.changed[at, character] > best:
            best = float(edits.changed[at, character])
            better = text[:at] + (() if character == blank else (character,)) + text[at + 1 :]
    if len(text) < most:
        at, character = divmod(int(edits.inserted.argmax()), edits.inserted.shape[1])
        if edits.inserted[at, character] > best:
            better = (*text[:at], character, *text[at:])
    return better


def _as_slots(text: tuple[int, ...], edits: _Edits, blank: int, most: int) -> NDArray[np.float32]:
    """Bring ``text`` and its ``edits`` into slots."""
    rows = edits.changed.copy()
    length = len(text)
    # Either of two equal neighbours may be the one too many: together, not each, they are as likely as that.
    first = np.flatnonzero(np.append(True, np.diff(text) != 0)) if length else np.zeros(0, np.intp)
    run = np.diff(np.append(first, length))
    rows[:, blank] /= np.repeat(run, run)
    gaps = edits.inserted.copy()
    gaps[:, blank] = edits.same
    rows /= rows.sum(axis=-1, keepdims=True)
    gaps /= gaps.sum(axis=-1, keepdims=True)
    doubt = 1 - gaps[:, blank]
    wanted = np.flatnonzero(doubt >= _LEAST_INSERTED) if length else np.zeros(1, np.intp)
    room = MOST_SLOTS - length if length < most else 0
    wanted = wanted[np.argsort(-doubt[wanted], kind="stable")][:room]
    order = np.argsort(np.concatenate([np.arange(length) * 2 + 1, wanted * 2]), kind="stable")
    return np.asarray(np.concatenate([rows, gaps[wanted]])[order], np.float32)
