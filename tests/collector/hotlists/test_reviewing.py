from typing import Any

import pytest

from collector.errors import ConfigurationError, NotFoundError, PermissionDeniedError
from collector.hotlists import reviewing
from collector.hotlists.reviewing import person


@pytest.mark.parametrize(
    ("who", "name"), [("cli:ann", "ann"), ("cli:root (sudo Ann)", "ann"), ("ann", "ann"), ("cli:root", "root")]
)
def test_who_is_behind_an_account(who: str, name: str) -> None:
    assert person(who) == name


@pytest.mark.parametrize("who", ["cli:ann", "cli:root (sudo ann)", "ann", "cli:diaz"])
async def test_nobody_reviews_what_they_have_added_or_asked_for(desk: Any, who: str) -> None:
    one = (await desk.adds(who="cli:ann", requester="Diaz")).entry
    with pytest.raises(PermissionDeniedError, match="was added by cli:ann for Diaz; somebody else is to review it"):
        await reviewing.approve(desk.store, one.id, who=who, at_ns=5)
    with pytest.raises(PermissionDeniedError):
        await reviewing.reject(desk.store, one.id, "no", who=who, at_ns=5)


async def test_somebody_else_lets_it_stand_and_the_first_one_s_name_stays(desk: Any) -> None:
    one = (await desk.adds()).entry
    for who, at_ns in (("cli:ben", 5), ("cli:cat", 6)):
        stands = await reviewing.approve(desk.store, one.id, who=who, at_ns=at_ns)
        assert (stands.reviewed_by, stands.reviewed_at_ns, stands.id) == ("cli:ben", 5, one.id)


async def test_rejecting_withdraws_it_and_recalls_its_alerts(desk: Any) -> None:
    one = (await desk.adds()).entry
    await desk.live.load()
    await desk.sees("7ABC123")
    with pytest.raises(ConfigurationError, match="expected why"):
        await reviewing.reject(desk.store, one.id, " ", who="cli:ben", at_ns=5)
    done = await reviewing.reject(desk.store, one.id, "no case", who="cli:ben", at_ns=5)
    [alert] = await desk.alerts()
    assert done.recalled == (alert.id,)
    assert alert.recalled.why == "The entry was rejected at review: no case"
    with pytest.raises(NotFoundError):
        await reviewing.approve(desk.store, one.id, who="cli:ben", at_ns=6)


async def test_there_is_no_such_snapshot(desk: Any) -> None:
    with pytest.raises(NotFoundError, match="snapshot 7: there is no such snapshot"):
        await reviewing.decide(desk.store, 7, approved=True, who="cli:ben", at_ns=5)
