"""The classifier port on ONNX Runtime: log-mel in, class probabilities out.

The file says by itself what it is: its metadata names the classes, the sample rate, and the probability from which on
the recipe calls something a shot. Safe to call from several threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ModelError
from edge_agent.gunshots.features import BANDS, FRAMES, RATE_HZ, WINDOW_SAMPLES, log_mel, resample
from edge_agent.inference.providers import Provider
from edge_agent.inference.session import open_session, provider_of

_GRID_SAMPLES = RATE_HZ  # windows of 2 s every second: every shot stands whole in at least one


class OnnxShotClassifier:
    """Implements ``ShotClassifier`` for the files that ``models/gunshot`` makes.

    Args:
        path: an ONNX file with input ``logmel`` (batch, 1, 48, 200) and output ``probabilities`` (batch, classes).
        threads: cores that one run may use.
        provider: what to run on.

    Raises:
        ModelError: missing, damaged, or made for another interface.
    """

    def __init__(self, path: Path, *, threads: int = 1, provider: Provider = Provider.AUTO) -> None:
        self._session = open_session(path, threads=threads, provider=provider)
        meta: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape = inputs[0].shape[1:]
        if inputs[0].name != "logmel" or outputs[0].name != "probabilities" or shape != [1, BANDS, FRAMES]:
            raise ModelError(
                f"{path}: got input {inputs[0].name!r} {inputs[0].shape} and output {outputs[0].name!r}, expected "
                f"'logmel' [batch, 1, {BANDS}, {FRAMES}] and 'probabilities'. Use a file made by models/gunshot."
            )
        try:
            self._classes = tuple(meta["classes"].split(","))
            self._name = meta["name"]
            self._threshold = float(meta["threshold"])
            rate_hz = int(meta["rate_hz"])
        except (KeyError, ValueError) as error:
            raise ModelError(
                f"{path}: metadata {error}; expected classes, name, threshold and rate_hz as models/gunshot writes."
            ) from error
        if rate_hz != RATE_HZ:
            raise ModelError(f"{path}: made for {rate_hz} Hz, this agent computes features at {RATE_HZ} Hz.")

    @property
    def name(self) -> str:
        """The model's name as arrivals carry it."""
        return self._name

    @property
    def provider(self) -> Provider:
        """What the network really runs on."""
        return provider_of(self._session)

    @property
    def threshold(self) -> float:
        """The gun probability from which on the recipe's held-out figures call a window a shot."""
        return self._threshold

    def classify(self, samples: NDArray[np.float32], rate_hz: int) -> Mapping[str, float]:
        """Return the probability of each class, likeliest first.

        Args:
            samples: (n,) float32 mono. Up to 2 s are one window, filled up with silence; of anything longer, windows
                of 2 s every second are judged and the one likeliest to hold a gunshot is returned.
            rate_hz: samples per second.
        """
        sound = resample(samples, rate_hz)
        windows = np.stack([log_mel(window) for window in _windows(sound)])[:, None]
        probabilities: NDArray[np.float32] = self._session.run(["probabilities"], {"logmel": windows})[0]
        guns = [number for number, name in enumerate(self._classes) if name.startswith("gun")]
        best = probabilities[int(probabilities[:, guns].sum(axis=1).argmax())]
        return {self._classes[i]: float(best[i]) for i in np.argsort(-best)}


def gun_probability(classes: Mapping[str, float]) -> float:
    """Return the gun classes taken together: those whose names begin with "gun"."""
    return min(1.0, sum(probability for name, probability in classes.items() if name.startswith("gun")))


def _windows(sound: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    if len(sound) <= WINDOW_SAMPLES:
        return [np.pad(sound, (0, WINDOW_SAMPLES - len(sound)))]
    last = len(sound) - WINDOW_SAMPLES
    starts = list(range(0, last + 1, _GRID_SAMPLES))
    if last - starts[-1] > RATE_HZ // 10:
        starts.append(last)
    return [sound[start : start + WINDOW_SAMPLES] for start in starts]
