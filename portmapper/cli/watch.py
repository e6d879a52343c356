"""The live screen of `run` and of `status --watch`."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOBase
from typing import Any

from rich.console import Console
from rich.live import Live

from portmapper.cli.keys import reading_keys
from portmapper.cli.lines import Line, cell_len, in_encoding, styled, truncated
from portmapper.cli.say import say
from portmapper.cli.tables import Screen, Size, print_status, render
from portmapper.support.text import printable
from portmapper.support.writable import takes_text

REFRESH = 1.0
"""Seconds between two updates."""

LOG_LINES = 3
"""Lines of the log at the bottom of the screen."""

KEPT_LOG_LINES = 20
"""Lines of the log that are printed after the screen was left."""

TALL_ENOUGH = 16
"""A lower screen shows neither log nor keys."""

STEPS = {"up": -1, "down": 1, "home": -(10**6), "end": 10**6}

_HINT = "↑ ↓ scroll · q quit"


class LogTail(TextIOBase):
    """A stream that keeps the last lines of the log, so that they never displace the first line."""

    def __init__(self) -> None:
        """Start empty."""
        self.lines: deque[str] = deque(maxlen=KEPT_LOG_LINES)

    def write(self, text: str) -> int:
        """Keep the lines of a log record."""
        self.lines.extend(line for line in text.splitlines() if line)
        return len(text)


class LiveScreen:
    """Shows a status document, updates it, and scrolls the open mappings."""

    def __init__(self, document: Callable[[], dict[str, Any]], quit_screen: Callable[[], object]) -> None:
        """Prepare.

        Args:
            document: returns the current status document.
            quit_screen: called when the user presses `q`.
        """
        self._document = document
        self._quit = quit_screen
        self._scroll = 0
        self._changed = asyncio.Event()
        self._console = Console()
        self._log = LogTail()

    async def show(self) -> None:
        """Show the screen until canceled; then print the last state and the last lines of the log."""
        is_terminal = self._console.is_terminal
        try:
            with (
                _log_lines_to(self._log),
                reading_keys(self._pressed) as has_keys,
                Live(console=self._console, auto_refresh=False, screen=is_terminal) as live,
            ):
                await self._keep_updated(live, _HINT if has_keys else "")
        finally:
            if takes_text(sys.stdout) and takes_text(sys.stderr):
                self._print_last()

    async def _keep_updated(self, live: Live, hint: str) -> None:
        """Draw again and again, but never on a terminal that Ctrl-S stopped: ports stay open meanwhile."""
        try:
            while True:
                if takes_text(sys.stdout):
                    live.update(styled(self._screen(hint).lines), refresh=True)
                await self._wait()
        finally:
            self._console.quiet = not takes_text(sys.stdout)

    def _print_last(self) -> None:
        for line in self._log.lines:
            say(line, sys.stderr)
        document = self._document()
        if _has_begun(document):
            print_status(document)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(REFRESH):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    def _screen(self, hint: str) -> Screen:
        width, height = self._console.size
        bottom = self._bottom(hint, width) if height >= TALL_ENOUGH else []
        screen = render(self._document(), Size(width, height - len(bottom)), self._scroll)
        self._scroll = screen.scroll
        gap = height - len(screen.lines) - len(bottom)
        lines = [*screen.lines, *([Line()] * (gap if bottom else 0)), *bottom]
        return Screen(in_encoding(lines, width, self._console.file), screen.scroll)

    def _bottom(self, hint: str, width: int) -> list[Line]:
        last = _shortened([printable(line) for line in [*self._log.lines][-LOG_LINES:]], width)
        lines = [Line(truncated(line, width), "dim") for line in last]
        return [*lines, *([Line(hint, "dim")] if hint else [])]

    def _pressed(self, key: str) -> None:
        if key == "quit":
            self._quit()
        page = max(self._console.size.height - 8, 1)
        self._scroll += {"page up": -page, "page down": page, **STEPS}.get(key, 0)
        self._changed.set()


def _shortened(lines: Sequence[str], width: int) -> list[str]:
    """Omit date, zone and level if a log line is wider than the screen: the live screen is about now."""
    are_wide = any(cell_len(line) > width for line in lines)
    return [_PREFIX.sub(r"\1 ", line) if are_wide else line for line in lines]


_PREFIX = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} ([0-9]{2}:[0-9]{2}:[0-9]{2})[+-][0-9]{2}:[0-9]{2} [A-Z]+ +")


def _has_begun(document: dict[str, Any]) -> bool:
    """Return whether any list was read. Otherwise only the error matters, which is printed next."""
    return bool(document["mappings"]) or any(source["state"] == "ok" for source in document["sources"])


@contextmanager
def _log_lines_to(tail: LogTail) -> Iterator[None]:
    """Send log records to `tail` that would be written to the same terminal as the screen."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr and sys.stderr.isatty()
    ]
    originals = [handler.setStream(tail) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, originals, strict=True):
            handler.setStream(stream)


async def plain_screens(document: Callable[[], dict[str, Any]]) -> None:
    """Print the document each time a mapping changes, for a pipe or a terminal that cannot redraw."""
    before: object = None
    while True:
        now = document()
        changed = [now["pid"], now.get("error"), *(_without_times(mapping) for mapping in now["mappings"])]
        if changed != before:
            before = changed
            print_status(now)
            sys.stdout.flush()
        await asyncio.sleep(REFRESH)


def _without_times(mapping: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if not name.endswith(("_at", "reachable"))}


async def live_screen(document: Callable[[], dict[str, Any]], quit_screen: Callable[[], object]) -> None:
    """Show the document and update it every second until canceled; `q` calls `quit_screen`."""
    await LiveScreen(document, quit_screen).show()
