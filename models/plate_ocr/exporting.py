"""The network as an ONNX file with its YAML, and back: parameters keep their names, so training goes on from the file.

Weights of matrices and convolutions are stored as float16 behind a Cast, which runtimes undo once when they load the
file: half the size, the same speed, and no read of several thousand changed (card.md). Nothing is folded or fused here;
ONNX Runtime does that when it loads.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from models.plate_ocr.network import PlateNetwork
from models.plate_ocr.pictures import CHARACTERS, HEIGHT_PX, WIDTH_PX

_PREFIX = "network."
# Smaller arrays are biases and norms: nothing to save there.
_LEAST_HALVED = 1024


class _Shipped(nn.Module):
    """What the device runs: probabilities."""

    def __init__(self, network: PlateNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        columns, regions = self.network(pictures)
        return columns.softmax(2), regions.softmax(1)


def export(network: PlateNetwork, regions: tuple[str, ...], target: Path) -> None:
    """Write ``target`` and, beside it, the YAML of the same name.

    Args:
        network: what is shipped; left as it is.
        regions: the codes of its region head, in order.
        target: the ONNX file.
    """
    copied = PlateNetwork(len(regions)).eval()
    copied.load_state_dict({name: value.cpu() for name, value in network.state_dict().items()})
    example = torch.zeros(2, HEIGHT_PX, WIDTH_PX, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        _Shipped(copied).eval(),
        (example,),
        input_names=["input"],
        output_names=["columns", "region"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        optimize=False,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export: got nothing, expected a program.")
    model = program.model_proto
    _without_traces(model)
    _halve(model)
    helper.set_model_props(model, {"name": "plate-ocr", "regions": ",".join(regions)})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)
    target.with_suffix(".yaml").write_text(described(regions), encoding="utf-8")


def described(regions: tuple[str, ...]) -> str:
    """Return the YAML that describes the network, in fast-plate-ocr's form."""
    lines = [
        "# How plate_ocr.onnx is to be run, in fast-plate-ocr's form. Its output `columns` is read by CTC, so the most",
        "# slots are only how many those columns are brought into.",
        "max_plate_slots: 10",
        f"alphabet: '{CHARACTERS}_'",
        "pad_char: '_'",
        f"img_height: {HEIGHT_PX}",
        f"img_width: {WIDTH_PX}",
        "keep_aspect_ratio: false",
        "interpolation: cubic",
        "image_color_mode: rgb",
        "plate_regions:",
        *(f"  - '{code}'" for code in regions),
    ]
    return "\n".join(lines) + "\n"


def weights_in(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Read the weights of an exported network by their names, and the codes of its region head.

    Raises:
        SystemExit: the file is no such network.
    """
    try:
        model = onnx.load(path)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: cannot be read as ONNX ({error}).") from error
    properties = {entry.key: entry.value for entry in model.metadata_props}
    if "regions" not in properties:
        raise SystemExit(f"{path}: no list of regions in its metadata; expected a file that this recipe wrote.")
    weights = {
        tensor.name.removeprefix(_PREFIX): torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
        for tensor in model.graph.initializer
        if tensor.name.startswith(_PREFIX)
    }
    return weights, tuple(properties["regions"].split(","))


def _without_traces(model: onnx.ModelProto) -> None:
    """Take out where on the trainer's machine each operator came from: no business of the user's."""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""


def _halve(model: onnx.ModelProto) -> None:
    """Store the large weights as float16 and cast them where they were used."""
    casts = []
    halved = set()
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= _LEAST_HALVED:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
            casts.append(helper.make_node("Cast", [tensor.name], [f"{tensor.name}.whole"], to=TensorProto.FLOAT))
            halved.add(tensor.name)
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            if name in halved:
                node.input[at] = f"{name}.whole"
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    kept = [value for value in model.graph.value_info if value.name not in halved]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
