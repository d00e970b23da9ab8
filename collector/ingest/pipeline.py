"""From a batch of publishes to everything that follows from it, in the order that makes acks true.

Verify and decode; commit in one transaction; confirm to the broker; ack to the devices; ask for files of alerts. A
batch that the store refuses, or that provokes an error of ours, is halved until the one message that does it stands
alone and goes to the dead letters: the stream never stops for poison. A store that cannot be reached is waited for.
A file that cannot be written holds back only itself.

Rows behind an Open that came in the same batch wait for the commit of that Open: only a key that the store has kept
vouches for anything.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from collector.errors import StoreError, StoreRefusedError
from collector.ingest.downlink import Address, Downlink
from collector.ingest.early import Early
from collector.ingest.intake import Intake, Settled
from collector.ingest.keyring import Keyring
from collector.ingest.received import Received
from collector.ingest.resending import Resending
from collector.ingest.verdicts import (
    NO_SUCH_KEY,
    Accepted,
    DeadLetter,
    Keys,
    Outcome,
    Refused,
    judge,
    signer,
)
from collector.store import media, sounds
from collector.store.database import Store
from collector.store.media import Missing
from edge_wire.messages import Open

_log = structlog.get_logger(__name__)

# What a message can provoke in code that did not expect it; everything else is the machine's fault.
_POISON = (StoreRefusedError, ArithmeticError, LookupError, TypeError, ValueError)
# So many take some milliseconds; then others of the event loop have their turn. Not on threads: verification (of
# cryptography 50) keeps the interpreter's lock, so they would only take turns.
_AT_ONCE = 50
_RETRY_S = (0.1, 5.0)
_ASK_AGAIN_NS = 24 * 3_600 * 1_000_000_000


class Confirming(Protocol):
    """The side of the link that tells the broker what need not come again."""

    def confirm(self, batch: Iterable[Received]) -> None:
        """These are committed, or known to be nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch that is verified and decoded.

    Attributes:
        batch: what came.
        outcomes: the verdict over each.
        opens: how many batches had opened an epoch by then: what lacks its key is judged again after another.
    """

    batch: Sequence[Received]
    outcomes: list[Outcome]
    opens: int


class Pipeline:
    """Settles batches, one at a time, and judges the next one meanwhile. Owned by the ingest task.

    Args:
        store: where keys are, and what is missing.
        intake: commits.
        downlink: answers.
        link: confirms to the broker.
        utc_ns: our wall clock.

    Attributes:
        counts: what came of the publishes, by a short stable word.
    """

    def __init__(
        self, store: Store, intake: Intake, downlink: Downlink, link: Confirming, utc_ns: Callable[[], int]
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._store = store
        self._keyring = Keyring(store)
        self._intake = intake
        self._downlink = downlink
        self._resending = Resending(store, downlink.ask_again)
        self._link = link
        self._utc_ns = utc_ns
        self._early = Early()
        self._addresses: dict[str, Address] = {}
        self._opens = 0

    def close(self) -> None:
        """Let go of what waits to be asked for again."""
        self._resending.close()

    async def settle(self, batch: Sequence[Received]) -> None:
        """Take one batch to its end; returns when it is committed, confirmed and answered."""
        await self.settle_judged(await self.judge(batch))

    async def judge(self, batch: Sequence[Received]) -> Judged:
        """Verify and decode one batch; meanwhile the one before it may be settled."""
        opens = self._opens
        return Judged(batch, await self._judge_all(batch), opens)

    async def settle_judged(self, judged: Judged) -> None:
        """Take a judged batch to its end; one at a time."""
        batch = judged.batch
        settled = await self._commit_judged(judged)
        self._opens += bool(settled.opened)
        self._link.confirm(batch)
        self._count(settled)
        unaddressed = self._downlink.ack(settled.answers) + self._downlink.refuse(settled.refused)
        self.counts["unaddressed"] += unaddressed
        self._downlink.ask_again(self._resending.opens_of(settled.unopened))
        self._ask_for_files(settled)
        for birth in settled.births:
            address = Address(birth.topic.agency, birth.topic.device, birth.epoch, birth.connection)
            self._addresses[birth.topic.device] = address
            if birth.retained:
                self._downlink.tell_store(address)
        self._resending.note(settled.statements)
        for device in {birth.topic.device for birth in settled.births}:
            await self.ask_for_missing(device)
        for one in settled.early:
            self._early.keep(one)
        waited = self._early.take(settled.opened, max((one.received_boot_ns for one in batch), default=0))
        if waited:
            await self.settle(waited)

    async def ask_for_missing(self, device: str) -> None:
        """Ask a connected device for the pictures and clips of its recent alerts that have not come."""
        if device not in self._addresses:
            return
        after_ns = self._utc_ns() - _ASK_AGAIN_NS
        try:
            async with self._store.read() as tx:
                missing = await sounds.missing_of_device(tx, device=device, after_ns=after_ns)
                missing += await media.missing_of_alerts(tx, device=device, raised_after_ns=after_ns)
        except StoreError as error:
            # The next birth asks again.
            _log.warning("files_not_asked_for", device=device, error=str(error))
            return
        self._ask(missing)

    async def ask_for_sound(self, incident_id: int, shot_ids: Collection[int] | None) -> None:
        """Ask for what has not come of the sound of an incident; see ``collector.ports.AskForSound``."""
        try:
            async with self._store.read() as tx:
                missing = await sounds.missing_of_incidents(tx, [incident_id], shot_ids)
        except StoreError as error:
            _log.warning("sound_not_asked_for", incident=incident_id, error=str(error))
            return
        self._ask(missing)

    def _ask(self, missing: Iterable[Missing]) -> None:
        for one in missing:
            address = self._addresses.get(one.device)
            if address is not None:
                self._downlink.ask_for(address, one)

    async def _commit_judged(self, judged: Judged) -> Settled:
        outcomes = judged.outcomes
        if judged.opens != self._opens:
            # An Open has been committed since: it may be the one that some wait for.
            lacking = [one.received for one in outcomes if _lacks_key(one)]
            outcomes = [one for one in outcomes if not _lacks_key(one)] + await self._judge_all(lacking)
        opened = {
            one.topic.device for one in outcomes if isinstance(one, Accepted) and isinstance(one.message.body, Open)
        }
        if not opened:
            return await self._commit(outcomes)
        behind = [one for one in outcomes if _lacks_key(one) and one.topic is not None and one.topic.device in opened]
        settled = await self._commit([one for one in outcomes if one not in behind])
        if not behind:
            return settled
        return settled.joined(await self._commit(await self._judge_all([one.received for one in behind])))

    async def _judge_all(self, batch: Sequence[Received]) -> list[Outcome]:
        """Judge with the keys at hand; again what lacks one that the store has."""
        outcomes = await self._judge_with(batch, self._keyring.at_hand)
        lacking = [at for at, one in enumerate(outcomes) if _lacks_key(one)]
        if lacking:
            signers = {one for one in (signer(batch[at]) for at in lacking) if one is not None}
            keys = await self._fetch(signers)
            found = [at for at in lacking if signer(batch[at]) in keys]
            again = await self._judge_with([batch[at] for at in found], keys)
            for at, one in zip(found, again, strict=True):
                outcomes[at] = one
        return outcomes

    async def _fetch(self, signers: Collection[tuple[str, bytes]]) -> Keys:
        delay_s = _RETRY_S[0]
        while True:
            try:
                return await self._keyring.fetch(signers)
            except StoreError as error:
                delay_s = await self._wait_for_store(error, delay_s)

    async def _judge_with(self, batch: Sequence[Received], keys: Keys) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for at in range(0, len(batch), _AT_ONCE):
            outcomes += [judge(one, keys) for one in batch[at : at + _AT_ONCE]]
            await asyncio.sleep(0)
        return outcomes

    async def _commit(self, outcomes: Sequence[Outcome]) -> Settled:
        delay_s = _RETRY_S[0]
        while True:
            try:
                return await self._intake.commit(outcomes)
            except _POISON as error:
                return await self._bisect(outcomes, error)
            except StoreError as error:
                delay_s = await self._wait_for_store(error, delay_s)

    async def _wait_for_store(self, error: StoreError, delay_s: float) -> float:
        self.counts["store_retries"] += 1
        _log.error("store_unreachable", error=str(error), again_in_s=delay_s)
        await asyncio.sleep(delay_s)
        return min(2 * delay_s, _RETRY_S[1])

    async def _bisect(self, outcomes: Sequence[Outcome], error: Exception) -> Settled:
        if len(outcomes) > 1:
            half = len(outcomes) // 2
            first = await self._commit(outcomes[:half])
            return first.joined(await self._commit(outcomes[half:]))
        poison = outcomes[0]
        _log.error("poison", topic=poison.received.topic, sha256=poison.received.digest.hex(), error=repr(error))
        self.counts["poison"] += 1
        if isinstance(poison, Accepted):
            detail = f"{poison.topic}: {error!r}"
            letter = DeadLetter(
                poison.received, poison.topic, poison.identity, poison.digest, "refused_by_store", detail
            )
            return await self._commit([letter])
        # Nothing is left to try: it stays unanswered, and the log says which bytes.
        return Settled()

    def _ask_for_files(self, settled: Settled) -> None:
        senders = {
            (one.identity.device, one.identity.epoch): Address(one.topic.agency, one.topic.device, *connection)
            for one in settled.answers
            if (connection := one.received.connection) is not None
        }
        for one in settled.asked:
            address = senders.get((one.device, one.epoch)) or self._addresses.get(one.device)
            if address is not None:
                self._downlink.ask_for(address, one)

    def _count(self, settled: Settled) -> None:
        self.counts["stored"] += settled.stored
        self.counts["answered"] += len(settled.answers)
        self.counts["refused"] += len(settled.refused)
        self.counts["held_back"] += settled.held_back


def _lacks_key(one: Outcome) -> bool:
    return isinstance(one, Refused) and one.reason == NO_SUCH_KEY
