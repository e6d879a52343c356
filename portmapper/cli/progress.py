"""A spinner for commands that wait, on a terminal only."""

from __future__ import annotations

import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

DELAY = 0.3
"""Seconds before the spinner appears: a quick command shows none."""


@contextmanager
def progress(step: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner with this text on standard error while the block runs longer than `DELAY`.

    The block gets a function that changes the text.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    import threading

    spinner = _Spinner(step, threading.Lock())
    timer = threading.Timer(DELAY, spinner.start)
    timer.daemon = True
    timer.start()
    try:
        yield spinner.show
    finally:
        timer.cancel()
        spinner.stop()


class _Spinner:
    """Starts in the timer's thread and stops in the command's; once stopped, it never starts."""

    def __init__(self, step: str, lock: Any) -> None:
        self._step = step
        self._lock = lock
        self._stopped = False
        self._status: Any = None
        self._redirected: list[tuple[Any, Any]] = []

    def start(self) -> None:
        from rich.console import Console

        with self._lock:
            if not self._stopped:
                self._status = Console(stderr=True).status(f"{self._step}…")
                self._status.start()
                # The spinner redirects standard error; log handlers still have the original stream.
                self._redirected = _to_standard_error()

    def show(self, step: str) -> None:
        with self._lock:
            self._step = step
            if self._status is not None and not self._stopped:
                self._status.update(f"{step}…")

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._status is not None:
                self._status.stop()
            for handler, stream in self._redirected:
                handler.setStream(stream)


def _to_standard_error() -> list[tuple[Any, Any]]:
    """Let the log write through the spinner; return the handlers with their original streams."""
    import logging

    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.__stderr__
    ]
    return [(handler, handler.setStream(sys.stderr)) for handler in handlers]
