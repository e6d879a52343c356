"""The kinds of classes that plugins provide, and the hook that registers each."""

from __future__ import annotations

HOOK_PREFIX = "portmapper_register_"
KINDS = ("backend", "source", "format", "observer", "command", "quirk", "guard", "token", "web")

LAZY = ("command", "web")
"""Kinds whose hooks are called on first use, because most runs never use them."""

REQUIRED = {
    "backend": ("rank", "families", "discover", "close"),
    "source": ("fetch_limit", "claims", "fetch", "watch", "close"),
    "format": ("suffixes", "content_types", "parse"),
    "observer": ("table", "end_limit", "from_table", "start", "observe", "close"),
    "command": ("help", "add_arguments", "run"),
    "quirk": ("applies_to", "coupling", "after", "repair"),
    "guard": ("release_margin", "run", "may_act", "leader", "wait_until_leading", "close"),
    "token": ("token",),
    "web": ("routes", "panel", "login_page"),
}
"""Attributes that a class must have besides its name. Subclasses of the interface inherit most of them."""


def hook_of(kind: str) -> str:
    """Return the name of the hook that registers a kind."""
    return f"{HOOK_PREFIX}{kind}" if kind == "web" else f"{HOOK_PREFIX}{kind}s"
