"""The composition root: what it makes of votes and shots, and what it refuses before it opens anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_agent.app import Agent
from edge_agent.config import AgentConfig
from edge_agent.errors import ConfigurationError
from edge_agent.provisioning import device_key


def config(tmp_path: Path, source: str) -> AgentConfig:
    key = tmp_path / "device.key"
    if not key.exists():
        device_key.generate(key)
    pem = tmp_path / "any.pem"
    return AgentConfig.model_validate(
        {
            "data_dir": tmp_path / "data",
            "device": {"id": "trailer-7", "agency": "pd", "deployment": "d", "key": key, "certificate": pem},
            "broker": {"host": "127.0.0.1", "ca": pem, "collector_keys": [pem]},
            "microphones": [{"id": "mast", "source": source}],
        }
    )


def test_a_missing_recording_is_refused_before_an_epoch_is_made(tmp_path: Path) -> None:
    async def start() -> None:
        await Agent(config(tmp_path, str(tmp_path / "none.wav"))).run()

    with pytest.raises(ConfigurationError, match=r"none\.wav"):
        asyncio.run(start())
    assert not (tmp_path / "data").exists()
