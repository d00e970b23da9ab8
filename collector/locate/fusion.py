"""P(gunshot) of an incident, from what all sensors heard and did not hear.

Each sensor that heard it has a classifier's probability; the log-odds of the best of its rounds is its evidence.
Sensors do not err independently: a firework fools several at once.
So the first counts fully, and each further one, from the surest down, by ``_DISCOUNT`` times the one before. The sum
can therefore not exceed ``1 / (1 - _DISCOUNT)`` times the surest sensor's evidence.

A sensor that listened, was in earshot and heard nothing speaks against a shot there: a shot would have been missed
with probability 1 - ``chance_to_hear``, a sound that is no shot with ``_OTHER_MISSED``, because what only seems to be a
shot at one sensor is mostly something small beside it. Silences are discounted in the same way. Where there is no
point, they are weighed over the region.

The discount and what other sounds do are chosen, not fitted: live fire has shots only. docs/locating.md says what
they do to its incidents.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from collector.locate.hearing import chance_to_hear
from collector.locate.records import Incident, Sensor

_DISCOUNT = 0.6
_OTHER_MISSED = 0.8
_SUREST_LOG_ODDS = 7.0
"""No single sensor is surer than 0.999, whatever its classifier says."""

_WITHIN_REGION = (0.41, 0.71, 0.91)
"""Rings that share a zone's area equally, between its middle and its outline."""


def gunshot_probability(incident: Incident, listening: Iterable[Sensor]) -> float | None:
    """Fuse all sensors' evidence for an incident.

    Args:
        incident: what was located.
        listening: the sensors known to have been up at the time; those that heard it may be among them.

    Returns:
        None if no arrival has a score.
    """
    surest: dict[str, float] = {}
    for arrival in incident.arrivals:
        if arrival.score is not None:
            surest[arrival.sensor] = max(surest.get(arrival.sensor, 0.0), arrival.score)
    if not surest:
        return None
    for_it = _discounted(_log_odds(score) for score in surest.values())
    heard = set(incident.sensors_used)
    silent = [one for one in sorted(listening, key=lambda one: one.id) if one.id not in heard]
    against = _discounted(_silence(incident, one) for one in silent)
    return 1.0 / (1.0 + math.exp(-(for_it + against)))


def _log_odds(probability: float) -> float:
    least = 1.0 / (1.0 + math.exp(_SUREST_LOG_ODDS))
    kept = min(max(probability, least), 1.0 - least)
    return math.log(kept / (1.0 - kept))


def _discounted(evidence: Iterable[float]) -> float:
    ordered = sorted(evidence, key=abs, reverse=True)
    return sum(one * _DISCOUNT**rank for rank, one in enumerate(ordered))


def _silence(incident: Incident, sensor: Sensor) -> float:
    """Log of how much likelier a silent sensor is if it was a shot than if it was not; 0 at most."""
    if incident.x_m is not None and incident.y_m is not None:
        places = np.array([(incident.x_m, incident.y_m)])
    else:
        outline = np.array(incident.region.outline)
        middle = outline.mean(axis=0)
        places = np.concatenate([middle + share * (outline - middle) for share in _WITHIN_REGION])
    away_m = np.hypot(*(places - (sensor.x_m, sensor.y_m)).T)
    hears = float(chance_to_hear(away_m, np.array(sensor.audible_m)).mean())
    return min(0.0, math.log((1.0 - hears) / _OTHER_MISSED))
