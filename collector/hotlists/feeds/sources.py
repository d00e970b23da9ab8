"""Which source a feed of the configuration has."""

from __future__ import annotations

from collector.config import HotlistFeed
from collector.hotlists.feeds.records import Source


def source_of(feed: HotlistFeed) -> Source:
    """Return a feed's source; what speaks HTTPS and SFTP is imported only where it is needed."""
    if feed.folder is not None:
        from collector.hotlists.feeds.folder import FolderSource

        return FolderSource(feed.folder)
    if feed.https is not None:
        from collector.hotlists.feeds.https import HttpsSource

        return HttpsSource(feed.https)
    from collector.hotlists.feeds.sftp import SftpSource

    assert feed.sftp is not None, "the configuration sees to it that a feed has a source"
    return SftpSource(feed.sftp)
