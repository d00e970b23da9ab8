"""What a further revision of a read says of the alert that it raised. Pure.

An alert never disappears because the camera changed its mind: it is strengthened, or says that it is no longer
supported. Whether the entry is still listed plays no part in it, nor does the list's threshold at that time: the
revision is judged by the threshold of now.
"""

from __future__ import annotations

from collector.domain import Aligned, Match, Rule, Standing, Support
from collector.match.records import Hit

# Less is not worth telling, and probabilities are shown in whole per cent.
_SURER = 0.01


def match_of(hit: Hit) -> Match:
    """Return what the matcher said, as an alert keeps it."""
    return Match(
        probability=hit.probability,
        calibrated=hit.calibrated,
        threshold=hit.threshold,
        alignment=tuple(Aligned(one.read, one.read_p, one.entry, one.entry_p, one.step) for one in hit.alignment),
        otherwise=hit.otherwise,
        list_version=hit.list_version,
        list_age_ns=hit.list_age_ns,
        matcher=hit.matcher,
    )


def is_supporting(hit: Hit) -> bool:
    """Whether what was seen is likely enough to be the entry."""
    return hit.probability > 0 and hit.probability >= hit.threshold


def revised(standing: Standing, hit: Hit, text: str, revision: int, *, others: int) -> Standing:
    """Return how an alert stands once a later revision of its read was judged.

    Args:
        standing: before.
        hit: what the matcher says of the revision and the entry, whatever the threshold.
        text: what the revision reads.
        revision: its number.
        others: how many other reads of the alert support it.
    """
    match = match_of(hit)
    if not is_supporting(hit):
        return Standing(standing.rule, *_weaker(standing, text, others), revision, match)
    before = standing.match
    surer = before is not None and hit.probability >= before.probability + _SURER
    if standing.support is Support.UNSUPPORTED:
        support = Support.RAISED
    elif surer or (hit.rule is Rule.EXACT and standing.rule is Rule.LIKELY):
        support = Support.STRENGTHENED
    else:
        support = standing.support
    return Standing(hit.rule, support, hit.why, revision, match)


def _weaker(standing: Standing, text: str, others: int) -> tuple[Support, tuple[str, ...]]:
    if others:
        reads = "another read still supports it" if others == 1 else f"{others} other reads still support it"
        sentence = f"A later revision of the first read reads {text or 'nothing'}; {reads}."
    elif standing.support is Support.UNSUPPORTED:
        return standing.support, standing.why
    else:
        sentence = f"No longer supported: a later revision reads {text or 'nothing'}."
    why = standing.why if sentence in standing.why else (*standing.why, sentence)
    return (standing.support if others else Support.UNSUPPORTED), why
