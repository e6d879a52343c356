"""Observer that runs a program for each event listed in a `[[hook]]` table."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Hashable, Sequence
from functools import partial
from typing import ClassVar, Self

from portmapper.api import Event, Observer, RunsHooks
from portmapper.support.text import printable
from portmapper_hooks.failure_log import FailureLog
from portmapper_hooks.payload import environment_of, json_of
from portmapper_hooks.placeholders import filled
from portmapper_hooks.settings import HookSettings, tables
from portmapper_hooks.stderr_capture import StderrCapture
from portmapper_hooks.work_queue import WorkQueue, row_key

FINISH_LIMIT = 5.0
"""Seconds that running programs get to finish when the daemon stops."""

MAX_DELAY = 60.0
"""Longest pause between two runs, unless the hook's own delay is longer."""

_log = logging.getLogger(__name__)


class CommandObserver(Observer, RunsHooks):
    """Runs programs without a shell, each within its time limit."""

    name = "command"
    table = "hook"
    end_limit: ClassVar[float] = FINISH_LIMIT + 1

    def __init__(self, hooks: Sequence[HookSettings]) -> None:
        self._hooks = hooks
        self._queue = WorkQueue()
        self._latest: dict[Hashable, asyncio.Event] = {}
        self._failures = FailureLog()

    @classmethod
    def from_table(cls, value: object) -> Self | None:
        """Return an observer for the `[[hook]]` tables, or None if there are none."""
        return cls(tables(HookSettings, value, cls.table)) if value is not None else None

    def hook_names(self) -> tuple[str, ...]:
        """Return the names; a hook without one has that of its program."""
        return tuple(hook.name or hook.run[0] for hook in self._hooks)

    def missing_programs(self) -> dict[str, str]:
        """Return the programs that are not executable files, by the name of the hook."""
        import shutil  # imports all compression libraries, and most runs have no hook

        return {
            hook.name or hook.run[0]: hook.run[0] for hook in self._hooks if not shutil.which(hook.run[0])
        }

    async def test_hook(self, name: str) -> str:
        """Run the hooks with this name once."""
        named = [hook for hook in self._hooks if name == (hook.name or hook.run[0])]
        from portmapper_hooks.sample import sample_event

        problems = [await run(hook, sample_event(hook.on)) for hook in named]
        return "; ".join(filter(None, problems))

    async def observe(self, event: Event) -> None:
        """Queue the matching programs; each runs once at a time for a row, in the order of its events."""
        for number, hook in enumerate(self._hooks):
            if event.kind in hook.on:
                key = (number, row_key(event))
                half = (key, event.protocol)
                if half in self._latest:
                    self._latest[half].set()
                superseded = self._latest[half] = asyncio.Event()
                call = partial(self._run_until_done, number, event, half, superseded)
                await self._queue.add(key, call)

    async def close(self) -> None:
        """Let running programs finish within the limit, then kill them."""
        await self._queue.close(FINISH_LIMIT)

    async def _run_until_done(
        self, number: int, event: Event, half: Hashable, superseded: asyncio.Event
    ) -> None:
        """Run a program until it succeeds; a newer event of the same mapping ends the attempts."""
        try:
            await self._attempts(number, event, superseded)
        finally:
            self._failures.done(number, event)
            if self._latest.get(half) is superseded:
                del self._latest[half]

    async def _attempts(self, number: int, event: Event, superseded: asyncio.Event) -> None:
        hook = self._hooks[number]
        name, delay, logged = printable(hook.name or hook.run[0]), hook.delay, ""
        for attempt in range(1, hook.attempts + 1):
            async with self._queue.slots:
                problem = await run(hook, event)
            if not problem:
                return
            is_last = attempt == hook.attempts
            if (problem != logged or is_last) and self._failures.is_new(number, event, problem):
                then = "" if is_last else f"; portmapper runs it again in {delay:g} s"
                _log.warning("hook %s on %s: %s%s", name, event.kind, problem, then)
            logged = problem
            if is_last or await _set_within(superseded, delay):
                return
            delay = min(2 * delay, max(MAX_DELAY, hook.delay))


async def run(hook: HookSettings, event: Event) -> str:
    """Run a hook's program with the fields of an event; return what failed, empty if nothing did."""
    with StderrCapture() as captured:
        try:
            process = await asyncio.create_subprocess_exec(
                hook.run[0],
                *(filled(word, event) for word in hook.run[1:]),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=captured.pipe,
                env={**os.environ, **environment_of(event)},
                # Ctrl-C must reach portmapper only, and a session's children can be killed together.
                start_new_session=True,
            )
        except OSError as error:
            return error.strerror or str(error)
        try:
            async with asyncio.timeout(hook.time_limit):
                await _send_and_wait(process, json_of(event))
        except TimeoutError:
            return f"killed after {hook.time_limit:g} s"
        finally:
            await _kill(process)
        return f"exit status {process.returncode}{captured}" if process.returncode else ""


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


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
