"""Logging in: a password or a one-time code for a session."""

from collector.api.passwords import Passwords
from collector.api.throttle import Throttle
from collector.errors import AuthenticationError
from collector.store.users import CredentialKind, Users
from edge_wire.clock import Clock

SESSION_LASTS_S = 12 * 3_600
LOGIN_CODE_LASTS_S = 600
_SECOND_NS = 1_000_000_000
# Stands for "by a code" where the throttle counts by user; no user can have this name.
_BY_CODE = "(code)"


class Login:
    """Turns proofs of identity into sessions. A refusal tells a caller nothing about which part was wrong."""

    def __init__(self, users: Users, passwords: Passwords, clock: Clock) -> None:
        self._users = users
        self._passwords = passwords
        self._throttle = Throttle(clock)

    async def with_password(self, username: str, password: str, address: str) -> str:
        """Return the secret of a new session.

        Raises:
            TooManyAttemptsError: this user at this address has to wait.
            AuthenticationError: unknown user, wrong password, or a disabled user.
        """
        self._throttle.attempt(username, address)
        password_hash = await self._users.password_hash(username)
        if not await self._passwords.match(password_hash, password):
            await self._users.record_refused_login(username, address)
            raise AuthenticationError("user name or password: wrong")
        self._throttle.succeeded(username, address)
        return await self._users.issue(
            username, CredentialKind.SESSION, address, SESSION_LASTS_S * _SECOND_NS, by=username
        )

    async def with_code(self, code: str, address: str) -> str:
        """Return the secret of a new session; the code is used up.

        Raises:
            TooManyAttemptsError: this address has to wait.
            AuthenticationError: the code is unknown, used or expired.
        """
        self._throttle.attempt(_BY_CODE, address)
        try:
            secret = await self._users.take_code(code, address, SESSION_LASTS_S * _SECOND_NS)
        except AuthenticationError:
            await self._users.record_refused_login(_BY_CODE, address)
            raise
        self._throttle.succeeded(_BY_CODE, address)
        return secret
