"""When things were captured on our clock, and how long ago: for reads and shots alike.

``ages`` has the rules. What a collector has not heard itself, because it has just started or because another one did,
is in the store with the device's link: the latest health that came live, and when by the wall clock of the collector
that heard it. That serves until this collector hears of the boot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from collector.domain import Age
from collector.ingest.ages import BootClocks, Elapsed, capture_time_ns, judge_age
from collector.store import facts, links
from collector.store.database import Transaction
from edge_wire.messages import Header


class EpochBoots:
    """In which boot each epoch was opened; never changes, so what is known stays at hand."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], bytes] = {}

    async def of(self, tx: Transaction, epochs: Iterable[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
        """Return the boot id of those of ``epochs``, as (device, epoch), that are open."""
        wanted = list(epochs)
        by_device: defaultdict[str, list[int]] = defaultdict(list)
        for device, epoch in wanted:
            if (device, epoch) not in self._known:
                by_device[device].append(epoch)
        for device, some in by_device.items():
            for epoch, boot_id in (await facts.boot_ids(tx, device, some)).items():
                self._known[device, epoch] = boot_id
        return {one: self._known[one] for one in wanted if one in self._known}


class Captures:
    """Tells the age of what some epochs captured. Owned by the ingest task.

    Args:
        clocks: how far the devices' boot clocks stand from ours.
        boots: which epoch belongs to which boot.
        historical_after_ns: what is older when it comes is historical.
    """

    def __init__(self, clocks: BootClocks, boots: EpochBoots, historical_after_ns: int) -> None:
        self._clocks = clocks
        self._boots = boots
        self._historical_after_ns = historical_after_ns
        self._boot_of: dict[tuple[str, int], bytes] = {}
        # When each boot began by the wall clock, as the store has it; None where it has nothing of that boot.
        self._began_at_ns: dict[tuple[str, bytes], int | None] = {}

    async def learn(self, tx: Transaction, epochs: Collection[tuple[str, int]]) -> None:
        """Bring to hand what the ages of these epochs, as (device, epoch), follow from."""
        self._boot_of = await self._boots.of(tx, epochs)
        unheard = {
            (device, boot_id)
            for (device, _), boot_id in self._boot_of.items()
            if (device, boot_id) not in self._began_at_ns and not self._clocks.knows(device, boot_id)
        }
        if not unheard:
            return
        self._began_at_ns.update(dict.fromkeys(unheard))
        for device, link in (await links.links(tx, {device for device, _ in unheard})).items():
            if link.made is None or link.health_at_ns is None:
                continue
            epoch, made_boot_ns = link.made
            boot_id = (await self._boots.of(tx, [(device, epoch)])).get((device, epoch))
            if boot_id is not None and (device, boot_id) in unheard:
                self._began_at_ns[device, boot_id] = link.health_at_ns - made_boot_ns

    def elapsed(self, device: str, header: Header, received_at_ns: int, received_boot_ns: int) -> Elapsed | None:
        """Return how long before its arrival something was captured; None where no boot clock tells.

        What came of a boot that was not heard live is taken in, too: it bounds the age of what else comes of it.

        Args:
            device: whose.
            header: of its message, of an epoch that was learned.
            received_at_ns: UTC when it came.
            received_boot_ns: our boot clock then.
        """
        boot_id = self._boot_of.get((device, header.epoch))
        if boot_id is None:
            return None
        captured_boot_ns = header.captured_boot_ns
        age_ns = self._clocks.age_ns(device, boot_id, captured_boot_ns, received_boot_ns)
        if age_ns is not None:
            return Elapsed(age_ns)
        began_at_ns = self._began_at_ns.get((device, boot_id))
        if began_at_ns is not None:
            return Elapsed(received_at_ns - began_at_ns - captured_boot_ns)
        least_ns = self._clocks.least_age_ns(device, boot_id, captured_boot_ns, received_boot_ns)
        return Elapsed(least_ns, at_least=True)

    def judge(self, elapsed: Elapsed | None, header: Header, received_at_ns: int) -> Age:
        """Return whether that makes it historical."""
        return judge_age(
            elapsed,
            captured_at_ns=header.captured_at_ns,
            clock_error_ns=header.clock_error_ns,
            received_at_ns=received_at_ns,
            historical_after_ns=self._historical_after_ns,
        )

    def at_ns(self, elapsed: Elapsed | None, header: Header, received_at_ns: int) -> int:
        """Return when it was captured on our clock, UTC."""
        return capture_time_ns(
            elapsed,
            captured_at_ns=header.captured_at_ns,
            clock_error_ns=header.clock_error_ns,
            received_at_ns=received_at_ns,
        )
