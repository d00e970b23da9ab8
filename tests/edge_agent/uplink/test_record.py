"""What stands in the log about the link, and how loudly."""

import pytest
from structlog.testing import capture_logs

from edge_agent.uplink import Fault, UplinkState
from edge_agent.uplink.record import Record


@pytest.mark.parametrize(
    ("state", "fault", "failed", "level"),
    [
        (UplinkState.CONNECTING, None, False, "info"),
        (UplinkState.DISCONNECTED, Fault.TCP, False, "warning"),
        (UplinkState.CONNECTED, None, True, "warning"),
    ],
)
def test_failures_are_warnings_and_said_once(clock, state, fault, failed, level):
    record = Record(7, clock)
    with capture_logs() as logs:
        for _ in range(2):
            record.show(state, "why", fault, failed=failed)
    assert [(line["log_level"], line["reason"]) for line in logs] == [(level, "why")]
