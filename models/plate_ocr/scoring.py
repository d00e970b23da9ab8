"""How well plates are read: exact shares with their intervals, characters confused, regions; without PyTorch."""

from __future__ import annotations

import csv
import math
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.plate_ocr.pictures import BLANK, CHARACTERS, HEIGHT_PX, WIDTH_PX, resized, spelled

# Of the labelled box, on each side, before it is read: what the product's reader cuts by default is close to it.
PAD = 0.10
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pictures of plates with what they read, for scoring.

    Attributes:
        name: of the set.
        images: file names.
        pictures: (n, 64, 128, 3) uint8 RGB.
        texts: what they read.
        regions: their codes; "" where none is known.
    """

    name: str
    images: tuple[str, ...]
    pictures: NDArray[np.uint8]
    texts: tuple[str, ...]
    regions: tuple[str, ...]


def read_labelled(folder: Path) -> Labelled:
    """Read ``folder/truth.csv``: image,text and, where the plate is not the whole picture, x,y,w,h; state or region.

    Raises:
        SystemExit: a file cannot be read.
    """
    path = folder / "truth.csv"
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
    except OSError as error:
        raise SystemExit(f"{path}: cannot be read ({error.strerror}).") from error
    pictures = []
    for row in rows:
        image = cv2.imread(str(folder / row["image"]), cv2.IMREAD_COLOR)
        if image is None:
            raise SystemExit(f"{folder / row['image']}: not a picture.")
        if "x" in row:
            x, y, w, h = (float(row[key]) for key in "xywh")
            left, top = max(0, round(x - PAD * w)), max(0, round(y - PAD * h))
            image = image[top : round(y + h + PAD * h), left : round(x + w + PAD * w)]
        pictures.append(resized(np.asarray(image, np.uint8)))
    regions = tuple(f"US-{row['state']}" if row.get("state") else row.get("region") or "" for row in rows)
    names = tuple(row["image"] for row in rows)
    return Labelled(folder.name, names, np.stack(pictures), tuple(row["text"] for row in rows), regions)


def merged(text: str) -> str:
    """Return ``text`` with every O as 0, which many labels do not tell apart."""
    return text.replace("O", "0")


def shares(read: list[str], texts: tuple[str, ...]) -> tuple[int, int]:
    """Return how many of ``read`` are exactly ``texts``, and how many with 0 and O merged."""
    exact = sum(a == b for a, b in zip(read, texts, strict=True))
    return exact, sum(merged(a) == merged(b) for a, b in zip(read, texts, strict=True))


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``hits`` among ``total`` (Wilson, 1927)."""
    if total == 0:
        return 0.0, 1.0
    z = 1.959964
    share, widened = hits / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / widened
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / widened
    return middle - half, middle + half


def aligned(read: str, text: str) -> list[tuple[str, str]]:
    """Pair the characters of ``text`` with those of ``read`` by the fewest edits; "" stands for none.

    Returns:
        (true, read) in order.
    """
    costs = np.zeros((len(text) + 1, len(read) + 1), np.int64)
    costs[:, 0], costs[0] = np.arange(len(text) + 1), np.arange(len(read) + 1)
    for i, true in enumerate(text, 1):
        for j, got in enumerate(read, 1):
            costs[i, j] = min(costs[i - 1, j - 1] + (true != got), costs[i - 1, j] + 1, costs[i, j - 1] + 1)
    pairs = []
    i, j = len(text), len(read)
    while i or j:
        if i and j and costs[i, j] == costs[i - 1, j - 1] + (text[i - 1] != read[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((text[i], read[j]))
        elif i and costs[i, j] == costs[i - 1, j] + 1:
            i -= 1
            pairs.append((text[i], ""))
        else:
            j -= 1
            pairs.append(("", read[j]))
    return pairs[::-1]


def confusions(read: list[str], texts: tuple[str, ...]) -> Counter[tuple[str, str]]:
    """Count (true, read) characters over all plates, the right ones included."""
    return Counter(pair for got, text in zip(read, texts, strict=True) for pair in aligned(got, text))


@dataclass(frozen=True, slots=True)
class Reader:
    """An OCR network as an ONNX file: this project's, or one of fast-plate-ocr's with the same input.

    Attributes:
        session: what runs it, on one thread.
        regions: the codes of its region head; empty where they are not known.
    """

    session: onnxruntime.InferenceSession
    regions: tuple[str, ...] = ()

    @staticmethod
    def open(path: Path) -> Reader:
        """Open the file at ``path``.

        Raises:
            SystemExit: its input is not (N, 64, 128, 3).
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        shape = session.get_inputs()[0].shape[1:]
        if list(shape) != [HEIGHT_PX, WIDTH_PX, 3]:
            raise SystemExit(f"{path}: input: got {shape}, expected [{HEIGHT_PX}, {WIDTH_PX}, 3].")
        known = session.get_modelmeta().custom_metadata_map.get("regions", "")
        return Reader(session, tuple(known.split(",")) if known else ())

    def answers(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what the network says of ``pictures`` (n, 64, 128, 3): its first output, and the regions'."""
        name = self.session.get_inputs()[0].name
        parts = [self.session.run(None, {name: pictures[at : at + _BATCH]}) for at in range(0, len(pictures), _BATCH)]
        first = np.concatenate([part[0] for part in parts]).reshape(len(pictures), -1, len(CHARACTERS) + 1)
        regions = np.concatenate([part[1] for part in parts]) if len(parts[0]) > 1 else np.zeros((len(pictures), 0))
        return first, np.asarray(regions, np.float32)

    def texts(self, pictures: NDArray[np.uint8]) -> list[str]:
        """Read ``pictures``, each column's or slot's likeliest character."""
        said, _ = self.answers(pictures)
        if self.session.get_outputs()[0].name == "columns":
            return spelled(said)
        return ["".join(CHARACTERS[c] for c in row if c != BLANK) for row in said.argmax(axis=2)]

    def milliseconds(self, runs: int = 200) -> float:
        """Return the median processor time of one crop, in ms: who else uses the machine does not count."""
        picture = np.random.default_rng(0).integers(0, 255, (1, HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)
        name = self.session.get_inputs()[0].name
        times = []
        for _ in range(runs):
            began = time.thread_time()
            self.session.run(None, {name: picture})
            times.append(time.thread_time() - began)
        return 1000 * sorted(times)[runs // 2]


@dataclass(frozen=True, slots=True)
class Score:
    """How well a set was read.

    Attributes:
        total: plates.
        exact: read exactly.
        merged: read exactly with 0 and O as one.
        regions: (true, likeliest) regions where the true one is known and among the head's.
        characters: (true, read) pairs, the right ones included; "" is none.
    """

    total: int
    exact: int
    merged: int
    regions: Counter[tuple[str, str]]
    characters: Counter[tuple[str, str]]

    @property
    def known(self) -> int:
        """How many plates' region is known."""
        return self.regions.total()

    @property
    def right(self) -> int:
        """How many plates' likeliest region is theirs."""
        return sum(count for (true, got), count in self.regions.items() if true == got)


def recall(characters: Counter[tuple[str, str]], character: str) -> float:
    """Return which share of the plates' ``character`` was read as such; nan where there is none.

    Args:
        characters: (true, read) pairs, the right ones included.
        character: the one asked for.
    """
    of = sum(count for (true, _), count in characters.items() if true == character)
    return characters[character, character] / of if of else math.nan


def mistaken(characters: Counter[tuple[str, str]], character: str, most: int = 3) -> list[tuple[str, int]]:
    """Return what ``character`` was most often read as when it was misread, and how often."""
    wrong = Counter({got: n for (true, got), n in characters.items() if true == character != got})
    return wrong.most_common(most)


def score(reader: Reader, labelled: Labelled) -> Score:
    """Read ``labelled`` with ``reader`` and count."""
    if not labelled.texts:
        return Score(0, 0, 0, Counter(), Counter())
    read = reader.texts(labelled.pictures)
    exact, together = shares(read, labelled.texts)
    known = [at for at, code in enumerate(labelled.regions) if code in reader.regions]
    regions: Counter[tuple[str, str]] = Counter()
    if known:
        _, said = reader.answers(labelled.pictures[known])
        regions.update(
            (labelled.regions[at], reader.regions[row.argmax()]) for at, row in zip(known, said, strict=True)
        )
    return Score(len(read), exact, together, regions, confusions(read, labelled.texts))
