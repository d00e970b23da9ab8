"""Each camera and microphone with its stage, its networks and what becomes of its detections.

What is expensive (networks, whether a source is there at all) is made once, when the agent is; the watches are made
anew with each opening of the outbox, because the tracks that their stages count are those of an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import structlog

from edge_agent.bodies import as_plate_read
from edge_agent.config import AgentConfig, Camera, Microphone
from edge_agent.gunshots.detector import ShotDetector
from edge_agent.hearing import ShotsKept, ShotStage
from edge_agent.inference.providers import Provider
from edge_agent.opening import (
    clip_settings,
    is_live_microphone,
    model_digests,
    open_camera,
    open_microphone,
    plate_models,
    shot_classifier,
)
from edge_agent.outbox import Entry, EvidenceFile
from edge_agent.plates.motion import MotionGate
from edge_agent.plates.overview import OverviewPicker, OverviewStage, RecentFrames
from edge_agent.plates.reader import NetworkPlateReader
from edge_agent.plates.stage import PlateStage
from edge_agent.records import AudioBlock, Frame, HeardShot, KeptClip, VotedRead
from edge_agent.reporting import Software, Watched
from edge_agent.sending import Identity
from edge_agent.sources.camera_clock import KnownCamera
from edge_agent.sources.live import is_live
from edge_agent.telemetry.machine import versions
from edge_agent.telemetry.meter import Meter, TimedClassifier, TimedReader
from edge_agent.turns import ReaderInTurns, Turns, usable_cores
from edge_agent.watch import Source, Watch
from edge_wire.clock import Clock
from edge_wire.messages import Part

Keep = Callable[[Entry, Sequence[EvidenceFile]], Identity | None]
"""Puts one detection with its files into the outbox, from a stage's thread; None when that could not take it."""

log = structlog.get_logger()


class Watching:
    """Makes the watches of one configuration.

    Args:
        config: what to watch.
        clock: where times come from.

    Raises:
        ModelError: a network that is needed is not there.
        ConfigurationError: a file that the configuration names is not there.
    """

    def __init__(self, config: AgentConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._network: NetworkPlateReader | None = None
        named, plates = [], None
        if any(config.reads_plates(camera) for camera in config.cameras):
            plates = plate_models(config)
            cv2.setNumThreads(1)  # turns share out the cores; OpenCV's own pool would take them all beside that
            self._network = NetworkPlateReader(
                plates,
                pad=config.plates.pad,
                threads=config.models.threads,
                provider=Provider(config.models.provider),
            )
            provider, threads = str(self._network.provider), config.models.threads
            log.info("networks", plates=plates.set_name, provider=provider, threads=threads)
            named.append(("plates", plates.set_name))
        self._turns = Turns(config.plates.at_once or usable_cores())
        self._classifiers = {m.id: shot_classifier(config, m) for m in config.microphones}
        named += sorted({("gunshots", classifier.name) for classifier in self._classifiers.values()})
        self.models = tuple(named)
        self.digests = model_digests(plates, config)
        self._stills = {camera.id: open_camera(camera, clock).stills for camera in config.cameras}
        for microphone in config.microphones:
            open_microphone(microphone, clock).close()
        overviews = [config.overview_of(camera) for camera in config.cameras]
        self._recent = {camera.id: RecentFrames(camera.id) for camera in overviews if camera is not None}

    def software(self, config_sha256: bytes | None) -> Software:
        """Say what runs; ``config_sha256`` is that of the configuration file's bytes."""
        return Software(self.models, self.digests, config_sha256, versions())

    def watches(
        self, keep: Keep, changed: Callable[[], None], crashed: Callable[[BaseException], None]
    ) -> dict[str, Watched]:
        """Make a watch for each source, by its id; none is started.

        Args:
            keep: takes detections.
            changed: called, from any thread, when a source is in another state.
            crashed: called, from any thread, with an error that nobody expected.
        """
        made = {}
        for camera in self._config.cameras:
            meter = Meter(self._clock.boot_ns)
            made[camera.id] = Watched("camera", self._camera_watch(camera, meter, keep, changed, crashed), meter)
        for microphone in self._config.microphones:
            meter = Meter(self._clock.boot_ns)
            watch = self._microphone_watch(microphone, meter, keep, changed, crashed)
            made[microphone.id] = Watched("microphone", watch, meter)
        return made

    def _camera_watch(
        self, camera: Camera, meter: Meter, keep: Keep, changed: Any, crashed: Any
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
                keep(Entry(body, read.captured), files)

        stills = self._stills[camera.id]
        plates = None
        if self._config.reads_plates(camera):
            assert self._network is not None
            reader = ReaderInTurns(TimedReader(self._network, meter), self._turns)
            plates = PlateStage(reader, self._clock, stills=stills, crop_pad=self._config.plates.pad, gate=MotionGate)
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
        self, microphone: Microphone, meter: Meter, keep: Keep, changed: Any, crashed: Any
    ) -> Watch[AudioBlock, HeardShot | KeptClip]:
        classifier = self._classifiers[microphone.id]
        threshold = classifier.threshold if microphone.threshold is None else microphone.threshold
        stage = ShotStage(ShotDetector(TimedClassifier(classifier, meter), threshold, clip_settings(self._config)))
        kept = ShotsKept(
            keep,
            self._config.device.deployment,
            self._config.place_of(microphone),
        )
        return Watch(
            microphone.id,
            lambda: open_microphone(microphone, self._clock),
            stage,
            kept.deliver,
            live=is_live_microphone(microphone.source),
            newest_only=False,
            clock=self._clock,
            changed=changed,
            crashed=crashed,
            doubt=stage.doubt,
        )
