"""From settings to what they name: cameras, microphones, networks, and how the outbox and the uplink are set."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from edge_agent.config import AgentConfig, Camera, FilePlayback, Microphone
from edge_agent.gunshots.classifier import NetworkShotClassifier
from edge_agent.gunshots.clips import ClipSettings
from edge_agent.gunshots.opening import open_classifier
from edge_agent.inference.models import PlateModels, resolve_gunshot, resolve_plates, sha256_of
from edge_agent.inference.providers import Provider
from edge_agent.outbox import OutboxSettings
from edge_agent.records import AudioBlock
from edge_agent.sources.audio import open_audio_source
from edge_agent.sources.camera_clock import KnownCamera
from edge_agent.sources.pacing import Pace
from edge_agent.sources.video import VideoSource, open_frame_source
from edge_agent.uplink import UplinkSettings
from edge_agent.uplink.status import STATUS_NAME
from edge_agent.watch import Source
from edge_wire.clock import Clock


def _starts_at_utc_ns(playback: FilePlayback) -> int | None:
    at = playback.starts_at
    return round(at.timestamp() * 1e6) * 1_000 if isinstance(at, datetime) else None


def open_camera(camera: Camera, clock: Clock, known: KnownCamera | None = None) -> VideoSource:
    """Open what a camera's settings name.

    Args:
        camera: the settings.
        clock: where capture times come from.
        known: what is kept of the camera from one connection to the next.

    Raises:
        ConfigurationError: it names nothing that can be opened.
    """
    return open_frame_source(
        camera.url,
        camera=camera.id,
        clock=clock,
        pace=Pace(camera.pace),
        starts_at_utc_ns=_starts_at_utc_ns(camera),
        fps=camera.fps,
        transport=camera.transport,
        ca=camera.ca,
        decoder=camera.decoder,
        known=known,
        latency_ns=None if camera.latency_ms is None else camera.latency_ms * 1_000_000,
    )


def open_microphone(microphone: Microphone, clock: Clock) -> Source[AudioBlock]:
    """Open what a microphone's settings name.

    Raises:
        ConfigurationError: it names nothing that can be opened.
    """
    source = open_audio_source(
        microphone.source,
        microphone=microphone.id,
        clock=clock,
        pace=Pace(microphone.pace),
        starts_at_utc_ns=_starts_at_utc_ns(microphone),
        latency_ns=round(microphone.latency_ms * 1e6),
    )
    return Source(source.blocks, source.close, source.condition)


def plate_models(config: AgentConfig) -> PlateModels:
    """Find the plate models that this configuration asks for.

    Raises:
        ModelError: there are none; the text says how to get them.
        ConfigurationError: ``models.plates`` names no set.
    """
    return resolve_plates(config.models.dir, config.models.trust_digests, config.models.plates)


def shot_classifier(config: AgentConfig, microphone: Microphone) -> NetworkShotClassifier:
    """Load the classifier that a microphone asks for.

    Raises:
        ModelError: there is none of that name, or a file of it is missing; the text says how to get it.
    """
    return open_classifier(
        microphone.model, config.models.dir, threads=config.models.threads, provider=Provider(config.models.provider)
    )


def model_digests(plates: PlateModels | None, config: AgentConfig) -> tuple[tuple[str, bytes], ...]:
    """Name every model file that is run, each with the SHA-256 of its bytes.

    Args:
        plates: the files that read plates, if any do.
        config: says which microphones have which classifier.

    Raises:
        ModelError: a file is not there.
    """
    files: dict[str, Path] = {}
    if plates is not None:
        parts = {"detector": plates.detector, "ocr": plates.ocr, "ocr-config": plates.ocr_config}
        files |= {f"plates {part}": path for part, path in parts.items()}
    for model in sorted({microphone.model for microphone in config.microphones}):
        files |= {f"{model} {part}": path for part, path in resolve_gunshot(model, config.models.dir).items()}
    return tuple((name, bytes.fromhex(sha256_of(path))) for name, path in files.items())


def clip_settings(config: AgentConfig) -> ClipSettings | None:
    """Say which seconds around a shot are kept; None if there is no room for any."""
    return ClipSettings(config.clips.before_s, config.clips.after_s) if config.clips.quota_bytes else None


def outbox_settings(config: AgentConfig) -> OutboxSettings:
    """Say how this device's outbox is kept."""
    return OutboxSettings(
        folder=config.outbox_folder,
        device=config.device.id,
        keep_stored_h=config.keep_stored_h,
        evidence_quota_bytes=config.plates.frame_quota_bytes,
        clip_quota_bytes=config.clips.quota_bytes,
        keep_clips_h=config.clips.keep_h,
        quota_bytes=config.outbox.quota_bytes,
        free_floor_bytes=config.outbox.free_floor_bytes,
        ballast_bytes=config.outbox.ballast_bytes,
        crops_up_to_bytes=config.crops_up_to_bytes,
    )


def uplink_settings(config: AgentConfig) -> UplinkSettings:
    """Say where this device connects to, and as whom."""
    return UplinkSettings(
        host=config.broker.host,
        port=config.broker.port,
        ca_path=config.broker.ca,
        cert_path=config.device.certificate,
        key_path=config.device.key,
        device=config.device.id,
        agency=config.device.agency,
        collector_key_paths=config.broker.collector_keys,
        health_every_s=config.health_pause_s,
        status_path=config.data_dir / STATUS_NAME,
        unacked_after_s=config.uplink.unacked_after_s,
        max_kbps=config.uplink.max_kbps,
        monthly_bytes=config.uplink.monthly_bytes,
        billing_day=config.uplink.billing_day,
        metered=config.uplink.metered,
        data_use_path=config.data_dir / "data-use.json",
    )


def is_live_microphone(source: str) -> bool:
    """Whether it goes on for ever, and is not a file that ends; as ``open_audio_source`` tells them apart."""
    return source == "device" or source.startswith("device:")
