"""Puts a dead letter through ingest once more: its device is enrolled again, or a newer version understands its kind.

It is verified anew, as if it had just come. Only if somebody can use it now is its old verdict taken back, in the
transaction that stores it: nothing is stored twice, and a letter that is still of no use stays as it was. What is
stored late is historical, as any detection is that comes late.
"""

from __future__ import annotations

from dataclasses import dataclass

from collector.domain import DeviceStatus
from collector.errors import StoreRefusedError
from collector.ingest.intake import Intake
from collector.ingest.keyring import Keyring
from collector.ingest.picture_folder import PictureFolderError
from collector.ingest.received import Received
from collector.ingest.verdicts import Accepted, Live, judge, signer
from collector.store import audit, dead_letters, intake, turns
from collector.store.database import Store, Transaction
from collector.store.dead_letters import StoredLetter
from edge_wire.clock import Clock
from edge_wire.messages import Verdict


@dataclass(frozen=True, slots=True)
class Retried:
    """What came of the letter with this number: stored, or why it was not."""

    number: int
    stored: bool
    why: str = ""


class _NothingToTakeBackError(Exception):
    """The identity no longer stands for this letter."""


class Retrying:
    """Retries letters, one transaction each.

    Args:
        store: where they are.
        intake: commits, as for what devices send.
        clock: the machine's clocks.
        who: who asked, for the audit log.
    """

    def __init__(self, store: Store, intake: Intake, clock: Clock, who: str) -> None:
        self._store = store
        self._intake = intake
        self._keyring = Keyring(store)
        self._clock = clock
        self._who = who

    async def retry(self, letter: StoredLetter) -> Retried:
        """Put a letter through ingest.

        Raises:
            StoreError: the store cannot be reached; nothing was changed.
        """
        if not letter.is_whole:
            return Retried(letter.id, stored=False, why="it was never verified, and only its beginning is kept")
        received = Received(
            letter.topic, letter.envelope, None, False, self._clock.utc_ns(), self._clock.boot_ns(), ticket=None
        )
        named = signer(received)
        outcome = judge(received, await self._keyring.fetch([] if named is None else [named]))
        if not isinstance(outcome, Accepted):
            why = "presence and health are not stored" if isinstance(outcome, Live) else outcome.detail
            return Retried(letter.id, stored=False, why=why)
        identity = outcome.identity
        if not await self._is_enrolled(identity.device):
            return Retried(letter.id, stored=False, why=f"device {identity.device} is revoked")

        async def take_back(tx: Transaction) -> None:
            # Which entries' turn it needs is known once it is matched, and that of the letters comes after these.
            await turns.of_every_entry(tx)
            if not await dead_letters.reopen(tx, letter, identity):
                raise _NothingToTakeBackError
            detail = {"reason": letter.reason, "device": identity.device, "sha256": letter.digest.hex()}
            await audit.record(
                tx,
                who=self._who,
                action="dead_letter.retry",
                subject=str(letter.id),
                detail=detail,
                at_ns=received.received_at_ns,
            )

        try:
            settled = await self._intake.commit([outcome], first=take_back)
        except _NothingToTakeBackError:
            return Retried(letter.id, stored=False, why="its identity stands for another message")
        except (StoreRefusedError, PictureFolderError) as error:
            return Retried(letter.id, stored=False, why=str(error))
        if [one.verdict for one in settled.answers] != [Verdict.STORED]:
            return Retried(letter.id, stored=False, why="still of no use; a new letter says why")
        return Retried(letter.id, stored=True)

    async def _is_enrolled(self, device: str) -> bool:
        async with self._store.read() as tx:
            standing = (await intake.device_standings(tx, [device])).get(device)
        return standing is not None and standing.status is DeviceStatus.ENROLLED
