"""Sphinx extension that generates the reference of the HTTP API from its description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from portmapper.control.openapi import openapi_document
from portmapper.control.operations import OPERATIONS, Operation
from portmapper.control.schemas import COMPONENTS, Schema

PAGE = "http-api"
PLACEHOLDER = "% requests"


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("source-read", fill_in)
    app.connect("build-finished", write_document)
    return {"parallel_read_safe": True}


def fill_in(app: Any, page: str, source: list[str]) -> None:
    """Replace the placeholder of the page with the reference."""
    if page == PAGE:
        source[0] = source[0].replace(PLACEHOLDER, "\n".join(reference()))


def write_document(app: Any, error: Exception | None) -> None:
    """Add the OpenAPI document to the pages."""
    if error is None and app.builder.name == "html":
        text = json.dumps(openapi_document(OPERATIONS), indent=2)
        (app.outdir / "openapi.json").write_text(text, encoding="utf-8")


def reference() -> Iterator[str]:
    """Yield the lines of the reference: one entry per request, then the objects in the answers."""
    for operation in OPERATIONS:
        yield from (
            f"`{operation.method} {operation.path}`",
            f": {operation.summary} {_details(operation)}",
            "",
        )
    yield from ("## Objects", "")
    for name, schema in COMPONENTS.items():
        fields = schema["properties"]
        yield from (f"### {name}", "", *(f"- {_field(key, fields[key])}" for key in fields), "")


def _details(operation: Operation) -> str:
    sentences = [f"Returns {_kind(operation.answer)}."] if operation.content_types[0].endswith("json") else []
    if operation.body is not None:
        sentences.append(f"The body is an object with {_names(operation.body)}.")
    sentences += [f"`{item.name}`: {item.description}" for item in operation.parameters]
    if operation.socket_only:
        sentences.append("Only over the socket.")
    return " ".join(sentences)


def _names(body: Schema) -> str:
    return ", ".join(f"`{name}` ({_kind(schema)})" for name, schema in body["properties"].items())


def _field(name: str, schema: Schema) -> str:
    described = schema.get("description", "")
    return f"`{name}`: {_kind(schema)}{'. ' + described if described else ''}"


def _kind(schema: Schema) -> str:
    """Return a schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"a [{name}](#{name.lower()})"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "oneOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["oneOf"])
    if schema.get("type") == "array":
        return f"a list; each entry is {_kind(schema['items'])}"
    if "properties" in schema:
        return f"an object with {_names(schema)}"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(str(kind) for kind in kinds)
