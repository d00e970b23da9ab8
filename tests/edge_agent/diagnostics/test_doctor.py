"""What doctor makes of what a running agent says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import FakeClock

from edge_agent.config import AgentConfig
from edge_agent.diagnostics.checks import Verdict
from edge_agent.diagnostics.doctor import _ask_running_agent
from edge_agent.uplink.status import STATUS_NAME, UplinkState, UplinkStatus, write_status

S = 1_000_000_000


@pytest.fixture
def settings(tmp_path: Path) -> AgentConfig:
    pem = tmp_path / "any.pem"
    return AgentConfig.model_validate(
        {
            "data_dir": tmp_path,
            "device": {"id": "trailer-7", "agency": "pd", "deployment": "d", "key": pem, "certificate": pem},
            "broker": {"host": "127.0.0.1", "ca": pem, "collector_keys": [pem]},
            "microphones": [{"id": "mast", "source": "street.wav"}],
        }
    )


@pytest.mark.parametrize(
    ("age_s", "words"), [(5, ""), (31, "said nothing for 31 s"), (-5, "said nothing since this machine started")]
)
def test_its_status_is_as_old_as_the_boot_clock_says(settings: AgentConfig, age_s: int, words: str) -> None:
    """The wall clock was set by an hour meanwhile, which makes nothing old."""
    clock = FakeClock()
    status = UplinkStatus(
        UplinkState.WORKING,
        "connected, the collector acks",
        None,
        1,
        1,
        at_utc_ns=clock.utc_ns() - 3_600 * S,
        at_boot_ns=clock.boot_ns() - age_s * S,
        ack_round_trip_ms=20.0,
    )
    write_status(settings.data_dir / STATUS_NAME, status)
    checks = list(_ask_running_agent(settings, clock))
    if words:
        assert [(check.verdict, check.measured) for check in checks] == [(Verdict.FAIL, words)]
    else:
        assert [(check.name, check.verdict) for check in checks] == [("broker", Verdict.OK), ("ack", Verdict.OK)]
