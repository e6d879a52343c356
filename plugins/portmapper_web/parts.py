"""Small parts that several sections use: badges, times, buttons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portmapper.support.duration import format_duration, format_local
from portmapper_web.markup import Content, Markup, tag

Document = dict[str, Any]

KINDS = {"public": "public", "private": "private", "cgnat": "CGNAT"}


def badge(text: str, look: str) -> Markup:
    """Return a word in a colored frame; the color only adds to the word."""
    return tag("span", text, class_=f"badge {look}")


def kind_badge(kind: str) -> Markup | None:
    """Return the badge of an external address."""
    return badge(KINDS[kind], kind) if kind in KINDS else None


def copy_button(text: str, name: str) -> Markup:
    """Return a button that copies a text; without JavaScript it is hidden. `name` makes it unique."""
    return tag(
        "button",
        "Copy",
        type="button",
        class_="copy",
        id=f"copy-{_joined(name)}",
        data_copy=text,
        aria_label=f"Copy {text}",
    )


def moment(text: str | None) -> Content:
    """Return a time of a document in local time."""
    at = parsed(text)
    return text or "" if at is None else tag("time", format_local(at), datetime=at.isoformat())


def parsed(text: str | None) -> datetime | None:
    """Return a time of a document; None if there is none."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def seconds_until(text: str | None, now: datetime) -> float | None:
    """Return the seconds until a time of a document; None if there is none."""
    at = parsed(text)
    return None if at is None else (at - now).total_seconds()


def countdown(before: str, until: str, after: str, now: datetime) -> Markup:
    """Return the time until a moment between two texts, such as `59m 51s left`; the script updates it."""
    left = seconds_until(until, now) or 0
    text = f"{before}{format_duration(left)}{after}" if left > 0 else "now"
    return tag("span", text, data_until=until, data_before=before, data_after=after)


def section(name: str, title: str, *children: Content, live: bool = True) -> Markup:
    """Return a section with a heading; the script replaces one that is live."""
    heading = tag("h2", title, id=f"{name}-title")
    return tag(
        "section", heading, *children, id=name, aria_labelledby=f"{name}-title", data_live=live, tabindex=-1
    )


def question(action: str, label: str, fields: Mapping[str, object], name: str = "") -> Markup:
    """Return a button that leads to the question before an action.

    Args:
        action: the name of the action.
        label: the text of the button.
        fields: what the action applies to.
        name: what is added to the label for screen readers, which read a button without its row.
    """
    return tag(
        "form",
        hidden(fields),
        tag("button", label, aria_label=f"{label} {name}" if name else None, id=f"{action}-{_joined(name)}"),
        method="get",
        action=f"/confirm/{action}",
        data_ask=True,
    )


def hidden(fields: Mapping[str, object]) -> list[Markup]:
    """Return hidden fields of a form."""
    return [
        tag("input", type="hidden", name=name, value=str(value))
        for name, value in fields.items()
        if value not in (None, "")
    ]


def _joined(name: str) -> str:
    """Return a name as a part of an `id`, which has no spaces."""
    return "-".join(name.split())
