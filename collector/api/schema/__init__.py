"""The API's words: what /openapi.json describes and what is sent, one model a thing.

Field names and meanings are a promise to whoever has written a client; fields are added, never changed or removed.
"""

from collector.api.schema.alerts import Alert, Alerts, Entry
from collector.api.schema.devices import Device, Devices, Health, Heartbeat, PartName, Picture, Source
from collector.api.schema.incidents import (
    Ellipse,
    Incident,
    Incidents,
    Location,
    NearbyRead,
    Place,
    Region,
    Revision,
    Revisions,
    Sensor,
    Silent,
    Verdict,
    VerdictGiven,
)
from collector.api.schema.reads import Overview, Passage, Passages, Read, Reads, Vehicle
from collector.api.schema.sessions import CodeLogin, Me, PasswordLogin, Problem
from collector.api.schema.shots import Shot, Shots

__all__ = [
    "Alert",
    "Alerts",
    "CodeLogin",
    "Device",
    "Devices",
    "Ellipse",
    "Entry",
    "Health",
    "Heartbeat",
    "Incident",
    "Incidents",
    "Location",
    "Me",
    "NearbyRead",
    "Overview",
    "PartName",
    "Passage",
    "Passages",
    "PasswordLogin",
    "Picture",
    "Place",
    "Problem",
    "Read",
    "Reads",
    "Region",
    "Revision",
    "Revisions",
    "Sensor",
    "Shot",
    "Shots",
    "Silent",
    "Source",
    "Vehicle",
    "Verdict",
    "VerdictGiven",
]
