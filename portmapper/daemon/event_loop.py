"""Runs the daemon's event loop, also if the system has no descriptor left for it yet."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import math
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from portmapper.api.errors import PortmapperError
from portmapper.daemon.loop_threads import DaemonLoop
from portmapper.support.reasons import plain_reason

T = TypeVar("T")

RETRY_DELAY = 1.0
"""Seconds between two attempts."""

ATTEMPTS_OF_ONE_PASS = 3
"""A daemon tries for ever; a command that runs from cron ends."""

SPARE_PAIRS = 1
"""Pairs of descriptors that must be free beside those of the loop: what starts in it imports modules."""

_log = logging.getLogger(__name__)


def run_event_loop(main: Callable[[], Coroutine[Any, Any, T]], *, attempts: float = math.inf) -> T:
    """Run `main` as `asyncio.run` does, as soon as the system has the descriptors for a loop.

    Raises:
        KeyboardInterrupt: a signal asks the program to stop before that.
        PortmapperError: the loop could not be created in so many attempts.
    """
    attempt = 0
    runner = asyncio.Runner(loop_factory=DaemonLoop)
    # As a context manager, the runner would create the loop now.
    with _quiet_leftovers(), contextlib.closing(runner):
        while (error := _missing() or _failure_of(runner)) is not None:
            if _must_stop():
                raise KeyboardInterrupt
            attempt += 1
            if attempt >= attempts:
                raise PortmapperError(f"cannot start the event loop: {plain_reason(error)}")
            if attempt == 1:
                _log.error("cannot start the event loop, trying again: %s", plain_reason(error))
            time.sleep(RETRY_DELAY)
        return runner.run(main())


def _failure_of(runner: asyncio.Runner) -> Exception | None:
    """Create the loop, and return why that fails: other threads may take what was free a moment before."""
    try:
        runner.get_loop()
        return None
    except (OSError, MemoryError) as error:
        failure = error.with_traceback(None)
        gc.collect()
        return failure


@contextlib.contextmanager
def _quiet_leftovers() -> Iterator[None]:
    """Show no traceback of what ends without memory, or of a loop that is not complete.

    A built-in function as hook needs no memory for its call, which Python would report too.
    """
    before = sys.unraisablehook
    if not _log.isEnabledFor(logging.DEBUG):
        sys.unraisablehook = id
    try:
        yield
    finally:
        sys.unraisablehook = before


def _missing() -> Exception | None:
    """Create what a loop needs, and return why that fails: a loop that fails halfway leaves a traceback."""
    with contextlib.ExitStack() as taken:
        try:
            for _ in range(1 + SPARE_PAIRS):
                for end in socket.socketpair():
                    taken.enter_context(end).setblocking(False)
            if hasattr(select, "epoll"):
                taken.enter_context(select.epoll())
        except (OSError, MemoryError) as error:
            return error
    return None


def _must_stop() -> bool:
    """Return whether a signal waits for the loop: signals are blocked until it runs."""
    return hasattr(signal, "sigpending") and bool(signal.sigpending() & {signal.SIGTERM, signal.SIGINT})
