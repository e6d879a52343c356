"""The kernel's report that the wall clock jumped, as it does when the system continues after a suspend.

A timer of timerfd_create(2) with TFD_TIMER_CANCEL_ON_SET becomes readable at such a jump. An idle process is
not woken to look for it. `os.timerfd_create` exists since Python 3.13 only, and not for every C library.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator

from portmapper.support.libc import checked, libc

_CLOEXEC_NONBLOCK = 0o2004000
_ABSTIME_CANCEL_ON_SET = 0b11
_YEAR = 366 * 86_400
"""The timer has to run, but never to end: at its end it is set again."""


@contextlib.contextmanager
def watching_jumps(notify: Callable[[], object]) -> Iterator[bool]:
    """Call `notify` after each jump of the wall clock; yield whether the kernel reports them."""
    try:
        timer = _create()
    except (OSError, AttributeError):  # another system, or a sandbox forbids it
        yield False
        return
    loop = asyncio.get_running_loop()

    def jumped() -> None:
        with contextlib.suppress(OSError):  # ECANCELED is the report
            os.read(timer, 8)
        _set(timer)
        notify()

    try:
        _set(timer)
        loop.add_reader(timer, jumped)
        yield True
    finally:
        loop.remove_reader(timer)
        os.close(timer)


def _create() -> int:
    if sys.platform != "linux":
        raise OSError("only Linux has timerfd_create")
    return checked(libc().timerfd_create(time.CLOCK_REALTIME, _CLOEXEC_NONBLOCK))


def _set(timer: int) -> None:
    import ctypes

    # struct itimerspec: interval and first expiration, each in seconds and nanoseconds
    setting = (ctypes.c_long * 4)(0, 0, max(0, int(time.time())) + _YEAR, 0)
    checked(libc().timerfd_settime(timer, _ABSTIME_CANCEL_ON_SET, setting, None))
