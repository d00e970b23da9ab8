"""How far to trust a location: high, medium or low.

High means that somebody may be sent there; low, that a person should listen first.
"""

from __future__ import annotations

from collector.locate.records import Confidence, Ellipse

_HIGH_SITES, _HIGH_EVIDENCE, _HIGH_M = 6, 10.0, 30.0
_MEDIUM_SITES, _MEDIUM_EVIDENCE, _MEDIUM_M = 4, 3.0, 60.0


def confidence_in(sites: int, evidence: float, ellipse95: Ellipse, *, twin: bool) -> Confidence:
    """Judge a location.

    Args:
        sites: how many it rests on. Three always agree, on something; the fourth is the first to confirm.
        evidence: natural logarithm of the odds that the sites agree by more than chance.
        ellipse95: of the position.
        twin: whether there is a second place.
    """
    reach_m = ellipse95.semi_major_m
    if not twin and sites >= _HIGH_SITES and evidence >= _HIGH_EVIDENCE and reach_m <= _HIGH_M:
        return "high"
    if not twin and sites >= _MEDIUM_SITES and evidence >= _MEDIUM_EVIDENCE and reach_m <= _MEDIUM_M:
        return "medium"
    return "low"
