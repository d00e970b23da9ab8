"""Who is connected. Pure: the link as it was and what has come give the link as it is.

Only the newest connection can die: a will for an older one changes nothing. A later message of the newest connection
revives it, since a broker may declare dead what was only slow. A birth that is repeated revives nothing: it may be a
copy.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from collector.store.links import MADE_AT, MADE_IN, LinkRow
from edge_wire.messages import Header, Health, Presence


def after_presence(link: LinkRow | None, *, newer_epoch: bool, header: Header, body: Presence, at_ns: int) -> LinkRow:
    """Return the link after a birth or a will.

    Args:
        link: as it was; None when nothing was ever heard.
        newer_epoch: whether the message's epoch is later than the link's.
        header: the message's header.
        body: the birth or will.
        at_ns: UTC when it came.
    """
    if link is None or _newer(link, header, body.connection, newer_epoch):
        kept = link or LinkRow(0, 0, False, "", 0)
        return replace(
            kept,
            epoch=header.epoch,
            connection=body.connection,
            online=body.online,
            reason=body.reason,
            heard_at_ns=at_ns if body.online else kept.heard_at_ns,
        )
    if not body.online and link.online and (link.epoch, link.connection) == (header.epoch, body.connection):
        return replace(link, online=False, reason=body.reason)
    return link


def after_health(link: LinkRow | None, *, newer_epoch: bool, header: Header, body: Health, at_ns: int) -> LinkRow:
    """Return the link after a health message; arguments as for ``after_presence``."""
    if link is not None and not _newer(link, header, body.connection, newer_epoch):
        if (link.epoch, link.connection) != (header.epoch, body.connection):
            return link
        if link.health is not None and link.health[MADE_AT] >= header.captured_boot_ns:
            return link
    made = {MADE_AT: header.captured_boot_ns, MADE_IN: header.epoch, "clock_error_ns": header.clock_error_ns}
    health = {**plain(body), **made}
    return LinkRow(header.epoch, body.connection, True, "", at_ns, health, at_ns)


def after_rows(link: LinkRow | None, connection: tuple[int, int] | None, at_ns: int) -> LinkRow | None:
    """Return the link after verified rows that had not come before.

    Args:
        link: as it was.
        connection: epoch and number of the connection that they say they came over.
        at_ns: UTC when they came.
    """
    if link is None:
        return None if connection is None else LinkRow(*connection, True, "", at_ns)
    revived = not link.online and connection == (link.epoch, link.connection)
    return replace(link, heard_at_ns=at_ns, online=link.online or revived, reason="" if revived else link.reason)


def _newer(link: LinkRow, header: Header, connection: int, newer_epoch: bool) -> bool:
    return newer_epoch if header.epoch != link.epoch else connection > link.connection


def plain(value: Any) -> Any:
    """Return a wire value as JSON has it: named fields as objects, tuples as arrays, bytes as lower-case hex."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value
