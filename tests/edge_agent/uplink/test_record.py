"""What stands in the log about the link, and how loudly."""

import pytest
from structlog.testing import capture_logs

from edge_agent.sending import AckFinding, Identity
from edge_agent.uplink import Fault, UplinkState
from edge_agent.uplink.data_use import DataMeter
from edge_agent.uplink.record import Record
from edge_agent.uplink.window import Window
from edge_wire.messages import Stream

S = 1_000_000_000
ROW = Identity(7, Stream.REPORT, 1)


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


def connected(clock, meter=None):
    record = Record(7, clock, 10.0, meter)
    record.show(UplinkState.CONNECTED, "connected, the collector has not acked yet")
    record.window = Window(10, 0.2, clock.boot_ns())
    return record


def published(record, clock):
    record.window.published(ROW, live=True, now_ns=clock.boot_ns())


def acked(record, clock):
    record.window.acked([ROW], clock.boot_ns())
    record.acked(1, clock.boot_ns())


def test_silence_and_its_end_are_said_once_each(clock):
    record = connected(clock)
    published(record, clock)
    acked(record, clock)
    published(record, clock)
    with capture_logs() as logs:
        clock.advance(9 * S)
        assert not record.look()
        clock.advance(S)
        assert [record.look(), record.look()] == [True, False]
        acked(record, clock)
        assert [record.look(), record.look()] == [True, False]
    assert [(line["log_level"], line["state"]) for line in logs] == [("warning", "unacked"), ("info", "working")]


def test_nothing_to_ack_is_no_silence(clock):
    record = connected(clock)
    clock.advance(3600 * S)
    assert (record.status.state, record.status.unacked_s) == (UplinkState.CONNECTED, None)
    published(record, clock)
    clock.advance(4 * S)
    assert (record.status.state, record.status.unacked_s) == (UplinkState.CONNECTED, 4.0)


def test_a_broker_that_says_why_is_quoted(clock):
    record = connected(clock)
    published(record, clock)
    record.show(UplinkState.CONNECTED, "connected, but no collector listens at the broker", failed=True)
    clock.advance(12 * S)
    reason = "connected, but no collector listens at the broker; the collector has not acked for 12 s"
    assert (record.status.state, record.status.reason) == (UplinkState.UNACKED, reason)
    assert record.status.conditions == (reason,)


def test_a_link_that_is_down_is_not_unacked(clock):
    record = connected(clock)
    published(record, clock)
    record.show(UplinkState.DISCONNECTED, "cut", Fault.LOST)
    clock.advance(20 * S)
    assert record.status.state == UplinkState.DISCONNECTED
    assert record.status.conditions == ("cut",)


def test_conditions_name_protocol_errors_and_the_data_plan(clock):
    meter = DataMeter(None, 1_000_000, 1, clock, "a")
    record = connected(clock, meter)
    acked(record, clock)
    assert record.status.conditions == ()
    record.found(AckFinding.BEYOND_COUNTER)
    record.found(AckFinding.SUPERSEDED_STORE)  # part of every restore: counted, not wrong
    meter.add("crop", 900_000)
    beyond, plan = record.status.conditions
    assert beyond == "1 acks named sequences that this device never assigned"
    assert plan.startswith("data plan: 90%")
    assert record.status.data_use.used_bytes == record.status.bytes_by_kind["crop"] == 900_000
