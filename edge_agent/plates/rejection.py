"""Tells number plates from what else a detector frames: lettering, badges, text laid over the picture.

A detector frames whatever looks like a plate and says by its score how much; an OCR reads whatever it is shown. So both
are asked. North American plates may say nearly anything in 1 to 8 characters, so a text alone rejects nothing that was
read surely and framed surely. What is rejected is kept and shown with its reason; it takes no part in tracks.

Pure. Thresholds were chosen on ``train-boxes``, on lettering drawn into them, and on made photographs, part ``tune``
(docs/plates.md has what they cost).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge_agent.plates.voting import readability
from edge_agent.records import Box, PlateCandidate, Reading

# Below it a detection is a plate or lettering, and the text decides.
DOUBTFUL_SCORE = 0.6
# Mean probability of the characters. No right reading of 747 lies below 0.7; 86 % of false finds do.
LEAST_READABILITY = 0.5
# Texture (grilles, fences, steps) reads as one character again and again.
_SURE_OF_REPEATS = 0.9
_SHORT = 4
# Plates are 1.1 to 4.7 times as wide as high; seen askew, 0.65 to 5.5 (train-boxes).
_LEAST_ASPECT, _GREATEST_ASPECT = 0.5, 6.5
# Cameras write their name and the time into the uppermost or lowermost part of the picture.
_OVERLAY_SHARE = 0.1
# No camera is aimed so that one plate fills so much of its picture.
_CUT_OUT_SHARE = 0.4
# Detectors frame one line of a two-line plate beside the whole.
_WITHIN = 0.7
# Two plates never hide so much of each other that both can be read.
_SAME = 0.5


def reason_against(box: Box, score: float, reading: Reading, picture_px: tuple[int, int]) -> str | None:
    """Return why what was found in ``box`` is no number plate, in words for people; None if it may be one.

    Args:
        box: in pixels of the frame.
        score: the detector's.
        reading: as the OCR gave it, before calibration.
        picture_px: the frame's height and width.
    """
    height_px, width_px = picture_px
    text = reading.text
    legible = readability(reading)
    aspect = (box.x2 - box.x1) / (box.y2 - box.y1)
    # Of a plate that somebody cut out there is nothing around it that a detector could be sure by.
    is_cut_out = (box.x2 - box.x1) * (box.y2 - box.y1) >= _CUT_OUT_SHARE * height_px * width_px
    doubtful = score < DOUBTFUL_SCORE and not is_cut_out
    if not text:
        return "no character on it could be read"
    if legible < LEAST_READABILITY:
        return f"cannot be read (characters {legible:.0%} sure): too far, blurred, or no plate"
    if not _LEAST_ASPECT <= aspect <= _GREATEST_ASPECT:
        return f"not the shape of a plate ({aspect:.1f} times as wide as high)"
    if len(text) > 2 and len(set(text)) == 1 and legible < _SURE_OF_REPEATS:
        return f"texture: one character again and again ({text})"
    if doubtful and (box.y2 <= _OVERLAY_SHARE * height_px or box.y1 >= (1 - _OVERLAY_SHARE) * height_px):
        return f"text laid over the picture (at its edge, detector {score:.2f})"
    if doubtful and text.replace("0", "O").isalpha():
        return f"lettering or a badge (no digits, detector {score:.2f})"
    if doubtful and len(text) < _SHORT:
        return f"too short for a plate (detector {score:.2f})"
    return None


def without_parts(candidates: Sequence[PlateCandidate]) -> list[PlateCandidate]:
    """Return ``candidates`` of one frame, those rejected that are a part of another, or another once more.

    A part lies within the other and reads as a part of it. Of several that cover each other the surest find stays,
    of those that are as sure the largest.
    """
    plates = [c for c in candidates if c.rejected is None]
    whole = {id(c): next((o for o in plates if _is_part(c, o)), None) for c in plates}
    plates = [c for c in plates if whole[id(c)] is None]
    twice: dict[int, PlateCandidate] = {}
    surer: list[PlateCandidate] = []
    for c in sorted(plates, key=lambda c: (-c.detection_score, -_area(c))):
        same = next((o for o in surer if _shared(c, o) >= _SAME * min(_area(c), _area(o))), None)
        if same is None:
            surer.append(c)
        else:
            twice[id(c)] = same
    return [
        replace(c, rejected=f"a part of the plate {part_of.reading.text}")
        if (part_of := whole.get(id(c))) is not None
        else replace(c, rejected=f"the plate {same.reading.text} once more")
        if (same := twice.get(id(c))) is not None
        else c
        for c in candidates
    ]


def _area(candidate: PlateCandidate) -> int:
    box = candidate.box
    return (box.x2 - box.x1) * (box.y2 - box.y1)


def _shared(one: PlateCandidate, other: PlateCandidate) -> int:
    """Return the pixels that both boxes cover."""
    a, b = one.box, other.box
    return max(min(a.x2, b.x2) - max(a.x1, b.x1), 0) * max(min(a.y2, b.y2) - max(a.y1, b.y1), 0)


def _is_part(part: PlateCandidate, whole: PlateCandidate) -> bool:
    return (
        len(part.reading.text) < len(whole.reading.text)
        and part.reading.text in whole.reading.text
        and _shared(part, whole) >= _WITHIN * _area(part)
    )
