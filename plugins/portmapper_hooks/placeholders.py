"""Placeholders such as `{external_port}` in arguments, headers and bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from portmapper.api import Event
from portmapper_hooks.payload import fields_of, json_of

if TYPE_CHECKING:
    from portmapper_hooks.settings import WebhookSettings

_PLACEHOLDER = r"\{([a-z_]+)\}"
_CONTENT_TYPE = "content-type"


def filled(text: str, event: Event, escaped: Callable[[str], str] = str) -> str:
    """Replace each placeholder by the field of the event; other braces stay, as JSON has them too."""
    fields = fields_of(event)

    def value(match: re.Match[str]) -> str:
        if match[1] not in fields:
            return match[0]
        field = fields[match[1]]
        return "" if field is None else escaped(str(field))

    return re.sub(_PLACEHOLDER, value, text)


def body_of(webhook: WebhookSettings, event: Event) -> bytes:
    """Return the body of a request: the template, with values escaped for its content type, or the JSON."""
    if webhook.body is None:
        return b"" if webhook.method == "GET" else json_of(event)
    return filled(webhook.body, event, _escape_for(webhook)).encode()


def filled_headers(webhook: WebhookSettings, event: Event) -> dict[str, str]:
    """Return the headers of the settings; a value cannot add another line."""
    return {
        name: filled(value, event).encode("ascii", "replace").decode()
        for name, value in webhook.headers.items()
    }


def merged(headers: dict[str, str], more: dict[str, str]) -> dict[str, str]:
    """Return all headers; those of the settings replace others, whatever their case."""
    replaced = {name.lower() for name in more}
    return {**{name: value for name, value in headers.items() if name.lower() not in replaced}, **more}


def _escape_for(webhook: WebhookSettings) -> Callable[[str], str]:
    content_type = next(
        (value for name, value in webhook.headers.items() if name.lower() == _CONTENT_TYPE), "json"
    )
    if "json" in content_type.lower():
        return lambda text: json.dumps(text)[1:-1]
    if "form-urlencoded" in content_type.lower():
        return lambda text: quote(text, safe="")
    if "xml" in content_type.lower() or "html" in content_type.lower():
        from html import escape  # with a table of 2,000 names

        return escape
    return str
