"""Ingest as a whole without a broker; with one it is tested in tests/integration."""

import asyncio
import socket
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from collector.alerts.raising import Raising
from collector.fleet import certificates
from collector.ingest.ingest import Ingest
from collector.ingest.link import BrokerSettings
from collector.ingest.picture_folder import PictureFolder
from collector.match.matcher import Matcher


def settings(folder: Path, port: int) -> BrokerSettings:
    authority = certificates.create_authority("test")
    key = certificates.new_key()
    paths = (folder / "ca.pem", folder / "collector.pem", folder / "collector.key")
    certificate = certificates.issue_service(authority, certificates.public_key(key), "nightjar.collector")
    for path, content in zip(paths, (authority.certificate, certificate, key), strict=True):
        path.write_bytes(content)
    return BrokerSettings("127.0.0.1", port, *paths)


async def test_it_stops_at_once_while_it_waits_for_a_broker(bench: Any, clock: Any, tmp_path: Path) -> None:
    with socket.socket() as taken:  # Bound and not listening: connections are refused.
        taken.bind(("127.0.0.1", 0))
        ingest = Ingest(
            bench.store,
            settings(tmp_path, taken.getsockname()[1]),
            ec.generate_private_key(ec.SECP256R1()),
            PictureFolder(tmp_path),
            clock,
            lambda: Raising(Matcher()),
        )
        running = ingest.start()
        waiting = asyncio.create_task(ingest.wait_until_subscribed(3_600))
        assert not ingest.hearing
        assert not await ingest.wait_until_subscribed(0)
        async with asyncio.timeout(20):
            waiting.cancel()
            await asyncio.wait([waiting])
            await ingest.stop()
            await running
            # As asyncio.run does at its end: no thread of ours may still be waiting.
            await asyncio.get_running_loop().shutdown_default_executor()
    assert waiting.cancelled()
