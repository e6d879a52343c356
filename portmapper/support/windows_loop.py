"""The event loop on Windows: that of asyncio, which runs programs, and readable sockets, which it lacks."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import select
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

WAIT = 0.2
"""Seconds after which a thread notices that its reader was removed."""


if sys.platform == "win32":

    class Loop(asyncio.ProactorEventLoop):
        """asyncio's loop for programs and sockets, with readers in threads."""

        def __init__(self) -> None:
            super().__init__()
            self._reader_threads = ReaderThreads(self)

        def add_reader(self, fd: Any, callback: Callable[..., object], *arguments: Any) -> None:
            """Call `callback` whenever the socket can be read."""
            self._reader_threads.add(fd, callback, *arguments)

        def remove_reader(self, fd: Any) -> bool:
            """Stop watching a socket; return whether it was watched."""
            return self._reader_threads.remove(fd)

else:
    Loop = asyncio.SelectorEventLoop


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as `asyncio.run` does, on a loop that can watch sockets."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)


class ReaderThreads:
    """Watches sockets for reading, each in a thread, because few are watched at a time.

    Args:
        loop: the event loop that runs the callbacks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._removed: dict[int, threading.Event] = {}

    def add(self, readable: Any, callback: Callable[..., object], *arguments: Any) -> None:
        """Call `callback` on the loop whenever the socket can be read."""
        self.remove(readable)
        removed = self._removed[_number(readable)] = threading.Event()
        call = (_number(readable), removed, lambda: callback(*arguments))
        _thread.start_new_thread(self._watch, call)  # `Thread.start` can block forever

    def remove(self, readable: Any) -> bool:
        """Stop watching a socket; return whether it was watched."""
        removed = self._removed.pop(_number(readable), None)
        if removed is not None:
            removed.set()
        return removed is not None

    def _watch(self, number: int, removed: threading.Event, call: Callable[[], object]) -> None:
        # A closed loop or socket ends the thread.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            while not removed.is_set():
                if select.select([number], [], [], WAIT)[0]:
                    done = threading.Event()
                    self._loop.call_soon_threadsafe(self._call, removed, done, call)
                    while not (done.wait(WAIT) or removed.is_set()):
                        pass

    @staticmethod
    def _call(removed: threading.Event, done: threading.Event, call: Callable[[], object]) -> None:
        try:
            if not removed.is_set():
                call()
        finally:
            done.set()


def _number(readable: Any) -> int:
    return readable if isinstance(readable, int) else readable.fileno()
