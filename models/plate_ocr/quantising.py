"""The network in 8-bit integers, for hardware without fast floating point. The card says what it costs.

Needs onnxruntime's quantisation tools and onnx; no PyTorch.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

_BATCH = 32


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        self._parts = iter(np.split(pictures, range(_BATCH, len(pictures), _BATCH)))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        part = next(self._parts, None)
        return None if part is None else {"input": part}


def quantise(source: Path, target: Path, pictures: NDArray[np.uint8]) -> None:
    """Write ``target``: ``source`` with convolutions and matrices in 8 bits, weights by channel.

    Args:
        source: an ONNX file of this recipe.
        target: the 8-bit one.
        pictures: (n, 64, 128, 3) uint8 RGB to find the activations' ranges with.
    """
    model = onnx.load(source)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    _widen(model)
    logging.getLogger().setLevel(logging.ERROR)  # the tool advises at length
    with tempfile.TemporaryDirectory() as folder:
        wide, ready = Path(folder) / "wide.onnx", Path(folder) / "ready.onnx"
        onnx.save(model, wide)
        quant_pre_process(str(wide), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(target),
            _Pictures(pictures),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MatMul", "Gemm"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    made = onnx.load(target)
    onnx.helper.set_model_props(made, properties)
    onnx.save(made, target)


def _widen(model: onnx.ModelProto) -> None:
    """Undo the weights' storage as float16."""
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    wide = {tensor.name for tensor in model.graph.initializer}
    casts = [node for node in model.graph.node if node.op_type == "Cast" and node.input[0] in wide]
    names = {node.output[0]: node.input[0] for node in casts}
    for node in casts:
        model.graph.node.remove(node)
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = names.get(name, name)
