"""Reads crops of plates into a distribution per character slot.

The form is fast-plate-ocr's: uint8 NHWC in; N x slots x alphabet out, and a region head where there is one; a YAML file
gives alphabet, slots, size, colour mode, interpolation, aspect ratio and regions. Its configuration and resizing are
used, so that the same weights give the same text (how a crop is enlarged may be chosen by the caller); the network is
run here, because that library returns only each slot's best character, and votes and the matcher need the others.

Safe to call from several threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from edge_agent.plates.regions import region_codes
from edge_agent.records import Reading

# A read carries 24 characters at most, and a plate may have two lines.
_MOST_SLOTS = 12
# What a read has for "no character".
_NO_CHARACTER = "_"

Interpolation = Literal["linear", "cubic", "area", "lanczos4", "nearest"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the network says of several crops, as it says it.

    Attributes:
        slots: (crops, slots, alphabet) float32, rows sum to 1.
        regions: (crops, regions) float32 in the order of the network's head; without a head (crops, 0).
    """

    slots: NDArray[np.float32]
    regions: NDArray[np.float32]


class PlateOcr:
    """An OCR network with its description.

    Attributes:
        alphabet: the characters of the last axis, in order.
        pad: the character that stands for "no character in this slot".

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
        self._input = self._session.get_inputs()[0].name
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        plate = "plate" if "plate" in outputs else next(iter(outputs))
        names = self._config.plate_regions or []
        self._regions = region_codes(names, str(config_path)) if "region" in outputs else ()
        self._outputs = [plate, "region"] if self._regions else [plate]
        form = [("image height", self._session.get_inputs()[0].shape[1], self._config.img_height)]
        form += [("image width", self._session.get_inputs()[0].shape[2], self._config.img_width)]
        form += [("colours", self._session.get_inputs()[0].shape[3], self._config.num_channels)]
        if len(outputs[plate]) == 3:
            form += [("slots", outputs[plate][1], self._config.max_plate_slots)]
            form += [("alphabet", outputs[plate][2], len(self._config.alphabet))]
        if self._regions:
            form += [("regions", outputs["region"][-1], len(self._regions))]
        for what, got, expected in form:
            if isinstance(got, int) and got != expected:
                raise ModelError(f"{path}: {what}: got {got}, expected {expected} as {config_path} says.")
        self._any_number = not isinstance(self._session.get_inputs()[0].shape[0], int)

    def answer(self, crops: Sequence[NDArray[np.uint8]], interpolation: Interpolation | None = None) -> Answer:
        """Read all ``crops``, each (H, W, 3) uint8 BGR and not empty, in one run.

        Args:
            crops: at least one.
            interpolation: how they are brought to the network's size, in fast-plate-ocr's words ("linear", "cubic");
                None is as the configuration says.
        """
        pictures = np.stack([self._picture(crop, interpolation or self._config.interpolation) for crop in crops])
        batches = [pictures] if self._any_number else [picture[None] for picture in pictures]
        runs = [self._session.run(self._outputs, {self._input: batch}) for batch in batches]
        plate, *region = (np.concatenate(parts) for parts in zip(*runs, strict=True))
        form = (len(crops), self._config.max_plate_slots, len(self._config.alphabet))
        slots = plate.reshape(form).astype(np.float32)
        slots /= slots.sum(axis=-1, keepdims=True)
        regions = region[0].reshape(len(crops), -1) if region else np.zeros((len(crops), 0), np.float32)
        return Answer(slots, regions)

    def reading(self, slots: NDArray[np.float32], regions: NDArray[np.float32], calibration: str) -> Reading:
        """Name what the arrays of one plate say.

        Args:
            slots: (any number of slots, alphabet), rows sum to 1.
            regions: (regions,) in the order of the network's head; empty names none.
            calibration: the id of what ``slots`` went through.
        """
        order = np.argsort(-regions)
        named = ((self._regions[i], float(regions[i])) for i in order)
        return Reading(
            alphabet=self.alphabet,
            pad=self.pad,
            probabilities=slots,
            regions={code: probability for code, probability in named if code is not None},
            calibration=calibration,
        )

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
