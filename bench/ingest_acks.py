"""From a row's publish to its ack: when it passed which stage, noted by the device and by the collector.

All times are of this machine's monotonic clock, which its processes share.
"""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from unittest import mock

import aiosqlite
import msgspec
import paho.mqtt.client as paho
from ingest_fleet import Signed

from collector.ingest.link import BrokerLink
from collector.ingest.pipeline import Judged, Pipeline
from collector.ingest.received import Received
from edge_wire import codec, cose, topics
from edge_wire.clock import SystemClock
from edge_wire.messages import Ack, Stream

STAGES = (
    "to the collector",
    "waits for the batch before it",
    "is judged",
    "is written",
    "is committed",
    "its ack is signed",
    "to the device",
)


class Row(NamedTuple):
    """A row at its device: when it was due, how much later it was sent, when its ack came."""

    device: str
    envelope: bytes
    due: float
    late: float
    acked: float


class Batch(NamedTuple):
    """A batch in the collector: what came when, and when all of it was where."""

    rows: list[tuple[bytes, float]]
    taken: float
    judged: float
    settling: float
    written: float
    committed: float
    answered: dict[str, float]


class Paced:
    """What the device's side notes. A row counts from when it was due: a sender that lags measures its lag, too."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, int], tuple[Signed, float, float]] = {}
        self._rows: list[Row] = []

    @property
    def waiting(self) -> int:
        """How many rows are not acked yet."""
        return len(self._sent)

    def sent(self, one: Signed, due: float) -> None:
        """A row is sent now, which was due then."""
        self._sent[one.device, one.sequence] = one, due, time.monotonic() - due

    def on_message(self, _client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        """As paho calls it."""
        now = time.monotonic()
        body = codec.decode_down(cose.parse(bytes(message.payload)).payload).body
        if isinstance(body, Ack) and body.stream is Stream.DETECTION:
            device = topics.parse(message.topic).device
            for first, last in body.ranges:
                for sequence in range(first, last + 1):
                    one, due, late = self._sent.pop((device, sequence))
                    self._rows.append(Row(device, one.envelope, due, late, now))

    def keep(self, file: Path) -> None:
        """Write down what was noted."""
        file.write_bytes(msgspec.msgpack.encode(self._rows))


class Traced(Pipeline):
    """The pipeline, with a watch: one batch is settled at a time, so what was noted last is of it."""

    _batches: ClassVar[list[Batch]] = []
    _judging: ClassVar[dict[int, tuple[float, float]]] = {}
    _committing: ClassVar[tuple[float, float]] = (0.0, 0.0)
    _answered: ClassVar[dict[str, float]] = {}

    @classmethod
    def install(cls) -> None:
        """From now on ingest is made with it."""
        commit, publish = aiosqlite.Connection.commit, BrokerLink.publish

        async def timed_commit(connection: aiosqlite.Connection) -> None:
            began = time.monotonic()
            await commit(connection)
            cls._committing = began, time.monotonic()

        def timed_publish(link: BrokerLink, topic: str, payload: bytes) -> None:
            cls._answered[topics.parse(topic).device] = time.monotonic()
            publish(link, topic, payload)

        mock.patch("collector.ingest.ingest.Pipeline", cls).start()
        mock.patch.object(aiosqlite.Connection, "commit", timed_commit).start()
        mock.patch.object(BrokerLink, "publish", timed_publish).start()

    async def judge(self, batch: Sequence[Received]) -> Judged:
        """As the pipeline does."""
        taken = time.monotonic()
        judged = await super().judge(batch)
        self._judging[id(batch)] = taken, time.monotonic()
        return judged

    async def settle_judged(self, judged: Judged) -> None:
        """As the pipeline does."""
        settling = time.monotonic()
        await super().settle_judged(judged)
        # Of boot times, since a row's arrival is noted as such.
        ahead = SystemClock().boot_ns() / 1e9 - time.monotonic()
        rows = [(one.payload, one.received_boot_ns / 1e9 - ahead) for one in judged.batch]
        self._batches.append(
            Batch(rows, *self._judging.pop(id(judged.batch)), settling, *self._committing, dict(self._answered))
        )

    @classmethod
    def keep(cls, file: Path) -> None:
        """Write down what was noted."""
        file.write_bytes(msgspec.msgpack.encode(cls._batches))


def account(device_side: Path, collector_side: Path, after_s: float) -> dict[str, Any]:
    """Join both sides' notes of the rows that were due ``after_s`` or more behind the first one.

    Returns:
        Milliseconds: quantiles of the whole way, and what each stage has of it, in the mean of all rows and in the
        mean of the slowest hundredth; how late the sender was, and how long a commit takes.
    """
    rows = msgspec.msgpack.decode(device_side.read_bytes(), type=list[Row])
    batches = msgspec.msgpack.decode(collector_side.read_bytes(), type=list[Batch])
    came = {envelope: (received, batch) for batch in batches for envelope, received in batch.rows}
    counted_from = min(row.due for row in rows) + after_s
    ways = []
    for row in rows:
        if row.due >= counted_from:
            received, batch = came[row.envelope]
            ways.append((1_000 * (row.acked - row.due), [1_000 * one for one in _stages(row, received, batch)]))
    ways.sort()
    slowest = ways[len(ways) * 99 // 100 :]
    counted = [batch for batch in batches if batch.taken >= counted_from]
    waited = [way for way, _ in ways]
    return {
        "rows": len(ways),
        "batches": len(counted),
        **{f"p{part}_ms": quantile(waited, part) for part in (50, 95, 99)},
        "max_ms": waited[-1],
        "sender_late_p99_ms": quantile(sorted(1_000 * row.late for row in rows if row.due >= counted_from), 99),
        "mean_ms": dict(zip(STAGES, _means(stages for _, stages in ways), strict=True)),
        "slowest_ms": dict(zip(STAGES, _means(stages for _, stages in slowest), strict=True)),
        "commit_ms": spread([batch.committed - batch.written for batch in counted]),
    }


def _stages(row: Row, received: float, batch: Batch) -> tuple[float, ...]:
    waits = batch.taken - received + batch.settling - batch.judged
    judged, written = batch.judged - batch.taken, batch.written - batch.settling
    answered = batch.answered[row.device]
    signed, back = answered - batch.committed, row.acked - answered
    return received - row.due, waits, judged, written, batch.committed - batch.written, signed, back


def _means(ways: Any) -> list[float]:
    return [statistics.fmean(stage) for stage in zip(*ways, strict=True)]


def spread(durations_s: Sequence[float]) -> dict[str, float]:
    """Return the quantiles of durations in seconds, as milliseconds."""
    ordered = sorted(1_000 * one for one in durations_s)
    return {**{f"p{part}": quantile(ordered, part) for part in (50, 99)}, "max": ordered[-1]}


def quantile(ordered: Sequence[float], part: int) -> float:
    return ordered[len(ordered) * part // 100]
