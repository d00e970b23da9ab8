"""Settings of the whole interpreter for a program in which several threads pass messages on (bench/ingest.py).

A thread that holds the interpreter's lock gives it up after 5 ms as Python comes: whoever gives it up for a moment, to
read from the network or to insert rows, may wait so long to go on. And every 700 new objects are looked through for
cycles, all of them every now and then, though a batch makes none.
"""

from __future__ import annotations

import gc
import sys

_SWITCH_S = 0.0002
_GC_THRESHOLDS = (100_000, 50, 100)


def tune() -> None:
    """Take turns between threads sooner, and look for garbage that reference counts do not free more seldom."""
    sys.setswitchinterval(_SWITCH_S)
    # What is here now stays: it need not be looked through again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
