"""One run, from an empty folder to the verdict."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soaking.databases import Database
from soaking.faults import POISON, Fault, NotPossibleError, Scale, lanes
from soaking.holdings import read_holdings
from soaking.programs import say
from soaking.schedule import appointments
from soaking.settings import Settings
from soaking.settling import heal, settle
from soaking.site import Site
from soaking.verdict import Verdict, judge

_LATE_S = 45.0
_SETTLE_S = 20.0
_SHOWN = 20


@dataclass(slots=True)
class Outcome:
    """What a run found.

    Attributes:
        verdict: the comparison.
        faults: how often each kind was injected.
        missing: kinds that never were, and why.
        unsettled: what was still pending when waiting for it had to end, by trailer.
        restarts: programs that ended by themselves, and how often.
        ledger: how many of the trailers' streams the collector's ledger calls what.
    """

    settings: Settings
    store: str
    verdict: Verdict = field(default_factory=Verdict)
    faults: Counter[str] = field(default_factory=Counter)
    missing: dict[str, str] = field(default_factory=dict)
    unsettled: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    wall_s: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing was lost or doubled, and every kind was injected."""
        return not (self.verdict.lost or self.verdict.duplicates or self.missing)

    def as_json(self) -> dict[str, Any]:
        """The last line."""
        verdict = self.verdict
        return {
            "captured": verdict.captured,
            "stored": verdict.stored,
            "named": verdict.named,
            "lost": verdict.lost,
            "duplicates": verdict.duplicates,
            "redelivered": verdict.redelivered,
            "unknown_bound": verdict.unknown_bound,
            "faults": dict(sorted(self.faults.items())),
            "seed": self.settings.seed,
            "named_by_bound": verdict.named_by_bound,
            "named_missing_after_restore": verdict.named_missing_after_restore,
            "named_because": dict(verdict.reasons),
            "uncommitted": verdict.uncommitted,
            "crops": verdict.crops,
            "crops_missing": verdict.crops_missing,
            "media_named": verdict.media_named,
            "unalerted": verdict.unalerted,
            "misdated": verdict.misdated,
            "unknown_age": verdict.unknown_age,
            "store": self.store,
            "fault_s": self.settings.seconds,
            "agents": self.settings.agents,
            "not_injected": self.missing,
            "unsettled": self.unsettled,
            "restarts": self.restarts,
            "ledger": self.ledger,
            "wall_s": round(self.wall_s, 1),
        }


class Driver:
    """Runs one soak."""

    def __init__(self, settings: Settings, database: Database, folder: Path) -> None:
        self._settings = settings
        self._database = database
        self._folder = folder
        self._lanes = lanes(database.kind)
        self._counting = threading.Lock()
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self.outcome = Outcome(settings, database.kind)

    def run(self) -> Outcome:
        """Run it; what was measured so far is in ``outcome`` also after an exception.

        Raises:
            RuntimeError: the site could not be built, or a fault could not be taken back.
        """
        began_s = time.monotonic()
        settings, outcome = self._settings, self.outcome
        with Site(self._folder, self._database, settings) as site:
            try:
                say(f"{settings.agents} trailers on {self._database.kind}, faults for {settings.seconds:g} s")
                self._inject(site)
            finally:
                self._ending.set()
                say("no more faults: settling")
                heal(site)
                outcome.unsettled = settle(site, max(_SETTLE_S, began_s + settings.until_s - time.monotonic()))
                outcome.faults[POISON] = site.rogue.sent
                outcome.restarts = {one.name: one.restarts for one in site.keeper.programs if one.restarts}
                ledger = site.ledger()
                pictures = site.data_dir / "pictures"
                holdings = read_holdings(self._database, pictures, site.devices, taken=site.taken, ledger=ledger)
                outcome.verdict = judge(site.captures(), holdings)
                outcome.ledger = dict(Counter(account["word"] for account in ledger))
                outcome.missing = self._missing()
                outcome.wall_s = time.monotonic() - began_s
                self._tell()
        if self._failure is not None:
            raise RuntimeError(f"a fault could not be injected or taken back: {self._failure}") from self._failure
        return outcome

    def _inject(self, site: Site) -> None:
        began_s = time.monotonic()
        threads = [
            threading.Thread(target=self._follow, args=(site, lane, kinds, began_s), name=lane)
            for lane, kinds in self._lanes.items()
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                # Not join alone: Ctrl-C has to reach us meanwhile.
                while thread.is_alive():
                    thread.join(0.2)
        except BaseException:
            self._ending.set()
            for thread in threads:
                thread.join()
            raise

    def _follow(self, site: Site, lane: str, kinds: Sequence[Fault], began_s: float) -> None:
        """Work one lane off until its time is over and each of its kinds was injected."""
        settings = self._settings
        by_name = {kind.__name__: kind for kind in kinds}
        gap_s = min(8.0, settings.seconds / (len(kinds) + 2))
        scale = Scale(min(1.0, settings.longest_s), settings.longest_s)
        for one in appointments(sorted(by_name), f"{settings.seed} {lane}", gap_s):
            elapsed_s = time.monotonic() - began_s
            done = all(self.outcome.faults[name] for name in by_name)
            if elapsed_s > settings.seconds and (done or elapsed_s > settings.seconds + _LATE_S):
                return
            if elapsed_s > settings.seconds and self.outcome.faults[one.kind]:
                continue
            if self._ending.wait(max(0.0, min(one.at_s, settings.seconds) - elapsed_s)):
                return
            try:
                # Nobody's storage is spoilt while a collector goes back in time.
                with site.storage if lane == "trailers" else contextlib.nullcontext():
                    what = by_name[one.kind](site, random.Random(one.seed), scale)
            except NotPossibleError as error:
                say(f"{one.kind:<28} not now: {error}")
                self.outcome.missing[one.kind] = str(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the run ends, and says so
                self._failure = error
                say(f"{one.kind:<28} FAILED: {error!r}")
                self._ending.set()
                return
            else:
                say(f"{one.kind:<28} {what}")
                with self._counting:
                    self.outcome.faults[one.kind] += 1

    def _missing(self) -> dict[str, str]:
        names = [kind.__name__ for kinds in self._lanes.values() for kind in kinds] + [POISON]
        return {name: self.outcome.missing.get(name, "no time") for name in names if not self.outcome.faults[name]}

    def _tell(self) -> None:
        verdict = self.outcome.verdict
        for what, items in (("lost", verdict.lost_identities), ("twice", verdict.duplicate_tokens)):
            for item in items[:_SHOWN]:
                say(f"{what}: {item}")
            if len(items) > _SHOWN:
                say(f"{what}: and {len(items) - _SHOWN} more")
        for name, pending in self.outcome.unsettled.items():
            say(f"not settled: {name} has {pending} rows pending")
