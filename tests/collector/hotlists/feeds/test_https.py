import dataclasses
import gzip
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.config import FeedHttps
from collector.hotlists.feeds.https import HttpsSource
from collector.hotlists.feeds.records import FeedError
from collector.hotlists.feeds.snapshot_folder import SnapshotFolder

MOST = 1_000_000


@pytest.fixture
def source(web: Any, authority: Any) -> Any:
    def made(**more: object) -> HttpsSource:
        said = {"url": web.url, "ca": authority.file, "timeout_s": 5}
        return HttpsSource(FeedHttps.model_validate(said | more))

    return made


async def test_a_file_is_fetched_once_and_then_only_when_it_is_newer(
    source: Any, web: Any, kept: SnapshotFolder
) -> None:
    one = await source().fetch("", kept, MOST)
    assert one is not None
    assert (one.path.read_bytes(), one.name) == (web.content, "stolen.csv")
    assert one.made_at_ns == web.modified_s * 10**9
    assert await source().fetch(one.modified, kept, MOST) is None
    assert web.asked[-1]["If-Modified-Since"] == "Wed, 18 Nov 2026 12:26:40 GMT" or web.asked[-1]["If-None-Match"]
    web.etag, web.content = '"two"', b"plate\nAA1\n"
    two = await source().fetch(one.modified, kept, MOST)
    assert two is not None
    assert two.path.read_bytes() == b"plate\nAA1\n"


async def test_a_server_that_says_nothing_of_age_is_believed_to_have_something_each_time(
    source: Any, web: Any, kept: SnapshotFolder
) -> None:
    web.etag = web.modified_s = None
    one = await source().fetch("", kept, MOST)
    assert (one.modified, one.made_at_ns) == ("", None)


async def test_the_token_of_a_file_and_our_certificate_are_shown(
    source: Any, web: Any, authority: Any, tmp_path: Path, kept: SnapshotFolder
) -> None:
    web.token = "s3cret"
    (tmp_path / "token").write_text("wrong\n")
    ours = authority.identity("collector")
    told = source(token_file=tmp_path / "token", certificate=ours.certificate, key=ours.key)
    with pytest.raises(FeedError, match="got 401, expected 200; does it want another token") as error:
        await told.fetch("", kept, MOST)
    assert "wrong" not in str(error.value)
    assert "secret=1" not in str(error.value)
    # It is read anew each time.
    (tmp_path / "token").write_text("s3cret\n")
    assert await told.fetch("", kept, MOST) is not None
    (tmp_path / "token").write_text("two words\n")
    with pytest.raises(FeedError, match="token: got no token"):
        await told.fetch("", kept, MOST)


async def test_another_authority_s_server_is_not_talked_to(
    source: Any, web: Any, authority: Any, tmp_path: Path, kept: SnapshotFolder
) -> None:
    other = type(authority)(tmp_path, "another authority")
    with pytest.raises(FeedError, match="CERTIFICATE_VERIFY_FAILED"):
        await source(ca=other.file).fetch("", kept, MOST)
    with pytest.raises(FeedError, match="CERTIFICATE_VERIFY_FAILED"):
        await source(ca=None).fetch("", kept, MOST)
    assert web.asked == []


async def test_a_file_that_ends_early_or_is_too_large_is_no_delivery(
    source: Any, web: Any, kept: SnapshotFolder
) -> None:
    web.cut = 10
    with pytest.raises(FeedError, match="peer closed connection"):
        await source().fetch("", kept, MOST)
    web.cut = None
    with pytest.raises(FeedError, match="got more than 10 bytes"):
        await source().fetch("", kept, 10)
    assert not list(kept.path_of(bytes(32)).parent.iterdir())


async def test_a_file_in_chunks_comes_whole_or_not_at_all(source: Any, web: Any, kept: SnapshotFolder) -> None:
    web.chunks = [b"plate\n", b"AA11\n", b"BB22\n"]
    one = await source().fetch("", kept, MOST)
    assert one is not None
    assert one.path.read_bytes() == b"plate\nAA11\nBB22\n"
    web.etag, web.cut = '"two"', 0
    with pytest.raises(FeedError, match="without sending complete message body"):
        await source().fetch("", kept, MOST)


async def test_a_file_of_no_length_is_bounded_by_bytes(source: Any, web: Any, kept: SnapshotFolder) -> None:
    web.chunks = itertools.repeat(b"AA11\n" * 1_000)
    with pytest.raises(FeedError, match="got more than 100000 bytes"):
        await source().fetch("", kept, 100_000)
    assert not list(kept.path_of(bytes(32)).parent.iterdir())


async def test_a_file_that_drips_for_ever_is_bounded_by_time(source: Any, web: Any, kept: SnapshotFolder) -> None:
    stopped = threading.Event()

    def drips() -> Iterator[bytes]:
        while not stopped.wait(0.01):
            yield b"A"

    web.chunks = drips()
    try:
        with pytest.raises(FeedError, match=r"took longer than 0\.5 s"):
            await dataclasses.replace(source(), longest_s=0.5).fetch("", kept, MOST)
    finally:
        stopped.set()
    assert not list(kept.path_of(bytes(32)).parent.iterdir())


async def test_a_file_of_which_nobody_knows_the_end_is_not_taken(source: Any, web: Any, kept: SnapshotFolder) -> None:
    web.nameless = True
    with pytest.raises(FeedError, match="neither how long the file is nor where it ends"):
        await source().fetch("", kept, MOST)


async def test_what_a_server_packs_on_the_way_is_kept_as_it_came(source: Any, web: Any, kept: SnapshotFolder) -> None:
    # A server says so of files that lie there packed; unpacked in one go they could be of any size.
    web.content, web.headers = gzip.compress(bytes(10_000_000)), {"Content-Encoding": "gzip"}
    one = await source().fetch("", kept, MOST)
    assert one is not None
    assert one.path.read_bytes() == web.content


async def test_it_goes_nowhere_else(source: Any, web: Any, kept: SnapshotFolder) -> None:
    web.status = 302
    with pytest.raises(FeedError, match=r"^https://localhost:\d+/lists/stolen.csv: got 302, which leads elsewhere"):
        await source().fetch("", kept, MOST)


async def test_what_is_not_there_is_said(source: Any, kept: SnapshotFolder, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"none\.pem: No such file"):
        await source(ca=tmp_path / "none.pem").fetch("", kept, MOST)
    with pytest.raises(FeedError, match="connection"):
        await source(url="https://localhost:1/list.csv").fetch("", kept, MOST)


@pytest.mark.parametrize("noted", ["1795305600000000000:23:stolen.csv", "7", "[]"])
async def test_what_another_kind_of_source_noted_is_none_of_the_server_s_business(
    source: Any, web: Any, kept: SnapshotFolder, noted: str
) -> None:
    assert await source().fetch(noted, kept, MOST) is not None


async def test_a_validator_that_no_header_can_say_again_is_not_kept(
    source: Any, web: Any, kept: SnapshotFolder
) -> None:
    web.etag = '"\u00e9"'
    one = await source().fetch("", kept, MOST)
    assert one is not None
    assert "etag" not in one.modified
    assert await source().fetch(one.modified, kept, MOST) is not None
