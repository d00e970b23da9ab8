"""Reads a YAML file into a pydantic model, and says everything that is wrong with it at once.

Both sides have a configuration file and a technician beside it, so this is here and not twice. Every finding names the
file, the line, the setting, what stood there and what was expected. Relative paths are meant from the file's folder.
What stood there is shown without the user, password and path of an address: findings end up in logs and in mails.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo

_Model = TypeVar("_Model", bound=BaseModel)
_Place = tuple[str | int, ...]
_ADDRESS = re.compile(r"([A-Za-z][\w+.-]*:/{0,2})([^/?#]*)(.*)", re.DOTALL)


def without_secrets(text: str) -> str:
    """Return ``text``, but only scheme, host and port of it if it is an address; never raises.

    Cameras take passwords before the host, in the path and in the query, and people write them unescaped.
    """
    address = _ADDRESS.fullmatch(text)
    if address is None:
        return text
    scheme, place, rest = address.groups()
    # An @ further on: what looks like the host may be a piece of the password, or this @ one of its characters.
    return scheme + ("…" if "@" in rest else place.rpartition("@")[2])


class Settings(BaseModel):
    """Base of every group of settings: frozen, and a setting that nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def from_folder(path: Path, info: ValidationInfo) -> Path:
    """Return ``path``; a relative one from the folder of the configuration file that is being read, if one is."""
    folder = (info.context or {}).get("folder")
    return path if folder is None or path.is_absolute() else Path(folder, path)


ConfigPath = Annotated[Path, AfterValidator(from_folder)]
"""A path; a relative one is taken from the configuration file's folder."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: ``str`` gives ``agent.yaml:12: cameras[0].url: got "x", expected …``.

    ``line`` is None where no one line is to blame.
    """

    file: str
    line: int | None
    place: str
    text: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.place + ': ' if self.place else ''}{self.text}"


class ConfigError(Exception):
    """The file cannot be used; ``findings`` holds every reason, in the order of the file."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


def find(option: Path | None, default: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Return the file to read: ``--config``, else ``$NIGHTJAR_CONFIG``, else ``default``."""
    named = (os.environ if environment is None else environment).get("NIGHTJAR_CONFIG")
    return option or (Path(named) if named else default)


def load(path: Path, model: type[_Model]) -> _Model:
    """Read ``path`` into ``model``.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or any setting is missing, unknown or wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        fix = "name another with --config or $NIGHTJAR_CONFIG"
        raise ConfigError([Finding(str(path), None, "", f"cannot be read ({reason}); {fix}")]) from error
    lines: dict[_Place, int] = {}
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError([Finding(path.name, 1, "", "expected settings in the form `name: value`")])
        findings = [Finding(path.name, line, _name(place), "stands twice") for place, line in _walk(root, (), lines)]
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError([_syntax(path, error)]) from error
    except RecursionError as error:
        reason = "nests too deeply, or an alias (*name) stands inside of what it names"
        raise ConfigError([Finding(path.name, None, "", reason)]) from error
    except ValueError as error:  # PyYAML hands on what date() and int() say
        raise ConfigError([Finding(path.name, None, "", f"a value cannot be read: {error}")]) from error
    try:
        settings = model.model_validate(values, context={"folder": path.parent})
    except ValidationError as error:
        findings += [_finding(path, lines, item) for item in error.errors(include_url=False)]
    else:
        if not findings:
            return settings
    raise ConfigError(sorted(findings, key=lambda finding: finding.line or 0))


def located(path: Path, wrong: Iterable[tuple[str, str]]) -> list[Finding]:
    """Give what is wrong with settings their lines, in a file that ``load`` took.

    Args:
        path: the file.
        wrong: name of the setting, such as ``cameras[0].url``, and what is wrong with it.
    """
    lines: dict[_Place, int] = {}
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    assert root is not None, "load takes no empty file"
    _walk(root, (), lines)
    named = {_name(place): line for place, line in lines.items()}
    findings = [Finding(path.name, named.get(place), place, text) for place, text in wrong]
    return sorted(findings, key=lambda finding: finding.line or 0)


def _syntax(path: Path, error: yaml.YAMLError) -> Finding:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "cannot be read"
    return Finding(path.name, mark.line + 1 if mark else 1, "", f"this is not YAML: {problem}")


def _walk(node: yaml.Node, place: _Place, lines: dict[_Place, int]) -> list[tuple[_Place, int]]:
    """Note the line of every setting in ``lines``; return those that stand twice, which YAML readers pass over."""
    lines[place] = node.start_mark.line + 1
    twice = []
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                problem = "expected a name, got a group; are these the braces of a template that nobody filled in?"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            inner = (*place, key.value)
            if key.value in seen:
                twice.append((inner, key.start_mark.line + 1))
            seen.add(key.value)
            twice += _walk(value, inner, lines)
            lines[inner] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            twice += _walk(value, (*place, number), lines)
    return twice


def _finding(path: Path, lines: dict[_Place, int], item: Any) -> Finding:
    place: _Place = item["loc"]
    known = place
    while known not in lines:
        known = known[:-1]
    return Finding(path.name, lines[known], _name(place), _text(item))


def _text(item: Any) -> str:
    if item["type"] == "missing":
        return "is missing"
    if item["type"] == "extra_forbidden":
        return "there is no such setting"
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if isinstance(item["input"], dict | list):
        return f"expected {message}"
    return f"got {_short(item['input'])}, expected {message}"


def _short(value: Any) -> str:
    text = f'"{without_secrets(value)}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _name(place: _Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
