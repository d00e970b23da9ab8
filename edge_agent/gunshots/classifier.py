"""The classifier port on ONNX Runtime: windows of sound in, class probabilities out.

Two kinds of file implement it. A *student* is one network from its own log-mel picture (``features.py``) to
probabilities. With mn04, somebody else's *trunk* makes an embedding of its own picture (``mn04.py``), and our *head*
the probabilities. Students and heads say by themselves what they are: their metadata names the classes, the sample
rate, and the probability from which on the recipe calls something a shot. ``opening.py`` knows which files make which
kind.

Safe to call from several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_agent.errors import ModelError
from edge_agent.gunshots import features, mn04
from edge_agent.gunshots.features import WINDOW_S
from edge_agent.gunshots.resampling import resample
from edge_agent.inference.providers import Provider
from edge_agent.inference.session import open_session, provider_of

MN04_EMBEDDING, MN04_CLASSES = 384, 527
_STUDENT_INPUTS = {"logmel": [1, features.BANDS, features.FRAMES]}
_TRUNK_INPUTS = {"logmel": [1, mn04.BANDS, None]}
_TRUNK_OUTPUTS = {"prob527": [MN04_CLASSES], "emb384": [MN04_EMBEDDING]}
_HEAD_INPUTS = {"emb384": [MN04_EMBEDDING], "prob527": [MN04_CLASSES]}

_Shapes = Mapping[str, Sequence[int | str | None]]


class _Value(Protocol):
    """An input or an output of a network, as ONNX Runtime tells it."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> Sequence[int | str | None]: ...


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """How sound becomes what a network looks at: the log-mel picture of one window.

    Attributes:
        rate_hz: the sample rate that it is made at.
        window_samples: how many samples it takes.
        log_mel: makes it: (window_samples,) to (bands, frames) float32.
    """

    rate_hz: int
    window_samples: int
    log_mel: Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class ClassifierCard:
    """What a student or a head says of itself in its metadata.

    Attributes:
        name: as arrivals carry it.
        classes: in the order of its output.
        threshold: the gun probability from which on the recipe's held-out figures call a window a shot.
    """

    name: str
    classes: tuple[str, ...]
    threshold: float


class NetworkShotClassifier:
    """Implements ``ShotClassifier`` for any network that judges windows of two seconds.

    Args:
        card: what the network says of itself.
        front_end: makes what it looks at.
        judge: (windows, 1, bands, frames) float32 to (windows, classes) probabilities.
        provider: what ``judge`` runs on.
    """

    def __init__(
        self,
        card: ClassifierCard,
        front_end: FrontEnd,
        judge: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        provider: Provider,
    ) -> None:
        self._card = card
        self._front_end = front_end
        self._judge = judge
        self._provider = provider
        self._guns = [number for number, name in enumerate(card.classes) if name.startswith("gun")]

    @property
    def name(self) -> str:
        """The model's name as arrivals carry it."""
        return self._card.name

    @property
    def provider(self) -> Provider:
        """What the network really runs on."""
        return self._provider

    @property
    def threshold(self) -> float:
        """The gun probability from which on the recipe's held-out figures call a window a shot."""
        return self._card.threshold

    def classify(self, samples: NDArray[np.float32], rate_hz: int) -> Mapping[str, float]:
        """Return the probability of each class, likeliest first.

        Args:
            samples: (n,) float32 mono. Up to 2 s are one window, filled up with silence; of anything longer, windows
                of 2 s every second are judged and the one likeliest to hold a gunshot is returned.
            rate_hz: samples per second.
        """
        sound = resample(samples, rate_hz, self._front_end.rate_hz)
        windows = [self._front_end.log_mel(window) for window in _windows(sound, self._front_end)]
        probabilities = self._judge(np.stack(windows)[:, None])
        best = probabilities[int(probabilities[:, self._guns].sum(axis=1).argmax())]
        return {self._card.classes[i]: float(best[i]) for i in np.argsort(-best)}


class OnnxShotClassifier(NetworkShotClassifier):
    """A student of ``models/gunshot``.

    Args:
        path: an ONNX file, ``logmel`` (batch, 1, BANDS, FRAMES) in and ``probabilities`` (batch, classes) out.
        threads: cores that one run may use.
        provider: what to run on.

    Raises:
        ModelError: missing, damaged, or made for another interface.
    """

    def __init__(self, path: Path, *, threads: int = 1, provider: Provider = Provider.AUTO) -> None:
        session = open_session(path, threads=threads, provider=provider)
        _hold_to(path, "input", session.get_inputs(), _STUDENT_INPUTS, _STUDENT)
        card = _card(path, session, features.RATE_HZ, _STUDENT)

        def judge(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
            probabilities: NDArray[np.float32] = session.run(["probabilities"], {"logmel": pictures})[0]
            return probabilities

        front_end = FrontEnd(features.RATE_HZ, features.WINDOW_SAMPLES, features.log_mel)
        super().__init__(card, front_end, judge, provider_of(session))


class Mn04ShotClassifier(NetworkShotClassifier):
    """mn04's trunk with a head of ``models/gunshot``.

    Args:
        trunk: an ONNX file with input ``logmel`` (batch, 1, 128, frames) and outputs ``prob527`` and ``emb384``.
        head: an ONNX file with inputs ``emb384`` and ``prob527`` and output ``probabilities`` (batch, classes).
        threads: cores that one run may use.
        provider: what to run on.

    Raises:
        ModelError: a file is missing, damaged, or made for another interface.
    """

    def __init__(self, trunk: Path, head: Path, *, threads: int = 1, provider: Provider = Provider.AUTO) -> None:
        hearing = open_session(trunk, threads=threads, provider=provider)
        _hold_to(trunk, "input", hearing.get_inputs(), _TRUNK_INPUTS, _TRUNK)
        _hold_to(trunk, "output", hearing.get_outputs(), _TRUNK_OUTPUTS, _TRUNK)
        judging = open_session(head, threads=threads, provider=provider)
        _hold_to(head, "input", judging.get_inputs(), _HEAD_INPUTS, _HEAD)
        card = _card(head, judging, mn04.RATE_HZ, _HEAD)

        def judge(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
            heard, embedding = hearing.run(["prob527", "emb384"], {"logmel": pictures})
            given = {"emb384": embedding, "prob527": heard}
            probabilities: NDArray[np.float32] = judging.run(["probabilities"], given)[0]
            return probabilities

        front_end = FrontEnd(features.RATE_HZ, features.WINDOW_SAMPLES, _as_taught)
        super().__init__(card, front_end, judge, provider_of(hearing))


def _as_taught(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return mn04's picture of a window at the students' rate, as the recipe made it when it taught the head.

    The trunk knows what lies above that rate; the head has never been told, and must not be by a better microphone.
    """
    level = window - window.mean(dtype=np.float64).astype(np.float32)
    return mn04.log_mel(resample(level, features.RATE_HZ, mn04.RATE_HZ))


def is_head(session: onnxruntime.InferenceSession) -> bool:
    """Whether a network wants what mn04's trunk makes of sound, rather than a picture of it."""
    return {value.name for value in session.get_inputs()} == _HEAD_INPUTS.keys()


def gun_probability(classes: Mapping[str, float]) -> float:
    """Return the gun classes taken together: those whose names begin with "gun"."""
    return min(1.0, sum(probability for name, probability in classes.items() if name.startswith("gun")))


def _windows(sound: NDArray[np.float32], front_end: FrontEnd) -> list[NDArray[np.float32]]:
    if len(sound) <= front_end.window_samples:
        return [np.pad(sound, (0, front_end.window_samples - len(sound)))]
    last = len(sound) - front_end.window_samples
    starts = list(range(0, last + 1, front_end.rate_hz))  # every second: every shot stands whole in at least one
    if last - starts[-1] > front_end.rate_hz // 10:
        starts.append(last)
    return [sound[start : start + front_end.window_samples] for start in starts]


_STUDENT = "Use a file made by models/gunshot."
_TRUNK = "Use mn04_as.onnx, whose SHA-256 is in models/manifest.toml."
_HEAD = "Use a head made by models/gunshot."


def _card(path: Path, session: onnxruntime.InferenceSession, rate_hz: int, remedy: str) -> ClassifierCard:
    meta: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    try:
        card = ClassifierCard(meta["name"], tuple(meta["classes"].split(",")), float(meta["threshold"]))
        made_for = int(meta["rate_hz"]), float(meta["window_s"])
    except (KeyError, ValueError) as error:
        raise ModelError(
            f"{path}: metadata {error}; expected name, classes, threshold, rate_hz and window_s as models/gunshot "
            "writes them."
        ) from error
    if made_for != (rate_hz, WINDOW_S):
        raise ModelError(
            f"{path}: made for {made_for[1]:g} s at {made_for[0]} Hz, expected {WINDOW_S:g} s at {rate_hz} Hz, "
            "which is what this version of the agent computes. Export it again."
        )
    if not any(name.startswith("gun") for name in card.classes):
        raise ModelError(f"{path}: got classes {', '.join(card.classes)}, expected one whose name begins with 'gun'.")
    _hold_to(path, "output", session.get_outputs(), {"probabilities": [len(card.classes)]}, remedy)
    return card


def _hold_to(path: Path, what: str, there: Sequence[_Value], wanted: _Shapes, remedy: str) -> None:
    """Refuse a network of another interface; the batch is free, and so is a size of None."""
    got = {value.name: list(value.shape[1:]) for value in there}
    if got.keys() != wanted.keys() or not all(_fits(got[name], wanted[name]) for name in wanted):
        raise ModelError(f"{path}: got {what} {_shown(got)}, expected {_shown(wanted)}. {remedy}")


def _fits(got: Sequence[int | str | None], wanted: Sequence[int | str | None]) -> bool:
    return len(got) == len(wanted) and all(b is None or a == b for a, b in zip(got, wanted, strict=True))


def _shown(shapes: _Shapes) -> str:
    sizes = {name: ", ".join("free" if n is None else str(n) for n in shape) for name, shape in shapes.items()}
    return " and ".join(f"{name!r} [batch, {shape}]" for name, shape in sizes.items()) or "none"
