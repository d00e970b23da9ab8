from typing import Any

import pytest

from collector.api.throttle import (
    FORGET_AFTER_NS,
    FREE_BY_ADDRESS,
    FREE_BY_USER,
    LONGEST_WAIT_S,
    Throttle,
    TooManyAttemptsError,
)

# What these ask of the store, its own tests ask on both databases.
STORES = ("sqlite",)

SECOND_NS = 1_000_000_000


def _attempts(throttle: Throttle, count: int, user: str = "ada", address: str = "192.0.2.1") -> None:
    for _ in range(count):
        throttle.attempt(user, address)


def test_after_the_free_attempts_each_failure_doubles_the_wait(clock: Any) -> None:
    throttle = Throttle(clock)
    _attempts(throttle, FREE_BY_USER)
    waits = []
    for _ in range(11):
        with pytest.raises(TooManyAttemptsError) as refused:
            throttle.attempt("ada", "192.0.2.1")
        waits.append(refused.value.wait_s)
        clock.advance(refused.value.wait_s * SECOND_NS)
        throttle.attempt("ada", "192.0.2.1")
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_WAIT_S, LONGEST_WAIT_S]


def test_a_refused_attempt_does_not_lengthen_the_wait(clock: Any) -> None:
    throttle = Throttle(clock)
    _attempts(throttle, FREE_BY_USER)
    for _ in range(2 * FREE_BY_ADDRESS):
        with pytest.raises(TooManyAttemptsError):
            throttle.attempt("ada", "192.0.2.1")
    clock.advance(SECOND_NS)
    throttle.attempt("ada", "192.0.2.1")
    throttle.attempt("bob", "192.0.2.1")


def test_other_users_and_other_addresses_are_not_held_up(clock: Any) -> None:
    throttle = Throttle(clock)
    _attempts(throttle, FREE_BY_USER)
    throttle.attempt("bob", "192.0.2.1")
    throttle.attempt("ada", "192.0.2.2")


def test_many_names_from_one_address_are_slowed_down_too(clock: Any) -> None:
    throttle = Throttle(clock)
    for number in range(FREE_BY_ADDRESS):
        throttle.attempt(f"user{number}", "192.0.2.1")
    with pytest.raises(TooManyAttemptsError):
        throttle.attempt("another", "192.0.2.1")
    throttle.attempt("another", "192.0.2.2")


def test_the_addresses_of_one_ipv6_customer_are_one(clock: Any) -> None:
    throttle = Throttle(clock)
    for number in range(FREE_BY_USER):
        throttle.attempt("ada", f"2001:db8::{number}")
    with pytest.raises(TooManyAttemptsError):
        throttle.attempt("ada", "2001:db8::ffff")
    throttle.attempt("ada", "2001:db8:0:1::1")


def test_success_and_time_forgive(clock: Any) -> None:
    throttle = Throttle(clock)
    for _ in range(FREE_BY_ADDRESS):
        _attempts(throttle, FREE_BY_USER - 1)
        throttle.succeeded("ada", "192.0.2.1")
    _attempts(throttle, FREE_BY_USER)
    clock.advance(FORGET_AFTER_NS + 1)
    _attempts(throttle, FREE_BY_USER)


def test_memory_is_bounded(clock: Any) -> None:
    throttle = Throttle(clock, most_keys=10)
    for number in range(1_000):
        throttle.attempt("ada", f"192.0.{number % 256}.{number // 256}")
    throttle.attempt("ada", "no address at all")
    assert len(throttle) == 10
