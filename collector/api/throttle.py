"""Back-off for failed logins, in bounded memory: by user and address, and more patiently by address alone.

The first slows down guessing one user's password; the second whoever tries many names from one place, which costs
argon2's time and a row in the audit log each. An attempt counts as failed from its beginning until it is known to have
succeeded: attempts made at the same moment cannot all slip in before the first failure is known. Kept in memory only; a
restart forgives. Owned by the event loop.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from collector.errors import AuthenticationError
from edge_wire.clock import Clock

_SECOND_NS: Final = 1_000_000_000
FREE_BY_USER: Final = 5
# A control room behind one address mistypes a lot in a day, but not so often in a row.
FREE_BY_ADDRESS: Final = 50
LONGEST_WAIT_S: Final = 300
# After this long without an attempt the count begins again.
FORGET_AFTER_NS: Final = 3_600 * _SECOND_NS
_MOST_KEYS: Final = 10_000
# What one customer of an IPv6 provider has all to themselves.
_IPV6_PREFIX_BITS: Final = 64

_Key = tuple[str | None, str]


class TooManyAttemptsError(AuthenticationError):
    """The next attempt has to wait.

    Attributes:
        wait_s: at least 1.
    """

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many failed logins: wait {wait_s} s")
        self.wait_s = wait_s


@dataclass(slots=True)
class _Failures:
    count: int
    last_boot_ns: int
    until_boot_ns: int


class Throttle:
    """Says whether a login may be tried now."""

    def __init__(self, clock: Clock, most_keys: int = _MOST_KEYS) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._failures: OrderedDict[_Key, _Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def attempt(self, user: str, address: str) -> None:
        """Count an attempt as failed until ``succeeded`` says otherwise.

        Raises:
            TooManyAttemptsError: not now; this attempt does not count.
        """
        now_ns = self._clock.boot_ns()
        keys = _keys(user, address)
        until_ns = max(self._until(key, now_ns) for key in keys)
        if until_ns > now_ns:
            raise TooManyAttemptsError(-(-(until_ns - now_ns) // _SECOND_NS))
        for key, free in zip(keys, (FREE_BY_USER, FREE_BY_ADDRESS), strict=True):
            self._count(key, free, now_ns)
        while len(self._failures) > self._most_keys:
            self._failures.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        """The attempt was a good one: the counts begin again."""
        for key in _keys(user, address):
            self._failures.pop(key, None)

    def _until(self, key: _Key, now_ns: int) -> int:
        failures = self._failures.get(key)
        return now_ns if failures is None else failures.until_boot_ns

    def _count(self, key: _Key, free: int, now_ns: int) -> None:
        failures = self._failures.pop(key, None)
        if failures is None or now_ns - failures.last_boot_ns > FORGET_AFTER_NS:
            failures = _Failures(0, now_ns, now_ns)
        failures.count += 1
        failures.last_boot_ns = now_ns
        if failures.count >= free:
            wait_s = min(2 ** min(failures.count - free, 20), LONGEST_WAIT_S)
            failures.until_boot_ns = now_ns + wait_s * _SECOND_NS
        # At the end: the key that was tried longest ago is the first to be forgotten.
        self._failures[key] = failures


def _keys(user: str, address: str) -> tuple[_Key, _Key]:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        place = address
    else:
        prefix = f"{address}/{_IPV6_PREFIX_BITS}" if parsed.version == 6 else address
        place = str(ipaddress.ip_network(prefix, strict=False))
    return (user, place), (None, place)
