"""Logs every call of a hook, for authors of plugins."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pluggy

from portmapper.api.errors import quoted


def trace_hooks(hooks: pluggy.PluginManager) -> None:
    """Log every hook call and its result, regardless of the log level."""
    log = logging.getLogger("portmapper.hooks")
    log.setLevel(logging.DEBUG)
    if not log.handlers and not logging.getLogger().handlers:
        log.addHandler(logging.StreamHandler())  # for commands that configure no logging
        log.propagate = False

    def before(name: str, methods: Sequence[Any], _: Any) -> None:
        for method in methods:
            log.debug("calling %s of %s", name, method.plugin_name)

    def after(outcome: Any, name: str, methods: Sequence[Any], _: Any) -> None:
        if methods:
            log.debug("%s returned %s", name, quoted(outcome.exception or outcome.get_result()))

    hooks.add_hookcall_monitoring(before, after)
