"""The student: a small convolutional network over a log-mel window, and how it becomes an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from corpus import CLASSES
from teacher import BANGS, EMBEDDING
from torch import Tensor, nn

from edge_agent.gunshots.features import BANDS, FRAMES, RATE_HZ, WINDOW_S


def _layer(channels_in: int, channels_out: int, stride: int, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class Student(nn.Module):
    """(batch, 1, BANDS, FRAMES) to logits of ``CLASSES``, the teacher's embedding, and its logits of the bangs."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            _layer(1, 16, 2, 5),
            _layer(16, 32, 2),
            _layer(32, 32, 1),
            _layer(32, 64, 2),
            _layer(64, 64, 1),
            _layer(64, 96, 2),
            _layer(96, 96, 1),
        )
        self.hidden = nn.Linear(2 * 96, 128)
        self.drop = nn.Dropout(0.2)
        self.labels = nn.Linear(128, len(CLASSES))
        self.embedding = nn.Linear(128, EMBEDDING)
        self.bangs = nn.Linear(128, BANGS.stop - BANGS.start)

    def forward(self, spectrogram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge a batch; a bang is short, so the maximum over time counts beside the mean."""
        bands = self.trunk(spectrogram).mean(2)
        hidden = torch.relu(self.hidden(torch.cat([bands.mean(2), bands.amax(2)], 1)))
        return self.labels(self.drop(hidden)), self.embedding(hidden), self.bangs(hidden)


class Shipped(nn.Module):
    """What the device runs: the labels' part alone, as probabilities, with the temperature inside."""

    def __init__(self, student: Student, temperature: float) -> None:
        super().__init__()
        self.student = student
        self.temperature = temperature

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Return (batch, len(CLASSES)) probabilities."""
        return torch.softmax(self.student(spectrogram)[0] / self.temperature, 1)


def export(student: Student, target: Path, *, name: str, temperature: float, threshold: float) -> None:
    """Write ``target`` with the fixed interface: ``logmel`` in, ``probabilities`` out, the rest as metadata."""
    student.eval()
    batch = torch.export.Dim("batch")
    torch.onnx.export(
        Shipped(student, temperature).eval(),
        (torch.zeros(2, 1, BANDS, FRAMES),),
        str(target),
        input_names=["logmel"],
        output_names=["probabilities"],
        dynamic_shapes=({0: batch},),
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    model = onnx.load(target)
    del model.metadata_props[:]
    # The exporter notes where on the trainer's machine each operator came from: no business of the user's.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""
    meta: Mapping[str, str] = {
        "name": name,
        "classes": ",".join(CLASSES),
        "rate_hz": str(RATE_HZ),
        "window_s": str(WINDOW_S),
        "threshold": f"{threshold:.3f}",
        "temperature": f"{temperature:.3f}",
    }
    onnx.helper.set_model_props(model, dict(meta))
    onnx.checker.check_model(model)
    onnx.save(model, target)
