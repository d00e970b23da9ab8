import asyncio
import os
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from collector.config import FeedSftp
from collector.hotlists.feeds.records import FeedError
from collector.hotlists.feeds.sftp import SftpSource
from collector.hotlists.feeds.snapshot_folder import SnapshotFolder

MOST = 1_000_000


def source(ssh: Any, **more: object) -> SftpSource:
    said = {
        "host": "127.0.0.1",
        "port": ssh.port,
        "user": "nightjar",
        "key": ssh.key,
        "known_hosts": ssh.known_hosts,
        "path": "out/stolen-*.csv",
        "settle_s": 0.02,
        "timeout_s": 5,
    }
    return SftpSource(FeedSftp.model_validate(said | more))


def put(ssh: Any, name: str, content: bytes, at_s: int) -> None:
    path = ssh.folder / "out" / name
    path.write_bytes(content)
    os.utime(path, (at_s, at_s))


async def test_the_latest_file_is_fetched_once(ssh: Any, kept: SnapshotFolder) -> None:
    put(ssh, "stolen-1.csv", b"old", 1_000)
    put(ssh, "stolen-2.csv", b"new" * 200_000, 2_000)
    put(ssh, "else.csv", b"other", 3_000)
    one = await source(ssh).fetch("", kept, MOST)
    assert one is not None
    assert (one.name, one.path.read_bytes(), one.made_at_ns) == ("stolen-2.csv", b"new" * 200_000, 2_000 * 10**9)
    assert await source(ssh).fetch(one.modified, kept, MOST) is None
    named = await source(ssh, path="/out/stolen-1.csv").fetch(one.modified, kept, MOST)
    assert named is not None
    assert named.path.read_bytes() == b"old"


async def test_a_file_that_is_being_written_is_left_alone(ssh: Any, kept: SnapshotFolder) -> None:
    put(ssh, "stolen-1.csv", b"half", 1_000)
    fetching = asyncio.create_task(source(ssh, settle_s=0.3).fetch("", kept, MOST))
    while not fetching.done():
        with (ssh.folder / "out" / "stolen-1.csv").open("ab") as file:
            file.write(b" more")
        await asyncio.wait({fetching}, timeout=0.05)
    assert await fetching is None
    marked = source(ssh, done_marker=True)
    assert await marked.fetch("", kept, MOST) is None
    put(ssh, "stolen-1.csv.done", b"", 2_000)
    assert await marked.fetch("", kept, MOST) is not None


async def test_a_server_with_another_key_is_not_talked_to(ssh: Any, tmp_path: Path, kept: SnapshotFolder) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (tmp_path / "others").write_text(f"[127.0.0.1]:{ssh.port} {other}")
    with pytest.raises(FeedError, match="the server's key is not in"):
        await source(ssh, known_hosts=tmp_path / "others").fetch("", kept, MOST)
    (tmp_path / "nobody").write_text("")
    with pytest.raises(FeedError, match="the server's key is not in"):
        await source(ssh, known_hosts=tmp_path / "nobody").fetch("", kept, MOST)


async def test_what_is_refused_too_large_or_not_there_is_said(ssh: Any, tmp_path: Path, kept: SnapshotFolder) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "stranger")
    with pytest.raises(FeedError, match="Permission denied"):
        await source(ssh, key=tmp_path / "stranger").fetch("", kept, MOST)
    with pytest.raises(FeedError, match="No such file"):
        await source(ssh, key=tmp_path / "none").fetch("", kept, MOST)
    with pytest.raises(FeedError, match="No such file"):
        await source(ssh, path="nowhere/*.csv").fetch("", kept, MOST)
    with pytest.raises(FeedError):
        await source(ssh, port=1).fetch("", kept, MOST)
    put(ssh, "stolen-1.csv", b"x" * 100, 1_000)
    with pytest.raises(FeedError, match="got more than 10 bytes"):
        await source(ssh).fetch("", kept, 10)
