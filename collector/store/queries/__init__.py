"""What the API and the console read: domain values, newest first, by id or page.

Pages go by id (``before``), so that a page stays what it was while new rows arrive. Files belong to the device
that sent them: a hash that another device completed does not count as here.
"""

from collector.store.queries.of_alerts import Wanted, alerts, alerts_by_id, reads_of_alert
from collector.store.queries.of_devices import device_changes, devices, picture_arrival, picture_is_here
from collector.store.queries.of_incidents import incident_revisions, incidents, incidents_by_id
from collector.store.queries.of_reads import MAX_PAGE, passages, passages_by_id, reads, reads_by_id
from collector.store.queries.of_shots import shots, shots_by_id

__all__ = [
    "MAX_PAGE",
    "Wanted",
    "alerts",
    "alerts_by_id",
    "device_changes",
    "devices",
    "incident_revisions",
    "incidents",
    "incidents_by_id",
    "passages",
    "passages_by_id",
    "picture_arrival",
    "picture_is_here",
    "reads",
    "reads_by_id",
    "reads_of_alert",
    "shots",
    "shots_by_id",
]
