"""``collector user``: who may use the API, by which password, token or login code."""

import getpass
import json
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from collector.api.login import LOGIN_CODE_LASTS_S
from collector.api.passwords import Passwords
from collector.api.times import rfc3339
from collector.commands.on_store import who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.config import DEFAULT_PATH, CollectorConfig
from collector.errors import ConfigurationError
from collector.store.users import CredentialKind, Role, User, Users
from edge_wire.clock import SystemClock
from edge_wire.yaml_config import find, load

app = typer.Typer(
    name="user",
    help="Who may use the API and the operators' page.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_SECOND_NS = 1_000_000_000
_DAY_NS = 86_400 * _SECOND_NS
_Result = TypeVar("_Result")


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError as error:
        raise typer.BadParameter(f"got {text!r}, expected one of {', '.join(Role)}", param_hint="--role") from error


Name = Annotated[str, typer.Argument(help="the user's name")]
AsRole = Annotated[
    Role, typer.Option("--role", help=f"what they are there for: {', '.join(Role)}", parser=_role, metavar="ROLE")
]
PasswordFile = Annotated[Path | None, typer.Option(help="its first line is the password; asked for otherwise")]


@app.command(
    epilog="Examples: collector user add ada --role operator · collector user add cad --role integration --no-password"
)
def add(
    name: Name,
    role: AsRole,
    password_file: PasswordFile = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="tokens and login codes only")] = False,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a user."""

    async def work(users: Users) -> None:
        password_hash = None if no_password else await Passwords().hashed(_password(password_file))
        await users.add(name, role, password_hash, by=who())

    _run(config, store, work)
    _say(as_json, {"user": name, "role": role.value}, f"added {name} as {role.value}")


@app.command(epilog="Example: collector user token cad --label 'CAD bridge' --days 365")
def token(
    name: Name,
    label: Annotated[str, typer.Option(help="what it is for; how it is found again to revoke it")],
    days: Annotated[int, typer.Option(min=1, max=3_650, help="how long it is good")],
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a bearer token and print it, this once."""
    secret = _run(config, store, lambda users: users.issue(name, CredentialKind.TOKEN, label, days * _DAY_NS, by=who()))
    _say(as_json, {"user": name, "label": label, "days": days, "token": secret}, secret)


@app.command(epilog="Example: collector user revoke cad --label 'CAD bridge'")
def revoke(
    name: Name,
    label: Annotated[str, typer.Option(help="of the token, as `collector user list` shows it")],
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """End the bearer tokens with a label."""
    count = _run(config, store, lambda users: users.revoke_tokens(name, label, by=who()))
    _say(as_json, {"user": name, "label": label, "tokens": count}, f"revoked {count} of {name}")


@app.command("login-code", epilog="Example: collector user login-code ada")
def login_code(
    name: Name,
    url: Annotated[str | None, typer.Option(help="the page's address; otherwise the configuration's")] = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a link that logs in once, within ten minutes."""
    lasts_ns = LOGIN_CODE_LASTS_S * _SECOND_NS
    code = _run(config, store, lambda users: users.issue(name, CredentialKind.CODE, "login code", lasts_ns, by=who()))
    if url is None and store is None:
        url = load(find(config, DEFAULT_PATH), CollectorConfig).http.page_address
    link = None if url is None else f"{url.rstrip('/')}/#login={code}"
    shown = {"user": name, "code": code, "link": link, "lasts_s": LOGIN_CODE_LASTS_S}
    _say(as_json, shown, link or f"/#login={code}  (behind the address that `collector serve` printed)")


@app.command("list", epilog="Example: collector user list --json")
def show(config: Config = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """List users and the tokens that are good now."""
    for user in _run(config, store, lambda users: users.everybody(), to_read=True):
        _say(as_json, _shown(user), _line(user))


@app.command(epilog="Example: collector user disable ada")
def disable(name: Name, config: Config = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """End every session and token of a user; nobody logs in by that name until `collector user enable`."""
    _run(config, store, lambda users: users.disable(name, by=who()))
    _say(as_json, {"user": name, "active": False}, f"disabled {name}")


@app.command(epilog="Example: collector user enable ada")
def enable(name: Name, config: Config = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Let a disabled user log in again, by the password they had; tokens have to be made anew."""
    _run(config, store, lambda users: users.enable(name, by=who()))
    _say(as_json, {"user": name, "active": True}, f"enabled {name}")


@app.command(epilog="Example: collector user role ada --role supervisor")
def role(name: Name, role: AsRole, config: Config = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Give a user another role; it counts at once."""
    _run(config, store, lambda users: users.change_role(name, role, by=who()))
    _say(as_json, {"user": name, "role": role.value}, f"{name} is {role.value}")


@app.command(epilog="Example: collector user password ada")
def password(
    name: Name,
    password_file: PasswordFile = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give a user another password; it ends their sessions and login codes, not their tokens."""

    async def work(users: Users) -> None:
        await users.change_password(name, await Passwords().hashed(_password(password_file)), by=who())

    _run(config, store, work)
    _say(as_json, {"user": name}, f"changed the password of {name}")


def _run(
    config: Path | None, store: str | None, work: Callable[[Users], Awaitable[_Result]], *, to_read: bool = False
) -> _Result:
    return with_store(config, store, lambda opened: work(Users(opened, SystemClock())), to_read=to_read)


def _password(password_file: Path | None) -> str:
    if password_file is None:
        try:
            with warnings.catch_warnings():
                # Where there is no terminal, it would be read from wherever and shown.
                warnings.simplefilter("error", getpass.GetPassWarning)
                return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
        except getpass.GetPassWarning as warning:
            typer.echo(err=True)  # behind the prompt
            raise ConfigurationError(
                "password: there is no terminal to ask for it; name a file that holds it with --password-file"
            ) from warning
    try:
        lines = password_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--password-file: {password_file} cannot be read: {error}") from error
    return lines[0] if lines else ""


def _say(as_json: bool, shown: dict[str, Any], text: str) -> None:
    typer.echo(json.dumps(shown) if as_json else text)


def _shown(user: User) -> dict[str, Any]:
    tokens = [
        {
            "label": token.label,
            "created_at": rfc3339(token.created_at_ns),
            "expires_at": None if token.expires_at_ns is None else rfc3339(token.expires_at_ns),
        }
        for token in user.tokens
    ]
    shown = asdict(user) | {"role": user.role.value, "added_at": rfc3339(user.added_at_ns), "tokens": tokens}
    del shown["added_at_ns"]
    return shown


def _line(user: User) -> str:
    good_for = [f"token {token.label!r}" for token in user.tokens]
    if user.has_password:
        good_for.insert(0, "password")
    return f"{user.name}  {user.role.value}  {'active' if user.active else 'disabled'}  {', '.join(good_for)}".rstrip()
