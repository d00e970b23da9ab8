"""What a further revision of a read says of an alert. Pure.

An alert never disappears because the camera changed its mind: it is strengthened, or says that it is no longer
supported. Whether the entry is still listed plays no part in it.
"""

from __future__ import annotations

from collector.domain import Rule, Standing, Support, text_confidence
from collector.match.matcher import Seen, explain
from collector.match.plates import compare, normalise


def revised(standing: Standing, before: Seen, now: Seen) -> Standing:
    """Return how an alert stands once the revision ``now`` has followed ``before``."""
    rule = compare(normalise(now.text), standing.plate)
    if rule is None:
        if standing.support is Support.UNSUPPORTED:
            return standing
        why = (*standing.why, f"No longer supported: a later revision reads {normalise(now.text) or 'nothing'}.")
        return Standing(standing.plate, standing.region, standing.rule, Support.UNSUPPORTED, why)
    stronger = (rule is Rule.EXACT and standing.rule is Rule.FOLDED) or (
        rule is standing.rule and text_confidence(now.slots) > text_confidence(before.slots)
    )
    if stronger:
        support = Support.STRENGTHENED
    elif standing.support is Support.UNSUPPORTED:
        support = Support.RAISED
    else:
        return standing
    return Standing(standing.plate, standing.region, rule, support, explain(now, standing.plate, standing.region))
