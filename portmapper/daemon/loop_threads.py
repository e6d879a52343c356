"""The daemon's event loop, which never waits for a thread to start.

asyncio looks up host names in a thread pool, and before Python 3.12 it waits for each program in a thread.
Both start `threading.Thread`, which can block the loop forever (see `portmapper.support.threads`).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from portmapper.daemon.patient_selector import PatientSelector
from portmapper.support.threads import in_thread

if sys.platform == "win32":
    from portmapper.support.windows_loop import Loop
else:
    Loop = asyncio.SelectorEventLoop


class DaemonLoop(Loop):
    """The loop of the system; blocking calls run in daemon threads instead of a pool."""

    def __init__(self) -> None:
        # The proactor of Windows is no selector.
        super().__init__(*(() if sys.platform == "win32" else (PatientSelector(),)))
        _reap_without_threads(self)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run a function in a new daemon thread, unless the caller has its own threads."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        return self.create_task(in_thread(partial(func, *args)))


def _reap_without_threads(loop: asyncio.AbstractEventLoop) -> None:
    """Let the kernel report the end of a program, as Python 3.12 and newer do."""
    if sys.version_info < (3, 12) and sys.platform == "linux" and _has_pidfd():
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(loop)
        asyncio.set_child_watcher(watcher)


def _has_pidfd() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):  # not in this C library, an old kernel, or a sandbox forbids it
        return False
    return True
