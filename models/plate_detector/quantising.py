"""The network in 8-bit integers, for hardware without fast floating point: calibrated on scenes, judged in the card.

Needs onnxruntime's quantisation tools and onnx; no PyTorch. Boxes and scores stay in floating point.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.plate_detector.finding import network_input

# The head's last layer: its five channels differ too much in range to share a scale.
_KEPT = ["out/conv"]


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    def __init__(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        self._left = iter(pictures)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        picture = next(self._left, None)
        return None if picture is None else {"images": network_input(picture)}


def quantise(source: Path, target: Path, pictures: Sequence[NDArray[np.uint8]]) -> None:
    """Write ``target``: ``source`` with 8-bit weights a channel and 8-bit activations in its convolutions.

    Args:
        source: an ONNX file of this recipe.
        target: the 8-bit one.
        pictures: (H, W, 3) uint8 BGR of the network's size, to find the activations' ranges with.
    """
    logging.getLogger().setLevel(logging.ERROR)  # the tool advises at length
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        convolutions = [n.name for n in onnx.load(str(ready)).graph.node if n.op_type == "Conv" and n.name not in _KEPT]
        quantize_static(
            str(ready),
            str(target),
            _Pictures(pictures),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=convolutions,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
