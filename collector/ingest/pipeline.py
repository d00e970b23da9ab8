"""From a batch of publishes to everything that follows from it, in the order that makes acks true.

Verify on threads; commit in one transaction; confirm to the broker; ack to the devices; ask for pictures of hits. A
batch that the store refuses, or that provokes an error of ours, is halved until the one message that does it stands
alone and goes to the dead letters: the stream never stops for poison. A store that cannot be reached is waited for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from collector.errors import StoreError, StoreRefusedError
from collector.ingest.downlink import Address, Downlink
from collector.ingest.intake import Intake, Settled
from collector.ingest.keyring import Keyring
from collector.ingest.received import Received
from collector.ingest.verdicts import (
    NO_SUCH_KEY,
    Accepted,
    DeadLetter,
    Keys,
    Outcome,
    Refused,
    VerifyingKey,
    judge,
    signer,
)
from collector.store import media
from collector.store.database import Store
from edge_wire import cose, topics
from edge_wire.messages import Open, Part

_log = structlog.get_logger(__name__)

# What a message can provoke in code that did not expect it; everything else is the machine's fault.
_POISON = (StoreRefusedError, ArithmeticError, LookupError, TypeError, ValueError)
_THREADS = 2
_INLINE = 4
_RETRY_S = (0.1, 5.0)
_ASK_AGAIN_NS = 24 * 3_600 * 1_000_000_000
_EARLY_CAPACITY = 10_000


class Confirming(Protocol):
    """The side of the link that tells the broker what need not come again."""

    def confirm(self, batch: Iterable[Received]) -> None:
        """These are committed, or known to be nothing."""
        ...


class Pipeline:
    """Settles batches, one at a time. Owned by the ingest task.

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
        self._link = link
        self._utc_ns = utc_ns
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="verify")
        self._early: dict[str, Received] = {}
        self._addresses: dict[str, Address] = {}

    def close(self) -> None:
        """Let the verifying threads go."""
        self._threads.shutdown()

    async def settle(self, batch: Sequence[Received]) -> None:
        """Take one batch to its end; returns when it is committed, confirmed and answered."""
        settled = await self._commit(await self._judge(batch))
        self._link.confirm(batch)
        self._count(settled)
        unaddressed = self._downlink.ack(settled.answers) + self._downlink.refuse(settled.refused)
        self.counts["unaddressed"] += unaddressed
        self._ask_for_hits(settled)
        for birth in settled.births:
            self._addresses[birth.topic.device] = Address(
                birth.topic.agency, birth.topic.device, birth.epoch, birth.connection
            )
        for device in {birth.topic.device for birth in settled.births}:
            await self.ask_for_missing(device)
        self._remember(settled.early)
        waited = [one for one in self._early.values() if topics.parse(one.topic).device in settled.opened]
        if waited:
            for one in waited:
                del self._early[one.topic]
            await self.settle(waited)

    async def ask_for_missing(self, device: str) -> None:
        """Ask a connected device for the pictures of its recent alerts that have not come."""
        address = self._addresses.get(device)
        if address is None:
            return
        try:
            async with self._store.read() as tx:
                missing = await media.missing_of_alerts(
                    tx, device=device, raised_after_ns=self._utc_ns() - _ASK_AGAIN_NS
                )
        except StoreError as error:
            # The next birth asks again.
            _log.warning("pictures_not_asked_for", device=device, error=str(error))
            return
        for one in missing:
            self._downlink.ask_for(address, one.epoch, one.track, one.wanted)

    async def _judge(self, batch: Sequence[Received]) -> list[Outcome]:
        keys = await self._keys(batch)
        outcomes = await self._judge_all(batch, keys)
        opened = _keys_of_opens(outcomes)
        if opened:
            # Rows behind an Open of this very batch: their key has come with it.
            again = [at for at, one in enumerate(outcomes) if isinstance(one, Refused) and one.reason == NO_SUCH_KEY]
            judged = await self._judge_all([outcomes[at].received for at in again], {**keys, **opened})
            for at, outcome in zip(again, judged, strict=True):
                outcomes[at] = outcome
        return outcomes

    async def _keys(self, batch: Sequence[Received]) -> Keys:
        signers = {one for one in map(signer, batch) if one is not None}
        delay_s = _RETRY_S[0]
        while True:
            try:
                return await self._keyring.fetch(signers)
            except StoreError as error:
                delay_s = await self._wait_for_store(error, delay_s)

    async def _judge_all(self, batch: Sequence[Received], keys: Keys) -> list[Outcome]:
        if len(batch) <= _INLINE:
            return [judge(one, keys) for one in batch]
        loop = asyncio.get_running_loop()
        size = -(-len(batch) // _THREADS)
        parts = [batch[at : at + size] for at in range(0, len(batch), size)]
        judged = await asyncio.gather(*(loop.run_in_executor(self._threads, _judge_part, part, keys) for part in parts))
        return [outcome for part in judged for outcome in part]

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

    def _ask_for_hits(self, settled: Settled) -> None:
        senders = {
            (one.identity.device, one.identity.epoch): Address(one.topic.agency, one.topic.device, *connection)
            for one in settled.answers
            if (connection := one.received.connection) is not None
        }
        for read in settled.hits:
            address = senders.get((read.device, read.epoch)) or self._addresses.get(read.device)
            if address is not None:
                wanted = ((Part.CROP, read.crop_sha256), (Part.FRAME, read.frame_sha256))
                self._downlink.ask_for(address, read.epoch, read.track, wanted)

    def _remember(self, early: Iterable[Received]) -> None:
        for one in early:
            if len(self._early) < _EARLY_CAPACITY or one.topic in self._early:
                self._early[one.topic] = one

    def _count(self, settled: Settled) -> None:
        self.counts["stored"] += settled.stored
        self.counts["answered"] += len(settled.answers)
        self.counts["refused"] += len(settled.refused)


def _judge_part(part: Sequence[Received], keys: Keys) -> list[Outcome]:
    return [judge(one, keys) for one in part]


def _keys_of_opens(outcomes: Iterable[Outcome]) -> dict[tuple[str, bytes], VerifyingKey]:
    found = {}
    for one in outcomes:
        if isinstance(one, Accepted) and isinstance(one.message.body, Open):
            key = cose.load_spki(one.message.body.public_key)
            found[one.topic.device, cose.key_id(key)] = VerifyingKey(key, one.message.header.epoch)
    return found
