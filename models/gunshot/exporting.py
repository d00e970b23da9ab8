"""Students and heads as ONNX files with the interface that the device knows, small and without a trace of the trainer.

Weights of matrices and convolutions are stored as float16 behind a Cast, which runtimes undo once when they load the
file: half the size, the same speed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from edge_agent.gunshots import features, mn04
from models.gunshot.corpus import CLASSES
from models.gunshot.heads import ShippedHead, calibrated
from models.gunshot.network import Student
from models.gunshot.scoring import Calibration
from models.gunshot.teacher import EMBEDDING, KINDS

# Smaller arrays are biases and norms: nothing to save there.
_LEAST_HALVED = 1024


class ShippedStudent(nn.Module):
    """What the device runs: (batch, 1, BANDS, FRAMES) to (batch, 4) probabilities.

    Args:
        student: what was trained.
        head_share: share of the logits learned from the teacher's heads; the labels' have the rest.
        calibration: makes shares of its scores.
    """

    def __init__(self, student: Student, head_share: float, calibration: Calibration) -> None:
        super().__init__()
        self.student = student
        self.head_share = head_share
        self.calibration = calibration

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (batch, len(CLASSES)) probabilities."""
        said = self.student(pictures)
        return calibrated((1 - self.head_share) * said.labels + self.head_share * said.head, self.calibration)


def export_student(shipped: ShippedStudent, target: Path, *, name: str) -> None:
    """Write ``target``: ``logmel`` in, ``probabilities`` out, what else the device must know as metadata."""
    example = torch.zeros(2, 1, features.BANDS, features.FRAMES)
    _export(shipped, (example,), ["logmel"], target, _told(name, shipped.calibration, features.RATE_HZ))


def export_heads(shipped: ShippedHead, target: Path, *, name: str) -> None:
    """Write ``target``: mn04's ``emb384`` and ``prob527`` in, ``probabilities`` out."""
    examples = (torch.zeros(2, EMBEDDING), torch.full((2, KINDS), 0.5))
    _export(shipped, examples, ["emb384", "prob527"], target, _told(name, shipped.calibration, mn04.RATE_HZ))


def _told(name: str, calibration: Calibration, rate_hz: int) -> dict[str, str]:
    return {
        "name": name,
        "classes": ",".join(CLASSES),
        "rate_hz": str(rate_hz),
        "window_s": str(features.WINDOW_S),
        "threshold": f"{calibration.threshold:.3f}",
        "temperature": f"{calibration.temperature:.3f}",
    }


def _export(
    network: nn.Module, examples: tuple[Tensor, ...], inputs: list[str], target: Path, told: dict[str, str]
) -> None:
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        network.eval(),
        examples,
        input_names=inputs,
        output_names=["probabilities"],
        dynamic_shapes=tuple({0: batch} for _ in examples),
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export: got nothing, expected a program.")
    model = program.model_proto
    _without_traces(model)
    _halve(model)
    helper.set_model_props(model, told)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


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
    casts, halved = [], set()
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
