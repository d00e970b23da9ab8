"""ONNX Runtime sessions, bounded so that one network cannot take the whole device.

Every network of the agent is opened here and nowhere else, on the CPU, with a fixed number of threads and without
busy-waiting between runs. Sessions are safe to run from several threads; whoever opens one owns it.
"""

from __future__ import annotations

from pathlib import Path

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import (
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    NotImplemented,
    RuntimeException,
)

from edge_agent.errors import ModelError

# What ONNX Runtime raises for a file that is damaged, truncated, or made for operators that it does not have.
_UNUSABLE = (
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    NotImplemented,
    RuntimeException,
)


def open_session(path: Path, *, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open the network at ``path`` on the CPU.

    Args:
        path: an ONNX file, as resolved and verified by ``edge_agent.inference.models``.
        threads: upper bound of cores that one run may use.

    Returns:
        A session that is ready to run.

    Raises:
        ModelError: the file is missing, unreadable, or no network that ONNX Runtime can run.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected an ONNX network. Check --models-dir.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning saves microseconds a run and burns a core between frames: wrong on battery and beside other stages.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # warnings about optimised graphs say nothing that a technician could act on
    try:
        return onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
    except (*_UNUSABLE, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        raise ModelError(
            f"{path}: not a network that ONNX Runtime {onnxruntime.__version__} can run ({reason}). "
            "The file is damaged or incomplete: copy it again and compare its SHA-256 with models/manifest.toml."
        ) from error
