"""What is located from, and what comes of it. Values only.

Metres are of one local frame: x east, y north, z up. Seconds are of one clock that all sensors keep; UTC seconds as a
float are good to a microsecond, which is a thousandth of what the air leaves uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Confidence = Literal["high", "medium", "low"]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sensor:
    """A microphone that stands still.

    Attributes:
        id: by which arrivals name it.
        x_m: east.
        y_m: north.
        z_m: up.
        error_m: one sigma of the position.
        audible_m: from how far it usually hears a shot.
    """

    id: str
    x_m: float
    y_m: float
    z_m: float = 0.0
    error_m: float = 0.0
    audible_m: float = 800.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A sound as it reached one sensor; whether it was a shot is not yet known.

    Attributes:
        sensor: the sensor's id.
        time_s: when it reached it.
        error_s: one sigma of that time, onset and clock together; None if not known.
        score: probability of a gunshot, as far as this sensor heard; None if not known.
        snr_db: how far above the noise; passed through.
        key: whatever the caller knows it by; passed through.
    """

    sensor: str
    time_s: float
    error_s: float | None = None
    score: float | None = None
    snr_db: float | None = None
    key: int | str | None = None


@dataclass(frozen=True, slots=True)
class Weather:
    """The air between shot and sensors.

    Attributes:
        temperature_c: of the air.
        wind_mps: its speed.
        wind_from_deg: where it comes from, clockwise from north.
    """

    temperature_c: float
    wind_mps: float = 0.0
    wind_from_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An error ellipse around a position.

    Attributes:
        semi_major_m: half of the long axis.
        semi_minor_m: half of the short axis.
        azimuth_deg: of the long axis, clockwise from north, 0 to 180.
    """

    semi_major_m: float
    semi_minor_m: float
    azimuth_deg: float


@dataclass(frozen=True, slots=True)
class Round:
    """One shot of a series.

    Attributes:
        time_s: when it was fired.
        error_s: one sigma of that.
        arrivals: where it was heard, at most one a sensor.
    """

    time_s: float
    error_s: float
    arrivals: tuple[Arrival, ...]


@dataclass(frozen=True, slots=True)
class Used:
    """A sensor that the location rests on.

    Attributes:
        sensor: its id.
        residual_s: how much later than computed the sound reached it, mean of its arrivals.
        arrivals: how many rounds it heard.
    """

    sensor: str
    residual_s: float
    arrivals: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A sensor that heard something at the time, which the location does not rest on.

    Attributes:
        sensor: its id.
        why: for people.
    """

    sensor: str
    why: str


@dataclass(frozen=True, slots=True)
class Twin:
    """The other place that explains the arrivals about as well.

    Attributes:
        x_m: east.
        y_m: north.
        ellipse95: holds the shot with 95 %, if this is the right one of the two.
    """

    x_m: float
    y_m: float
    ellipse95: Ellipse


@dataclass(frozen=True, slots=True)
class Region:
    """Where the shot was fired with about 95 %.

    Attributes:
        kind: ``ellipse`` of three sites and more; ``band`` along the hyperbola of two; the audible ``zone`` of one.
        outline: corners of a polygon that is not closed twice.
    """

    kind: Literal["ellipse", "band", "zone"]
    outline: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Incident:
    """Rounds that were fired from one place, no more than some seconds apart.

    Attributes:
        time_s: when the first round was fired; without a position, when it was first heard.
        x_m: east; None where fewer than three sites heard it.
        y_m: north, likewise.
        covariance_m2: of (x, y), likewise.
        ellipse50: holds the shot with 50 %, likewise.
        ellipse95: holds the shot with 95 %, likewise.
        rounds: in order of time.
        used: sensors that it rests on, by id.
        rejected: sensors that heard something else at the time, by id.
        confidence: how far to trust it.
        twin: the other place that the geometry allows.
        region: where it was fired; all that there is where fewer than three sites heard it.
    """

    time_s: float
    x_m: float | None
    y_m: float | None
    covariance_m2: tuple[Point, Point] | None
    ellipse50: Ellipse | None
    ellipse95: Ellipse | None
    rounds: tuple[Round, ...]
    used: tuple[Used, ...]
    rejected: tuple[Rejected, ...]
    confidence: Confidence
    twin: Twin | None
    region: Region

    @property
    def sensors_used(self) -> tuple[str, ...]:
        """Ids of the sensors that it rests on."""
        return tuple(one.sensor for one in self.used)

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """All arrivals of all rounds."""
        return tuple(arrival for one in self.rounds for arrival in one.arrivals)
