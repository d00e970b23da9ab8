"""The detector and the OCR together behind ``ports.PlateReader``: the best reading of one frame.

Each find is read once, from a crop that is wider than the box. Only where that leaves a character in doubt is it read
again, from other crops and straightened, and the answers are averaged: most plates cost one run. What each step gained,
on which pictures, is in docs/plates.md; ``bench/reading.py`` compares with fast-alpr.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ConfigurationError
from edge_agent.inference.models import PlateModels
from edge_agent.inference.providers import Provider
from edge_agent.plates.calibration import Calibration, calibration_for
from edge_agent.plates.detector import DEFAULT_MIN_SCORE, Detection, PlateDetector
from edge_agent.plates.format_model import FormatModel
from edge_agent.plates.formats import packaged_formats
from edge_agent.plates.fusion import confidence_of, fused, weights_of
from edge_agent.plates.layouts import WIDEST_TWO_LINE, has_stacked_letters, joined, lines_of
from edge_agent.plates.ocr import Interpolation, PlateOcr
from edge_agent.plates.quality import is_infrared, marks_of
from edge_agent.plates.rectify import rectified
from edge_agent.plates.regions import RegionPosterior
from edge_agent.plates.rejection import reason_against, without_parts
from edge_agent.plates.voting import readability
from edge_agent.records import Box, PlateCandidate, PlateMark

# Detectors cut close, and a character that touches the edge is misread. docs/plates.md has the figures by padding.
DEFAULT_PAD = 0.12
# A plate is read again when one of its slots is less sure than this. More plates than that gained nothing.
UNSURE = 0.9
# Of 29 made photographs less legible than this at first, more crops made none right; far plates are many on a road.
_HOPELESS = 0.4
# Of the padding, less and more; of the box's width, to the left and to the right.
_OTHER_PADS = (2 / 3, 4 / 3)
_SHIFTS = (-0.04, 0.04)
# Networks are given small pictures enlarged; cubic keeps strokes that linear smears.
_ENLARGING: Interpolation = "cubic"
_LEAST_LINE = 2


def padded(box: Box, pad: float, width_px: int, height_px: int) -> Box:
    """Grow ``box`` on each side by ``pad`` of its own width and height, within a picture of the given size."""
    dx, dy = round(pad * (box.x2 - box.x1)), round(pad * (box.y2 - box.y1))
    return Box(max(box.x1 - dx, 0), max(box.y1 - dy, 0), min(box.x2 + dx, width_px), min(box.y2 + dy, height_px))


def cut(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return the pixels of ``image`` within ``box``, a view."""
    return image[box.y1 : box.y2, box.x1 : box.x2]


def crop_around(image: NDArray[np.uint8], box: Box, pad: float) -> NDArray[np.uint8]:
    """Return the pixels of ``image`` within ``box`` and ``pad`` of its size on each side, its edge repeated beyond.

    A plate at the edge of a picture, as in one that was cut out, gets the margin that networks expect all the same.
    """
    dx, dy = round(pad * (box.x2 - box.x1)), round(pad * (box.y2 - box.y1))
    inside = padded(box, pad, image.shape[1], image.shape[0])
    beyond = (inside.y1 - box.y1 + dy, box.y2 + dy - inside.y2, inside.x1 - box.x1 + dx, box.x2 + dx - inside.x2)
    crop = cut(image, inside)
    return np.asarray(cv2.copyMakeBorder(crop, *beyond, cv2.BORDER_REPLICATE), np.uint8) if any(beyond) else crop


class NetworkPlateReader:
    """Detector, crops, OCR. Safe to call from several threads.

    Args:
        models: the files, as ``resolve_plates`` found them.
        pad: by how much of its own size each box is widened on each side before it is read. 0 is the plain mode:
            exactly what fast-alpr does with the same files, without any of this page's improvements, marks, rejections,
            calibration or formats.
        min_score: detections below this score are dropped.
        threads: cores that one network may use.
        provider: what the networks run on.
        unsure: a plate is read again when one of its slots is less sure than this; 0 never, 1 always.
        calibration: what turns the OCR's distributions into calibrated ones; None takes what was fitted for this OCR.
        formats: whether the formats of serials weigh what a plate reads and where it comes from.

    Raises:
        ModelError: a file is damaged or has another form.
        ConfigurationError: ``pad`` is out of bounds.
    """

    def __init__(
        self,
        models: PlateModels,
        *,
        pad: float = DEFAULT_PAD,
        min_score: float = DEFAULT_MIN_SCORE,
        threads: int = 1,
        provider: Provider = Provider.AUTO,
        calibration: Calibration | None = None,
        unsure: float = UNSURE,
        formats: bool = True,
    ) -> None:
        if not 0.0 <= pad <= 0.5:
            raise ConfigurationError(f"pad: got {pad}, expected a fraction of the box from 0 to 0.5.")
        self.pad = pad
        self._unsure = unsure
        raw = Calibration(f"raw-{models.ocr_sha256[:8]}")
        self._calibration = raw if pad == 0 else calibration or calibration_for(models.ocr_sha256)
        self._detector = PlateDetector(models.detector, min_score=min_score, threads=threads, provider=provider)
        self._ocr = PlateOcr(models.ocr, models.ocr_config, threads=threads, provider=provider)
        self._formats: FormatModel | None = None
        if formats and pad > 0:
            self._formats = FormatModel(packaged_formats(), self._ocr.alphabet, self._ocr.pad)
            self._origin = RegionPosterior(self._ocr.regions, self._formats)

    @property
    def provider(self) -> Provider:
        """What the networks really run on."""
        return self._detector.provider

    def read(self, image: NDArray[np.uint8]) -> list[PlateCandidate]:
        """Return what was found in ``image``, (H, W, 3) uint8 BGR: plates, the surest first, then what was rejected."""
        found = self._detector.detect(image)
        if self.pad == 0:
            candidates = [self._plain(image, detection) for detection in found]
        else:
            infrared = bool(found) and is_infrared(image)
            candidates = without_parts([self._candidate(image, detection, infrared) for detection in found])
        return sorted(candidates, key=lambda c: (c.rejected is not None, -c.reading.confidence))

    def _plain(self, image: NDArray[np.uint8], found: Detection) -> PlateCandidate:
        answer = self._ocr.answer([cut(image, found.box)])
        reading = self._ocr.reading(answer.slots[0], self._ocr.named(answer.regions[0]), self._calibration.id)
        return PlateCandidate(found.box, found.score, reading)

    def _candidate(self, image: NDArray[np.uint8], found: Detection, infrared: bool) -> PlateCandidate:
        box = found.box
        slots, head, marks = self._read_plate(image, box)
        if infrared:
            # No region head was measured on infrared, where plates have no colours: it abstains.
            marks |= {PlateMark.INFRARED}
            head = head[:0]
        raw = self._ocr.reading(slots, {}, self._calibration.id)
        regions = self._ocr.named(head)
        if self._formats is not None:
            regions = self._origin.of(head, slots)
            slots = self._formats.weighed(slots, regions)
        # Last, because what was fitted is the confidence of all that comes before.
        slots = self._calibration.apply(slots, float(box.x2 - box.x1), infrared)
        return PlateCandidate(
            box=box,
            detection_score=found.score,
            reading=self._ocr.reading(slots, regions, self._calibration.id),
            marks=marks | marks_of(image, box),
            rejected=reason_against(box, found.score, raw, (image.shape[0], image.shape[1])),
        )

    def _read_plate(
        self, image: NDArray[np.uint8], box: Box
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], frozenset[PlateMark]]:
        """Return the (slots, alphabet) and (regions,) of the plate within ``box``, raw, and how it is laid out."""
        whole = crop_around(image, box, self.pad)
        nearly_square = box.x2 - box.x1 < WIDEST_TWO_LINE * (box.y2 - box.y1)
        answer = self._ocr.answer([whole, *(lines_of(whole) if nearly_square else ())], _ENLARGING)
        slots, *lines = answer.slots
        regions = answer.regions[0]
        marks = set()
        legible = readability(self._ocr.reading(slots, {}, ""))
        if slots.max(axis=1).min() < self._unsure and legible >= _HOPELESS:
            again = self._ocr.answer(self._other_crops(image, box, whole), _ENLARGING)
            weights = weights_of([slots, *again.slots])
            every = answer.with_more(again)
            slots = every.together(weights)
            regions = fused(every.regions, weights)
            if has_stacked_letters(whole):
                marks.add(PlateMark.STACKED)
        if nearly_square:
            pad = self._ocr.alphabet.index(self._ocr.pad)
            upper, lower = lines
            both = joined(upper, lower, pad)
            surer = confidence_of(both) > confidence_of(slots)
            if min(map(len, (_text(upper, pad), _text(lower, pad)))) >= _LEAST_LINE and (
                surer or _text(both, pad) == _text(slots, pad)
            ):
                slots = both if surer else slots
                marks.add(PlateMark.TWO_LINE)
        return slots, regions, frozenset(marks)

    def _other_crops(self, image: NDArray[np.uint8], box: Box, whole: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Return further crops of the plate within ``box``, of which ``whole`` is the first."""
        crops = [crop_around(image, box, self.pad * share) for share in _OTHER_PADS]
        for shift in _SHIFTS:
            dx = round(shift * (box.x2 - box.x1))
            beside = Box(max(box.x1 + dx, 0), box.y1, min(box.x2 + dx, image.shape[1]), box.y2)
            crops.append(crop_around(image, beside, self.pad))
        straight = rectified(whole)
        return crops + ([] if straight is None else [straight])


def _text(slots: NDArray[np.float32], pad: int) -> list[int]:
    """Return the places in the alphabet of what ``slots``, (slots, alphabet), most likely read, without padding."""
    return [int(best) for best in slots.argmax(axis=1) if best != pad]
