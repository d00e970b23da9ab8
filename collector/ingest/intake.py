"""One batch, one transaction: what is genuine becomes rows, and everything that came gets its answer.

Invariants (PROTOCOL):
    1. No identity ever names two payloads; if one does, both are kept (the second as a dead letter) and it is logged.
    3. What ``Settled`` names as acked is committed in this store when it is returned, and not before.
    6. Nothing unsigned, misaddressed or replayed changes anything but the count of a dead letter.

Owned by the ingest task; what it remembers between batches could be read from the store again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from collector.domain import DeviceStatus, Identity
from collector.ingest.ages import BootClocks
from collector.ingest.captures import Captures, EpochBoots
from collector.ingest.links import Birth, LinkIntake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolderError
from collector.ingest.plates import PlateIntake
from collector.ingest.received import Received
from collector.ingest.shots import HeardHere, ShotIntake
from collector.ingest.verdicts import NO_SUCH_KEY, Accepted, DeadLetter, Live, Outcome, Refused
from collector.ports import Raiser
from collector.store import changes as device_changes
from collector.store import facts, feed, intake, ledger, shots
from collector.store.database import Store, Transaction
from collector.store.feed import FeedKind
from collector.store.intake import DeviceStanding, Kept, Known, Letter
from collector.store.ledger import StatementRow, StreamKey
from collector.store.media import Missing
from collector.store.reads import ReadMessage
from edge_wire import cose
from edge_wire.messages import (
    KIND_OF,
    Change,
    Header,
    LossRecord,
    Media,
    Open,
    Part,
    PlateRead,
    ShotArrival,
    ShotClip,
    Statement,
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


@dataclass(frozen=True, slots=True)
class Stated:
    """A device's Statement that is committed, and the connection (epoch and number) over which it came."""

    topic: Topic
    connection: tuple[int, int]
    body: Statement


@dataclass(slots=True)
class Settled:
    """What a committed batch leaves to do.

    Attributes:
        answers: identities to ack.
        refused: unverifiable bytes whose sender is to be told.
        unopened: what enrolled devices signed with a key that nobody here knows: its Open is to be asked for.
        early: presence and health of epochs that are not open yet, of enrolled devices, to be judged again when they
            are.
        opened: devices of which an epoch is open that may not have been before.
        asked: files of alerts that are wanted now: the alert is new, a revision named others, or a clip is complete.
        births: connections that are up, as their signed births (also the retained ones) have just said.
        statements: what devices say that they hold.
        stored: how many messages are new in the store.
        held_back: how many files could not be written: no answer, so the device sends them again.
    """

    answers: list[Answer] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    unopened: list[Refused] = field(default_factory=list)
    early: list[Received] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    asked: list[Missing] = field(default_factory=list)
    births: list[Birth] = field(default_factory=list)
    statements: list[Stated] = field(default_factory=list)
    stored: int = 0
    held_back: int = 0

    def joined(self, other: Settled) -> Settled:
        """Return both together."""
        return Settled(
            self.answers + other.answers,
            self.refused + other.refused,
            self.unopened + other.unopened,
            self.early + other.early,
            self.opened | other.opened,
            self.asked + other.asked,
            self.births + other.births,
            self.statements + other.statements,
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
        self._utc_ns = utc_ns
        clocks, boots = BootClocks(), EpochBoots()
        captures = Captures(clocks, boots, historical_after_s * 1_000_000_000)
        self._links = LinkIntake(clocks, boots)
        self._plates = PlateIntake(captures, raising, utc_ns)
        self._shots = ShotIntake(captures)

    async def commit(
        self, outcomes: Sequence[Outcome], first: Callable[[Transaction], Awaitable[None]] | None = None
    ) -> Settled:
        """Commit one batch.

        Args:
            outcomes: what came.
            first: done before everything else in the same transaction; for whoever takes back an earlier verdict.
                Nothing of it may then be held back: what was taken back would be gone.

        Raises:
            PictureFolderError: nothing of it was committed; ``first`` was given, and a file cannot be written.
            StoreError: nothing of it was committed; the store cannot be reached.
            StoreRefusedError: nothing of it was committed; the store does not take one of its rows.
        """
        rows = [one for one in outcomes if isinstance(one, (Accepted, DeadLetter))]
        live = [one for one in outcomes if isinstance(one, Live)]
        refused = [one for one in outcomes if isinstance(one, Refused)]
        named = {one.topic.device for one in outcomes if one.topic is not None}
        async with self._store.write_of(named) as tx:
            if first is not None:
                await first(tx)
            batch = _Batch(tx, Settled(), [])
            standings = await intake.device_standings(tx, named)
            taken = {device for device, one in standings.items() if one.status is DeviceStatus.ENROLLED}
            await self._media.forget_unfinished(tx, self._utc_ns())
            self._refuse(batch, refused, taken)
            accepted = await self._settle_identities(batch, rows, standings, whole=first is not None)
            await self._keep(batch, accepted, standings)
            await ledger.note_streams(tx, batch.said, batch.redelivered)
            await self._follow_links(batch, accepted, [one for one in live if one.topic.device in taken])
            await intake.keep_letters(tx, batch.letters)
            # Last: whoever else appends waits for this commit.
            await feed.append_all(tx, batch.feed)
        return batch.settled

    def _refuse(self, batch: _Batch, refused: Iterable[Refused], taken: set[str]) -> None:
        for one in refused:
            unsequenced = one.topic is not None and one.topic.channel in (Channel.PRESENCE, Channel.HEALTH)
            keyless = one.reason == NO_SUCH_KEY and one.topic is not None and one.topic.device in taken
            if keyless:
                batch.settled.unopened.append(one)
            if keyless and unsequenced:
                batch.settled.early.append(one.received)
                continue
            device = one.topic.device if one.topic else None
            batch.letters.append(_letter(one, device, one.reason, one.detail, genuine=False))
            # A key that is not known here may be known to a store that this one took the place of: a device that is
            # told "refused" gives the row up.
            if one.topic is not None and not unsequenced and one.reason != NO_SUCH_KEY:
                batch.settled.refused.append(one)

    async def _settle_identities(
        self,
        batch: _Batch,
        rows: Sequence[Accepted | DeadLetter],
        standings: dict[str, DeviceStanding],
        *,
        whole: bool,
    ) -> list[Accepted]:
        """Answer each identity; return what is new and of use, in identity order."""
        known = await intake.known_identities(batch.tx, [one.identity for one in rows])
        fresh: list[tuple[Identity, Known]] = []
        accepted: list[Accepted] = []
        for one in sorted(rows, key=_in_identity_order):
            identity = one.identity
            enrolled = _is_enrolled(standings.get(identity.device))
            held = known.get(identity)
            if held is not None:
                batch.answer(one, self._again(batch, one, held, enrolled))
                continue
            try:
                poison = await self._poison(batch, one, enrolled)
            except PictureFolderError as error:
                if whole:
                    raise
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
            batch.redelivered[identity.device, identity.epoch, identity.stream] += 1
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
            return intake.REVOKED, f"{one.topic.device}: the device is revoked"
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
        changed: list[tuple[str, int, Header, Change]] = []
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
            elif isinstance(body, Change):
                changed.append((identity.device, message_id, header, body))
            elif isinstance(body, Statement):
                batch.said.append(StatementRow(identity.device, header, body, at_ns))
                if one.received.connection is not None:
                    batch.settled.statements.append(Stated(one.topic, one.received.connection, body))
            elif isinstance(body, Media):
                await self._tell_of_file(batch, identity.device, body)
        await facts.keep_losses(batch.tx, losses)
        told = await device_changes.keep_changes(batch.tx, changed)
        batch.feed += [(FeedKind.DEVICE, device) for device in sorted(told)]
        changes = await self._shots.keep(batch.tx, heard)
        batch.feed += changes.feed
        batch.settled.asked += changes.asked
        passed = await self._plates.keep(batch.tx, plate_reads)
        batch.feed += passed.feed
        batch.settled.asked += passed.asked

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

    async def _follow_links(self, batch: _Batch, accepted: Sequence[Accepted], live: Sequence[Live]) -> None:
        changes = await self._links.follow(batch.tx, accepted, live)
        batch.feed += [(FeedKind.DEVICE, device) for device in changes.devices]
        batch.settled.early += changes.early
        batch.settled.opened |= changes.opened
        batch.settled.births += changes.births


@dataclass(slots=True)
class _Batch:
    tx: Transaction
    settled: Settled
    letters: list[Letter]
    feed: list[tuple[FeedKind, str | int]] = field(default_factory=list)
    said: list[StatementRow] = field(default_factory=list)
    redelivered: Counter[StreamKey] = field(default_factory=Counter)

    def answer(self, one: Accepted | DeadLetter, verdict: Verdict) -> None:
        self.settled.answers.append(Answer(one.received, one.topic, one.identity, verdict))


def _in_identity_order(one: Accepted | DeadLetter) -> tuple[str, int, int, int]:
    identity = one.identity
    return identity.device, identity.epoch, identity.stream, identity.sequence


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
