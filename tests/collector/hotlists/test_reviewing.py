from typing import Any

import pytest

from collector.config import HotlistEntries
from collector.errors import ConfigurationError, ConflictError, NotFoundError, PermissionDeniedError
from collector.hotlists import entering, reviewing
from collector.hotlists.entering import Edited
from collector.hotlists.reviewing import person, same_person
from collector.store.users import Role, Users


@pytest.mark.parametrize(
    ("who", "name"), [("cli:ann", "ann"), ("cli:root (sudo Ann)", "ann"), ("ann", "ann"), ("cli:root", "root")]
)
def test_who_is_behind_an_account(who: str, name: str) -> None:
    assert person(who) == name


@pytest.mark.parametrize("who", ["cli:ann", "cli:root (sudo ann)", "ann", "cli:diaz"])
async def test_nobody_reviews_what_they_have_added_or_asked_for(desk: Any, who: str) -> None:
    await desk.knows("ann", "diaz")
    one = (await desk.adds(who="cli:ann", requester="Diaz")).entry
    with pytest.raises(PermissionDeniedError, match=r"was added by cli:ann for Diaz, .* somebody else is to review it"):
        await reviewing.approve(desk.store, one.id, who=who, at_ns=5)
    with pytest.raises(PermissionDeniedError):
        await reviewing.reject(desk.store, one.id, "no", who=who, at_ns=5)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("cli:m.diaz", "Sgt. Diaz", True),
        ("DIAZ", "sgt diaz", True),
        ("diaz@pd.example", "diaz-m", True),
        ("ben@pd.example", "ann@pd.example", False),
        ("cli:root (sudo m-diaz)", "Maria Diaz", True),
        ("j.li", "J. Ray", False),
        ("adiaz", "Diaz", True),
        ("li", "Li", True),
        ("k.ng", "Det. Ng", True),
        ("li", "Officer Li", True),
        ("cli:mdiaz", "Sgt. Diaz", True),
        ("munoz", "Sgt. Muñoz", True),
        ("munoz", "Sgt. Mun\u0303oz", True),
        ("m.strauß", "STRAUSS", True),
        ("obrien", "Lt. O'Brien", True),
        ("p1234", "1234", True),
        ("major", "Sgt. Major", True),
        ("sgt.roe", "Sgt. Diaz", False),
        ("det-roe", "Det. Ng", False),
        ("officer.roe", "Officer Li", False),
        ("capt_roe", "Captain Diaz", False),
        ("deputy", "Deputy Roe", False),
        ("supervisor", "Supervisor Diaz", False),
        ("lt.ray", "Lt. Roe", False),
        ("adrian", "Ian", False),
        ("kng", "Ng", False),
        ("diazm", "Diaz", False),
        ("sup1", "sup2", False),
    ],
)
def test_who_may_be_one_person(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) is same
    assert same_person(other, one) is same


@pytest.mark.parametrize("role", [None, *Role])
async def test_only_users_who_supervise_review(desk: Any, role: Role | None) -> None:
    one = (await desk.adds()).entry
    if role is not None:
        await desk.knows("ben", role=role)
    if role in (Role.SUPERVISOR, Role.ADMINISTRATOR):
        assert (await reviewing.approve(desk.store, one.id, who="cli:root (sudo Ben)", at_ns=5)).reviewed_by is not None
        return
    for deny in (
        reviewing.approve(desk.store, one.id, who="cli:ben", at_ns=5),
        reviewing.reject(desk.store, one.id, "no", who="cli:ben", at_ns=5),
    ):
        with pytest.raises(PermissionDeniedError, match="'ben' is no user of the collector with that role"):
            await deny


async def test_a_user_who_was_disabled_reviews_no_more(desk: Any) -> None:
    await desk.knows("ben")
    one = (await desk.adds()).entry
    await Users(desk.store, desk.clock).disable("ben", by="cli:test")
    with pytest.raises(PermissionDeniedError):
        await reviewing.approve(desk.store, one.id, who="cli:ben", at_ns=5)


async def test_an_edit_by_somebody_else_does_not_let_the_author_review(desk: Any) -> None:
    await desk.knows("ann", "ben", "cat", "mary")
    one = (await desk.adds(who="cli:ann", requester="Mary")).entry
    edited = Edited(notes="n", requester="Sgt. Roe")
    after = await entering.edit(desk.store, one.id, edited, HotlistEntries(), who="cli:ben", at_ns=desk.clock.utc_ns())
    for who in ("cli:ann", "cli:ben", "mary"):
        with pytest.raises(PermissionDeniedError, match="somebody else"):
            await reviewing.approve(desk.store, after.entry.id, who=who, at_ns=5)
    await reviewing.approve(desk.store, after.entry.id, who="cat", at_ns=5)
    # What was withdrawn and is entered anew is another entry.
    await entering.withdraw(desk.store, after.entry.id, "recovered", who="cli:ben", at_ns=6)
    anew = (await desk.adds(who="cli:cat", requester="Sgt. Roe")).entry
    await reviewing.approve(desk.store, anew.id, who="ann", at_ns=7)


async def test_of_a_covert_entry_nobody_is_told_for_whom_it_is(desk: Any) -> None:
    await desk.knows("boss", "ann")
    one = (await desk.adds(requester="Det. Poe", covert_to=("boss",))).entry
    with pytest.raises(PermissionDeniedError) as error:
        await reviewing.approve(desk.store, one.id, who="cli:ann", at_ns=5)
    assert "Poe" not in str(error.value)


async def test_what_was_reviewed_is_withdrawn_and_not_rejected(desk: Any) -> None:
    await desk.knows("ben", "cat")
    one = (await desk.adds()).entry
    await reviewing.approve(desk.store, one.id, who="ben", at_ns=5)
    with pytest.raises(ConflictError, match="was reviewed by ben; withdraw it"):
        await reviewing.reject(desk.store, one.id, "no", who="cat", at_ns=6)


async def test_somebody_else_lets_it_stand_and_the_first_one_s_name_stays(desk: Any) -> None:
    await desk.knows("ben", "cat")
    one = (await desk.adds()).entry
    for who, at_ns in (("cli:ben", 5), ("cli:cat", 6)):
        stands = await reviewing.approve(desk.store, one.id, who=who, at_ns=at_ns)
        assert (stands.reviewed_by, stands.reviewed_at_ns, stands.id) == ("cli:ben", 5, one.id)


async def test_rejecting_withdraws_it_and_recalls_its_alerts(desk: Any) -> None:
    await desk.knows("ben")
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
