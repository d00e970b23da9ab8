"""The composition root of the edge agent: the only module that knows every stage, and joins them.

    camera -> source thread -> stage thread -> read -> outbox -> uplink ~~> collector
    microphone -> source thread -> stage thread -> shot, then its clip -> outbox

Threads read sources and run networks; one asyncio loop owns the outbox and the uplink. A read or a shot counts as
taken when ``Outbox.put_with_files`` has returned, and its thread waits for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

import cv2
import structlog

from edge_agent.bodies import as_plate_read, as_position
from edge_agent.config import AgentConfig, Camera, FilePlayback, Microphone
from edge_agent.errors import OutboxError
from edge_agent.gunshots.classifier import NetworkShotClassifier
from edge_agent.gunshots.clips import ClipSettings
from edge_agent.gunshots.detector import ShotDetector
from edge_agent.gunshots.opening import open_classifier
from edge_agent.hearing import ShotsKept, ShotStage
from edge_agent.inference.models import PlateModels, resolve_plates
from edge_agent.inference.providers import Provider
from edge_agent.outbox import Entry, EvidenceFile, Outbox, OutboxSettings
from edge_agent.plates.motion import MotionGate
from edge_agent.plates.overview import OverviewPicker, OverviewStage, RecentFrames
from edge_agent.plates.reader import NetworkPlateReader
from edge_agent.plates.stage import PlateStage
from edge_agent.ports import PlateReader
from edge_agent.provisioning import device_key
from edge_agent.records import AudioBlock, Frame, HeardShot, KeptClip, VotedRead
from edge_agent.sending import Identity
from edge_agent.sources.audio import open_audio_source
from edge_agent.sources.camera_clock import KnownCamera
from edge_agent.sources.live import is_live
from edge_agent.sources.pacing import Pace
from edge_agent.sources.video import VideoSource, open_frame_source
from edge_agent.turns import ReaderInTurns, Turns, usable_cores
from edge_agent.uplink import Uplink, UplinkSettings, check_files
from edge_agent.watch import Source, Watch
from edge_wire.clock import Clock, SystemClock
from edge_wire.messages import Health, Part, SourceState
from edge_wire.timing import clock_source

_POLL_S = 0.2
log = structlog.get_logger()


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
        health_every_s=config.health_every_s,
        status_path=config.data_dir / "uplink.json",
    )


class Agent:
    """One running agent. ``run`` returns when it is asked to stop, or when ``once`` and everything was sent.

    Args:
        config: what to watch and where to send.
        clock: where times come from.

    Raises:
        ModelError: a network that is needed is not there.
        ConfigurationError: a file that the configuration names is not there.
    """

    def __init__(self, config: AgentConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._began_boot_ns = self._clock.boot_ns()
        self._models: list[tuple[str, str]] = []
        self._crash: BaseException | None = None
        self._stop = asyncio.Event()
        self._failed_to_keep = 0
        self._reader: PlateReader | None = None
        if any(config.reads_plates(camera) for camera in config.cameras):
            models = plate_models(config)
            cv2.setNumThreads(1)  # turns share out the cores; OpenCV's own pool would take them all beside that
            reader = NetworkPlateReader(
                models,
                pad=config.plates.pad,
                threads=config.models.threads,
                provider=Provider(config.models.provider),
            )
            log.info("networks", plates=models.set_name, provider=str(reader.provider), threads=config.models.threads)
            self._reader = ReaderInTurns(reader, Turns(config.plates.at_once or usable_cores()))
            self._models.append(("plates", models.set_name))
        self._classifiers = {m.id: shot_classifier(config, m) for m in config.microphones}
        self._models += sorted({("gunshots", classifier.name) for classifier in self._classifiers.values()})
        # All of this before the outbox is opened: an agent that cannot start makes no epoch.
        self._stills = {camera.id: open_camera(camera, self._clock).stills for camera in config.cameras}
        for microphone in config.microphones:
            open_microphone(microphone, self._clock).close()
        check_files(uplink_settings(config))
        self._key = device_key.load(config.device.key)
        overviews = [self._config.overview_of(camera) for camera in config.cameras]
        self._recent = {camera.id: RecentFrames(camera.id) for camera in overviews if camera is not None}
        self._watches: dict[str, tuple[str, Watch[Any, Any]]] = {}

    @property
    def failed_sources(self) -> list[str]:
        """The sources that have failed and are not being opened again."""
        return [name for name, (_, watch) in self._watches.items() if watch.ended and watch.state().state == "failed"]

    def stop(self) -> None:
        """Let ``run`` end in order. Call it from the loop."""
        self._stop.set()

    async def run(self, *, once: bool = False) -> None:
        """Watch, store and send.

        Args:
            once: end when every source has ended and the collector has acknowledged everything.

        Raises:
            OutboxError: the outbox cannot be opened.
            Exception: whatever broke a stage, after everything else was put away in order.
        """
        loop = asyncio.get_running_loop()
        outbox = await Outbox.open(outbox_settings(self._config), self._key, self._clock)
        async with outbox:
            uplink = Uplink(uplink_settings(self._config), outbox, self._clock, lambda: self._health(outbox, uplink))
            self._make_watches(loop, outbox, uplink)
            sending = asyncio.create_task(uplink.run(), name="uplink")
            sending.add_done_callback(lambda _: self._stop.set())
            try:
                for _, watch in self._watches.values():
                    watch.start()
                await self._wait(outbox, once=once)
            finally:
                for _, watch in self._watches.values():
                    watch.close()
                for _, watch in self._watches.values():
                    await asyncio.to_thread(watch.join)
                uplink.stop()
                await sending
        if self._crash is not None:
            raise self._crash

    async def _wait(self, outbox: Outbox, *, once: bool) -> None:
        while not self._stop.is_set():
            if once and all(watch.ended for _, watch in self._watches.values()):
                state = await outbox.state()
                if state.pending == 0:
                    return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._stop.wait()

    def _make_watches(self, loop: asyncio.AbstractEventLoop, outbox: Outbox, uplink: Uplink) -> None:
        def changed() -> None:
            loop.call_soon_threadsafe(uplink.health_changed)

        def crashed(error: BaseException) -> None:
            self._crash = error
            loop.call_soon_threadsafe(self._stop.set)
            log.critical("a stage broke", error=repr(error))

        for camera in self._config.cameras:
            self._watches[camera.id] = ("camera", self._camera_watch(camera, loop, outbox, changed, crashed))
        for microphone in self._config.microphones:
            watch = self._microphone_watch(microphone, loop, outbox, changed, crashed)
            self._watches[microphone.id] = ("microphone", watch)

    def _camera_watch(
        self, camera: Camera, loop: asyncio.AbstractEventLoop, outbox: Outbox, changed: Any, crashed: Any
    ) -> Watch[Frame, VotedRead]:
        known = KnownCamera()

        def open_again() -> Source[Frame]:
            source = open_camera(camera, self._clock, known)
            return Source(source.frames, source.close, source.condition)

        paired = self._config.pair_of(camera)
        shown = self._config.overview_of(camera)
        picker = None if shown is None else OverviewPicker(self._recent[shown.id])

        def deliver(reads: Sequence[VotedRead]) -> None:
            for read in reads:
                files = [EvidenceFile(Part.CROP, read.crop.jpeg), EvidenceFile(Part.FRAME, read.frame.jpeg)]
                overview = None if picker is None else picker.pick(read)
                if overview is not None:
                    files.append(EvidenceFile(Part.OVERVIEW, overview.picture.jpeg))
                pair = None if paired is None else paired.id
                body = as_plate_read(read, camera, self._config.device.deployment, overview, pair=pair)
                self._keep(loop, outbox, Entry(body, read.captured), files)

        stills = self._stills[camera.id]
        plates = None
        if self._config.reads_plates(camera):
            assert self._reader is not None
            plates = PlateStage(
                self._reader, self._clock, stills=stills, crop_pad=self._config.plates.pad, gate=MotionGate
            )
        recent = self._recent.get(camera.id)
        stage = plates if recent is None else OverviewStage(recent, plates)
        assert stage is not None, "the configuration refuses a camera that is neither read nor shown"
        return Watch(
            camera.id,
            open_again,
            stage,
            deliver,
            live=is_live(camera.url),
            # A picture that is late delays every later one; stills and recordings at full speed are all looked at.
            newest_only=camera.pace == "realtime" and not stills,
            clock=self._clock,
            changed=changed,
            crashed=crashed,
            doubt=plates.doubt if plates is not None else lambda: "",
        )

    def _microphone_watch(
        self, microphone: Microphone, loop: asyncio.AbstractEventLoop, outbox: Outbox, changed: Any, crashed: Any
    ) -> Watch[AudioBlock, HeardShot | KeptClip]:
        classifier = self._classifiers[microphone.id]
        threshold = classifier.threshold if microphone.threshold is None else microphone.threshold
        stage = ShotStage(ShotDetector(classifier, threshold, clip_settings(self._config)))
        kept = ShotsKept(
            lambda entry, files: self._keep(loop, outbox, entry, files),
            self._config.device.deployment,
            self._config.place_of(microphone),
        )
        return Watch(
            microphone.id,
            lambda: open_microphone(microphone, self._clock),
            stage,
            kept.deliver,
            live=_is_live_microphone(microphone.source),
            newest_only=False,
            clock=self._clock,
            changed=changed,
            crashed=crashed,
            doubt=stage.doubt,
        )

    def _keep(
        self, loop: asyncio.AbstractEventLoop, outbox: Outbox, entry: Entry, files: Sequence[EvidenceFile]
    ) -> Identity | None:
        """Wait until the outbox has it; a detection that it cannot take is counted, and the next one is tried."""
        try:
            return asyncio.run_coroutine_threadsafe(outbox.put_with_files(entry, files), loop).result()
        except OutboxError as error:
            self._failed_to_keep += 1
            log.error("a detection was not kept", error=str(error), so_far=self._failed_to_keep)
            return None

    async def _health(self, outbox: Outbox, uplink: Uplink) -> Health:
        state = await outbox.state()
        age_s = uplink.status.last_ack_age_s
        position, offset = as_position(self._config.device.position)
        sources, skipped = [], []
        for name, (kind, watch) in self._watches.items():
            now = watch.state()
            skipped += [(name, now.dropped)] if now.dropped else []
            sources.append(SourceState(name, kind, now.state, now.reason[:200], round(now.rate_hz * 1000)))
        return Health(
            connection=uplink.status.connection,
            uptime_s=(self._clock.boot_ns() - self._began_boot_ns) // 1_000_000_000,
            outbox_pending=state.pending,
            outbox_oldest_s=round(state.oldest_s or 0),
            last_ack_s=None if age_s is None else round(age_s),
            disk_free_bytes=shutil.disk_usage(self._config.data_dir).free,
            clock_source=clock_source(),
            sources=tuple(sources),
            models=tuple(self._models),
            version=version("nightjar"),
            position=position,
            skipped=tuple(skipped),
            offset=offset,
        )


def _is_live_microphone(source: str) -> bool:
    """Whether it goes on for ever, and is not a file that ends; as ``open_audio_source`` tells them apart."""
    return source == "device" or source.startswith("device:")
