from dataclasses import replace

from collector.alerts.support import revised
from collector.domain import Rule, Standing, Support
from collector.match.matcher import Seen


def seen(text: str, p: float = 0.9) -> Seen:
    return Seen(text, tuple(((character, p),) for character in text), ())


RAISED = Standing("7ABC120", "US-TX", Rule.FOLDED, Support.RAISED, ("Read as it was.",))


def test_an_exact_reading_after_a_folded_one_strengthens() -> None:
    now = revised(RAISED, seen("7ABC12O"), seen("7ABC120"))
    assert (now.support, now.rule) == (Support.STRENGTHENED, Rule.EXACT)
    assert now.why[0] == "Read as 7ABC120, exactly as listed."


def test_a_surer_reading_strengthens_and_a_less_sure_one_changes_nothing() -> None:
    assert revised(RAISED, seen("7ABC12O", 0.8), seen("7ABC12O", 0.9)).support is Support.STRENGTHENED
    assert revised(RAISED, seen("7ABC12O", 0.9), seen("7ABC12O", 0.8)) == RAISED


def test_another_reading_withdraws_the_support_once_and_never_the_alert() -> None:
    now = revised(RAISED, seen("7ABC12O"), seen("7ABC128"))
    assert now.support is Support.UNSUPPORTED
    assert now.why == ("Read as it was.", "No longer supported: a later revision reads 7ABC128.")
    assert revised(now, seen("7ABC128"), seen("7ABC129")) == now


def test_support_comes_back_with_the_reading() -> None:
    gone = replace(RAISED, support=Support.UNSUPPORTED)
    assert revised(gone, seen("7ABC128", 0.99), seen("7ABC12O", 0.5)).support is Support.RAISED
