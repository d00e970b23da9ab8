"""``collector locate``: where shots were fired, from files of sensors, arrivals and weather."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from collector.errors import ConfigurationError

if TYPE_CHECKING:
    # NumPy and pyproj take a while to import, which no other command should pay.
    from collector.locate.projection import LocalFrame
    from collector.locate.records import Arrival, Ellipse, Incident, Sensor, Weather

_EXIT_BAD_LINES = 1
_EXIT_USAGE = 2
_Parsed = TypeVar("_Parsed")
_Object = Mapping[str, Any]
_EXAMPLES = """
Examples:

    collector locate --sensors sensors.jsonl --arrivals arrivals.jsonl --weather weather.json

    collector locate --sensors sensors.jsonl --arrivals arrivals.jsonl --json --regions

A sensor: {"id": "north", "x_m": 0, "y_m": 410, "z_m": 12}, or with "lat" and "lon", or with "x_m", "y_m" and "origin": {"lat": …, "lon": …}; also "error_m", "audible_m".

An arrival: {"sensor": "north", "time_s": 12.345}, also "error_s", "score", "snr_db".

The weather: {"temperature_c": 12, "wind_mps": 3, "wind_from_deg": 270}.
"""  # noqa: E501  (typer wraps the lines of help itself and would keep the breaks of ours)


def locate(
    sensors: Annotated[Path, typer.Option(help="JSON lines: where the sensors are")],
    arrivals: Annotated[Path, typer.Option(help="JSON lines: what they heard, and when")],
    weather: Annotated[Path | None, typer.Option(help="JSON object; without it positions are less certain")] = None,
    regions: Annotated[
        bool, typer.Option("--regions", help="also tell what fewer than three sites heard: a region, never a point")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object an incident")] = False,
) -> None:
    """Tell where shots were fired, and how sure that is.

    Lines that cannot be used are named on standard error and left out; the exit code is then 1.
    """
    from collector.locate.locating import locate as locate_shots

    try:
        places, bad_sensors = _lines(sensors, _place)
        heard, bad_arrivals = _lines(arrivals, _arrival)
        air = None if weather is None else _weather(weather)
        known, frame = _sensors(sensors, places)
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_EXIT_USAGE) from error
    names = {one.id for one in known}
    unknown = [
        f"{arrivals}:{number}: got sensor {one.sensor!r}, expected one of {sensors}"
        for number, one in heard
        if one.sensor not in names
    ]
    found = locate_shots(known, [one for _, one in heard if one.sensor in names], air)
    points = [one for one in found if one.x_m is not None]
    told = found if regions else points
    if told and not as_json:
        typer.echo(_HEADING)
    for one in told:
        typer.echo(json.dumps(_shown(one, known, frame)) if as_json else _said(one, frame))
    bad = bad_sensors + bad_arrivals + unknown
    for sentence in bad:
        typer.echo(sentence, err=True)
    if len(points) < len(found) and not regions:
        typer.echo(
            f"{len(found) - len(points)} more heard by fewer than three sites: no point; --regions tells where",
            err=True,
        )
    if bad:
        raise typer.Exit(_EXIT_BAD_LINES)


@dataclass(frozen=True, slots=True)
class _Place:
    """A sensor as its line has it: local metres, with or without an origin, or degrees."""

    id: str
    x_m: float
    y_m: float
    z_m: float
    origin: tuple[float, float] | None
    error_m: float
    audible_m: float | None


def _lines(file: Path, parse: Callable[[_Object], _Parsed]) -> tuple[list[tuple[int, _Parsed]], list[str]]:
    """Parse a file of JSON lines: the good ones with their numbers, and a sentence for each bad one."""
    good, bad = [], []
    for number, line in enumerate(_text(file).splitlines(), 1):
        if line.strip():
            try:
                good.append((number, parse(_object(line))))
            except ValueError as error:
                bad.append(f"{file}:{number}: {error}")
    return good, bad


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def _object(text: str) -> _Object:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"got no JSON ({error.msg} at character {error.pos + 1}), expected an object") from error
    if not isinstance(value, dict):
        raise ValueError(f"got {type(value).__name__}, expected a JSON object")
    return value


_Bounds = tuple[float, float]
_ANY: _Bounds = (-math.inf, math.inf)
_FROM_ZERO: _Bounds = (0.0, math.inf)


def _number(value: _Object, key: str, default: float | None = None, bounds: _Bounds = _ANY) -> float:
    found = _perhaps(value, key, bounds)
    if found is not None:
        return found
    if default is None:
        raise ValueError(f"got no {key!r}, expected a number")
    return default


def _perhaps(value: _Object, key: str, bounds: _Bounds = _ANY) -> float | None:
    found = value.get(key)
    if found is None:
        return None
    low, high = bounds
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ValueError(f"{key}: got {json.dumps(found)}, expected a finite number")
    if not low <= found <= high:
        raise ValueError(f"{key}: got {found}, expected {low} to {high}")
    return float(found)


def _name(value: _Object, key: str) -> str:
    found = value.get(key)
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        raise ValueError(f"{key}: got {json.dumps(found)}, expected the sensor's id")
    return str(found)


def _degrees(value: _Object) -> tuple[float, float]:
    return _number(value, "lat", bounds=(-90.0, 90.0)), _number(value, "lon", bounds=(-180.0, 180.0))


def _place(value: _Object) -> _Place:
    name = _name(value, "id")
    origin = value.get("origin")
    if origin is not None and not isinstance(origin, dict):
        raise ValueError(f'origin: got {json.dumps(origin)}, expected {{"lat": …, "lon": …}}')
    local = "x_m" in value or "y_m" in value
    if local:
        x_m, y_m = _number(value, "x_m"), _number(value, "y_m")
        around = None if origin is None else _degrees(origin)
    else:
        x_m = y_m = 0.0
        around = _degrees(value)
    audible_m = _perhaps(value, "audible_m", _FROM_ZERO)
    if audible_m == 0.0:
        raise ValueError("audible_m: got 0, expected more")
    error_m = _number(value, "error_m", 0.0, _FROM_ZERO)
    return _Place(name, x_m, y_m, _number(value, "z_m", 0.0), around, error_m, audible_m)


def _arrival(value: _Object) -> Arrival:
    from collector.locate.records import Arrival

    return Arrival(
        _name(value, "sensor"),
        _number(value, "time_s"),
        error_s=_perhaps(value, "error_s", _FROM_ZERO),
        score=_perhaps(value, "score", (0.0, 1.0)),
        snr_db=_perhaps(value, "snr_db"),
    )


def _weather(file: Path) -> Weather:
    from collector.locate.records import Weather

    try:
        value = _object(_text(file))
        return Weather(
            _number(value, "temperature_c", bounds=(-90.0, 60.0)),
            _number(value, "wind_mps", 0.0, (0.0, 100.0)),
            _number(value, "wind_from_deg", 0.0),
        )
    except ValueError as error:
        raise ConfigurationError(f"{file}: {error}") from error


def _sensors(file: Path, lines: list[tuple[int, _Place]]) -> tuple[list[Sensor], LocalFrame | None]:
    """Put all sensors into one frame: that of their origin if they share one, else one around them."""
    from collector.locate.records import Sensor

    if not lines:
        raise ConfigurationError(f"{file}: got no sensor, expected at least one line")
    first: dict[str, int] = {}
    for number, place in lines:
        if place.id in first:
            raise ConfigurationError(
                f"{file}:{number}: sensor {place.id!r} is given in line {first[place.id]} already, expected it once"
            )
        first[place.id] = number
    origins = {place.origin for _, place in lines}
    frame = None
    if origins != {None}:
        if None in origins:
            number = next(number for number, place in lines if place.origin is None)
            raise ConfigurationError(
                f"{file}:{number}: got metres without an origin, while other sensors are on the map; "
                'expected "origin" or "lat" and "lon"'
            )
        frame = _frame([place.origin for _, place in lines if place.origin is not None])
    return [
        Sensor(
            place.id,
            *_in_frame(place, frame),
            place.z_m,
            place.error_m,
            **({} if place.audible_m is None else {"audible_m": place.audible_m}),
        )
        for _, place in lines
    ], frame


def _frame(origins: list[tuple[float, float]]) -> LocalFrame:
    from collector.locate.projection import LocalFrame

    return LocalFrame(*origins[0]) if len(set(origins)) == 1 else LocalFrame.around(origins)


def _in_frame(place: _Place, frame: LocalFrame | None) -> tuple[float, float]:
    if frame is None or place.origin is None or place.origin == frame.origin:
        return place.x_m, place.y_m
    from collector.locate.projection import LocalFrame

    return frame.to_local(*LocalFrame(*place.origin).to_geographic(place.x_m, place.y_m))


def _shown(one: Incident, sensors: list[Sensor], frame: LocalFrame | None) -> dict[str, Any]:
    from collector.locate.fusion import gunshot_probability

    shown: dict[str, Any] = {
        "time_s": round(one.time_s, 6),
        "x_m": _metres(one.x_m),
        "y_m": _metres(one.y_m),
        "ellipse95_m": _ellipse(one.ellipse95),
        "ellipse50_m": _ellipse(one.ellipse50),
        "rounds": len(one.rounds),
        "round_times_s": [round(each.time_s, 6) for each in one.rounds],
        "sensors_used": list(one.sensors_used),
        "sensors_rejected": [{"id": each.sensor, "why": each.why} for each in one.rejected],
        "residuals_s": {each.sensor: round(each.residual_s, 6) for each in one.used},
        "confidence": one.confidence,
        "probability": gunshot_probability(one, sensors),
        "twin": None,
    }
    if one.twin is not None:
        shown["twin"] = {"x_m": _metres(one.twin.x_m), "y_m": _metres(one.twin.y_m)}
        shown["twin"]["ellipse95_m"] = _ellipse(one.twin.ellipse95)
    if one.x_m is None:
        shown["region"] = {
            "kind": one.region.kind,
            "outline_m": [[_metres(x_m), _metres(y_m)] for x_m, y_m in one.region.outline],
        }
    if frame is not None:
        shown["origin"] = dict(zip(("lat", "lon"), frame.origin, strict=True))
        for part in filter(None, (shown, shown["twin"])):
            if part["x_m"] is not None:
                part["lat"], part["lon"] = _rounded(frame.to_geographic(part["x_m"], part["y_m"]))
        if one.x_m is None:
            shown["region"]["outline"] = [_rounded(frame.to_geographic(*corner)) for corner in one.region.outline]
    return shown


def _metres(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _rounded(degrees: tuple[float, float]) -> list[float]:
    return [round(value, 7) for value in degrees]


def _ellipse(one: Ellipse | None) -> list[float] | None:
    return None if one is None else [round(v, 2) for v in (one.semi_major_m, one.semi_minor_m, one.azimuth_deg)]


_HEADING = f"{'time_s':>16}  {'place':<24}{'95 % within':<22}{'rounds':>6}  {'sensors':>7}  confidence"


def _said(one: Incident, frame: LocalFrame | None) -> str:
    """A row of the table, and what does not fit into one below it."""
    row = (
        f"{one.time_s:>16.3f}  {_spot(one.x_m, one.y_m, frame):<24}{_extent(one.ellipse95) or one.region.kind:<22}"
        f"{len(one.rounds):>6}  {len(one.used):>7}  {one.confidence}"
    )
    below = [f"or at {_spot(one.twin.x_m, one.twin.y_m, frame)}"] if one.twin else []
    if one.x_m is None:
        below.append(f"heard by {', '.join(one.sensors_used)} only")
    below += [f"not used: {each.sensor}, {each.why}" for each in one.rejected]
    return "\n".join([row, *(f"{'':>18}{sentence}" for sentence in below)])


def _spot(x_m: float | None, y_m: float | None, frame: LocalFrame | None) -> str:
    if x_m is None or y_m is None:
        return "no point"
    if frame is None:
        return f"x {x_m:.1f} m, y {y_m:.1f} m"
    latitude_deg, longitude_deg = frame.to_geographic(x_m, y_m)
    return f"{latitude_deg:.6f}, {longitude_deg:.6f}"


def _extent(one: Ellipse | None) -> str:
    return "" if one is None else f"{one.semi_major_m:.0f} x {one.semi_minor_m:.0f} m to {one.azimuth_deg:.0f} deg"


locate.__doc__ = f"{inspect.cleandoc(locate.__doc__ or '')}\n{_EXAMPLES}"
