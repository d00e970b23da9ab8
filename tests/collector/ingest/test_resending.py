from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete

from collector.store import tables
from edge_wire.messages import Ack, LastSequence, LossRecord, Resend, Statement, Stream, StreamState

DETECTION, REPORT = Stream.DETECTION, Stream.REPORT


async def asked(bench: Any) -> list[Resend]:
    await bench.pipeline._resending.caught_up()
    return [message.body for message in bench.sent() if isinstance(message.body, Resend)]


def states(*rows: tuple[int, Stream, int, int, int]) -> Statement:
    return Statement(tuple(StreamState(*row) for row in rows))


async def forget(bench: Any, *sequences: int) -> None:
    """The store goes back in time."""
    async with bench.store.write() as tx:
        table = tables.identity
        await tx.execute(delete(table).where(table.c.stream == int(DETECTION), table.c.sequence.in_(sequences)))


async def some_rows(bench: Any, make: Any, count: int = 9) -> Any:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), *(device.read(track=track) for track in range(1, count + 1)))
    return device


async def test_what_the_store_no_longer_has_is_asked_for_by_name(bench: Any, make: Any) -> None:
    """PROTOCOL invariant 3: an acked identity is committed in the store that store_id names; another one asks again."""
    device = await some_rows(bench, make)
    await forget(bench, 3, 4, 8)
    bench.sent()
    await bench.settle(device.publish(states((7, DETECTION, 10, 0, 0), (7, REPORT, 2, 0, 0))))
    assert await asked(bench) == [Resend(7, DETECTION, ((3, 4), (8, 8)))]


async def test_what_waits_on_the_device_or_is_lost_is_not_asked_for(bench: Any, make: Any) -> None:
    device = await some_rows(bench, make)
    await forget(bench, 3, 4, 8, 9)
    await bench.settle(device.publish(LossRecord(7, DETECTION, ((3, 3),), "evicted")))
    await bench.settle(device.publish(states((7, DETECTION, 10, 2, 8))))
    assert await asked(bench) == [Resend(7, DETECTION, ((4, 4),))]


async def test_what_a_device_does_not_answer_is_asked_for_three_times(bench: Any, make: Any) -> None:
    device = await some_rows(bench, make)
    await forget(bench, 3)
    now_s = [1_000.0]
    ask_again = bench.pipeline._downlink.ask_again
    bench.pipeline._resending = type(bench.pipeline._resending)(bench.store, ask_again, lambda: now_s[0])
    times = 0
    for _ in range(6):
        now_s[0] += 60
        await bench.settle(device.publish(states((7, DETECTION, 10, 0, 0))))
        times += len(await asked(bench))
    assert times == 3
    await forget(bench, 5)
    # Another collector, or this one after a restart.
    bench.pipeline._resending = type(bench.pipeline._resending)(bench.store, bench.pipeline._downlink.ask_again)
    await bench.settle(device.publish(states((7, DETECTION, 10, 0, 0))))
    assert await asked(bench) == [Resend(7, DETECTION, ((3, 3), (5, 5)))]


async def test_questions_that_a_bad_link_swallows_do_not_count(bench: Any, make: Any) -> None:
    device = await some_rows(bench, make)
    await forget(bench, 3)
    for _ in range(6):  # a connection each, within a minute
        await bench.settle(device.publish(states((7, DETECTION, 10, 0, 0))))
        assert await asked(bench) == [Resend(7, DETECTION, ((3, 3),))]


@pytest.mark.parametrize("corrupt", [False, True])
async def test_what_an_epoch_had_that_the_statement_leaves_out_is_asked_for(
    bench: Any, make: Any, corrupt: bool
) -> None:
    """PROTOCOL invariant 4: rows salvaged from a database that was set aside come back after a restore."""
    device = await some_rows(bench, make)
    await forget(bench, 8, 9)
    later = replace(device, epoch=8, epoch_key=ec.generate_private_key(ec.SECP256R1()), sequences={}, previous=7)
    await bench.settle(later.open(corrupt=corrupt, previous_last=(LastSequence(DETECTION, 9), LastSequence(REPORT, 1))))
    bench.sent()
    await bench.settle(later.publish(states((8, DETECTION, 1, 0, 0), (8, REPORT, 2, 0, 0))))
    assert await asked(bench) == [Resend(7, DETECTION, ((8, 9),))]


async def test_an_epoch_that_nobody_here_knows_is_asked_for_from_its_open_on(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    bench.sent()
    await bench.settle(device.publish(states((5, DETECTION, 41, 0, 0), (5, REPORT, 4, 0, 0), (7, REPORT, 2, 0, 0))))
    assert await asked(bench) == [Resend(5, REPORT, ((1, 3),)), Resend(5, DETECTION, ((1, 40),))]


async def test_rows_of_an_epoch_that_a_restored_store_does_not_know_are_not_refused(bench: Any, make: Any) -> None:
    """PROTOCOL invariant 2: a device gives a refused row up, so one that only lacks its key here is not refused."""
    device = await make.device().enrol(bench.store)
    later = replace(device, epoch=8, epoch_key=ec.generate_private_key(ec.SECP256R1()), sequences={}, previous=7)
    opened = later.open()
    read = later.read()
    await bench.settle(device.open())
    bench.sent()
    await bench.settle(read)
    await bench.settle(later.read(track=2))
    assert [message.body for message in bench.sent()] == [Resend(8, REPORT, ((1, 1),))]
    await bench.settle(opened)
    await bench.settle(read)
    assert len(await bench.rows(tables.read)) == 1


async def test_a_device_that_was_there_before_the_collector_learns_which_store_acks_now(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    bench.sent()
    birth = replace(device.publish(make.presence(1, True, "")), retained=True)
    await bench.settle(birth)
    (message,) = bench.sent()
    assert isinstance(message.body, Ack)
    assert (message.body.ranges, message.body.store_id) == ((), bench.store.store_id)


async def test_many_runs_are_asked_for_in_few_messages_of_bounded_size(bench: Any, make: Any) -> None:
    device = await some_rows(bench, make, count=1)
    await bench.settle(*(device.read(track=track, sequence=2 * track) for track in range(1, 521)))
    bench.sent()
    await bench.settle(device.publish(states((7, DETECTION, 1_041, 0, 0))))
    sent = await asked(bench)
    assert [len(one.ranges) for one in sent] == [500, 19]
    assert sent[0].ranges[0] == (3, 3)
