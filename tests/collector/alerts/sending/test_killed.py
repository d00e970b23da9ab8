"""A collector that is killed between sending a notice and noting it: the next one sends it again; on both stores."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import alert_rows
from tls_receiver import Authority, TlsReceiver

from collector.store import notices
from collector.store.database import Store
from collector.store.notices import Choice

WAIT_S = 60
_PROGRAM = """
import asyncio, sys
from pathlib import Path
from collector.alerts.sending.carriers import tls_of
from collector.alerts.sending.content import Allowance
from collector.alerts.sending.following import NoticeFollower
from collector.alerts.sending.making import NoticeMaker
from collector.alerts.sending.routes import Route
from collector.alerts.sending.sender import Sender
from collector.alerts.sending.webhooks import WebhookCarrier
from collector.store.database import Store
from collector.store.lease import Leased
from edge_wire.clock import SystemClock

store_url, ca, url = sys.argv[1:]
ROUTE = Route("all", frozenset({"raised"}), people=("jane",), targets=("webhook:cad",))

async def main():
    store, clock = await Store.open(store_url), SystemClock()
    cad = WebhookCarrier("cad", url, b"s" * 32, tls_of("cad", Path(ca)), Allowance(), "https://x.example", 60, clock)
    def following(held):
        return NoticeFollower(held, NoticeMaker(held, [ROUTE], clock), Sender(held, [cad], 12, clock)).follow()
    await Leased(store, "notices", following).follow()

asyncio.run(main())
"""


@contextmanager
def following(store_url: str, ca: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that makes and sends notices; killed at the end, as a power cut would."""
    running = subprocess.Popen([sys.executable, "-c", _PROGRAM, store_url, str(ca), url], stdout=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def _states(store: Store) -> list[str]:
    async with store.read() as tx:
        return [str(one.state) for one in await notices.newest(tx, Choice(target="webhook:cad"), limit=9)]


async def _noted(store: Store) -> None:
    """Wait until another process has noted that it has sent the notice: nothing tells of that."""
    for _ in range(20 * WAIT_S):
        if await _states(store) == ["sent"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not noted within {WAIT_S} s")


async def test_what_may_have_been_sent_is_sent_again(store: Store, store_url: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    with TlsReceiver(authority) as receiver:
        receiver.gate.clear()
        with following(store_url, authority.file, receiver.url) as first:
            async with store.write() as tx:
                await alert_rows.hotlist(tx)
                entry_id = await alert_rows.entry(tx)
                await alert_rows.alert(tx, await alert_rows.read(tx, 1), entry_id)
            came = await asyncio.to_thread(receiver.came.get, timeout=WAIT_S)
            # It cannot note anything while somebody else writes.
            async with store.write() as tx:
                await notices.told_up_to(tx)  # SQLite locks with the first statement
                receiver.gate.set()
                await asyncio.to_thread(receiver.answered.get, timeout=WAIT_S)
                first.kill()
                first.wait()
        assert await _states(store) == ["waiting"]
        with following(store_url, authority.file, receiver.url):
            again = await asyncio.to_thread(receiver.came.get, timeout=WAIT_S)
            await _noted(store)
        assert again.headers["Nightjar-Notice"] == came.headers["Nightjar-Notice"]
        assert again.told["alert"] == came.told["alert"] == 1
        assert receiver.came.empty()
