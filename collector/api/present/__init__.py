"""Domain values in the API's words. Pure."""

from collector.api.present.alerts import alert
from collector.api.present.devices import device, picture
from collector.api.present.incidents import incident, revision
from collector.api.present.reads import passage, read
from collector.api.present.shots import shot

__all__ = ["alert", "device", "incident", "passage", "picture", "read", "revision", "shot"]
