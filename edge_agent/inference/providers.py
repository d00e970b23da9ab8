"""The names by which execution providers are chosen, apart from ONNX Runtime, whose import takes a fifth of a second.

A provider is the part of ONNX Runtime that computes: on the CPU, or on an accelerator that a wheel of its own brings
(``scripts/setup --accelerator``). ``edge_agent/inference/session.py`` opens networks on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from importlib.metadata import packages_distributions


class Provider(StrEnum):
    """What a network may be run on; ``auto`` is the fastest of what is there that takes the network."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    OPENVINO = "openvino"


# As ONNX Runtime calls them; fastest first.
RUNTIME_NAMES: Mapping[Provider, str] = {
    Provider.CUDA: "CUDAExecutionProvider",
    Provider.OPENVINO: "OpenVINOExecutionProvider",
    Provider.CPU: "CPUExecutionProvider",
}


def runtime_distributions() -> list[str]:
    """Return the installed distributions that bring the package ``onnxruntime``, sorted.

    More than one is a broken installation: they overwrite each other's files, and which is imported is chance.
    """
    return sorted(set(packages_distributions().get("onnxruntime", ())))
