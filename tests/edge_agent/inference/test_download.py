import re
import resource
import socket
from pathlib import Path

import pytest

from edge_agent.errors import PullError
from edge_agent.inference.download import download


class Pauses:
    """Counts what would have been waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float, reason: str) -> None:
        assert reason
        self.seconds.append(seconds)


def fetch(shop, part: Path, **how: object) -> Pauses:
    pauses = Pauses()
    download(shop.url, part, pause=pauses, **how)
    return pauses


def test_a_file_comes_whole_and_progress_is_told(shop, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    fetch(shop, tmp_path / "p", progress=lambda have, total: told.append((have, total)))
    assert (tmp_path / "p").read_bytes() == shop.content
    assert told[0] == (0, len(shop.content))
    assert told[-1] == (len(shop.content), len(shop.content))
    assert sorted(tmp_path.iterdir()) == [tmp_path / "p"]


def test_a_cut_connection_is_gone_on_with_where_it_was_cut(shop, tmp_path: Path) -> None:
    shop.cuts = [100_000, 50_000]
    pauses = fetch(shop, tmp_path / "p")
    assert (tmp_path / "p").read_bytes() == shop.content
    assert [wanted for _, wanted, _ in shop.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert pauses.seconds == [1, 1]


def test_what_an_earlier_run_fetched_is_not_fetched_again(shop, tmp_path: Path) -> None:
    shop.cuts = [100_000]
    shop.statuses = []
    with pytest.raises(KeyboardInterrupt):
        download(shop.url, tmp_path / "p", pause=interrupt)
    assert (tmp_path / "p").stat().st_size == 100_000
    fetch(shop, tmp_path / "p")
    assert (tmp_path / "p").read_bytes() == shop.content
    assert shop.asked[-1] == ("/detector.onnx", "bytes=100000-", '"one"')


def interrupt(seconds: float, reason: str) -> None:
    raise KeyboardInterrupt


def test_parts_of_two_versions_are_never_joined(shop, tmp_path: Path) -> None:
    shop.cuts = [100_000]
    with pytest.raises(KeyboardInterrupt):
        download(shop.url, tmp_path / "p", pause=interrupt)
    shop.content, shop.etag = b"new" * 90_000, '"two"'
    fetch(shop, tmp_path / "p")
    assert (tmp_path / "p").read_bytes() == shop.content


@pytest.mark.parametrize(("digest_known", "wanted"), [(True, "bytes=100000-"), (False, None)])
def test_without_a_version_only_a_file_of_known_digest_is_resumed(
    shop, tmp_path: Path, digest_known: bool, wanted: str | None
) -> None:
    shop.etag, shop.cuts = "", [100_000]
    fetch(shop, tmp_path / "p", digest_known=digest_known)
    assert (tmp_path / "p").read_bytes() == shop.content
    assert shop.asked[-1][1] == wanted


def test_a_server_without_ranges_is_asked_for_everything_again(shop, tmp_path: Path) -> None:
    shop.takes_ranges, shop.cuts = False, [100_000]
    fetch(shop, tmp_path / "p")
    assert (tmp_path / "p").read_bytes() == shop.content


def test_a_part_that_was_whole_needs_no_second_download(shop, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(shop.content)
    fetch(shop, tmp_path / "p", size_bytes=len(shop.content), digest_known=True)
    assert shop.asked == []
    (tmp_path / "p.version").write_text(shop.etag)
    fetch(shop, tmp_path / "p")
    assert len(shop.asked) == 1
    assert (tmp_path / "p").read_bytes() == shop.content


def test_a_part_longer_than_the_file_is_thrown_away(shop, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(shop.content + b"more")
    fetch(shop, tmp_path / "p", digest_known=True)
    assert (tmp_path / "p").read_bytes() == shop.content


def test_a_busy_server_is_asked_again_with_back_off(shop, tmp_path: Path) -> None:
    shop.statuses = [503, 429, 500]
    assert fetch(shop, tmp_path / "p").seconds == [1, 2, 4]
    assert (tmp_path / "p").read_bytes() == shop.content


def test_it_gives_up_and_says_how_to_go_on(shop, tmp_path: Path) -> None:
    shop.cuts = [1000]
    shop.statuses = []
    part = tmp_path / "p"
    part.write_bytes(shop.content[:1000])
    shop.statuses = [503] * 5
    with pytest.raises(PullError, match=r"503 .* gave up after 5 attempts.*\(1,000 bytes\) is kept.*same command"):
        fetch(shop, part, digest_known=True)
    assert part.stat().st_size == 1000


def test_nobody_there_is_no_traceback(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
        with pytest.raises(PullError, match=r"cannot be reached .* Run the same command again"):
            download(url, tmp_path / "p", pause=Pauses())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_not_asked_for_twice(shop, tmp_path: Path) -> None:
    shop.statuses = [404]
    with pytest.raises(PullError, match=r"says 404 .*--from FOLDER"):
        fetch(shop, tmp_path / "p")
    assert len(shop.asked) == 1


def test_another_size_than_the_manifests_is_refused_before_it_is_fetched(shop, tmp_path: Path) -> None:
    with pytest.raises(PullError, match=r"offers 307,200 bytes, expected 5"):
        fetch(shop, tmp_path / "p", size_bytes=5)
    assert not (tmp_path / "p").exists()


def test_a_redirect_is_followed_with_its_range(shop, tmp_path: Path) -> None:
    shop.moved_to = shop.url.replace("/detector.onnx", "/moved")
    shop.cuts = [100_000]
    fetch(shop, tmp_path / "p")
    assert (tmp_path / "p").read_bytes() == shop.content
    assert shop.asked[-1] == ("/moved", "bytes=100000-", '"one"')


@pytest.mark.parametrize("address", ["http://example.com/x", "ftp://example.com/x", "file:///etc/passwd"])
def test_only_https_is_fetched_and_redirected_to(shop, tmp_path: Path, address: str) -> None:
    with pytest.raises(PullError, match=re.escape(address) + r": refused; expected https://"):
        download(address, tmp_path / "p")
    shop.moved_to = address
    with pytest.raises(PullError, match=r"redirects to|refused|says 302"):
        fetch(shop, tmp_path / "p")


def test_two_pulls_do_not_write_one_file(shop, tmp_path: Path) -> None:
    def second(seconds: float, reason: str) -> None:
        with pytest.raises(PullError, match="another pull is writing it"):
            download(shop.url, tmp_path / "p")

    shop.cuts = [1000]
    download(shop.url, tmp_path / "p", pause=second)
    assert (tmp_path / "p").read_bytes() == shop.content


def test_a_disk_that_takes_no_more_is_named_and_what_came_is_kept(shop, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(PullError, match=rf"{tmp_path}/p: cannot be written \(File too large\).*what came is kept"):
            fetch(shop, tmp_path / "p")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    fetch(shop, tmp_path / "p")
    assert (tmp_path / "p").read_bytes() == shop.content


def test_a_folder_that_cannot_be_written_is_named(shop, tmp_path: Path) -> None:
    with pytest.raises(PullError, match="cannot be written"):
        fetch(shop, tmp_path / "gone" / "p")
    assert shop.asked == []
