"""ONNX Runtime sessions, bounded so that one network cannot take the whole device.

Every network of the agent is opened here and nowhere else, with a bounded number of threads and without busy-waiting
between runs. Invariants:

- A provider that was named is used or refused; only ``auto`` may end on the CPU, and says why in the log.
- ONNX Runtime's own fallback, which changes the provider in silence and in the middle of a run, is off.

Sessions are safe to run from several threads; whoever opens one owns it, and there is one a network in a program.
"""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime
import structlog
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
from edge_agent.inference.providers import RUNTIME_NAMES, Provider

# What ONNX Runtime raises for a file that is damaged, truncated, or made for operators that it does not have.
UNUSABLE = (
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    NotImplemented,
    RuntimeException,
)
_log = structlog.get_logger()


def available_providers() -> tuple[Provider, ...]:
    """Return what this build of ONNX Runtime can compute on, fastest first; the CPU is always there."""
    built_in = onnxruntime.get_available_providers()
    return tuple(provider for provider, name in RUNTIME_NAMES.items() if name in built_in)


def provider_of(session: onnxruntime.InferenceSession) -> Provider:
    """Return what ``session`` really computes on."""
    name = session.get_providers()[0]
    return next(provider for provider, known in RUNTIME_NAMES.items() if known == name)


def usable_threads(threads: int) -> int:
    """Return ``threads``, but no more than the cores that this program may use, and at least one."""
    return max(1, min(threads, len(os.sched_getaffinity(0))))


def open_session(path: Path, *, threads: int = 1, provider: Provider = Provider.AUTO) -> onnxruntime.InferenceSession:
    """Open the network at ``path``.

    Args:
        path: an ONNX file, as resolved and verified by ``edge_agent.inference.models``.
        threads: upper bound of cores that one run may use; see ``usable_threads``.
        provider: what to compute on; ``provider_of`` says what ``auto`` came to.

    Returns:
        A session that is ready to run.

    Raises:
        ModelError: the file is missing, unreadable, or no network that ONNX Runtime can run; or the provider that was
            named is not there, or does not take this network.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected an ONNX network. Check --models-dir.")
    available = available_providers()
    if provider is not Provider.AUTO and provider not in available:
        raise ModelError(
            f"models.provider (--provider): got {provider}, expected auto or what this installation of ONNX Runtime "
            f"{onnxruntime.__version__} offers: {', '.join(available)}. "
            f"Run `scripts/setup --accelerator {provider}`, or choose auto."
        )
    if provider is not Provider.AUTO:
        return _open(path, threads, provider)
    for accelerator in (p for p in available if p is not Provider.CPU):
        try:
            return _open(path, threads, accelerator)
        except ModelError as error:
            _log.warning("accelerator not used", file=path.name, provider=str(accelerator), reason=str(error))
    return _open(path, threads, Provider.CPU)


def _open(path: Path, threads: int, provider: Provider) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_threads(threads)
    options.inter_op_num_threads = 1
    # Spinning saves microseconds a run and burns a core between frames: wrong on battery and beside other stages.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # warnings about optimised graphs say nothing that a technician could act on
    providers: list[str | tuple[str, dict[str, str]]] = [RUNTIME_NAMES[provider]]
    if provider is Provider.OPENVINO:
        # It has threads of its own, which the options above do not bound.
        bound = {"device_type": "CPU", "num_of_threads": str(usable_threads(threads))}
        providers = [(RUNTIME_NAMES[provider], bound)]
    if provider is not Provider.CPU:
        providers.append(RUNTIME_NAMES[Provider.CPU])  # for the single operators that an accelerator lacks
    try:
        session = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=providers, enable_fallback=False
        )
    except (*UNUSABLE, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        if provider is not Provider.CPU:
            raise ModelError(f"{path}: {provider} cannot run this network ({reason}). Choose auto or cpu.") from error
        raise ModelError(
            f"{path}: not a network that ONNX Runtime {onnxruntime.__version__} can run ({reason}). "
            "The file is damaged or incomplete: copy it again and compare its SHA-256 with models/manifest.toml."
        ) from error
    if provider_of(session) is not provider:
        raise ModelError(
            f"{path}: {provider} did not start, for want of its driver or libraries. "
            "Install those, or choose auto or cpu."
        )
    return session


def provider_for(path: Path, provider: Provider = Provider.AUTO) -> Provider:
    """Return what the network at ``path`` runs on when ``provider`` is asked for; opens it only to find out.

    Raises:
        ModelError: as for ``open_session``.
    """
    if provider is Provider.AUTO and available_providers() == (Provider.CPU,):
        return Provider.CPU
    return provider_of(open_session(path, provider=provider))
