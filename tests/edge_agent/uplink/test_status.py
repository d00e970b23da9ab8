"""The status file: read by doctor, whole or refused."""

from dataclasses import replace

import pytest

from edge_agent.errors import UplinkError
from edge_agent.uplink import DataUse, Fault, PlanLevel, UplinkState, UplinkStatus, read_status
from edge_agent.uplink.status import write_status


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "uplink.json"
    use = DataUse(5, 9, None, PlanLevel.OK, "2026-11-01", "2026-12-01", {"crop": 5})
    status = UplinkStatus(UplinkState.DISCONNECTED, "no route", Fault.TCP, 7, 3, 99, None, 1.5, 4, {"acks": 2})
    status = replace(status, data_use=use, bytes_by_kind={"crop": 5}, conditions=("no route",), at_boot_ns=3)
    write_status(path, status)
    assert read_status(path) == status
    assert [p.name for p in tmp_path.iterdir()] == ["uplink.json"]


def test_no_file_is_said_so(tmp_path):
    with pytest.raises(UplinkError, match="No such file"):
        read_status(tmp_path / "uplink.json")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"state": "splendid"}'])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "uplink.json"
    path.write_bytes(content)
    with pytest.raises(UplinkError, match=r"uplink\.json: status"):
        read_status(path)
