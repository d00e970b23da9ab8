"""Reads crops of plates into a distribution per character slot.

The form is fast-plate-ocr's: uint8 NHWC in; N x slots x alphabet out, and a region head where there is one; a YAML file
gives alphabet, slots, size, colour mode, interpolation, aspect ratio and regions. A network whose output is called
``columns`` is read by CTC instead (``ctc.py``): N x columns x alphabet, where the padding character is the blank and
the slots are how many characters a plate may have.

That library's configuration and resizing are used, so that the same weights give the same text (how a crop is enlarged
may be chosen by the caller); the network is run here, because it returns only each slot's best character, and votes and
the matcher need the others.

Safe to call from several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import yaml
from fast_plate_ocr.core.process import INTERPOLATION_MAP, resize_image
from fast_plate_ocr.inference.config import PlateConfig
from numpy.typing import NDArray

from edge_agent.errors import ModelError
from edge_agent.inference.providers import Provider
from edge_agent.inference.session import open_session
from edge_agent.plates import ctc
from edge_agent.plates.fusion import fused
from edge_agent.plates.regions import region_codes
from edge_agent.records import Reading

# A read carries 24 characters at most, and a plate may have two lines.
_MOST_SLOTS = ctc.MOST_SLOTS
# The outputs by which the two forms of networks are told apart; what has neither is taken for one of slots.
_SLOTS, _COLUMNS, _REGION = "plate", "columns", "region"
# What a read has for "no character".
_NO_CHARACTER = "_"

Interpolation = Literal["linear", "cubic", "area", "lanczos4", "nearest"]
_SHRINKING: Interpolation = "area"


Spelling = Callable[[NDArray[np.float32], NDArray[np.float64]], NDArray[np.float32]]
"""Makes the slots of one plate, (slots, alphabet), of (crops, rows, alphabet) and what each crop counts."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the network says of several crops, as it says it.

    Attributes:
        rows: (crops, rows, alphabet) float32, sums 1: slots, or columns.
        regions: (crops, regions) float32 in the order of the network's head; without a head (crops, 0).
        spelling: what makes slots of ``rows``; for a network of slots their mean.
    """

    rows: NDArray[np.float32]
    regions: NDArray[np.float32]
    spelling: Spelling = fused

    @property
    def slots(self) -> list[NDArray[np.float32]]:
        """What each crop says by itself, (slots, alphabet), rows sum to 1; with CTC not all have as many slots."""
        alone = np.ones(1)
        return [self.spelling(self.rows[at : at + 1], alone) for at in range(len(self.rows))]

    def together(self, weights: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return what all crops say of one plate, (slots, alphabet): ``weights`` is what each counts, together 1."""
        return self.spelling(self.rows, weights)

    def with_more(self, other: Answer) -> Answer:
        """Return the first crop's answer and all of ``other``'s, of the same network."""
        return Answer(
            np.concatenate([self.rows[:1], other.rows]),
            np.concatenate([self.regions[:1], other.regions]),
            self.spelling,
        )


class PlateOcr:
    """An OCR network with its description.

    Attributes:
        alphabet: the characters of the last axis, in order.
        pad: the character that stands for "no character in this slot".
        regions: the codes of the region head's outputs, in order, None for what is no region; empty without a head.

    Args:
        path: the ONNX file.
        config_path: its YAML.
        threads: cores that one run may use.
        provider: what to run on.

    Raises:
        ModelError: a file is damaged, or the two do not belong together.
    """

    def __init__(self, path: Path, config_path: Path, *, threads: int = 1, provider: Provider = Provider.AUTO) -> None:
        self._config = _load_config(config_path)
        self._session = open_session(path, threads=threads, provider=provider)
        self.alphabet = self._config.alphabet.replace(self._config.pad_char, _NO_CHARACTER)
        self.pad = _NO_CHARACTER
        self._configured: Interpolation = self._config.interpolation
        self._input = self._session.get_inputs()[0].name
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        plate = next((name for name in (_COLUMNS, _SLOTS) if name in outputs), next(iter(outputs)))
        names = self._config.plate_regions or []
        self.regions = region_codes(names, str(config_path)) if _REGION in outputs else ()
        self._outputs = [plate, _REGION] if self.regions else [plate]
        self._spelling: Spelling = fused
        if plate == _COLUMNS:
            blank = self.alphabet.index(self.pad)
            self._spelling = partial(ctc.slots_of, blank=blank, most=self._config.max_plate_slots)
        form = [("image height", self._session.get_inputs()[0].shape[1], self._config.img_height)]
        form += [("image width", self._session.get_inputs()[0].shape[2], self._config.img_width)]
        form += [("colours", self._session.get_inputs()[0].shape[3], self._config.num_channels)]
        if len(outputs[plate]) == 3:
            if plate != _COLUMNS:
                form += [("slots", outputs[plate][1], self._config.max_plate_slots)]
            form += [("alphabet", outputs[plate][2], len(self._config.alphabet))]
        if self.regions:
            form += [("regions", outputs[_REGION][-1], len(self.regions))]
        for what, got, expected in form:
            if isinstance(got, int) and got != expected:
                raise ModelError(f"{path}: {what}: got {got}, expected {expected} as {config_path} says.")
        self._any_number = not isinstance(self._session.get_inputs()[0].shape[0], int)

    def answer(self, crops: Sequence[NDArray[np.uint8]], enlarging: Interpolation | None = None) -> Answer:
        """Read all ``crops``, each (H, W, 3) uint8 BGR and not empty, in one run.

        Args:
            crops: at least one.
            enlarging: how those that are narrower than the network's picture are enlarged, in fast-plate-ocr's words
                ("linear", "cubic"); wider ones are then averaged, so that no stroke falls between two pixels. None
                does with all of them as the configuration says.
        """
        pictures = np.stack([self._picture(crop, self._interpolation(crop, enlarging)) for crop in crops])
        batches = [pictures] if self._any_number else [picture[None] for picture in pictures]
        runs = [self._session.run(self._outputs, {self._input: batch}) for batch in batches]
        plate, *region = (np.concatenate(parts) for parts in zip(*runs, strict=True))
        rows = plate.reshape(len(crops), -1, len(self._config.alphabet)).astype(np.float32)
        rows /= rows.sum(axis=-1, keepdims=True)
        regions = region[0].reshape(len(crops), -1) if region else np.zeros((len(crops), 0), np.float32)
        return Answer(rows, regions, self._spelling)

    def named(self, head: NDArray[np.float32]) -> dict[str, float]:
        """Return what the region head says, (regions,), by code and likeliest first; empty without a head."""
        named = ((self.regions[at], float(head[at])) for at in np.argsort(-head))
        return {code: probability for code, probability in named if code is not None}

    def reading(self, slots: NDArray[np.float32], regions: Mapping[str, float], calibration: str) -> Reading:
        """Return what is said of one plate as a reading.

        Args:
            slots: (any number of slots, alphabet), rows sum to 1.
            regions: probability by code, likeliest first.
            calibration: the id of what ``slots`` went through.
        """
        return Reading(self.alphabet, self.pad, slots, regions, calibration)

    def _interpolation(self, crop: NDArray[np.uint8], enlarging: Interpolation | None) -> Interpolation:
        if enlarging is None:
            return self._configured
        return enlarging if crop.shape[1] <= self._config.img_width else _SHRINKING

    def _picture(self, crop: NDArray[np.uint8], interpolation: Interpolation) -> NDArray[np.uint8]:
        config = self._config
        colour = cv2.COLOR_BGR2GRAY if config.image_color_mode == "grayscale" else cv2.COLOR_BGR2RGB
        picture = resize_image(
            cv2.cvtColor(crop, colour),
            config.img_height,
            config.img_width,
            image_color_mode=config.image_color_mode,
            keep_aspect_ratio=config.keep_aspect_ratio,
            interpolation_method=interpolation,
            padding_color=config.padding_color,
        )
        return np.asarray(picture, np.uint8)


def _load_config(path: Path) -> PlateConfig:
    try:
        config = PlateConfig.from_yaml(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not a plate configuration ({error}).") from error
    fixes = {
        "alphabet": isinstance(config.alphabet, str) and len(config.alphabet) > 1,
        "pad_char": isinstance(config.pad_char, str)
        and len(config.pad_char) == 1
        and config.pad_char in config.alphabet,
        "max_plate_slots": isinstance(config.max_plate_slots, int) and config.max_plate_slots > 0,
        "img_height": isinstance(config.img_height, int) and config.img_height > 0,
        "img_width": isinstance(config.img_width, int) and config.img_width > 0,
        "image_color_mode": config.image_color_mode in ("rgb", "grayscale"),
        "interpolation": config.interpolation in INTERPOLATION_MAP,
    }
    for field, good in fixes.items():
        if not good:
            raise ModelError(f"{path}: {field}: got {getattr(config, field)!r}, expected as fast-plate-ocr defines it.")
    characters = config.alphabet.replace(config.pad_char, "")
    if not (characters.isascii() and characters.isprintable()) or set(characters) & {" ", _NO_CHARACTER}:
        raise ModelError(
            f"{path}: alphabet: got {characters!r}, expected printable ASCII without space and underscore."
        )
    if config.max_plate_slots > _MOST_SLOTS:
        raise ModelError(f"{path}: max_plate_slots: got {config.max_plate_slots}, expected at most {_MOST_SLOTS}.")
    return config
