"""An SFTP server as a source.

The server's key must be the one in ``known_hosts``; ours is the only way in that is tried. Nothing is taken from the
account's own SSH configuration or agent. A file that is still being written is told as in a folder.
"""

from __future__ import annotations

import asyncio
import stat
from dataclasses import dataclass

import asyncssh

from collector.config import FeedSftp
from collector.hotlists.feeds.folder import Stamp, latest
from collector.hotlists.feeds.records import Delivery, FeedError
from collector.hotlists.feeds.snapshot_folder import SnapshotFolder, TooLargeError

_CHUNK_BYTES = 1 << 18
_LONGEST_S = 3_600.0


@dataclass(frozen=True, slots=True)
class SftpSource:
    """The ``Source`` over one file, or the latest of several, on a server."""

    settings: FeedSftp

    @property
    def where(self) -> str:
        """The server and the path."""
        one = self.settings
        return f"sftp://{one.host}{'' if one.port == 22 else f':{one.port}'}/{one.path.lstrip('/')}"

    async def fetch(self, modified: str, into: SnapshotFolder, most_bytes: int) -> Delivery | None:
        """Return the latest complete file, as ``Source.fetch``."""
        one = self.settings
        try:
            async with (
                asyncio.timeout(_LONGEST_S),
                asyncssh.connect(
                    one.host,
                    one.port,
                    username=one.user,
                    client_keys=[str(one.key)],
                    known_hosts=str(one.known_hosts),
                    preferred_auth="publickey",
                    agent_path=None,
                    config=None,
                    connect_timeout=one.timeout_s,
                    login_timeout=one.timeout_s,
                    keepalive_interval=one.timeout_s / 3,
                ) as connection,
                connection.start_sftp_client() as client,
            ):
                return await self._fetch_by(client, modified, into, most_bytes)
        except TooLargeError as error:
            raise FeedError(f"{self.where}: {error}; `most_bytes` says how many are taken") from error
        except TimeoutError as error:
            raise FeedError(f"{self.where}: no answer") from error
        except asyncssh.HostKeyNotVerifiable as error:
            raise FeedError(
                f"{self.where}: the server's key is not in {one.known_hosts}; if it is meant to have another one, get "
                "that from its owner"
            ) from error
        except (asyncssh.Error, ValueError) as error:
            # ValueError: a key file that is none.
            raise FeedError(f"{self.where}: {error or type(error).__name__}") from error
        except OSError as error:
            raise FeedError(f"{error.filename or self.where}: {error.strerror or error}") from error

    async def _fetch_by(
        self, client: asyncssh.SFTPClient, modified: str, into: SnapshotFolder, most_bytes: int
    ) -> Delivery | None:
        found = await self._latest(client)
        if found is None or found.text == modified:
            return None
        if not self.settings.done_marker:
            await asyncio.sleep(self.settings.settle_s)
            if await self._latest(client) != found:
                return None
        with into.writing(most_bytes) as kept:
            async with client.open(self._beside(found.name), "rb") as file:
                content: bytes = await file.read(_CHUNK_BYTES)
                while content:
                    kept.write(content)
                    content = await file.read(_CHUNK_BYTES)
            await asyncio.to_thread(kept.settle)
        if await self._latest(client) != found or kept.size_bytes != found.size_bytes:
            return None
        return found.delivery(kept.sha256, into)

    async def _latest(self, client: asyncssh.SFTPClient) -> Stamp | None:
        folder, _, pattern = self.settings.path.rpartition("/")
        found = []
        async for one in client.scandir(folder or ("/" if self.settings.path.startswith("/") else ".")):
            about = one.attrs
            if about.permissions is not None and not stat.S_ISREG(about.permissions):
                continue
            found.append(Stamp(round(about.mtime or 0) * 1_000_000_000, str(one.filename), about.size or 0))
        return latest(found, pattern, self.settings.done_marker)

    def _beside(self, name: str) -> str:
        folder, slash, _ = self.settings.path.rpartition("/")
        return folder + slash + name
