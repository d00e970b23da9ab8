"""Which roles may use which route: the whole table.

A route that is not in it is refused to everybody, and a test fails until it is.
"""

from collections.abc import Mapping
from typing import Final

from collector.store.feed import FeedKind
from collector.store.users import Role

EVERYBODY: Final = None
"""Open without login: nothing behind it tells of detections, users or devices."""

_ANY_ROLE: Final = frozenset(Role)
# Who keeps the lists does not see whom they hit.
_DETECTIONS: Final = _ANY_ROLE - {Role.HOTLIST_MANAGER}
_OPERATES: Final = frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMINISTRATOR})
# What was lost is for those who answer for it.
_ANSWERS: Final = frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.ADMINISTRATOR})
_SUPERVISES: Final = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})
_KEEPS_LISTS: Final = frozenset({Role.SUPERVISOR, Role.HOTLIST_MANAGER, Role.ADMINISTRATOR})

ALLOWED: Final[Mapping[str, frozenset[Role] | None]] = {
    "GET /healthz": EVERYBODY,
    "GET /openapi.json": EVERYBODY,
    "GET /docs": EVERYBODY,
    "GET /docs/style.css": EVERYBODY,
    "GET /": EVERYBODY,
    "GET /assets": EVERYBODY,
    "POST /api/login": EVERYBODY,
    "POST /api/logout": _ANY_ROLE,
    "GET /api/me": _ANY_ROLE,
    "GET /api/alerts": _DETECTIONS,
    "GET /api/alerts/{alert_id}": _DETECTIONS,
    "POST /api/alerts/{alert_id}/acknowledge": _OPERATES,
    "POST /api/alerts/{alert_id}/close": _OPERATES,
    # A verdict is taken back by somebody who answers for it, and so is what keeps later hits from alerting.
    "POST /api/alerts/{alert_id}/reopen": _SUPERVISES,
    "POST /api/alerts/{alert_id}/image-check": _OPERATES,
    "POST /api/alerts/{alert_id}/record-check": _OPERATES,
    "POST /api/alerts/{alert_id}/field-outcome": _OPERATES,
    "POST /api/alerts/{alert_id}/mute": _OPERATES,
    "POST /api/alerts/{alert_id}/exclusion": _SUPERVISES,
    "GET /api/reads": _DETECTIONS,
    "GET /api/passages": _DETECTIONS,
    "GET /api/passages/{passage_id}": _DETECTIONS,
    "GET /api/shots": _ANY_ROLE,
    "GET /api/incidents": _DETECTIONS,
    "GET /api/incidents/{incident_id}": _DETECTIONS,
    "GET /api/incidents/{incident_id}/revisions": _DETECTIONS,
    "POST /api/incidents/{incident_id}/verdict": _OPERATES,
    "POST /api/incidents/{incident_id}/recordings": _SUPERVISES,
    "GET /api/clips/{sha256}": _DETECTIONS,
    "GET /api/devices": _ANY_ROLE,
    "GET /api/devices/{device_id}": _ANY_ROLE,
    "GET /api/devices/{device_id}/changes": _ANY_ROLE,
    # Whoever keeps the lists, and whoever reviews what others enter.
    "GET /api/hotlists/attention": _KEEPS_LISTS,
    "POST /api/hotlists/snapshots/{snapshot_id}/approve": _KEEPS_LISTS,
    "POST /api/hotlists/snapshots/{snapshot_id}/refuse": _KEEPS_LISTS,
    "POST /api/hotlists/entries/{entry_id}/approve": _SUPERVISES,
    "POST /api/hotlists/entries/{entry_id}/reject": _SUPERVISES,
    "GET /api/ledger": _ANSWERS,
    "GET /api/pictures/{sha256}": _DETECTIONS,
    "GET /api/stream": _ANY_ROLE,
}

STREAMED: Final[Mapping[FeedKind, frozenset[Role]]] = {
    FeedKind.ALERT: _DETECTIONS,
    FeedKind.READ: _DETECTIONS,
    FeedKind.PASSAGE: _DETECTIONS,
    FeedKind.PICTURE: _DETECTIONS,
    FeedKind.SHOT: _ANY_ROLE,
    # With plate reads nearby.
    FeedKind.INCIDENT: _DETECTIONS,
    FeedKind.DEVICE: _ANY_ROLE,
}
"""Which kinds of the stream a role is sent."""


def may(role: Role, route: str) -> bool:
    """Whether a role may use a route, named as in ``ALLOWED``."""
    allowed = ALLOWED.get(route, frozenset())
    return allowed is EVERYBODY or role in allowed
