from typing import Literal

import pytest
from argon2 import PasswordHasher

from collector.api.passwords import LONGEST, SHORTEST, Passwords
from collector.errors import ConfigurationError

# What these ask of the store, its own tests ask on both databases.
STORES = ("sqlite",)


async def test_a_password_matches_its_own_hash_only(passwords: Passwords) -> None:
    made = await passwords.hashed("correct horse battery")
    assert made.startswith("$argon2id$")
    assert await passwords.match(made, "correct horse battery")
    assert not await passwords.match(made, "correct horse batterz")


async def test_without_a_hash_nothing_matches_and_it_is_computed_all_the_same() -> None:
    class Counting(PasswordHasher):
        verified = 0

        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            self.verified += 1
            return super().verify(hash, password)

    hasher = Counting(time_cost=1, memory_cost=8, parallelism=1)
    passwords = Passwords(hasher)
    for guess in ("", "anything"):
        assert not await passwords.match(None, guess)
    assert hasher.verified == 2


@pytest.mark.parametrize("password", ["x" * (SHORTEST - 1), "x" * (LONGEST + 1)])
async def test_length_is_bounded(passwords: Passwords, password: str) -> None:
    with pytest.raises(ConfigurationError, match="password"):
        await passwords.hashed(password)
