"""A setting of the whole interpreter for a program that makes many objects a batch, none of them in cycles.

Every 700 new objects Python looks through for cycles, all of them every now and then: that was a third of what a
message cost (bench/ingest.py).
"""

from __future__ import annotations

import gc

_GC_THRESHOLDS = (100_000, 50, 100)


def tune() -> None:
    """Look for garbage that reference counts do not free more seldom."""
    # What is here now stays: it need not be looked through again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
