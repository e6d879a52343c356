"""Markup as values: text is escaped unless it is markup already, so no name can become an element."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

from portmapper.support.text import printable

LONGEST = 300
"""Characters of one text: a row of a list may have 64 KiB."""


class Markup(str):
    """Text that is markup; only this module and the icons make it."""

    __slots__ = ()


Content: TypeAlias = "Markup | str | int | Iterable[Content] | None"
"""What an element may contain; None is nothing."""

EMPTY = frozenset({"input", "link", "meta", "path"})
"""Elements without an end tag."""


def tag(name: str, /, *children: Content, **attributes: str | int | bool | None) -> Markup:
    """Return an element; `for_` is the attribute `for`, and `aria_label` is `aria-label`.

    An attribute that is True has no value; one that is False or None is omitted.
    """
    start = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(start if name in EMPTY else f"{start}{join(children)}</{name}>")


def join(content: Content) -> Markup:
    """Return content as markup."""
    if content is None:
        return Markup()
    if isinstance(content, Markup):
        return content
    if isinstance(content, str | int):
        return Markup(escape(printable(str(content), LONGEST)))
    return Markup("".join(map(join, content)))


def _attribute(name: str, value: str | int | bool | None) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name.rstrip('_').replace('_', '-')}"
    # The value of a field is what the visitor sends back: it stays as it is.
    text = str(value) if name == "value" else printable(str(value), LONGEST)
    return f' {name.rstrip("_").replace("_", "-")}="{escape(text)}"'
