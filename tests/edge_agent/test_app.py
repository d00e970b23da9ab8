"""The composition root: what it makes of votes and shots, and what it refuses before it opens anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_agent.app import Agent, clip_settings, outbox_settings
from edge_agent.config import AgentConfig, Clips
from edge_agent.errors import ConfigurationError
from edge_agent.gunshots.clips import ClipSettings
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


def test_what_is_kept_around_a_shot_is_what_the_settings_say(tmp_path: Path) -> None:
    told = config(tmp_path, "device")
    assert clip_settings(told) == ClipSettings(1.0, 3.0)
    assert (outbox_settings(told).clip_quota_bytes, outbox_settings(told).keep_clips_h) == (500_000_000, 72)
    told = told.model_copy(update={"clips": Clips(before_s=0.5, after_s=2, keep_h=1, quota_bytes=7)})
    assert clip_settings(told) == ClipSettings(0.5, 2.0)
    assert (outbox_settings(told).clip_quota_bytes, outbox_settings(told).keep_clips_h) == (7, 1)


def test_without_room_for_clips_none_is_ever_made(tmp_path: Path) -> None:
    told = config(tmp_path, "device").model_copy(update={"clips": Clips(quota_bytes=0)})
    assert clip_settings(told) is None
