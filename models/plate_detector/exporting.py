"""The network as ONNX, in the form of fast-alpr's detectors, and back: training goes on from such a file.

Written node by node, so that every parameter keeps its PyTorch name and batch normalisation stays a node of its own,
with its statistics (ONNX Runtime folds it into the convolution when it loads the file). Boxes and suppression are in
the graph: float32 1x3xHxW RGB in [0, 1] in, N x 7 out (picture, x1, y1, x2, y2, class, score), in pixels of the input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from models.plate_detector.network import STRIDE_PX, Context, Conv, PlateNetwork, Residual, cell_centres

_OPSET = 17
_IR_VERSION = 9
# Finds that overlap a better one by more than this are dropped; plates do not overlap.
_SUPPRESSED = 0.45
_LEAST_SCORE = 0.05
_MOST_FINDS = 100
# With it the median find on the training photographs scores 0.8 to 0.9, about as the reference's: what the reader
# takes for a doubtful find, and rejects more readily, was chosen with that one.
_SLOPE = 2.25


class _Graph:
    """A graph that grows; every method returns the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, name: str, *come: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(come), [name], name, **attributes))
        return name

    def conv(self, prefix: str, x: str, layer: Conv) -> str:
        convolution, norm = layer[0], layer[1]
        assert isinstance(convolution, torch.nn.Conv2d)
        assert isinstance(norm, torch.nn.BatchNorm2d)
        weight = self.constant(f"{prefix}.0.weight", _array(convolution.weight))
        pad, step = int(convolution.padding[0]), int(convolution.stride[0])
        x = self.node("Conv", f"{prefix}/conv", x, weight, pads=[pad] * 4, strides=[step] * 2)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        parts = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        names = ("weight", "bias", "running_mean", "running_var")
        norms = [self.constant(f"{prefix}.1.{n}", _array(p)) for n, p in zip(names, parts, strict=True)]
        x = self.node("BatchNormalization", f"{prefix}/norm", x, *norms, epsilon=norm.eps)
        return self.node("Relu", f"{prefix}/relu", x)

    def residual(self, prefix: str, x: str, block: Residual) -> str:
        inner = self.conv(f"{prefix}.narrow", x, block.narrow)
        return self.node("Add", f"{prefix}/sum", x, self.conv(f"{prefix}.widen", inner, block.widen))

    def context(self, prefix: str, x: str, block: Context) -> str:
        seen = [self.conv(f"{prefix}.narrow", x, block.narrow)]
        for k in range(3):
            pooled = self.node(
                "MaxPool", f"{prefix}/pool{k}", seen[-1], kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1]
            )
            seen.append(pooled)
        return self.conv(f"{prefix}.join", self.node("Concat", f"{prefix}/all", *seen, axis=1), block.join)

    def stage(self, prefix: str, x: str, stage: torch.nn.Module) -> str:
        for k, block in enumerate(stage.children()):
            name = f"{prefix}.{k}"
            if isinstance(block, Conv):
                x = self.conv(name, x, block)
            elif isinstance(block, Residual):
                x = self.residual(name, x, block)
            elif isinstance(block, Context):
                x = self.context(name, x, block)
            else:
                raise TypeError(f"{name}: got {type(block).__name__}, expected Conv, Residual or Context.")
        return x

    def doubled(self, name: str, x: str, scales: str) -> str:
        return self.node(
            "Resize", name, x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )  # fmt: skip


def _array(value: Tensor) -> NDArray[np.float32]:
    return np.asarray(value.detach().cpu().contiguous().float().numpy(), np.float32)


def export(
    network: PlateNetwork, path: Path, height_px: int, width_px: int, *, slope: float = 1.0, shift: float = 0.0
) -> None:
    """Write ``network`` to ``path``.

    Args:
        network: what to write.
        path: the ONNX file; written whole or not at all.
        height_px: of the input, a multiple of 32.
        width_px: likewise.
        slope: the score is sigmoid(slope x logit + shift): order and boxes stay, the chosen threshold moves.
        shift: likewise.
    """
    graph = _Graph()
    doubling = graph.constant("doubling", np.array([1, 1, 2, 2], np.float32))
    x = graph.stage("s4", "images", network.s4)
    eighth = graph.stage("s8", x, network.s8)
    sixteenth = graph.stage("s16", eighth, network.s16)
    deep = graph.conv("from32", graph.stage("s32", sixteenth, network.s32), network.from32)
    middle = graph.node(
        "Add", "sum16", graph.conv("from16", sixteenth, network.from16), graph.doubled("up32", deep, doubling)
    )
    middle = graph.conv("join16", middle, network.join16)
    fine = graph.node(
        "Add", "sum8", graph.conv("from8", eighth, network.from8), graph.doubled("up16", middle, doubling)
    )
    head = graph.conv("head", graph.conv("join8", fine, network.join8), network.head)
    assert network.out.bias is not None
    out = graph.node(
        "Conv", "out/conv", head,
        graph.constant("out.weight", _array(network.out.weight)), graph.constant("out.bias", _array(network.out.bias)),
    )  # fmt: skip
    _finds(graph, out, height_px // STRIDE_PX, width_px // STRIDE_PX, slope, shift)
    made = helper.make_graph(
        graph.nodes,
        "plate_detector",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height_px, width_px])],
        [helper.make_tensor_value_info("plates", TensorProto.FLOAT, ["plates", 7])],
        graph.initializers,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="plate_detector")
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    beside = path.with_suffix(".part")
    onnx.save(model, str(beside))
    beside.replace(path)


def _finds(graph: _Graph, out: str, rows: int, columns: int, slope: float, shift: float) -> None:
    """Make rows of finds of the head's five channels, as ``network.boxes_of`` does, and suppress all but the best."""

    def number(name: str, value: float) -> str:
        return graph.constant(name, np.array(value, np.float32))

    def ints(name: str, *values: int) -> str:
        return graph.constant(name, np.array(values, np.int64))

    cells = rows * columns
    flat = graph.node("Reshape", "flat", out, ints("flat_shape", 1, 5, cells))
    lengths = ints("lengths", 1, 2, 2)
    graph.nodes.append(helper.make_node("Split", [flat, lengths], ["logit", "offset", "extent"], "parts", axis=1))
    logit = graph.node("Mul", "sloped", "logit", number("score.slope", slope))
    scores = graph.node("Sigmoid", "scores", graph.node("Add", "shifted", logit, number("score.shift", shift)))
    extent = graph.node("Clip", "clipped", "extent", number("extent_low", -3.0), number("extent_high", 5.5))
    size = graph.node("Mul", "size", graph.node("Exp", "sizes", extent), number("stride", STRIDE_PX))
    centres = graph.constant("centres", cell_centres(rows, columns).numpy().T[None].astype(np.float32))
    centre = graph.node("Add", "centre", graph.node("Mul", "moved", "offset", size), centres)
    half = graph.node("Mul", "half", size, number("one_half", 0.5))
    corners = graph.node(
        "Concat", "corners", graph.node("Sub", "low", centre, half), graph.node("Add", "high", centre, half), axis=1
    )
    boxes = graph.node("Transpose", "boxes", corners, perm=[0, 2, 1])
    kept = graph.node(
        "NonMaxSuppression", "kept", boxes, scores, ints("most_finds", _MOST_FINDS),
        graph.constant("suppressed", np.array([_SUPPRESSED], np.float32)),
        graph.constant("least_score", np.array([_LEAST_SCORE], np.float32)),
    )  # fmt: skip
    cell = graph.node("Gather", "cell", kept, ints("third", 2), axis=1)
    at = graph.node("Reshape", "at", cell, ints("all", -1))
    zero = graph.node("Mul", "zero", graph.node("Cast", "numbers", cell, to=TensorProto.FLOAT), number("nothing", 0.0))
    found = graph.node("Gather", "found", graph.node("Reshape", "rows", boxes, ints("rows_shape", -1, 4)), at, axis=0)
    column = graph.node("Reshape", "column", scores, ints("column_shape", -1, 1))
    score = graph.node("Gather", "score", column, at, axis=0)
    graph.node("Concat", "plates", zero, found, zero, score, axis=1)


def load_into(network: PlateNetwork, path: Path) -> None:
    """Give ``network`` the parameters of the ONNX file ``path``.

    Raises:
        ValueError: the file lacks a parameter, or holds one of another shape.
    """
    kept = {t.name: numpy_helper.to_array(t) for t in onnx.load(str(path)).graph.initializer}
    state = network.state_dict()
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in kept or kept[name].shape != tuple(value.shape):
            got = kept[name].shape if name in kept else "nothing"
            raise ValueError(f"{path}: {name}: got {got}, expected {tuple(value.shape)}: another network's file.")
        value.copy_(torch.from_numpy(kept[name].astype(np.float32)))


def score_map(threshold: float, wanted: float) -> tuple[float, float]:
    """Return slope and shift of `export` that turn a score of ``threshold`` into ``wanted`` and spread the others."""
    new, old = (float(np.log(p / (1 - p))) for p in np.clip((wanted, threshold), 1e-4, 1 - 1e-4))
    return _SLOPE, new - _SLOPE * old


def score_map_of(path: Path) -> tuple[float, float]:
    """Return the slope and shift that the ONNX file ``path`` was written with."""
    kept = {t.name: t for t in onnx.load(str(path)).graph.initializer}
    return float(numpy_helper.to_array(kept["score.slope"])), float(numpy_helper.to_array(kept["score.shift"]))
