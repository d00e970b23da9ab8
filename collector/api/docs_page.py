"""The description of the API for people: /openapi.json as one page, with nothing from any other host and no script."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

Json = Mapping[str, Any]

STYLE: Final = """\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-top: 1px solid #8886; padding-top: 1rem; }
h2 code { font-size: 1.1em; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0; border-bottom: 1px solid #8883; }
th { font-weight: 600; }
code { font-family: ui-monospace, monospace; }
.open { font-size: 0.9rem; opacity: 0.75; }
"""


def render(openapi: Json) -> str:
    """Return the page for an OpenAPI 3.1 document, as FastAPI makes it."""
    head = openapi["info"]
    title = escape(head["title"])
    parts = [
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<link rel="stylesheet" href="/docs/style.css"></head>\n<body><h1>{title}</h1>',
        *(f"<p>{_text(paragraph)}</p>" for paragraph in head.get("description", "").strip().split("\n\n")),
        '<p>For programs: <a href="/openapi.json">/openapi.json</a>.</p>',
    ]
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            parts.extend(_operation(method, path, operation))
    for name, schema in sorted(openapi.get("components", {}).get("schemas", {}).items()):
        parts.extend(_schema(name, schema))
    return "\n".join([*parts, "</body></html>\n"])


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    yield f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
    yield f"<p>{_text(operation.get('description', ''))}</p>"
    if not operation.get("security"):
        yield '<p class="open">Open without login.</p>'
    if parameters := operation.get("parameters"):
        rows = [
            (f"<code>{escape(one['name'])}</code>", escape(one["in"]), _type(one["schema"]), _note(one))
            for one in parameters
            if one["in"] != "cookie"
        ]
        yield from _table(("parameter", "in", "type", ""), rows)
    if body := operation.get("requestBody"):
        yield f"<p>Body: {_contents(body)}</p>"
    answers = [
        (escape(status), _contents(answer), _text(answer.get("description", "")))
        for status, answer in sorted(operation["responses"].items())
    ]
    yield from _table(("answer", "with", ""), answers)


def _schema(name: str, schema: Json) -> Iterator[str]:
    yield f'<h2 id="{escape(name)}"><code>{escape(name)}</code></h2>'
    yield f"<p>{_text(schema.get('description', ''))}</p>"
    rows = [
        (f"<code>{escape(field)}</code>", _type(shape), _note(shape))
        for field, shape in schema.get("properties", {}).items()
    ]
    yield from _table(("field", "type", ""), rows)


def _contents(holder: Json) -> str:
    """Media types with their shapes; JSON needs no name."""
    shown = []
    for media_type, content in holder.get("content", {}).items():
        shape = _type(content["schema"]) if content.get("schema") else ""
        shown.append(shape if media_type == "application/json" else escape(media_type))
    return ", ".join(shown)


def _type(shape: Json) -> str:
    if "$ref" in shape:
        name = escape(shape["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if options := shape.get("anyOf"):
        return " or ".join(_type(option) for option in options)
    if "enum" in shape:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in shape["enum"])
    if "prefixItems" in shape:
        return f"[{', '.join(_type(item) for item in shape['prefixItems'])}]"
    if shape.get("type") == "array":
        return f"list of {_type(shape['items'])}"
    return escape(str(shape.get("format") or shape.get("type", "anything")))


def _note(holder: Json) -> str:
    limits = holder.get("schema", {})
    default = limits.get("default")
    said = _text(holder.get("description", ""))
    return said if default is None else f"{said} (default {escape(str(default))})".strip()


def _text(markdown: str) -> str:
    """Plain text with `code`: all the markup that descriptions use."""
    pieces = escape(markdown).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield "<table><tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"
        yield from ("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
        yield "</table>"
