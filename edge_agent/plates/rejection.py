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
# Detectors frame one line of a two-line plate beside the whole.
_WITHIN = 0.7


def reason_against(box: Box, score: float, reading: Reading, picture_height_px: int) -> str | None:
    """Return why what was found in ``box`` is no number plate, in words for people; None if it may be one.

    Args:
        box: in pixels of the frame.
        score: the detector's.
        reading: as the OCR gave it, before calibration.
        picture_height_px: the frame's height.
    """
    text = reading.text
    legible = readability(reading)
    aspect = (box.x2 - box.x1) / (box.y2 - box.y1)
    doubtful = score < DOUBTFUL_SCORE
    if not text:
        return "no character on it could be read"
    if legible < LEAST_READABILITY:
        return f"cannot be read (characters {legible:.0%} sure): too far, blurred, or no plate"
    if not _LEAST_ASPECT <= aspect <= _GREATEST_ASPECT:
        return f"not the shape of a plate ({aspect:.1f} times as wide as high)"
    if len(text) > 2 and len(set(text)) == 1 and legible < _SURE_OF_REPEATS:
        return f"texture: one character again and again ({text})"
    if doubtful and (
        box.y2 <= _OVERLAY_SHARE * picture_height_px or box.y1 >= (1 - _OVERLAY_SHARE) * picture_height_px
    ):
        return f"text laid over the picture (at its edge, detector {score:.2f})"
    if doubtful and text.replace("0", "O").isalpha():
        return f"lettering or a badge (no digits, detector {score:.2f})"
    if doubtful and len(text) < _SHORT:
        return f"too short for a plate (detector {score:.2f})"
    return None


def without_parts(candidates: Sequence[PlateCandidate]) -> list[PlateCandidate]:
    """Return ``candidates`` of one frame, those rejected that lie within another and read as a part of it."""
    return [
        replace(c, rejected=f"a part of the plate {whole.reading.text}")
        if c.rejected is None and (whole := next((o for o in candidates if _is_part(c, o)), None)) is not None
        else c
        for c in candidates
    ]


def _is_part(part: PlateCandidate, whole: PlateCandidate) -> bool:
    a, b = part.box, whole.box
    shared = max(min(a.x2, b.x2) - max(a.x1, b.x1), 0) * max(min(a.y2, b.y2) - max(a.y1, b.y1), 0)
    return (
        whole.rejected is None
        and len(part.reading.text) < len(whole.reading.text)
        and part.reading.text in whole.reading.text
        and shared >= _WITHIN * (a.x2 - a.x1) * (a.y2 - a.y1)
    )
