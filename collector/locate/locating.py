"""From arrivals to shot incidents: the one entrance of this room."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from collector.locate.air import air_of
from collector.locate.confidence import confidence_in
from collector.locate.ellipse import ellipse_of, outline_of
from collector.locate.heard import Heard, heard_of
from collector.locate.placing import Grid, Placed, best_place, grid_for
from collector.locate.records import Arrival, Incident, Point, Region, Round, Sensor, Twin, Used, Weather
from collector.locate.rejecting import rejected_by
from collector.locate.remainder import remaining_incidents
from collector.locate.series import same_sounds


def locate(sensors: Iterable[Sensor], arrivals: Iterable[Arrival], weather: Weather | None = None) -> list[Incident]:
    """Find the shot incidents that explain some arrivals.

    Every arrival is in one round of one incident at most. The order of sensors and arrivals does not matter. When
    arrivals come late, locate again from all of them: an incident is the same as before if it shares arrivals.

    Args:
        sensors: where arrivals may come from; also those that heard nothing, if they were listening.
        arrivals: what was heard, for example from ten seconds before to ten seconds after the one in question.
        weather: of the time and place; without it positions are less certain.

    Returns:
        Incidents by time.

    Raises:
        ValueError: a sensor given twice, an arrival of a sensor that is not given, or a number out of its range.
    """
    heard = heard_of(sensors, arrivals)
    air = air_of(weather)
    free = np.ones(len(heard.arrivals), dtype=np.bool_)
    found: list[Incident] = []
    grid: Grid | None = None
    while (grid := grid_for(heard, free, air, grid)) is not None:
        placed = best_place(heard, free, air, grid)
        if placed is None:
            break
        if found and placed.evidence <= 0.0:
            # The first is told in any case, if need be with low confidence; others are to be likelier than not.
            break
        found.append(_incident(heard, placed, free))
        free &= ~same_sounds(heard, placed.series.arrival)
    found += remaining_incidents(heard, free, air)
    return sorted(found, key=lambda one: (one.time_s, one.sensors_used))


def _incident(heard: Heard, placed: Placed, free: NDArray[np.bool_]) -> Incident:
    series, fit = placed.series, placed.fit
    sensor = heard.sensor_of[series.arrival]
    rounds = tuple(
        Round(
            heard.origin_s + float(fit.round_s[number]),
            float(fit.round_error_s[number]),
            tuple(heard.arrivals[one] for one in series.arrival[series.round_of == number]),
        )
        for number in range(len(fit.round_s))
    )
    used = tuple(
        Used(heard.sensors[one].id, float(fit.residual_s[sensor == one].mean()), int((sensor == one).sum()))
        for one in np.unique(sensor)
    )
    x_m, y_m = float(fit.place_m[0]), float(fit.place_m[1])
    ellipse95 = ellipse_of(fit.covariance_m2, 0.95)
    sites = len(np.unique(heard.site_of[sensor]))
    twin = placed.twin
    return Incident(
        time_s=rounds[0].time_s,
        x_m=x_m,
        y_m=y_m,
        covariance_m2=(_row(fit.covariance_m2[0]), _row(fit.covariance_m2[1])),
        ellipse50=ellipse_of(fit.covariance_m2, 0.5),
        ellipse95=ellipse95,
        rounds=rounds,
        used=used,
        rejected=rejected_by(heard, placed, free),
        confidence=confidence_in(sites, placed.evidence, ellipse95, twin=twin is not None),
        twin=None
        if twin is None
        else Twin(float(twin.place_m[0]), float(twin.place_m[1]), ellipse_of(twin.covariance_m2, 0.95)),
        region=Region("ellipse", outline_of(x_m, y_m, ellipse95)),
    )


def _row(values: NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1])
