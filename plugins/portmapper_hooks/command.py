"""Observer that runs a program for each event listed in a `[[hook]]` table."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Self

from portmapper.api import Event, Observer
from portmapper.support.text import printable
from portmapper_hooks.payload import environment_of, json_of
from portmapper_hooks.settings import HookSettings, tables
from portmapper_hooks.stderr_capture import StderrCapture
from portmapper_hooks.work_queue import WorkQueue, mapping_key

FINISH_LIMIT = 5.0
"""Seconds that running programs get to finish when the daemon stops."""

_log = logging.getLogger(__name__)


class CommandObserver(Observer):
    """Runs programs without a shell, each within its time limit."""

    name = "command"
    table = "hook"
    end_limit: ClassVar[float] = FINISH_LIMIT + 1

    def __init__(self, hooks: Sequence[HookSettings]) -> None:
        self._hooks = hooks
        self._queue = WorkQueue()

    @classmethod
    def from_table(cls, value: object) -> Self | None:
        """Return an observer for the `[[hook]]` tables, or None if there are none."""
        return cls(tables(HookSettings, value, cls.table)) if value is not None else None

    async def observe(self, event: Event) -> None:
        """Queue the matching programs; those of one mapping run in the order of its events."""
        for hook in self._hooks:
            if event.kind in hook.on:
                await self._queue.add(mapping_key(event), partial(run, hook, event))

    async def close(self) -> None:
        """Let running programs finish within the limit, then kill them."""
        await self._queue.close(FINISH_LIMIT)


async def run(hook: HookSettings, event: Event) -> None:
    """Run a hook's program with the fields of an event, and log a failure."""
    name = printable(hook.run[0])
    with StderrCapture() as captured:
        try:
            process = await asyncio.create_subprocess_exec(
                *hook.run,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=captured.pipe,
                env={**os.environ, **environment_of(event)},
                # Ctrl-C must reach portmapper only, and a session's children can be killed together.
                start_new_session=True,
            )
        except OSError as error:
            _log.warning("hook %s on %s: %s", name, event.kind, error.strerror or error)
            return
        try:
            async with asyncio.timeout(hook.time_limit):
                await _send_and_wait(process, json_of(event))
        except TimeoutError:
            _log.warning("hook %s on %s: killed after %g s", name, event.kind, hook.time_limit)
        else:
            if process.returncode:
                _log.warning(
                    "hook %s on %s: exit status %d%s", name, event.kind, process.returncode, captured
                )
        finally:
            await _kill(process)


async def _send_and_wait(process: asyncio.subprocess.Process, payload: bytes) -> None:
    """Write the payload to standard input, and wait until the program exits."""
    assert process.stdin is not None, "opened with a pipe"
    with contextlib.suppress(ConnectionError):
        process.stdin.write(payload)
        await process.stdin.drain()
    process.stdin.close()
    await process.wait()


async def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill the program and its children if it still runs."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
