"""Durable store-and-forward: a detection is in here before anything is sent, and leaves only on the collector's word.

Invariants (numbers are PROTOCOL's):

1.  No identity ever names two payloads. Each opening makes a new random epoch with a new key in memory; sequences come
    from a stored counter inside the inserting transaction; an envelope is signed once and never rewritten.
2.  A row leaves the queue only when an ack names it that was verified, for a row that exists and was published, or in
    the transaction that enqueues the loss record that names it.
4.  Every committed row is pending, or the collector's, or named by a loss record, or inside the bound that an Open
    states. What could not even be committed is counted, and told by the next loss record that can be written.
6.  Acks beyond the counter, for unknown epochs or from a superseded store change nothing, and are reported; so does a
    refusal of bytes that were not published.
7.  Order goes by queue time on the boot clock and by sequence. A reboot counts as ``live_for_s``: whatever was queued
    before it is backlog. Wall time decides nothing.

-   ``put`` returns after its transaction is on disk (WAL, ``synchronous=FULL``), never before; nobody sees a row
    earlier. A put that cannot be stored raises, and is counted; it is never dropped in silence.
-   A file is on disk under its hash before any row that speaks of it. It belongs to whatever names it: the clip of a
    burst is that of each of its arrivals, and is found by its hash for any of them.
-   A file of sound is deleted ``keep_clips_h`` after it was kept, or when the quota of clips wants its room; what the
    collector asked for stays in the rows that carry it until they are purged.
-   A pending loss record is never evicted, nor an Open; that stays as long as anything else of its epoch.

Room (see ``eviction`` and ``housekeeping``): above ``quota_bytes`` for rows and files together, the least valuable goes
first: acked rows (which nobody needs to be told of), full frames, crops, sound, old reports, plate reads, shot arrivals
last. Below ``free_floor_bytes`` the same goes, but no detections. On a full file system not even a DELETE succeeds: the
ballast is released, and made again when there is room.

Layout of the folder (mode 0700, its files 0600), which one agent holds at a time through ``outbox.lock``:

    outbox.db             rows, counters, epochs, kept files, losses (see ``schema``); with -wal and -shm beside it
    outbox.journal        what must survive a corrupt database: reserved sequences, copies of Opens (see ``journal``)
    outbox.ballast        blocks that are taken for nothing, until they are needed
    outbox.damaged        while a damaged database is not replaced by a new one (see ``aside``)
    outbox.torn           while the damaged end of a log is in no Open yet
    evidence/ab/<sha256>  crops, frames, clips and recordings, named by the hash of their bytes
    *.corrupt-N           databases, logs and journals that were set aside; never deleted by us

Recovery, at every opening:

-   Database sound: the new Open names the newest epoch with its last sequences. Rows of older epochs are sent as they
    were signed, each epoch's Open first.
-   Database corrupt (``PRAGMA quick_check``, or the mark of an agent that met a corrupt page while it ran), missing, or
    older than the journal: it is set aside where corrupt; the new Open names the journal's newest epoch as ``corrupt``
    with the sequences that were reserved, an upper bound; the Opens that the journal holds go back into the queue, so
    that the chain of epochs has no hole. Pending rows that can still be read and have their digest are put back and
    sent as they were signed; of older epochs, which no Open bounds, what is not back is named by loss records.
-   End of the log damaged: SQLite forgets it without a word. Seen by ``wal``; the database stays, the Open says
    ``corrupt`` with the sequences that were reserved. A log cut off between two frames is the one damage not seen here.
-   Journal damaged: set aside and made anew; only when the database is damaged too does the Open state no bound.
-   A row whose bytes changed on the disk: found when it is to be sent, and named by a loss record ``corrupt``. An Open
    comes back from the journal; without it nobody could verify its epoch, whose pending rows are then named likewise.
-   Killed between two writes: a file without a row is adopted as an unowned kept file; a reservation without rows only
    widens a bound; an Open without its journal entry was never published and is named by the next Open; a damaged
    database that was being set aside goes there whole, and its rows are put back by the next opening.

Damage while running: whatever statement meets it raises ``OutboxDamagedError``, and so does everything after it;
``Outbox.wait_until_broken`` returns. Whoever owns the outbox closes it and opens it anew.

Ownership: one asyncio task writes, through one connection, grouping what waits into one transaction; reading goes
through a second connection and sees only what is committed. Another task keeps house, through the first.
"""

from edge_agent.outbox.carrying import EvidenceFile
from edge_agent.outbox.conditions import Condition
from edge_agent.outbox.disk import Disk, FileSystem
from edge_agent.outbox.entries import Entry
from edge_agent.outbox.faults import OutboxDamagedError, OutboxFullError
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.settings import OutboxSettings
from edge_agent.outbox.state import OutboxState, StreamDepth, is_held, read_state

__all__ = [
    "Condition",
    "Disk",
    "Entry",
    "EvidenceFile",
    "FileSystem",
    "Outbox",
    "OutboxDamagedError",
    "OutboxFullError",
    "OutboxSettings",
    "OutboxState",
    "StreamDepth",
    "is_held",
    "read_state",
]
