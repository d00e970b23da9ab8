"""The kinds of passes, each a scene with truth that is rendered into a sequence of frames.

Distances follow one law: a vehicle at distance z has plates of size 1/z, and stands the lower in the picture the nearer
it is. ``scale`` multiplies every plate's size and so sets how hard the reading is.

Frames of one sequence that look alike (a standing vehicle) share a handful of pictures that differ by noise alone, so
that ten minutes or a night cost no more rendering and reading than seconds do.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edge_agent.records import Box, Travel
from rendered.camera import Actor, Camera, Lamp, Pose, expose, plate_box
from rendered.vehicles import FRAME_HEIGHT_PX, FRAME_WIDTH_PX, Image, Library, Vehicle

FPS = 12
# How wide the nearest plate of a pass is, in pixels, at scale 1: uniform between these.
NEAR_PX = (72.0, 125.0)
_STILLS = 6
_CLOSE_UP_PX = 150
_HORIZON_PX = 190.0
# How far down the picture the nearest plate of a pass stands; below the lower edge for those that leave it there.
_LOW_PX, _GONE_PX = 440.0, 575.0
_NIGHT_HOURS = 8.0


@dataclass(frozen=True, slots=True)
class VehicleTruth:
    """What a pass should be read as, and how it moves; of two directions each is right, of none nothing is asked."""

    text: str
    source: str
    travels: tuple[Travel, ...]


@dataclass(frozen=True, slots=True)
class FrameTruth:
    """One frame: when, which picture, and where each vehicle's plate is (None: not in the frame)."""

    at_ns: int
    picture: int
    plates: tuple[Box | None, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """A rendered sequence.

    Attributes:
        name: kind and number.
        kind: of ``KINDS``.
        pictures: JPEG.
        frames: which show the pictures.
        vehicles: whose passes they are.
        close_ups: each vehicle near, still and clean, as JPEG: what of its plate could be read at best.
    """

    name: str
    kind: str
    pictures: tuple[bytes, ...]
    frames: tuple[FrameTruth, ...]
    vehicles: tuple[VehicleTruth, ...]
    close_ups: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is in front of the camera.

    Attributes:
        road: the background.
        actors: the vehicles.
        camera: how it sees.
        times: for each frame, when it is captured, the moment of the scene that it shows, and which of the pictures
            of that moment (they differ by noise), in seconds.
        foreground: painters over the vehicles.
    """

    road: Image
    actors: tuple[Actor, ...]
    camera: Camera
    times: tuple[tuple[float, float, int], ...]
    foreground: tuple[Callable[[Image, float], None], ...] = ()


Make = Callable[[np.random.Generator, Library, float], Scene]


def render(kind: str, number: int, seed: int, library: Library, scale: float) -> Sequence:
    """Render sequence ``number`` of ``kind``; the same arguments give the same pictures."""
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode()), number, zlib.crc32(library.split.encode())])
    scene = KINDS[kind].make(rng, library, scale)
    pictures: dict[tuple[float, int], int] = {}
    encoded: list[bytes] = []
    frames = []
    for at_s, moment_s, still in scene.times:
        if (moment_s, still) not in pictures:
            pictures[moment_s, still] = len(encoded)
            encoded.append(expose(scene.road, scene.actors, scene.foreground, scene.camera, moment_s, rng))
        poses = [actor.path(moment_s) for actor in scene.actors]
        boxes = tuple(
            None if pose is None else plate_box(actor.vehicle, pose)
            for actor, pose in zip(scene.actors, poses, strict=True)
        )
        frames.append(FrameTruth(round(at_s * 1e9), pictures[moment_s, still], boxes))
    truths = tuple(VehicleTruth(a.vehicle.text, a.vehicle.source, a.travels) for a in scene.actors)
    close_ups = tuple(_close_up(scene.road, a, scene.camera.grey) for a in scene.actors)
    return Sequence(f"{kind}-{number:03}", kind, tuple(encoded), tuple(frames), truths, close_ups)


def _close_up(road: Image, actor: Actor, grey: bool) -> bytes:
    pose = Pose(FRAME_WIDTH_PX / 2, FRAME_HEIGHT_PX * 0.6, _CLOSE_UP_PX)
    camera = Camera(exposure_s=0.0, defocus_px=0.0, noise=0.0, quality=95, grey=grey)
    return expose(road, (replace(actor, path=lambda _: pose, lamps=()),), (), camera, 0.0, np.random.default_rng(0))


# ---- paths


def _times(seconds: float, fps: float = FPS) -> tuple[tuple[float, float, int], ...]:
    return tuple((i / fps, i / fps, 0) for i in range(round(seconds * fps)))


def _along(
    near_px: float, far_px: float, seconds: float, lane: float, *, receding: bool = False, low_px: float = _LOW_PX
) -> Callable[[float], Pose]:
    """A vehicle that comes from where its plate is ``far_px`` wide to where it is ``near_px``, or the other way."""
    camera_units = (low_px - _HORIZON_PX) / near_px

    def path(at_s: float) -> Pose:
        share = 1 - at_s / seconds if receding else at_s / seconds
        # Evenly in distance, and distance is one over size; it may go on past the near end.
        unit_px = 1 / max((1 - share) / far_px + share / near_px, 1 / 400)
        return _at(unit_px, lane, _HORIZON_PX + camera_units * unit_px)

    return path


def _at(unit_px: float, lane: float, y_px: float) -> Pose:
    yaw = float(np.clip(-lane * 3.5, -30, 30))
    return Pose(FRAME_WIDTH_PX / 2 + lane * unit_px, y_px, unit_px, yaw, lane * 0.6)


def _across(unit_px: float, seconds: float, y_px: float, yaw_deg: float, *, to_left: bool) -> Callable[[float], Pose]:
    def path(at_s: float) -> Pose:
        share = at_s / seconds
        x_px = -unit_px + share * (FRAME_WIDTH_PX + 2 * unit_px)
        return Pose(FRAME_WIDTH_PX - x_px if to_left else x_px, y_px, unit_px, yaw_deg if to_left else -yaw_deg, 0)

    return path


def _between(path: Callable[[float], Pose], begin_s: float, end_s: float) -> Callable[[float], Pose | None]:
    return lambda at_s: path(at_s - begin_s) if begin_s <= at_s < end_s else None


def _near(rng: np.random.Generator, scale: float) -> float:
    return float(rng.uniform(*NEAR_PX)) * scale


def _camera(rng: np.random.Generator) -> Camera:
    return Camera(
        exposure_s=float(rng.uniform(1 / 500, 1 / 120)),
        defocus_px=float(rng.uniform(0.0, 1.0)),
        noise=float(rng.uniform(2, 9)),
        quality=int(rng.integers(35, 76)),
        shake_px=float(rng.uniform(0.1, 2.0)),
    )


def _dark(rng: np.random.Generator) -> Camera:
    return replace(_camera(rng), noise=float(rng.uniform(7, 14)), exposure_s=float(rng.uniform(1 / 250, 1 / 90)))


def _any_vehicle(rng: np.random.Generator, library: Library, **look: float | bool) -> Vehicle:
    own = library.split != "fit" and rng.random() < 0.2
    return library.vehicle(
        rng,
        own_plate=own,
        body_gain=float(look.get("body_gain", 1.0)),
        plate_gain=float(look.get("plate_gain", 1.0)),
        grey=bool(look.get("grey", False)),
    )


# ---- kinds


def _approaching(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    near_px, seconds = _near(rng, scale), float(rng.uniform(1.8, 2.6))
    path = _along(near_px, near_px * 0.5, seconds, float(rng.uniform(-3, 3)))
    actor = Actor(_any_vehicle(rng, library), (Travel.APPROACHING,), path)
    return Scene(library.road(rng, day=True), (actor,), _camera(rng), _times(seconds))


def _receding(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    near_px, seconds = _near(rng, scale), float(rng.uniform(1.8, 2.6))
    path = _along(near_px, near_px * 0.5, seconds, float(rng.uniform(-3, 3)), receding=True)
    actor = Actor(_any_vehicle(rng, library), (Travel.RECEDING,), path)
    return Scene(library.road(rng, day=True), (actor,), _camera(rng), _times(seconds))


def _crossing(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    to_left = bool(rng.random() < 0.5)
    seconds = float(rng.uniform(1.6, 2.6))
    path = _across(
        _near(rng, scale) * 0.95, seconds, float(rng.uniform(300, 400)), float(rng.uniform(5, 32)), to_left=to_left
    )
    actor = Actor(_any_vehicle(rng, library), (Travel.LEFT if to_left else Travel.RIGHT,), path)
    return Scene(library.road(rng, day=True), (actor,), _camera(rng), _times(seconds))


def _pole(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """A car that crosses behind a pole as wide as half its plate or more."""
    scene = _crossing(rng, library, scale)
    pose = scene.actors[0].path(0.0)
    assert pose is not None
    half = float(rng.uniform(0.25, 0.6)) * pose.unit_px
    middle = float(rng.uniform(380, 580))
    colour = tuple(float(c) for c in rng.uniform(40, 110, 3))

    def paint(frame: Image, _: float) -> None:
        cv2.rectangle(
            frame, (round(middle - half), 0), (round(middle + half), FRAME_HEIGHT_PX), colour, -1, cv2.LINE_AA
        )

    return replace(scene, foreground=(paint,))


def _hidden(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """A lorry drives between for a second in the middle of a pass."""
    near_px, seconds = _near(rng, scale), 3.0
    receding = bool(rng.random() < 0.5)
    path = _along(near_px, near_px * 0.55, seconds, float(rng.uniform(-2, 2)), receding=receding)
    actor = Actor(_any_vehicle(rng, library), (Travel.RECEDING if receding else Travel.APPROACHING,), path)
    return Scene(library.road(rng, day=True), (actor,), _camera(rng), _times(seconds), (_lorry(rng, path, 1.0, 2.0),))


def _lorry(
    rng: np.random.Generator, hides: Callable[[float], Pose], from_s: float, until_s: float
) -> Callable[[Image, float], None]:
    """A lorry's side that passes so that it covers the plate from ``from_s`` until ``until_s``."""
    colour = rng.uniform(60, 200, 3)
    side = np.full((420, 800, 3), colour, np.float32) * np.linspace(1.1, 0.7, 420, dtype=np.float32)[:, None, None]
    side = np.clip(side, 0, 255).astype(np.uint8)
    cv2.line(side, (0, 360), (800, 360), (30, 30, 30), 6)
    length, middle_s = 800, (from_s + until_s) / 2
    speed = length / (until_s - from_s)

    def paint(frame: Image, at_s: float) -> None:
        centre = hides(middle_s).x_px + (at_s - middle_s) * speed
        x1, x2 = max(round(centre - length / 2), 0), min(round(centre + length / 2), FRAME_WIDTH_PX)
        if x2 > x1:
            skip = x1 - round(centre - length / 2)
            frame[110:530, x1:x2] = side[:, skip : skip + x2 - x1]

    return paint


def _night(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """Dark, a plate that shines back, and lamps that glare: head-lamps in front, tail-lamps behind."""
    near_px, seconds = _near(rng, scale), float(rng.uniform(1.8, 2.6))
    receding = bool(rng.random() < 0.5)
    path = _along(near_px, near_px * 0.5, seconds, float(rng.uniform(-2, 2)), receding=receding)
    vehicle = _any_vehicle(
        rng, library, body_gain=float(rng.uniform(0.15, 0.35)), plate_gain=float(rng.uniform(0.6, 1.25))
    )
    colour = (40.0, 30.0, 230.0) if receding else (235.0, 245.0, 255.0)
    radius = float(rng.uniform(0.25, 0.45)) if receding else float(rng.uniform(0.45, 0.9))
    lamps = tuple(Lamp(side, -0.5, radius, colour) for side in (-2.1, 2.1))
    actor = Actor(vehicle, (Travel.RECEDING if receding else Travel.APPROACHING,), path, lamps)
    return Scene(_dim(library.road(rng, day=False), 0.6), (actor,), _dark(rng), _times(seconds))


def _infrared(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """Without colours, lit from the camera: the plate is the brightest thing."""
    near_px, seconds = _near(rng, scale), float(rng.uniform(1.8, 2.6))
    receding = bool(rng.random() < 0.5)
    path = _along(near_px, near_px * 0.5, seconds, float(rng.uniform(-3, 3)), receding=receding)
    actor = Actor(_infrared_vehicle(rng, library), (Travel.RECEDING if receding else Travel.APPROACHING,), path)
    camera = replace(_dark(rng), grey=True)
    return Scene(_dim(library.road(rng, day=False), 0.35), (actor,), camera, _times(seconds))


def _infrared_vehicle(rng: np.random.Generator, library: Library) -> Vehicle:
    return _any_vehicle(
        rng, library, body_gain=float(rng.uniform(0.15, 0.4)), plate_gain=float(rng.uniform(0.8, 1.25)), grey=True
    )


def _dim(road: Image, gain: float) -> Image:
    return np.asarray(cv2.convertScaleAbs(road, alpha=gain), np.uint8)


def _exposure(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """The sun comes out: the picture is too bright or too dark, and the camera takes a second to follow."""
    scene = _approaching(rng, library, scale)
    wrong, at_s = (2.2 if rng.random() < 0.5 else 0.3), float(rng.uniform(0.3, 1.0))

    def gain(now_s: float) -> float:
        return 1.0 if now_s < at_s else 1.0 + (wrong - 1.0) * float(np.exp(-(now_s - at_s) / 0.4))

    return replace(scene, camera=replace(scene.camera, gain=gain))


def _leaving(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """The plate leaves the picture at its lower edge or its side, character by character."""
    near_px, seconds = _near(rng, scale) * 1.2, float(rng.uniform(1.6, 2.4))
    lane = float(rng.choice([-1, 1])) * float(rng.uniform(4.5, 6))
    path = _along(near_px * 1.5, near_px * 0.55, seconds, lane, low_px=float(rng.uniform(_LOW_PX, _GONE_PX)))
    actor = Actor(_any_vehicle(rng, library), (Travel.APPROACHING, Travel.LEFT if lane < 0 else Travel.RIGHT), path)
    return Scene(library.road(rng, day=True), (actor,), _camera(rng), _times(seconds))


def _beside_parked(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """A car drives past one that stands there all the time."""
    side = float(rng.choice([-1, 1]))
    parked_px = float(rng.uniform(70, 105)) * scale
    parked = Actor(_any_vehicle(rng, library), (Travel.STANDING,), lambda _: _at(parked_px, side * 3.4, _LOW_PX))
    near_px, seconds = _near(rng, scale), float(rng.uniform(1.8, 2.4))
    path = _along(near_px, near_px * 0.5, seconds, -side * float(rng.uniform(1.5, 3.0)))
    moving = Actor(_any_vehicle(rng, library), (Travel.APPROACHING,), _between(path, 0.6, 0.6 + seconds))
    return Scene(library.road(rng, day=True), (parked, moving), _camera(rng), _times(seconds + 1.2))


def _two_lanes(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """Two cars side by side, at almost the same speed."""
    near_px, seconds = _near(rng, scale), float(rng.uniform(1.8, 2.6))
    receding = bool(rng.random() < 0.5)
    travel = Travel.RECEDING if receding else Travel.APPROACHING
    actors = []
    for lane in (-2.9, 2.9):
        ratio = float(rng.uniform(0.85, 1.1))
        path = _along(near_px * ratio, near_px * ratio * 0.5, seconds, lane, receding=receding)
        actors.append(Actor(_any_vehicle(rng, library), (travel,), path))
    return Scene(library.road(rng, day=True), tuple(actors), _camera(rng), _times(seconds))


def _following(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """Three cars in one lane, a second apart; each is gone from the picture before the next is at its place."""
    near_px, lane, shown_s = _near(rng, scale) * 1.1, float(rng.uniform(-1.5, 1.5)), 0.95
    path = _along(near_px * 1.3, near_px * 0.6, shown_s, lane, low_px=_GONE_PX)
    actors = tuple(
        Actor(_any_vehicle(rng, library), (Travel.APPROACHING,), _between(path, float(i), i + shown_s))
        for i in range(3)
    )
    return Scene(library.road(rng, day=True), actors, _camera(rng), _times(3.0, 15))


def _stop(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """A car that comes, stands for ten minutes (four frames a second), and drives on."""
    near_px, lane = _near(rng, scale), float(rng.uniform(-2.5, 2.5))
    come = _along(near_px, near_px * 0.6, 1.5, lane)
    leave = _along(near_px * 1.3, near_px, 1.0, lane, low_px=_HORIZON_PX + (_LOW_PX - _HORIZON_PX) * 1.3)
    actor = Actor(_any_vehicle(rng, library), (Travel.APPROACHING,), lambda s: come(s) if s <= 1.5 else leave(s - 1.5))
    times = list(_times(1.5))
    times += [(1.5 + i / 4, 1.5, int(rng.integers(_STILLS))) for i in range(2400)]
    times += [(601.5 + i / FPS, 1.5 + i / FPS, 0) for i in range(1, FPS)]
    return Scene(library.road(rng, day=True), (actor,), _camera(rng), tuple(times))


def _parked_night(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """A parked car under infrared for eight hours, four frames in 3 s; each half hour a lorry hides it for 3 s."""
    near_px, lane = _near(rng, scale), float(rng.uniform(-3, 3))
    pose = _at(near_px, lane, _LOW_PX)
    actor = Actor(_infrared_vehicle(rng, library), (Travel.STANDING,), lambda _: pose)
    hide = _lorry(rng, lambda _: pose, 0.0, 1.0)

    def paint(frame: Image, at_s: float) -> None:
        if at_s > 0:
            hide(frame, at_s - 0.5)

    times = []
    for i in range(round(_NIGHT_HOURS * 3600 / 0.75)):
        hidden = 1200 <= i % 2400 < 1204
        times.append((i * 0.75, 1.0 if hidden else 0.0, int(rng.integers(2 if hidden else _STILLS))))
    road = _dim(library.road(rng, day=False), 0.35)
    return Scene(road, (actor,), replace(_dark(rng), grey=True), tuple(times), (paint,))


_WORDS = (
    "OPEN 24H",
    "SALE 50",
    "EXIT 12",
    "PIZZA",
    "KEEP OUT",
    "TAXI 4U",
    "CAR WASH",
    "NO PARKING",
    "HOTEL 66",
    "RT 9W",
)


def _sign(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """A sign with lettering swings in the wind for six seconds, and one car passes below it."""
    word = _WORDS[int(rng.integers(len(_WORDS)))]
    width = 18 * len(word)
    panel = np.full((44, width, 3), [(235, 235, 240), (60, 160, 230), (40, 120, 40)][int(rng.integers(3))], np.uint8)
    dark = panel.mean() > 130
    cv2.putText(
        panel, word, (8, 32), cv2.FONT_HERSHEY_DUPLEX, 0.85, (30, 20, 20) if dark else (240, 240, 240), 2, cv2.LINE_AA
    )
    x_px, y_px, swing_px = float(rng.uniform(120, 640)), float(rng.uniform(60, 130)), float(rng.uniform(4, 14))

    def paint(frame: Image, at_s: float) -> None:
        angle = float(np.sin(at_s * 4.0))
        matrix = np.array([[1, 0.02 * angle, x_px + swing_px * angle], [0.05 * angle, 1, y_px]])
        cv2.warpAffine(
            panel, matrix, (FRAME_WIDTH_PX, FRAME_HEIGHT_PX), frame, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT
        )

    near_px, seconds = _near(rng, scale), 2.2
    path = _along(near_px, near_px * 0.5, seconds, float(rng.uniform(-3, 3)))
    actor = Actor(_any_vehicle(rng, library), (Travel.APPROACHING,), _between(path, 2.0, 2.0 + seconds))
    return Scene(library.road(rng, day=True), (actor,), _camera(rng), _times(6.0, 8), (paint,))


def _cobweb(rng: np.random.Generator, library: Library, scale: float) -> Scene:
    """Threads close to the lens, lit by the infrared lamp, wave for six seconds, and one car passes behind them."""
    count = int(rng.integers(4, 9))
    ends = rng.uniform([0, 0, 0, 0], [FRAME_WIDTH_PX, FRAME_HEIGHT_PX, FRAME_WIDTH_PX, FRAME_HEIGHT_PX], (count, 4))
    phases, thick = rng.uniform(0, 6.28, count), rng.integers(2, 9, count)

    def paint(frame: Image, at_s: float) -> None:
        web = np.zeros((FRAME_HEIGHT_PX // 2, FRAME_WIDTH_PX // 2), np.uint8)
        for (x1, y1, x2, y2), phase, width in zip(ends / 2, phases, thick, strict=True):
            share = np.linspace(0, 1, 24)
            wave = 18 * np.sin(at_s * 3 + phase + share * 4) * np.sin(share * np.pi)
            points = np.stack([x1 + (x2 - x1) * share + wave * 0.6, y1 + (y2 - y1) * share + wave], axis=1)
            cv2.polylines(web, [points.astype(np.int32)], False, 120, int(width), cv2.LINE_AA)
        web = np.asarray(cv2.GaussianBlur(web, (0, 0), 2.5), np.uint8)
        glow = cv2.cvtColor(cv2.resize(web, (FRAME_WIDTH_PX, FRAME_HEIGHT_PX)), cv2.COLOR_GRAY2BGR)
        cv2.add(frame, glow, frame)

    near_px, seconds = _near(rng, scale), 2.2
    path = _along(near_px, near_px * 0.5, seconds, float(rng.uniform(-2, 2)))
    actor = Actor(_infrared_vehicle(rng, library), (Travel.APPROACHING,), _between(path, 2.0, 2.0 + seconds))
    road = _dim(library.road(rng, day=False), 0.35)
    return Scene(road, (actor,), replace(_dark(rng), grey=True), _times(6.0, 8), (paint,))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of pass: how a scene of it is made, how often it comes in a run, what it shows."""

    make: Make
    weight: int
    shows: str


KINDS: Mapping[str, Kind] = {
    "approaching": Kind(_approaching, 4, "a car comes nearer"),
    "receding": Kind(_receding, 4, "a car drives away"),
    "crossing": Kind(_crossing, 3, "a car crosses to the left or right, its plate turned"),
    "pole": Kind(_pole, 2, "a crossing car passes behind a pole"),
    "hidden": Kind(_hidden, 2, "a lorry hides the car for a second in the middle"),
    "night": Kind(_night, 3, "dark, the plate shines back, lamps glare"),
    "infrared": Kind(_infrared, 3, "monochrome, lit from the camera"),
    "exposure": Kind(_exposure, 2, "over- or underexposed for a second"),
    "leaving": Kind(_leaving, 2, "the plate leaves the picture bit by bit"),
    "beside-parked": Kind(_beside_parked, 2, "a moving car beside a parked one"),
    "two-lanes": Kind(_two_lanes, 2, "two cars side by side"),
    "following": Kind(_following, 2, "three cars in one lane, a second apart"),
    "stop": Kind(_stop, 1, "a car stands for ten minutes"),
    "parked-night": Kind(_parked_night, 1, "a parked car for eight hours under infrared, sometimes hidden"),
    "sign": Kind(_sign, 1, "a swinging sign with lettering, and a car"),
    "cobweb": Kind(_cobweb, 1, "a cobweb before the lens under infrared, and a car"),
}
