from typing import Any

import pytest
from sqlalchemy import insert

from collector.ledger.judging import judge_device
from collector.ledger.records import Account, Lost, Word
from collector.store import ledger, tables
from collector.store.database import Store
from collector.store.ledger import StatementRow
from edge_wire.messages import Header, Statement, Stream, StreamState

DETECTION, REPORT = Stream.DETECTION, Stream.REPORT


async def keep(store: Store, sequences: Any, *, epoch: int = 7, stream: Stream = DETECTION, dead: Any = ()) -> None:
    async with store.write() as tx:
        await tx.execute(
            insert(tables.identity),
            [
                {
                    "device": "lpr-1",
                    "epoch": epoch,
                    "stream": int(stream),
                    "sequence": sequence,
                    "digest": bytes(32),
                    "verdict": 2 if sequence in dead else 1,
                }
                for sequence in sequences
            ],
        )


def statement(*states: tuple[int, Stream, int, int, int], epoch: int = 7, sequence: int = 2, at_ns: int = 10) -> Any:
    header = Header(epoch, 0, 0, 0, REPORT, sequence)
    return StatementRow("lpr-1", header, Statement(tuple(StreamState(*one) for one in states)), at_ns)


async def note(store: Store, *statements: StatementRow, redelivered: Any = None) -> None:
    async with store.write() as tx:
        await ledger.note_streams(tx, statements, redelivered or {})


async def accounts(store: Store) -> dict[tuple[int, Stream], Account]:
    async with store.read() as tx:
        found = judge_device(await ledger.facts_of(tx, "lpr-1"))
    return {(one.facts.epoch, Stream(one.facts.stream)): one for one in found}


async def epoch(store: Store, number: int, previous: int | None = None, last: Any = (), **more: Any) -> None:
    async with store.write() as tx:
        if previous is None:
            await tx.execute(insert(tables.device).values(id="lpr-1", agency="pd", status="enrolled", added_at_ns=1))
        await tx.execute(
            insert(tables.epoch).values(
                device="lpr-1",
                epoch=number,
                kid=bytes(8),
                spki=b"",
                boot_id=bytes(16),
                boot_ns=1,
                utc_ns=1,
                previous=previous,
                previous_last=[[int(stream), sequence] for stream, sequence in last],
                **{"corrupt": False, "received_at_ns": number, "cloned_or_restored": False} | more,
            )
        )


@pytest.mark.parametrize(
    ("held", "after", "to", "absent"),
    [
        ((), 0, 0, ()),
        ((), 0, 9, ((1, 9),)),
        (range(1, 10), 0, 9, ()),
        ((2, 3, 7), 0, 9, ((1, 1), (4, 6), (8, 9))),
        ((2, 3, 7), 3, 7, ((4, 6),)),
        ((1, 65_535, 65_536, 200_000), 0, 1 << 62, ((2, 65_534), (65_537, 199_999), (200_001, 1 << 62))),
    ],
)
async def test_gaps_are_what_is_not_here(store: Store, held: Any, after: int, to: int, absent: Any) -> None:
    if held:
        await keep(store, held)
    async with store.read() as tx:
        assert await ledger.gaps(tx, ("lpr-1", 7, int(DETECTION)), after=after, to=to) == absent


async def test_a_stream_with_everything_that_can_be_known_of_it(store: Store) -> None:
    await epoch(store, 7)
    await keep(store, [1, 2, 3, 6, 9], dead=[3])
    async with store.write() as tx:
        await tx.execute(
            insert(tables.message).values(
                id=1, device="lpr-1", epoch=7, stream=3, sequence=4, kind=6, envelope=b"", received_at_ns=1
            )
        )
        await tx.execute(
            insert(tables.loss),
            [
                {
                    "device": "lpr-1",
                    "epoch": 7,
                    "stream": 1,
                    "first_sequence": first,
                    "last_sequence": last,
                    "reason": "evicted",
                    "uncommitted": uncommitted,
                    "message_id": 1,
                }
                for first, last, uncommitted in ((4, 5, 0), (0, 0, 3))
            ],
        )
    await note(store, statement((7, DETECTION, 11, 1, 10)), redelivered={("lpr-1", 7, 1): 2})
    await note(store, redelivered={("lpr-1", 7, 1): 1})
    account = (await accounts(store))[7, DETECTION]
    facts = account.facts
    assert (facts.first, facts.last, facts.stored, facts.dead_lettered, facts.redelivered) == (1, 9, 4, 1, 3)
    assert facts.gaps == ((4, 5), (7, 8), (10, 10))
    assert facts.lost == (Lost(4, 5, "evicted"),)
    assert facts.uncommitted == {"evicted": 3}
    assert (account.word, account.missing, account.in_flight) == (Word.MISSING, ((7, 8),), 1)


async def test_an_older_statement_that_comes_late_changes_nothing(store: Store) -> None:
    await epoch(store, 7)
    await keep(store, [1, 2, 3], stream=REPORT)
    newer = statement((7, DETECTION, 1, 0, 0), (7, REPORT, 3, 0, 0), sequence=3)
    older = statement((7, DETECTION, 1, 4, 1), (7, REPORT, 2, 1, 1), sequence=2, at_ns=20)
    await note(store, newer)
    await note(store, older)
    found = await accounts(store)
    assert found[7, DETECTION].word is Word.COMPLETE
    assert found[7, REPORT].word is Word.COMPLETE
    stated = found[7, REPORT].facts.stated
    assert stated is not None
    assert (stated.next_sequence, stated.at_ns) == (4, 10)


async def test_an_open_that_names_the_last_sequences_covers_the_epoch_before(store: Store) -> None:
    await epoch(store, 7)
    await keep(store, range(1, 6))
    assert (await accounts(store))[7, DETECTION].word is Word.IN_FLIGHT
    await epoch(store, 8, previous=7, last=((DETECTION, 5), (REPORT, 1)))
    found = await accounts(store)
    assert found[7, DETECTION].word is Word.COMPLETE
    assert found[7, REPORT].word is Word.IN_FLIGHT
    await note(store, statement((8, REPORT, 2, 0, 0), epoch=8))
    await keep(store, [1, 2], epoch=8, stream=REPORT)
    assert (await accounts(store))[7, REPORT].missing == ((1, 1),)


async def test_a_corrupt_outbox_bounds_its_epoch_and_those_before_it(store: Store) -> None:
    await epoch(store, 7)
    await keep(store, range(1, 6))
    await epoch(store, 8, previous=7, last=((DETECTION, 6),))
    await keep(store, range(1, 4), epoch=8)
    await epoch(store, 9, previous=8, last=((DETECTION, 256),), corrupt=True)
    found = await accounts(store)
    assert found[7, DETECTION].verdict == "unknown, at most 1"
    assert found[8, DETECTION].verdict == "unknown, at most 253"


async def test_an_epoch_of_which_nothing_has_come_is_judged_by_the_open_after_it(store: Store) -> None:
    """PROTOCOL: never "complete" by guess, also where a corrupt outbox took an epoch with its Open."""
    await epoch(store, 7)
    await epoch(store, 9, previous=8, last=((DETECTION, 256),), corrupt=True)
    assert (await accounts(store))[8, DETECTION].verdict == "unknown, at most 256"


async def test_an_epoch_that_only_the_open_after_it_names_is_missing(store: Store) -> None:
    await epoch(store, 7)
    await epoch(store, 11, previous=10, last=((DETECTION, 5), (REPORT, 2)))
    await note(store, statement((7, REPORT, 1, 0, 0), (11, REPORT, 2, 0, 0), epoch=11, at_ns=20))
    await keep(store, [1, 2], epoch=11, stream=REPORT)
    assert (await accounts(store))[10, DETECTION].missing == ((1, 5),)


async def test_what_a_device_states_of_an_epoch_that_nobody_here_knows_is_missing(store: Store) -> None:
    await epoch(store, 7)
    await note(store, statement((5, DETECTION, 41, 0, 0), (7, REPORT, 1, 0, 0)))
    await keep(store, [1, 2], stream=REPORT)
    assert (await accounts(store))[5, DETECTION].missing == ((1, 40),)
