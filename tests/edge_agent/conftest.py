"""Networks of a few bytes that answer the same to everything, so that tests of reading plates need no weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from file_shop import Shop, opened_shop
from numpy.typing import NDArray

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
FLOAT, UINT8 = 1, 2

Shape = Sequence[int | str]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | bytes | str) -> bytes:
    """One protobuf field."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _value(name: str, kind: int, shape: Shape) -> bytes:
    sizes = b"".join(_field(1, _field(1, n) if isinstance(n, int) else _field(2, n)) for n in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, sizes)))


def network(given: tuple[str, int, Shape], answers: Mapping[str, NDArray[np.float32]]) -> bytes:
    """An ONNX file that takes ``given`` and always returns ``answers``."""
    graph = b""
    for name in answers:
        graph += _field(1, _field(1, f"{name}_constant") + _field(2, name) + _field(4, "Identity"))
    graph += _field(2, "constant")
    for name, array in answers.items():
        dims = b"".join(_field(1, n) for n in array.shape)
        raw = array.astype(np.float32).tobytes()
        graph += _field(5, dims + _field(2, FLOAT) + _field(8, f"{name}_constant") + _field(9, raw))
    graph += _field(11, _value(*given))
    for name, array in answers.items():
        graph += _field(12, _value(name, FLOAT, array.shape))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 17))


def graph_network(
    given: Mapping[str, Shape],
    answers: Mapping[str, int],
    nodes: Sequence[tuple[str, Sequence[str], str]],
    constants: Mapping[str, NDArray[np.float32]],
    metadata: Mapping[str, str],
) -> bytes:
    """An ONNX file of ``nodes`` (operator, inputs, output) from floats to (batch, answers) floats."""
    graph = b""
    for operator, taken, made in nodes:
        graph += _field(1, b"".join(_field(1, name) for name in taken) + _field(2, made) + _field(4, operator))
    graph += _field(2, "graph")
    for name, array in constants.items():
        dims = b"".join(_field(1, n) for n in array.shape)
        kind = 7 if array.dtype == np.int64 else FLOAT
        graph += _field(5, dims + _field(2, kind) + _field(8, name) + _field(9, array.tobytes()))
    for name, shape in given.items():
        graph += _field(11, _value(name, FLOAT, shape))
    for name, size in answers.items():
        graph += _field(12, _value(name, FLOAT, ("batch", size)))
    notes = b"".join(_field(14, _field(1, key) + _field(2, value)) for key, value in metadata.items())
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 17)) + notes


def slots_of(text: str, slots: int = 8, sure: float = 0.99) -> NDArray[np.float32]:
    """Distributions that read ``text`` with ``sure`` in each slot."""
    out = np.full((slots, len(ALPHABET)), (1 - sure) / (len(ALPHABET) - 1), np.float32)
    for i, character in enumerate(text.ljust(slots, "_")):
        out[i, ALPHABET.index(character)] = sure
    return out


@dataclass(frozen=True)
class TinyModels:
    """Where a tiny detector, OCR and its configuration lie."""

    detector: Path
    ocr: Path
    ocr_config: Path

    @property
    def folder(self) -> Path:
        return self.detector.parent


@pytest.fixture
def tiny_models(tmp_path: Path) -> Callable[..., TinyModels]:
    """Write models that find ``rows`` (x1, y1, x2, y2, score in a 64 x 64 letterbox) and read ``text`` in each.

    With ``columns``, (columns, alphabet), the OCR is one of CTC that says those.
    """

    def write(
        rows: Sequence[Sequence[float]] = ((8, 24, 40, 36, 0.9),),
        text: str = "ABC123",
        regions: Mapping[str, float] | None = None,
        config: str = "",
        columns: NDArray[np.float32] | None = None,
    ) -> TinyModels:
        folder = tmp_path / "tiny"
        folder.mkdir(exist_ok=True)
        found = np.array([[0, *row[:4], 0, row[4]] for row in rows], np.float32).reshape(-1, 7)
        answers = {"plate": slots_of(text)[None]} if columns is None else {"columns": columns[None]}
        yaml = f"max_plate_slots: 8\nalphabet: '{ALPHABET}'\npad_char: '_'\nimg_height: 16\nimg_width: 32\n"
        yaml += "image_color_mode: rgb\n" + config
        if regions is not None:
            answers["region"] = np.array([list(regions.values())], np.float32)
            yaml += f"plate_regions: {list(regions)}\n"
        models = TinyModels(folder / "own_detector.onnx", folder / "own_ocr.onnx", folder / "own_ocr.yaml")
        models.detector.write_bytes(network(("images", FLOAT, (1, 3, 64, 64)), {"output0": found}))
        models.ocr.write_bytes(network(("input", UINT8, ("n", 16, 32, 3)), answers))
        models.ocr_config.write_text(yaml, encoding="utf-8")
        return models

    return write


CLASSES = ("gunshot", "fireworks", "impulsive", "background")


@dataclass(frozen=True)
class SoundNetworks:
    """Writes small classifiers that are made as ``models/gunshot`` makes large ones."""

    folder: Path

    def metadata(self, rate_hz: int, /, **changed: str) -> dict[str, str]:
        made = {"name": "tiny", "classes": ",".join(CLASSES), "rate_hz": str(rate_hz), "window_s": "2.0"}
        return made | {"threshold": "0.5", "temperature": "1.0"} | changed

    def write(self, file: str, content: bytes) -> Path:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / file
        path.write_bytes(content)
        return path

    def student(self, file: str = "student.onnx", /, shape: Shape | None = None, **changed: str) -> Path:
        """A student that likes loud bands better: probabilities that add up to 1, which depend on what it hears."""
        from edge_agent.gunshots.features import BANDS, FRAMES, RATE_HZ

        weights = np.random.default_rng(2).standard_normal((BANDS * FRAMES, len(CLASSES))).astype(np.float32) * 0.01
        constants = {"weights": weights, "flat": np.array([-1, BANDS * FRAMES], np.int64)}
        nodes = [
            ("Reshape", ("logmel", "flat"), "row"),
            ("MatMul", ("row", "weights"), "logits"),
            ("Softmax", ("logits",), "probabilities"),
        ]
        given = {"logmel": shape or ("batch", 1, BANDS, FRAMES)}
        answers = {"probabilities": len(CLASSES)}
        return self.write(file, graph_network(given, answers, nodes, constants, self.metadata(RATE_HZ, **changed)))

    def head(self, file: str = "head.onnx", /, **changed: str) -> Path:
        """A head: softmax of a linear map of embedding and classes, whose weights are ``head_weights``."""
        nodes = [
            ("MatMul", ("emb384", "of_embedding"), "one"),
            ("MatMul", ("prob527", "of_classes"), "other"),
            ("Add", ("one", "other"), "logits"),
            ("Softmax", ("logits",), "probabilities"),
        ]
        given: dict[str, Shape] = {"emb384": ("batch", 384), "prob527": ("batch", 527)}
        of_embedding, of_classes = self.head_weights()
        constants = {"of_embedding": of_embedding, "of_classes": of_classes}
        made = graph_network(given, {"probabilities": len(CLASSES)}, nodes, constants, self.metadata(32_000, **changed))
        return self.write(file, made)

    def head_weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng = np.random.default_rng(3)
        shapes = (384, len(CLASSES)), (527, len(CLASSES))
        of_embedding, of_classes = (rng.standard_normal(shape).astype(np.float32) * 0.3 for shape in shapes)
        return of_embedding, of_classes

    def trunk(self, file: str = "trunk.onnx") -> Path:
        """A trunk of mn04's interface that makes everything of how loud the picture is on average."""
        constants = {
            "flat": np.array([0, -1], np.int64),
            "heard": np.linspace(-1, 1, 527, dtype=np.float32)[None],
            "felt": np.linspace(1, -1, 384, dtype=np.float32)[None],
        }
        nodes = [
            ("Reshape", ("logmel", "flat"), "row"),
            ("ReduceMax", ("row",), "loudest"),
            ("Reshape", ("loudest", "one"), "level"),
            ("MatMul", ("level", "heard"), "logits"),
            ("Sigmoid", ("logits",), "prob527"),
            ("MatMul", ("level", "felt"), "emb384"),
        ]
        constants["one"] = np.array([1, 1], np.int64)
        given: dict[str, Shape] = {"logmel": ("batch", 1, 128, "frames")}
        return self.write(file, graph_network(given, {"prob527": 527, "emb384": 384}, nodes, constants, {}))


@pytest.fixture
def sound_networks(tmp_path: Path) -> SoundNetworks:
    return SoundNetworks(tmp_path / "sounds")


@pytest.fixture
def write_network(tmp_path: Path) -> Callable[[str, Shape], Path]:
    """Write a network that takes floats of a shape and is neither detector nor OCR."""

    def write(name: str, shape: Shape) -> Path:
        folder = tmp_path / "other"
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_bytes(network(("x", FLOAT, shape), {"y": np.zeros((1, 3), np.float32)}))
        return path

    return write


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A server of one file, on loopback and reached without a proxy."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with opened_shop() as shop:
        yield shop
