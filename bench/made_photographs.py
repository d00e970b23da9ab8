"""Photographs with known plates, made of plate crops laid over the plates of real photographs.

    python bench/made_photographs.py ASSETS/data/plates MADE --part tune
    python bench/made_photographs.py ASSETS/data/plates MADE --part check

The labelled photographs are few and come from a few cameras, so nothing may be fitted to them. Here each of the 508
crops of ``us-crops`` is laid, turned and foreshortened, over the plate of a random photograph of ``train-boxes``, 50 to
160 pixels wide, then blurred, darkened or brightened, given noise, and stored as JPEG. Whatever is chosen is chosen
on part ``tune`` (every other crop and background) and confirmed on part ``check``, which shares neither crop nor
background with it. Writes ``truth.csv`` (image,x,y,w,h,text) beside the photographs, the form of ``score_plates.py``.

A made photograph is easier than a real one at the same width (the crops were legible to whoever labelled them) and
harder in its turn (up to 12 degrees and 30 % foreshortening): differences between two ways of reading carry over,
levels do not.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
PARTS = ("tune", "check")
WIDTHS_PX = (50, 160)


def main() -> None:
    """Make one part's photographs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plates", type=Path, help="folder with us-crops and train-boxes")
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", choices=PARTS, default="tune")
    parser.add_argument("--each", type=int, default=3, help="photographs a crop")
    parser.add_argument("--night", action="store_true", help="infrared monochrome, flash and headlights")
    parser.add_argument("--turn", type=float, default=5.0, help="spread of the plates' turn in degrees")
    parser.add_argument("--seed", type=int, default=4)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    part = PARTS.index(args.part)
    chance = np.random.default_rng([args.seed, part])
    crops = args.plates / "us-crops"
    with (crops / "truth.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[part::2]
    grounds = backgrounds(args.plates / "train-boxes")[part::2]
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["image", "x", "y", "w", "h", "text"])
        for row in rows:
            crop = cv2.imread(str(crops / row["image"]))
            for number in range(args.each):
                path, box = grounds[chance.integers(len(grounds))]
                photograph, placed = laid(np.asarray(crop, np.uint8), path, box, chance, args.turn)
                if args.night:
                    photograph = by_night(photograph, placed, chance)
                name = f"{Path(row['image']).stem}.{number}.jpg"
                quality = int(chance.integers(60, 95))
                cv2.imwrite(str(args.out / name), photograph, [cv2.IMWRITE_JPEG_QUALITY, quality])
                out.writerow([name, *placed, row["text"]])


def backgrounds(folder: Path) -> list[tuple[Path, tuple[float, ...]]]:
    """Return photographs that show one plate only, with its box (x, y, w, h), in order of their names."""
    found = []
    for boxes in sorted(folder.glob("*/boxes.csv")):
        with boxes.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        images = [row["image"] for row in rows]
        for row in rows:
            box = tuple(float(row[key]) for key in "xywh")
            if images.count(row["image"]) == 1 and box[2] >= 35:
                found.append((boxes.parent / row["image"], box))
    return found


def laid(
    crop: Image, path: Path, box: tuple[float, ...], chance: np.random.Generator, turn_deg: float = 5.0
) -> tuple[Image, tuple[int, int, int, int]]:
    """Lay ``crop`` over the plate of the photograph at ``path``.

    Returns:
        The photograph, (H, W, 3) uint8 BGR, and the plate's bounding box (x, y, w, h) in its pixels.
    """
    low, high = WIDTHS_PX
    width_px = float(np.exp(chance.uniform(np.log(low), np.log(high))))
    ground = np.asarray(cv2.imread(str(path)), np.uint8)
    # So large that the new plate hides the old one, whatever the shapes of the two.
    scale = width_px / max(box[2], box[3] * 2.0) / 1.08
    middle = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])
    # No more around it than a camera of 1,280 x 960 would show.
    x1, y1 = np.maximum(middle - np.array([640, 480]) / scale, 0).astype(int)
    ground = ground[y1 : y1 + int(960 / scale), x1 : x1 + int(1280 / scale)]
    size_px = (max(round(ground.shape[1] * scale), 64), max(round(ground.shape[0] * scale), 64))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    ground = np.asarray(cv2.resize(ground, size_px, interpolation=how), np.uint8)
    centre = (middle - [x1, y1]) * scale
    high_px = width_px * crop.shape[0] / crop.shape[1]
    frame = chance.uniform(0.02, 0.09)  # a plate's frame or the car's paint around it
    edge_px = round(frame * crop.shape[1])
    paint = [int(v) for v in chance.integers(10, 230, 3)] if chance.random() < 0.5 else [25, 25, 25]
    framed = cv2.copyMakeBorder(crop, edge_px, edge_px, edge_px, edge_px, cv2.BORDER_CONSTANT, value=paint)
    half = np.array([width_px, high_px]) / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners[:, 0] *= chance.uniform(0.7, 1.0)
    corners[:2, 0] *= chance.uniform(0.95, 1.05)
    corners[[0, 3], 1] *= chance.uniform(0.88, 1.12)
    turn, shear = (
        np.deg2rad(np.clip(chance.normal(0, turn_deg), -2.4 * turn_deg, 2.4 * turn_deg)),
        chance.normal(0, 0.06),
    )
    bent = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array([[1, shear], [0, 1]])
    outline = (corners @ bent.T + centre).astype(np.float32)
    bounds = np.array(crop.shape[1::-1])
    inner = edge_px + np.array([[0, 0], [bounds[0], 0], bounds, [0, bounds[1]]])
    # Four times finer, then averaged: a direct warp would alias the strokes away.
    fine = 4
    x1, y1 = np.maximum(np.floor(outline.min(axis=0) - 0.15 * width_px), 0).astype(int)
    x2, y2 = np.minimum(np.ceil(outline.max(axis=0) + 0.15 * width_px), size_px).astype(int)
    moved = (outline - [x1, y1]) * fine
    window_px = (int(x2 - x1) * fine, int(y2 - y1) * fine)
    warp = cv2.getPerspectiveTransform(inner.astype(np.float32), moved.astype(np.float32))
    plate = cv2.warpPerspective(framed, warp, window_px, flags=cv2.INTER_AREA)
    mask = cv2.warpPerspective(np.full(framed.shape[:2], 255, np.uint8), warp, window_px)
    small_px = (window_px[0] // fine, window_px[1] // fine)
    plate, mask = (cv2.resize(part, small_px, interpolation=cv2.INTER_AREA) for part in (plate, mask))
    share = (mask / 255.0)[:, :, None]
    light = chance.uniform(0.5, 1.15)
    window = ground[y1:y2, x1:x2].astype(np.float64)
    ground[y1:y2, x1:x2] = np.clip(window * (1 - share) + np.minimum(plate * light, 255) * share, 0, 255)
    ground = _seen(ground, chance)
    left, top = outline.min(axis=0)
    right, bottom = outline.max(axis=0)
    return ground, (round(left), round(top), round(right - left), round(bottom - top))


def _seen(image: Image, chance: np.random.Generator) -> Image:
    """Return ``image`` as a cheap camera would have it: blurred, moved, noisy."""
    out = cv2.GaussianBlur(image, (0, 0), chance.uniform(0.3, 1.3))
    if chance.random() < 0.3:
        length = int(chance.integers(2, 6))
        smear = np.zeros((length, length), np.float32)
        smear[length // 2 if chance.random() < 0.7 else range(length), range(length)] = 1 / length
        out = cv2.filter2D(out, -1, smear)
    noisy = out + chance.normal(0, chance.uniform(1, 6), out.shape)
    return np.asarray(np.clip(noisy * chance.uniform(0.75, 1.15), 0, 255), np.uint8)


def by_night(image: Image, box: tuple[int, int, int, int], chance: np.random.Generator) -> Image:
    """Return ``image`` as an infrared camera with its own light sees it.

    No colour, a dark scene, a plate that throws the light back until its ground is nearly white, and in a third of the
    pictures a headlight beside the plate that floods a part of it.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float64)
    x, y, w, h = box
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]]
    near = np.exp(-(((columns - x - w / 2) / (0.6 * w)) ** 4) - ((rows - y - h / 2) / (0.6 * h)) ** 4)
    lit = grey * (0.25 + near * chance.uniform(0.7, 1.3))
    if chance.random() < 0.33:
        at = (x + w * chance.uniform(-0.4, 1.4), y + h * chance.uniform(-0.6, 0.3))
        lit += 400 * np.exp(-np.hypot(columns - at[0], rows - at[1]) / (0.18 * w))
    noisy = lit + chance.normal(0, 5, lit.shape)
    return np.repeat(np.asarray(np.clip(noisy, 0, 255), np.uint8)[:, :, None], 3, axis=2)


if __name__ == "__main__":
    main()
