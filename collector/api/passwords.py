"""Passwords: argon2id in a thread, with the library's parameters (RFC 9106's second recommendation: 64 MiB, t = 3).

At most two are computed at once, so that a flood of logins costs a bounded share of memory and CPU.
"""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from collector.errors import ConfigurationError

SHORTEST = 12
LONGEST = 256
_AT_ONCE = 2


class Passwords:
    """Hashes and verifies passwords without holding up the event loop."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Use ``hasher``; tests pass a cheap one."""
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._nobody: str | None = None

    async def hashed(self, password: str) -> str:
        """The argon2id hash of a new password.

        Raises:
            ConfigurationError: too short or too long.
        """
        if not SHORTEST <= len(password) <= LONGEST:
            raise ConfigurationError(f"password: got {len(password)} characters, expected {SHORTEST} to {LONGEST}")
        return await self._hash(password)

    async def match(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one. Without a hash it is not, and that takes as long to say."""
        if self._nobody is None:
            self._nobody = await self._hash("")
        async with self._turns:
            return await asyncio.to_thread(self._verify, password_hash or self._nobody, password) and bool(
                password_hash
            )

    async def _hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False
