"""``collector serve`` with one seam: on SIGUSR1 it dies by its own SIGKILL right behind its next commit.

``python -m soaking.serving COLLECTOR-ARGUMENTS…`` is the collector's own command line, and everything in it is the
collector's. Only the class that confirms to the broker is another one while this program runs: what it is told to
confirm is committed, and neither the broker nor the devices have been answered yet. That is the moment between commit
and ack, which no killing from outside hits by more than luck. The product knows nothing of this.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from collector import cli
from collector.ingest import ingest
from collector.ingest.link import BrokerLink
from collector.ingest.received import Received

_condemned = False


class _MortalLink(BrokerLink):
    def confirm(self, batch: Iterable[Received]) -> None:
        """Confirm, or die before it."""
        batch = list(batch)
        if _condemned and batch:
            os.kill(os.getpid(), signal.SIGKILL)
        super().confirm(batch)


def main() -> None:
    """Run the collector's command line."""

    def condemn(_number: int, _frame: object) -> None:
        global _condemned
        _condemned = True

    signal.signal(signal.SIGUSR1, condemn)
    vars(ingest)["BrokerLink"] = _MortalLink
    cli.main()


if __name__ == "__main__":
    main()
