"""Reads a plate's crop into a distribution per character slot.

The form is fast-plate-ocr's: uint8 NHWC in; N x slots x alphabet out, and a region head where there is one; a YAML file
gives alphabet, slots, size, colour mode, interpolation, aspect ratio and regions. Its configuration and resizing are
used as they are, so that the same weights give the same text; the network is run here, because that library returns
only each slot's best character, and votes and the matcher need the others.

Safe to call from several threads.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml
from fast_plate_ocr.core.process import INTERPOLATION_MAP, resize_image
from fast_plate_ocr.inference.config import PlateConfig
from numpy.typing import NDArray

from edge_agent.errors import ModelError
from edge_agent.inference.session import open_session
from edge_agent.plates.regions import region_codes
from edge_agent.records import Reading


class PlateOcr:
    """An OCR network with its description.

    Args:
        path: the ONNX file.
        config_path: its YAML.
        calibration: id of what was done to the probabilities; every reading carries it.
        threads: cores that one run may use.

    Raises:
        ModelError: a file is damaged, or the two do not belong together.
    """

    def __init__(self, path: Path, config_path: Path, *, calibration: str, threads: int = 1) -> None:
        self._config = _load_config(config_path)
        self._session = open_session(path, threads=threads)
        self._calibration = calibration
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

    def read(self, crop: NDArray[np.uint8]) -> Reading:
        """Read ``crop``, (H, W, 3) uint8 BGR, not empty."""
        config = self._config
        colour = cv2.COLOR_BGR2GRAY if config.image_color_mode == "grayscale" else cv2.COLOR_BGR2RGB
        picture = resize_image(
            cv2.cvtColor(crop, colour),
            config.img_height,
            config.img_width,
            image_color_mode=config.image_color_mode,
            keep_aspect_ratio=config.keep_aspect_ratio,
            interpolation_method=config.interpolation,
            padding_color=config.padding_color,
        )
        plate, *region = self._session.run(self._outputs, {self._input: picture[None]})
        slots = plate.reshape(config.max_plate_slots, len(config.alphabet)).astype(np.float32)
        slots /= slots.sum(axis=1, keepdims=True)
        return Reading(
            alphabet=config.alphabet,
            pad=config.pad_char,
            probabilities=slots,
            regions=self._by_code(region[0].reshape(-1)) if region else {},
            calibration=self._calibration,
        )

    def _by_code(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        order = np.argsort(-probabilities)
        named = ((self._regions[i], float(probabilities[i])) for i in order)
        return {code: probability for code, probability in named if code is not None}


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
    return config
