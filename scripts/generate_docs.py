"""Writes what is made from the code: the configuration reference pages and their JSON schemas.

``python scripts/generate_docs.py`` after a change of a ``config.py``; tests/test_docs.py fails until it was run.
"""

from __future__ import annotations

import json
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import collector.config
import edge_agent.config

ROOT = Path(__file__).parents[1]
PAGES: dict[str, type[BaseModel]] = {
    "edge-agent": edge_agent.config.AgentConfig,
    "collector": collector.config.CollectorConfig,
}


def generated() -> dict[Path, str]:
    """Return each generated file's path and the text that it must hold."""
    files = {}
    for name, model in PAGES.items():
        files[ROOT / "docs" / f"{name}-config.md"] = _page(name, model)
        schema = json.dumps(model.model_json_schema(), indent=2) + "\n"
        files[ROOT / "configs" / f"{name}.schema.json"] = schema
    return files


def _page(name: str, model: type[BaseModel]) -> str:
    lines = [
        f"# Settings of `{name}`",
        "",
        f"Read from `--config`, else `$NIGHTJAR_CONFIG`, else `/etc/nightjar/{name}.yaml`. An unknown setting is an",
        "error; every error is listed with its line. Relative paths are meant from the file's folder. Keys are",
        f"never settings, only paths to them. JSON schema for editors: `configs/{name}.schema.json`.",
    ]
    queue: list[tuple[str, type[BaseModel]]] = [("", model)]
    while queue:
        place, group = queue.pop(0)
        lines += ["", f"## {'`' + place + '`' if place else 'Top level'}", "", (group.__doc__ or "").split("\n")[0], ""]
        lines += ["| setting | what | kind | default |", "|---|---|---|---|"]
        for key, item in group.model_fields.items():
            inner, many = _inner(item.annotation)
            if inner is not None:
                queue.append((f"{place}.{key}".lstrip(".") + ("[]" if many else ""), inner))
            cells = (f"`{key}`", item.description or "", _kind(group, key), _default(item))
            lines.append(f"| {' | '.join(map(_in_one_cell, cells))} |")
    return "\n".join(lines) + "\n"


def _in_one_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for argument in typing.get_args(annotation):
        inner, _ = _inner(argument)
        if inner is not None:
            return inner, typing.get_origin(annotation) is not types.UnionType
    return None, False


def _kind(group: type[BaseModel], key: str) -> str:
    schema = group.model_json_schema()
    return _kind_of(schema["properties"][key], schema.get("$defs", {}))


def _kind_of(item: dict[str, Any], defs: dict[str, Any]) -> str:
    if "anyOf" in item:
        return " or ".join(_kind_of(one, defs) for one in item["anyOf"] if one.get("type") != "null")
    if "$ref" in item:
        return "group"
    if item.get("type") == "array":
        return f"list of {_kind_of(item['items'], defs)}"
    if "enum" in item:
        return ", ".join(f"`{value}`" for value in item["enum"])
    if "const" in item:
        return f"`{item['const']}`"
    bounds = [f"≥ {item['minimum']}"] if "minimum" in item else []
    bounds += [f"> {item['exclusiveMinimum']}"] if "exclusiveMinimum" in item else []
    bounds += [f"≤ {item['maximum']}"] if "maximum" in item else []
    bounds += [f"< {item['exclusiveMaximum']}"] if "exclusiveMaximum" in item else []
    bounds += [f"`{item['pattern']}`"] if "pattern" in item else []
    return " ".join([item.get("format", item.get("type", "any")), *bounds])


def _default(item: FieldInfo) -> str:
    if item.default is PydanticUndefined:
        return "**required**"
    if item.default is None or item.default == ():
        return "none"
    return "see below" if isinstance(item.default, BaseModel) else f"`{item.default}`"


def main() -> None:
    """Write every generated file."""
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
