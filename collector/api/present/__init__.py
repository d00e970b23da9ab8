"""Domain values in the API's words. Pure."""

from collector.api.present.alerts import alert, alert_in_full
from collector.api.present.devices import device, device_change, picture
from collector.api.present.incidents import incident, revision
from collector.api.present.ledger import account
from collector.api.present.reads import passage, read
from collector.api.present.shots import shot

__all__ = [
    "account",
    "alert",
    "alert_in_full",
    "device",
    "device_change",
    "incident",
    "passage",
    "picture",
    "read",
    "revision",
    "shot",
]
