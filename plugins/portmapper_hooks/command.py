"""Runs a program for each event of the kinds that a `[[hook]]` names."""

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
from portmapper_hooks.facts import environment_of, json_of
from portmapper_hooks.said import Said
from portmapper_hooks.settings import HookSettings, tables
from portmapper_hooks.turns import Turns, mapping_of

FINISH_LIMIT = 5.0
"""Seconds that programs under way have when the daemon ends."""

_log = logging.getLogger(__name__)


class CommandObserver(Observer):
    """Runs programs, without a shell, each within its time limit."""

    name = "command"
    table = "hook"
    end_limit: ClassVar[float] = FINISH_LIMIT + 1

    def __init__(self, hooks: Sequence[HookSettings]) -> None:
        self._hooks = hooks
        self._turns = Turns()

    @classmethod
    def configured(cls, part: object) -> Self | None:
        """Run what the tables `[[hook]]` say."""
        return cls(tables(HookSettings, part, cls.table)) if part is not None else None

    async def observe(self, event: Event) -> None:
        """Have the programs run; those of one mapping in the order of its events."""
        for hook in self._hooks:
            if event.kind in hook.on:
                await self._turns.add(mapping_of(event), partial(run, hook, event))

    async def close(self) -> None:
        """Let what runs finish, then kill it."""
        await self._turns.close(FINISH_LIMIT)


async def run(hook: HookSettings, event: Event) -> None:
    """Run a hook's program with the facts of an event, and log what goes wrong."""
    name = printable(hook.run[0])
    with Said() as said:
        try:
            process = await asyncio.create_subprocess_exec(
                *hook.run,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=said.pipe,
                env={**os.environ, **environment_of(event)},
                # Ctrl-C is for us alone; and all that the program starts can be killed with it.
                start_new_session=True,
            )
        except OSError as error:
            _log.warning("hook %s on %s: %s", name, event.kind, error.strerror or error)
            return
        try:
            async with asyncio.timeout(hook.time_limit):
                await _talk(process, json_of(event))
        except TimeoutError:
            _log.warning("hook %s on %s: killed after %g s", name, event.kind, hook.time_limit)
        else:
            if process.returncode:
                _log.warning("hook %s on %s: exit status %d%s", name, event.kind, process.returncode, said)
        finally:
            await _end(process)


async def _talk(process: asyncio.subprocess.Process, facts: bytes) -> None:
    """Give the facts, and wait for the end."""
    assert process.stdin is not None, "it is a pipe"
    with contextlib.suppress(ConnectionError):
        process.stdin.write(facts)
        await process.stdin.drain()
    process.stdin.close()
    await process.wait()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs of it."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
