"""Users and their credentials: who may ask the collector, and for how long.

Invariants:
    - There is no user, password or token that nobody made: a new store has none.
    - A credential is 256 random bits and only its SHA-256 is kept; whoever reads the store cannot log in with it.
    - A login code is good once: the transaction that takes it away begins the session.
    - A disabled user has no credentials left, and none of theirs is good even if one were.
    - A new password ends the sessions that the old one began; bearer tokens are ended by label.
    - Every change, and every refused login, writes its audit row in its own transaction.
"""

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import ColumnElement, Row, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.errors import AuthenticationError, ConfigurationError, NotFoundError
from collector.store import audit, tables
from collector.store.database import Store
from edge_wire.clock import Clock

_SECRET_BYTES = 32
# Lower case only, so that two people never look the same in the audit log.
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_LONGEST_LABEL = 64
_user = tables.user
_credential = tables.credential


class Role(StrEnum):
    """What a user is there for; ``collector.api.permissions`` says what each may do."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    HOTLIST_MANAGER = "hotlist_manager"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    INTEGRATION = "integration"


class CredentialKind(StrEnum):
    """A bearer token of a program, the session of a browser, or a login code that becomes a session once."""

    TOKEN = "token"  # noqa: S105 - a kind, not a secret
    SESSION = "session"
    CODE = "code"


_STANDING = (CredentialKind.TOKEN, CredentialKind.SESSION)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, and what proved it.

    Attributes:
        name: the user's.
        role: the user's, as it is now.
        kind: what was shown: a token or a session.
        digest: SHA-256 of what was shown.
        expires_at_ns: UTC nanoseconds after which it is no longer good; None for never.
    """

    name: str
    role: Role
    kind: CredentialKind
    digest: bytes
    expires_at_ns: int | None


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as it can be shown after it was made: without itself. Times are UTC nanoseconds."""

    label: str
    created_at_ns: int
    expires_at_ns: int | None


@dataclass(frozen=True, slots=True)
class User:
    """A user, and the bearer tokens that are still good."""

    name: str
    role: Role
    active: bool
    has_password: bool
    added_at_ns: int
    tokens: tuple[Token, ...]


class Users:
    """The users of one store. Every method may raise ``StoreError``."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def add(self, name: str, role: Role, password_hash: str | None, *, by: str) -> None:
        """Add a user; without a password they can only use tokens and login codes.

        Raises:
            ConfigurationError: the name is taken or is not one.
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"user name: got {name!r}, expected 1 to 64 of a-z 0-9 . _ @ -, beginning with a letter or digit"
            )
        now_ns = self._clock.utc_ns()
        async with self._store.write() as tx:
            if (await tx.execute(select(_user.c.name).where(_user.c.name == name))).first() is not None:
                raise ConfigurationError(f"user {name}: exists already (`collector user list`)")
            await tx.execute(
                insert(_user).values(
                    name=name, role=role.value, password_hash=password_hash, active=True, added_at_ns=now_ns
                )
            )
            detail = {"role": role.value, "password": password_hash is not None}
            await audit.record(tx, who=by, action="user.add", subject=name, detail=detail, at_ns=now_ns)

    async def everybody(self) -> list[User]:
        """Every user by name, with the tokens that are good now."""
        now_ns = self._clock.utc_ns()
        tokens: dict[str, list[Token]] = {}
        async with self._store.read() as tx:
            rows = (await tx.execute(select(_user).order_by(_user.c.name))).all()
            good = select(_credential).where(_credential.c.kind == CredentialKind.TOKEN.value, _unexpired(now_ns))
            for row in await tx.execute(good.order_by(_credential.c.created_at_ns)):
                tokens.setdefault(row.user, []).append(Token(row.label, row.created_at_ns, row.expires_at_ns))
        return [
            User(
                row.name,
                Role(row.role),
                row.active,
                row.password_hash is not None,
                row.added_at_ns,
                tuple(tokens.get(row.name, ())),
            )
            for row in rows
        ]

    async def disable(self, name: str, *, by: str) -> None:
        """End every session and token of a user and let nobody log in by that name. The user stays listed.

        Of a disabled user it changes nothing.

        Raises:
            NotFoundError: there is no such user.
        """
        now_ns = self._clock.utc_ns()
        async with self._store.write() as tx:
            if not (await _known(tx, name)).active:
                return
            await tx.execute(update(_user).where(_user.c.name == name).values(active=False))
            ended = await tx.execute(delete(_credential).where(_credential.c.user == name))
            detail = {"credentials_ended": ended.rowcount}
            await audit.record(tx, who=by, action="user.disable", subject=name, detail=detail, at_ns=now_ns)

    async def enable(self, name: str, *, by: str) -> None:
        """Let a disabled user log in again, by the password that they had. Of another it changes nothing.

        Raises:
            NotFoundError: there is no such user.
        """
        now_ns = self._clock.utc_ns()
        async with self._store.write() as tx:
            if (await _known(tx, name)).active:
                return
            await tx.execute(update(_user).where(_user.c.name == name).values(active=True))
            await audit.record(tx, who=by, action="user.enable", subject=name, detail={}, at_ns=now_ns)

    async def change_role(self, name: str, role: Role, *, by: str) -> None:
        """Give a user another role, at once, also in what is open. The one that they have changes nothing.

        Raises:
            NotFoundError: there is no such user.
        """
        now_ns = self._clock.utc_ns()
        async with self._store.write() as tx:
            before = (await _known(tx, name)).role
            if before == role.value:
                return
            await tx.execute(update(_user).where(_user.c.name == name).values(role=role.value))
            detail = {"from": before, "to": role.value}
            await audit.record(tx, who=by, action="user.role", subject=name, detail=detail, at_ns=now_ns)

    async def change_password(self, name: str, password_hash: str, *, by: str) -> None:
        """Give a user another password, and end their sessions and login codes: whoever began one may know the old.

        Raises:
            NotFoundError: there is no such user.
        """
        now_ns = self._clock.utc_ns()
        async with self._store.write() as tx:
            await _known(tx, name)
            await tx.execute(update(_user).where(_user.c.name == name).values(password_hash=password_hash))
            ended = await tx.execute(
                delete(_credential).where(_credential.c.user == name, _credential.c.kind != CredentialKind.TOKEN.value)
            )
            detail = {"credentials_ended": ended.rowcount}
            await audit.record(tx, who=by, action="user.password", subject=name, detail=detail, at_ns=now_ns)

    async def issue(self, name: str, kind: CredentialKind, label: str, lasts_ns: int, *, by: str) -> str:
        """Make a credential and return it: the only time that it can be seen.

        Args:
            name: whose.
            kind: token, session or login code.
            label: what it is for, or where a session was begun.
            lasts_ns: how long it is good.
            by: who asked for it.

        Raises:
            NotFoundError: no such user, or a disabled one.
            ConfigurationError: the label is empty or too long.
        """
        if not 1 <= len(label) <= _LONGEST_LABEL:
            raise ConfigurationError(f"label: got {len(label)} characters, expected 1 to {_LONGEST_LABEL}")
        now_ns = self._clock.utc_ns()
        secret = secrets.token_hex(_SECRET_BYTES)
        async with self._store.write() as tx:
            found = await tx.execute(select(_user.c.name).where(_user.c.name == name, _user.c.active))
            if found.first() is None:
                raise _no_such_user(name)
            await self._insert(tx, name, kind, label, secret, now_ns, now_ns + lasts_ns)
            detail = {"label": label, "lasts_s": lasts_ns // 1_000_000_000}
            await audit.record(tx, who=by, action=f"{kind.value}.issue", subject=name, detail=detail, at_ns=now_ns)
        return secret

    async def revoke_tokens(self, name: str, label: str, *, by: str) -> int:
        """End the bearer tokens of a user that carry a label; return how many there were.

        Raises:
            NotFoundError: there is none.
        """
        now_ns = self._clock.utc_ns()
        async with self._store.write() as tx:
            ended = await tx.execute(
                delete(_credential).where(
                    _credential.c.user == name,
                    _credential.c.kind == CredentialKind.TOKEN.value,
                    _credential.c.label == label,
                )
            )
            if ended.rowcount == 0:
                raise NotFoundError(f"user {name}: has no token labelled {label!r} (`collector user list`)")
            detail = {"label": label, "tokens": ended.rowcount}
            await audit.record(tx, who=by, action="token.revoke", subject=name, detail=detail, at_ns=now_ns)
        return ended.rowcount

    async def take_code(self, code: str, label: str, lasts_ns: int) -> str:
        """Turn a login code into a session and return the session's secret; the code is gone with it.

        Raises:
            AuthenticationError: unknown, used, expired, or of a disabled user.
        """
        # Looked at without the write lock first: whoever guesses codes does not hold up the writers.
        digest = _digest(code)
        name = (await self._holder(digest, (CredentialKind.CODE,))).name
        now_ns = self._clock.utc_ns()
        secret = secrets.token_hex(_SECRET_BYTES)
        async with self._store.write() as tx:
            taken = await tx.execute(delete(_credential).where(_credential.c.digest == digest))
            if taken.rowcount == 0:
                raise AuthenticationError("login code: used already")
            await self._insert(tx, name, CredentialKind.SESSION, label, secret, now_ns, now_ns + lasts_ns)
            detail = {"with": "login code", "from": label}
            await audit.record(tx, who=name, action="session.issue", subject=name, detail=detail, at_ns=now_ns)
        return secret

    async def identify(self, secret: str) -> Principal:
        """Return whose token or session this is.

        Raises:
            AuthenticationError: unknown, expired, or of a disabled user.
        """
        return await self._holder(_digest(secret), _STANDING)

    async def confirm(self, principal: Principal) -> Principal:
        """Return who this is by now, for whoever stays connected.

        Raises:
            AuthenticationError: logged out, revoked, expired or disabled since.
        """
        return await self._holder(principal.digest, _STANDING)

    async def end_session(self, principal: Principal) -> None:
        """Log out: the session is no longer good. A bearer token stays, it is revoked by command."""
        if principal.kind is not CredentialKind.SESSION:
            return
        now_ns = self._clock.utc_ns()
        async with self._store.write() as tx:
            await tx.execute(delete(_credential).where(_credential.c.digest == principal.digest))
            await audit.record(
                tx, who=principal.name, action="session.end", subject=principal.name, detail={}, at_ns=now_ns
            )

    async def password_hash(self, name: str) -> str | None:
        """The argon2 hash of an active user's password; None if there is no such user or password."""
        async with self._store.read() as tx:
            found = await tx.execute(select(_user.c.password_hash).where(_user.c.name == name, _user.c.active))
            return found.scalar_one_or_none()

    async def record_refused_login(self, name: str, address: str) -> None:
        """Audit a failed login. An unknown name is not kept: people type passwords into that field."""
        now_ns = self._clock.utc_ns()
        async with self._store.write() as tx:
            known = (await tx.execute(select(_user.c.name).where(_user.c.name == name))).scalar_one_or_none()
            subject = known if known is not None else "(unknown)"
            await audit.record(
                tx, who=subject, action="login.refuse", subject=subject, detail={"from": address}, at_ns=now_ns
            )

    async def _holder(self, digest: bytes, kinds: Collection[CredentialKind]) -> Principal:
        async with self._store.read() as tx:
            row = (
                await tx.execute(
                    select(_user.c.name, _user.c.role, _credential.c.kind, _credential.c.expires_at_ns)
                    .join(_user, _user.c.name == _credential.c.user)
                    .where(
                        _credential.c.digest == digest,
                        _credential.c.kind.in_([kind.value for kind in kinds]),
                        _unexpired(self._clock.utc_ns()),
                        _user.c.active,
                    )
                )
            ).first()
        if row is None:
            raise AuthenticationError(f"{' or '.join(kinds)}: unknown or expired")
        return Principal(row.name, Role(row.role), CredentialKind(row.kind), digest, row.expires_at_ns)

    @staticmethod
    async def _insert(
        tx: AsyncConnection, name: str, kind: CredentialKind, label: str, secret: str, now_ns: int, until_ns: int
    ) -> None:
        # Expired ones go when new ones come, so the table is bounded by what is in use.
        await tx.execute(delete(_credential).where(_credential.c.expires_at_ns <= now_ns))
        await tx.execute(
            insert(_credential).values(
                digest=_digest(secret),
                kind=kind.value,
                user=name,
                label=label,
                created_at_ns=now_ns,
                expires_at_ns=until_ns,
            )
        )


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def _unexpired(now_ns: int) -> ColumnElement[bool]:
    return or_(_credential.c.expires_at_ns.is_(None), _credential.c.expires_at_ns > now_ns)


async def _known(tx: AsyncConnection, name: str) -> Row[bool, str]:
    row = (await tx.execute(select(_user.c.active, _user.c.role).where(_user.c.name == name))).one_or_none()
    if row is None:
        raise NotFoundError(f"user {name}: unknown (`collector user list`)")
    return row


def _no_such_user(name: str) -> NotFoundError:
    return NotFoundError(f"user {name}: unknown or disabled (`collector user list`)")
