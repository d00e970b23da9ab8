from typing import Any

from collector.ingest.presence import after_health, after_presence, after_rows, plain
from collector.store.links import LinkRow
from edge_wire.messages import Header, Presence, SourceState

NOW_NS = 1_000


def header(epoch: int = 7, boot_ns: int = 50) -> Header:
    return Header(epoch, NOW_NS, boot_ns, 0)


def link(epoch: int = 7, connection: int = 3, online: bool = True, health: Any = None) -> LinkRow:
    return LinkRow(epoch, connection, online, "", 10, health, None)


def presence(held: LinkRow | None, connection: int, online: bool, *, epoch: int = 7, newer: bool = False) -> LinkRow:
    body = Presence(connection, online, "said so")
    return after_presence(held, newer_epoch=newer, header=header(epoch), body=body, at_ns=NOW_NS)


def test_a_first_birth_is_online() -> None:
    assert presence(None, 1, True) == LinkRow(7, 1, True, "said so", NOW_NS)


def test_a_will_for_an_older_connection_changes_nothing() -> None:
    assert presence(link(connection=3), 2, False) == link(connection=3)
    assert presence(link(epoch=8, connection=1), 9, False, epoch=7, newer=False) == link(epoch=8, connection=1)


def test_the_newest_connection_dies_by_its_will() -> None:
    assert not presence(link(), 3, False).online


def test_a_later_epoch_counts_its_connections_from_one() -> None:
    assert presence(link(epoch=7, connection=9), 1, True, epoch=8, newer=True).connection == 1


def test_a_repeated_birth_revives_nothing() -> None:
    dead = link(online=False)
    assert presence(dead, 3, True) == dead


def test_health_of_the_newest_connection_revives_it_once(make: Any) -> None:
    dead = link(online=False)
    alive = after_health(dead, newer_epoch=False, header=header(), body=make.health(3), at_ns=NOW_NS)
    assert alive.online
    dead_again = presence(alive, 3, False)
    replayed = after_health(dead_again, newer_epoch=False, header=header(), body=make.health(3), at_ns=NOW_NS)
    assert replayed == dead_again
    later = after_health(dead_again, newer_epoch=False, header=header(boot_ns=51), body=make.health(3), at_ns=NOW_NS)
    assert later.online


def test_health_of_an_older_connection_changes_nothing(make: Any) -> None:
    held = link(connection=3)
    assert after_health(held, newer_epoch=False, header=header(), body=make.health(2), at_ns=NOW_NS) is held


def test_rows_revive_the_connection_that_they_came_over() -> None:
    dead = link(online=False)
    revived = after_rows(dead, (7, 3), NOW_NS)
    assert revived is not None
    assert (revived.online, revived.heard_at_ns) == (True, NOW_NS)
    other = after_rows(dead, (7, 2), NOW_NS)
    assert other is not None
    assert not other.online
    assert after_rows(None, None, NOW_NS) is None


def test_health_becomes_named_fields(make: Any) -> None:
    shown = plain(make.health())
    assert shown["outbox_pending"] == 0
    assert shown["models"] == [["detector", "ab"]]
    assert plain(SourceState("north", "camera", "ok", "", 25_000))["state"] == "ok"
