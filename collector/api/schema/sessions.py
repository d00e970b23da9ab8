"""Who asks, and why a request was refused."""

from typing import Annotated

from pydantic import Field

from collector.api.schema.base import Model


class Problem(Model):
    """Why a request was refused."""

    detail: str


class PasswordLogin(Model):
    """A user's name and password."""

    username: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=256)]


class CodeLogin(Model):
    """A one-time login code: what follows `#login=` in a login link."""

    code: Annotated[str, Field(min_length=1, max_length=128)]


class Me(Model):
    """Who is asking."""

    user: str
    role: str
