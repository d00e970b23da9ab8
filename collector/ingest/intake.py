"""One batch, one transaction: what is genuine becomes rows, and everything that came gets its answer.

Invariants (PROTOCOL):
    1. No identity ever names two payloads; if one does, both are kept (the second as a dead letter) and it is logged.
    3. What ``Settled`` names as acked is committed in this store when it is returned, and not before.
    6. Nothing unsigned, misaddressed or replayed changes anything but the count of a dead letter.

Owned by the ingest task; what it remembers between batches could be read from the store again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from collector.domain import Age, DeviceStatus, Identity
from collector.ingest.ages import BootClocks, capture_time_ns, judge_age
from collector.ingest.links import Birth, EpochBoots, LinkIntake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolderError
from collector.ingest.received import Received
from collector.ingest.shots import HeardHere, ShotIntake
from collector.ingest.verdicts import NO_SUCH_KEY, Accepted, DeadLetter, Live, Outcome, Refused
from collector.ports import Passed, Raiser
from collector.store import facts, feed, hotlists, intake, media, reads, shots
from collector.store.database import Store, Transaction
from collector.store.feed import FeedKind
from collector.store.intake import DeviceStanding, Kept, Known, Letter
from collector.store.media import Missing
from collector.store.reads import ReadMessage, seen_of
from edge_wire import cose
from edge_wire.messages import (
    KIND_OF,
    LossRecord,
    Media,
    Open,
    Part,
    PlateRead,
    ShotArrival,
    ShotClip,
    Verdict,
)
from edge_wire.topics import Channel, Topic

_log = structlog.get_logger(__name__)

_HEAD_BYTES = 512
_DETAIL_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict for one publish, to be acked."""

    received: Received
    topic: Topic
    identity: Identity
    verdict: Verdict


@dataclass(slots=True)
class Settled:
    """What a committed batch leaves to do.

    Attributes:
        answers: identities to ack.
        refused: unverifiable bytes whose sender is to be told.
        early: presence and health of epochs that are not open yet, of enrolled devices, to be judged again when they
            are.
        opened: devices that opened an epoch.
        asked: files of alerts that are wanted now: the alert is new, a revision named others, or a clip is complete.
        births: connections that are up, as their signed births (also the retained ones) have just said.
        stored: how many messages are new in the store.
        held_back: how many files could not be written: no answer, so the device sends them again.
    """

    answers: list[Answer] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    early: list[Received] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    asked: list[Missing] = field(default_factory=list)
    births: list[Birth] = field(default_factory=list)
    stored: int = 0
    held_back: int = 0

    def joined(self, other: Settled) -> Settled:
        """Return both together."""
        return Settled(
            self.answers + other.answers,
            self.refused + other.refused,
            self.early + other.early,
            self.opened | other.opened,
            self.asked + other.asked,
            self.births + other.births,
            self.stored + other.stored,
            self.held_back + other.held_back,
        )


class Intake:
    """Commits batches.

    Args:
        store: where to.
        media: takes pieces of files.
        raising: gives the ``Raiser`` that is current.
        utc_ns: our wall clock.
        historical_after_s: reads older than this are marked.
    """

    def __init__(
        self,
        store: Store,
        media: MediaIntake,
        raising: Callable[[], Raiser],
        utc_ns: Callable[[], int],
        historical_after_s: int,
    ) -> None:
        self._store = store
        self._media = media
        self._raising = raising
        self._utc_ns = utc_ns
        self._historical_after_ns = historical_after_s * 1_000_000_000
        self._clocks = BootClocks()
        self._boots = EpochBoots()
        self._links = LinkIntake(self._clocks, self._boots)
        self._shots = ShotIntake(self._clocks, self._boots, self._historical_after_ns)

    async def commit(self, outcomes: Sequence[Outcome]) -> Settled:
        """Commit one batch.

        Raises:
            StoreError: nothing of it was committed; the store cannot be reached.
            StoreRefusedError: nothing of it was committed; the store does not take one of its rows.
        """
        async with self._store.write() as tx:
            batch = _Batch(tx, Settled(), [])
            rows = [one for one in outcomes if isinstance(one, (Accepted, DeadLetter))]
            live = [one for one in outcomes if isinstance(one, Live)]
            refused = [one for one in outcomes if isinstance(one, Refused)]
            named = {one.topic.device for one in (*rows, *live, *refused) if one.topic is not None}
            standings = await intake.device_standings(tx, named)
            taken = {device for device, one in standings.items() if one.status is DeviceStatus.ENROLLED}
            await self._media.forget_unfinished(tx, self._utc_ns())
            self._refuse(batch, refused, taken)
            accepted = await self._settle_identities(batch, rows, standings)
            await self._keep(batch, accepted, standings)
            await self._follow_links(batch, accepted, [one for one in live if one.topic.device in taken])
            await feed.append_all(tx, batch.feed)
            await intake.keep_letters(tx, batch.letters)
        return batch.settled

    def _refuse(self, batch: _Batch, refused: Iterable[Refused], taken: set[str]) -> None:
        for one in refused:
            unsequenced = one.topic is not None and one.topic.channel in (Channel.PRESENCE, Channel.HEALTH)
            if unsequenced and one.reason == NO_SUCH_KEY and one.topic is not None and one.topic.device in taken:
                batch.settled.early.append(one.received)
                continue
            device = one.topic.device if one.topic else None
            batch.letters.append(_letter(one, device, one.reason, one.detail, genuine=False))
            if one.topic is not None and not unsequenced:
                batch.settled.refused.append(one)

    async def _settle_identities(
        self, batch: _Batch, rows: Sequence[Accepted | DeadLetter], standings: dict[str, DeviceStanding]
    ) -> list[Accepted]:
        """Answer each identity; return what is new and of use, in identity order."""
        known = await intake.known_identities(batch.tx, [one.identity for one in rows])
        fresh: list[tuple[Identity, Known]] = []
        accepted: list[Accepted] = []
        for one in sorted(rows, key=lambda row: row.identity):
            identity = one.identity
            held = known.get(identity)
            if held is not None:
                batch.answer(one, self._again(batch, one, held, _is_enrolled(standings.get(identity.device))))
                continue
            enrolled = _is_enrolled(standings.get(identity.device))
            try:
                poison = await self._poison(batch, one, enrolled)
            except PictureFolderError as error:
                # One file of many messages: the rest is committed, and this one comes again.
                _log.error("picture_not_written", device=identity.device, error=str(error))
                batch.settled.held_back += 1
                continue
            verdict = Verdict.STORED if poison is None else Verdict.DEAD_LETTERED
            if poison is not None:
                batch.letters.append(_letter(one, identity.device, *poison, genuine=enrolled))
            elif isinstance(one, Accepted):
                accepted.append(one)
            known[identity] = Known(one.digest, verdict)
            fresh.append((identity, known[identity]))
            batch.answer(one, verdict)
        await intake.keep_identities(batch.tx, fresh)
        batch.settled.stored = len(accepted)
        return accepted

    def _again(self, batch: _Batch, one: Accepted | DeadLetter, held: Known, enrolled: bool) -> Verdict:
        identity = one.identity
        if held.digest == one.digest:
            return held.verdict
        _log.error(
            "identity_conflict",
            device=identity.device,
            epoch=identity.epoch,
            stream=identity.stream,
            sequence=identity.sequence,
            kept_sha256=held.digest.hex(),
            second_sha256=one.digest.hex(),
        )
        detail = f"{identity} already names the message with SHA-256 {held.digest.hex()}"
        batch.letters.append(_letter(one, identity.device, "identity_conflict", detail, genuine=enrolled))
        return Verdict.DEAD_LETTERED

    async def _poison(self, batch: _Batch, one: Accepted | DeadLetter, enrolled: bool) -> tuple[str, str] | None:
        """Return why nobody can use a genuine message, None if somebody can."""
        if not enrolled:
            return "revoked", f"{one.topic.device}: the device is revoked"
        if isinstance(one, DeadLetter):
            return one.reason, one.detail
        if isinstance(one.message.body, Media):
            return await self._media.take(batch.tx, one.topic.device, one.message.body, one.received.received_at_ns)
        return None

    async def _keep(self, batch: _Batch, accepted: Sequence[Accepted], standings: dict[str, DeviceStanding]) -> None:
        message_ids = await intake.keep_messages(
            batch.tx,
            [
                Kept(one.identity, KIND_OF[type(one.message.body)], one.received.payload, one.received.received_at_ns)
                for one in accepted
            ],
        )
        plate_reads: list[ReadMessage] = []
        heard: list[HeardHere] = []
        losses = []
        for one, message_id in zip(accepted, message_ids, strict=True):
            identity, body, header, at_ns = (
                one.identity,
                one.message.body,
                one.message.header,
                one.received.received_at_ns,
            )
            standing = standings[identity.device]
            if isinstance(body, Open):
                await self._open(batch, identity, body, at_ns)
            elif isinstance(body, PlateRead):
                plate_reads.append(
                    ReadMessage(
                        identity.device,
                        standing.agency,
                        standing.site,
                        message_id,
                        header,
                        body,
                        at_ns,
                        one.received.received_boot_ns,
                    )
                )
            elif isinstance(body, (ShotArrival, ShotClip)):
                heard.append(HeardHere(one, standing.agency, message_id))
            elif isinstance(body, LossRecord):
                losses.append((identity.device, message_id, body))
            elif isinstance(body, Media):
                await self._tell_of_file(batch, identity.device, body)
        await facts.keep_losses(batch.tx, losses)
        changes = await self._shots.keep(batch.tx, heard)
        batch.feed += changes.feed
        batch.settled.asked += changes.asked
        await self._keep_reads(batch, plate_reads)

    async def _tell_of_file(self, batch: _Batch, device: str, body: Media) -> None:
        for ref in self._media.completed(device, body):
            batch.feed.append((FeedKind.PICTURE, ref))
            if body.part in (Part.CLIP, Part.RECORDING):
                of = await shots.incidents_with(batch.tx, device, body.sha256)
                batch.feed += [(FeedKind.INCIDENT, incident_id) for incident_id in of]

    async def _open(self, batch: _Batch, identity: Identity, body: Open, at_ns: int) -> None:
        kid = cose.key_id(cose.load_spki(body.public_key))
        if await facts.keep_epoch(batch.tx, identity.device, identity.epoch, body, kid, at_ns):
            _log.error("cloned_or_restored", device=identity.device, epoch=identity.epoch, previous_epoch=body.previous)
        batch.settled.opened.add(identity.device)

    async def _keep_reads(self, batch: _Batch, messages: Sequence[ReadMessage]) -> None:
        if not messages:
            return
        tx, raiser = batch.tx, self._raising()
        by_track: defaultdict[tuple[str, int, int], list[ReadMessage]] = defaultdict(list)
        for message in messages:
            by_track[message.track].append(message)
        here = await reads.rows_of_tracks(tx, by_track)
        boots = await self._boots.of(tx, {(device, epoch) for device, epoch, _ in by_track})
        ordered = {track: sorted(some, key=lambda one: one.body.revision) for track, some in by_track.items()}
        new = [some[-1] for track, some in ordered.items() if track not in here]
        new_ids = await reads.insert_reads(tx, new, [self._passed_at_ns(boots, one) for one in new], raiser.generation)
        ids = {one.track: read_id for one, read_id in zip(new, new_ids, strict=True)}
        ids.update((track, row.id) for track, row in here.items())
        newer = [
            (row.id, ordered[track][-1])
            for track, row in here.items()
            if ordered[track][-1].body.revision > row.revision
        ]
        await reads.update_reads(tx, newer, raiser.generation)
        await reads.keep_revisions(tx, [(ids[one.track], one) for one in messages])
        passed = []
        for track, some in ordered.items():
            row = here.get(track)
            revision = -1 if row is None else row.revision
            passed.append(
                Passed(
                    read_id=ids[track],
                    before=None if row is None else row.seen,
                    revisions=tuple(seen_of(one.body) for one in some if one.body.revision > revision),
                    late=tuple(seen_of(one.body) for one in some if one.body.revision <= revision),
                    age=self._age(boots, some[-1]),
                )
            )
        alerted = await raiser.raise_and_revise(tx, passed, self._utc_ns())
        if await hotlists.generation(tx) != raiser.generation:
            # A newer hotlist has come while this batch was under way (invariant 5).
            await reads.await_match(tx, {one.read_id: one.age for one in passed})
        batch.feed += [(FeedKind.READ, ids[track]) for track in ordered]
        batch.feed += [(FeedKind.ALERT, one) for one in (*(alert for _, alert in alerted.raised), *alerted.revised)]
        revised = {row.id: row.files for row in here.values()}
        raised = {read_id for read_id, _ in alerted.raised}
        for missing in await media.missing_of_reads(tx, raised | {read_id for read_id, _ in newer}):
            # What the read named before was asked for then.
            read_id = missing.read_id
            known = set() if read_id is None or read_id in raised else revised.get(read_id, set())
            wanted = tuple((part, sha256) for part, sha256 in missing.wanted if sha256 not in known)
            if wanted:
                batch.settled.asked.append(replace(missing, wanted=wanted))

    def _age_ns(self, boots: dict[tuple[str, int], bytes], one: ReadMessage) -> int | None:
        boot_id = boots.get((one.device, one.header.epoch))
        # Received at a wall-clock time; the pair with our boot clock was taken at the same instant.
        if boot_id is None:
            return None
        return self._clocks.age_ns(one.device, boot_id, one.header.captured_boot_ns, one.received_boot_ns)

    def _passed_at_ns(self, boots: dict[tuple[str, int], bytes], one: ReadMessage) -> int:
        captured_at_ns = capture_time_ns(
            self._age_ns(boots, one),
            captured_at_ns=one.header.captured_at_ns,
            clock_error_ns=one.header.clock_error_ns,
            received_at_ns=one.received_at_ns,
        )
        return captured_at_ns + one.body.first_readable_ns

    def _age(self, boots: dict[tuple[str, int], bytes], one: ReadMessage) -> Age:
        return judge_age(
            self._age_ns(boots, one),
            captured_at_ns=one.header.captured_at_ns,
            clock_error_ns=one.header.clock_error_ns,
            received_at_ns=one.received_at_ns,
            historical_after_ns=self._historical_after_ns,
        )

    async def _follow_links(self, batch: _Batch, accepted: Sequence[Accepted], live: Sequence[Live]) -> None:
        changes = await self._links.follow(batch.tx, accepted, live)
        batch.feed += [(FeedKind.DEVICE, device) for device in changes.devices]
        batch.settled.early += changes.early
        batch.settled.births += changes.births


@dataclass(slots=True)
class _Batch:
    tx: Transaction
    settled: Settled
    letters: list[Letter]
    feed: list[tuple[FeedKind, str | int]] = field(default_factory=list)

    def answer(self, one: Accepted | DeadLetter, verdict: Verdict) -> None:
        self.settled.answers.append(Answer(one.received, one.topic, one.identity, verdict))


def _is_enrolled(standing: DeviceStanding | None) -> bool:
    return standing is not None and standing.status is DeviceStatus.ENROLLED


def _letter(
    one: Accepted | DeadLetter | Refused, device: str | None, reason: str, detail: str, *, genuine: bool
) -> Letter:
    received = one.received
    # Of what nobody signed the beginning is enough to see what it was: dead letters are not a place to fill.
    envelope = received.payload[:_HEAD_BYTES] if isinstance(one, Refused) else received.payload
    return Letter(
        one.digest,
        received.topic[:_HEAD_BYTES],
        device,
        reason,
        detail[:_DETAIL_CHARACTERS],
        envelope,
        received.received_at_ns,
        genuine,
    )
