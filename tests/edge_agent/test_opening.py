"""From settings to what they name."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from edge_agent.config import AgentConfig, Clips
from edge_agent.gunshots.clips import ClipSettings
from edge_agent.inference.models import PlateModels, resolve_gunshot
from edge_agent.opening import clip_settings, model_digests, outbox_settings, uplink_settings


def config(tmp_path: Path, source: str, **settings: Any) -> AgentConfig:
    key, pem = tmp_path / "device.key", tmp_path / "any.pem"
    return AgentConfig.model_validate(
        {
            "data_dir": tmp_path / "data",
            "device": {"id": "trailer-7", "agency": "pd", "deployment": "d", "key": key, "certificate": pem},
            "broker": {"host": "127.0.0.1", "ca": pem, "collector_keys": [pem]},
            "microphones": [{"id": "mast", "source": source}],
            **settings,
        }
    )


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


def test_room_and_plan_reach_those_who_keep_to_them(tmp_path: Path) -> None:
    room = {"quota_bytes": 10_000_000, "free_floor_bytes": 7, "ballast_bytes": 5}
    plan = {"max_kbps": 64, "monthly_bytes": 5_000_000, "billing_day": 17, "metered": True, "unacked_after_s": 30}
    told = config(tmp_path, "device", outbox=room, uplink=plan)
    outbox, uplink = outbox_settings(told), uplink_settings(told)
    assert {name: getattr(outbox, name) for name in room} == room
    assert outbox.crops_up_to_bytes == 4_096
    assert {name: getattr(uplink, name) for name in plan} == plan
    assert uplink.health_every_s == 300
    assert uplink.data_use_path == tmp_path / "data" / "data-use.json"


def test_an_unmetered_link_sends_every_crop(tmp_path: Path) -> None:
    told = config(tmp_path, "device")
    assert outbox_settings(told).crops_up_to_bytes is None
    assert (uplink_settings(told).health_every_s, uplink_settings(told).max_kbps) == (60, None)


def test_every_model_file_is_named_with_its_digest(tmp_path: Path) -> None:
    files = {}
    for part in ("detector", "ocr", "ocr-config"):
        files[part] = tmp_path / part
        files[part].write_text(part)
    plates = PlateModels("own", files["detector"], files["ocr"], files["ocr-config"], "")
    digests = dict(model_digests(plates, config(tmp_path, "device")))
    assert digests["plates ocr"] == sha256(b"ocr").digest()
    assert list(digests) == ["plates detector", "plates ocr", "plates ocr-config", "gunshot classifier"]
    assert digests["gunshot classifier"] == sha256(resolve_gunshot("gunshot")["classifier"].read_bytes()).digest()
