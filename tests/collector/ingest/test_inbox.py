import asyncio
import threading

from collector.ingest.inbox import Inbox
from collector.ingest.received import Received


def publish(number: int, size_bytes: int = 1) -> Received:
    return Received(str(number), b"x" * size_bytes, None, False, 0, 0)


def topics(batch: list[Received]) -> list[str]:
    return [one.topic for one in batch]


async def test_a_batch_is_what_is_there_in_order() -> None:
    inbox = Inbox(asyncio.get_running_loop())
    for number in range(5):
        assert inbox.put(publish(number))
    assert topics(await inbox.take(3, 100)) == ["0", "1", "2"]
    assert topics(await inbox.take(3, 100)) == ["3", "4"]


async def test_a_batch_is_bounded_by_bytes_but_takes_one() -> None:
    inbox = Inbox(asyncio.get_running_loop())
    for number, size_bytes in enumerate((50, 3, 4, 4)):
        inbox.put(publish(number, size_bytes))
    assert topics(await inbox.take(9, 10)) == ["0"]
    assert topics(await inbox.take(9, 10)) == ["1", "2"]
    assert topics(await inbox.take(9, 10)) == ["3"]


async def test_the_network_s_thread_waits_while_it_is_full() -> None:
    inbox = Inbox(asyncio.get_running_loop(), capacity=2)
    took: list[bool] = []
    full = threading.Event()

    def network() -> None:
        for number in range(3):
            if number == 2:
                full.set()
            took.append(inbox.put(publish(number)))

    thread = threading.Thread(target=network)
    thread.start()
    await asyncio.to_thread(full.wait)
    assert len(took) == 2
    assert topics(await inbox.take(1, 100)) == ["0"]
    await asyncio.to_thread(thread.join)
    assert topics(await inbox.take(9, 100)) == ["1", "2"]


async def test_closing_lets_both_sides_go() -> None:
    inbox = Inbox(asyncio.get_running_loop(), capacity=1)
    inbox.put(publish(0))
    waiting = asyncio.create_task(asyncio.to_thread(inbox.put, publish(1)))
    inbox.close()
    assert await waiting is False
    assert await inbox.take(9, 100) == []


async def test_a_taker_is_woken_again_after_the_inbox_was_empty() -> None:
    inbox = Inbox(asyncio.get_running_loop())
    for number in range(3):
        taking = asyncio.create_task(inbox.take(9, 100))
        await asyncio.to_thread(inbox.put, publish(number))
        assert topics(await taking) == [str(number)]


async def test_who_is_busy_is_told_when_there_are_many() -> None:
    inbox = Inbox(asyncio.get_running_loop(), plenty=3)
    many = asyncio.create_task(inbox.wait_for_many())
    for number in range(2):
        inbox.put(publish(number))
    await asyncio.sleep(0)
    assert not many.done()
    inbox.put(publish(2))
    await many
    assert topics(await inbox.take(9, 100)) == ["0", "1", "2"]
    again = asyncio.create_task(inbox.wait_for_many())
    await asyncio.sleep(0)
    assert not again.done()
    inbox.close()
    await again


async def test_few_large_ones_are_many_once_there_is_no_room() -> None:
    inbox = Inbox(asyncio.get_running_loop(), capacity_bytes=10, plenty=3)
    inbox.put(publish(0, size_bytes=11))
    await asyncio.wait_for(inbox.wait_for_many(), 5)
