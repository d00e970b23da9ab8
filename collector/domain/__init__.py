"""What the collector knows, as values: apart from the wire, from the tables and from the API's JSON.

Times are integer UTC nanoseconds. Codes that a newer device may extend (role, face, class names) stay plain text.
"""

from collector.domain.alerts import Alert, AlertState, Entry, Hit, Rule, Standing, Support
from collector.domain.devices import Age, Device, DeviceChange, DeviceStatus, Identity, Link, PictureArrival
from collector.domain.incidents import (
    Ellipse,
    Incident,
    Location,
    NearbyRead,
    Region,
    Revision,
    Sensor,
    Silent,
    Stage,
    Verdict,
    VerdictWord,
)
from collector.domain.reads import Overview, Passage, Read, Vehicle, text_confidence
from collector.domain.shots import Kept, Shot

__all__ = [
    "Age",
    "Alert",
    "AlertState",
    "Device",
    "DeviceChange",
    "DeviceStatus",
    "Ellipse",
    "Entry",
    "Hit",
    "Identity",
    "Incident",
    "Kept",
    "Link",
    "Location",
    "NearbyRead",
    "Overview",
    "Passage",
    "PictureArrival",
    "Read",
    "Region",
    "Revision",
    "Rule",
    "Sensor",
    "Shot",
    "Silent",
    "Stage",
    "Standing",
    "Support",
    "Vehicle",
    "Verdict",
    "VerdictWord",
    "text_confidence",
]
