"""Keeps each part of the daemon running: a part that fails is started again, and the others continue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any

from portmapper.api.errors import PortmapperError
from portmapper.support.clock import Clock
from portmapper.support.reasons import plain_reason

FIRST_PAUSE = 1.0
"""Seconds before a failed part is started again; the pause doubles with each failure in a row."""

MAX_PAUSE = 60.0

STABLE = 60.0
"""Seconds after which a part that was started again counts as working."""

_log = logging.getLogger(__name__)

Part = Callable[[], Coroutine[Any, Any, None]]
"""Runs one part of the daemon until it is canceled; a part that ends before has failed."""


class Problem:
    """What the daemon works around at the moment.

    Attributes:
        part: the part of the daemon, such as `network`.
        error: what is wrong.
        since: when it began, in RFC 3339.
        attempts: how often it failed since then.
    """

    def __init__(self, part: str, error: str, since: str) -> None:
        self.part = part
        self.error = error
        self.since = since
        self.attempts = 1


def known_problems(conditions: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Describe the problems that parts report themselves: by part, what is wrong with it, if anything."""
    return [
        {"part": part, "error": error, "since": None, "attempts": 1}
        for part, error in conditions.items()
        if error
    ]


class Supervisor:
    """Starts failed parts again, and lists the current problems.

    Only a shutdown ends the daemon. A part that failed keeps its state: the leases, the last readings and the
    last known network stay in effect.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._problems: dict[str, Problem] = {}

    async def keep(self, part: str, run: Part) -> None:
        """Run a part until this is canceled; after a failure, or if it ends, run it again."""
        pause = FIRST_PAUSE
        while True:
            started = self._clock.monotonic()
            try:
                await self._run(part, run)
                self.note(part, "it ended unexpectedly")
            except Exception as error:
                self.fail(part, error)
            if self._clock.monotonic() - started >= STABLE:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE)

    async def attempt(self, part: str, run: Part) -> None:
        """Run something once; a failure is a problem until it succeeds."""
        try:
            await run()
        except Exception as error:
            self.fail(part, error)
        else:
            self.clear(part)

    def fail(self, part: str, error: BaseException) -> None:
        """Report that a part failed; the first failure is logged, with its traceback at the level debug."""
        explains_itself = isinstance(error, PortmapperError) and str(error)
        self.note(part, str(error) if explains_itself else plain_reason(error))
        _log.debug("%s failed", part, exc_info=error)

    def note(self, part: str, reason: str | None) -> None:
        """Set or clear a part's problem; a new problem is logged once."""
        if not reason:
            self.clear(part)
        elif part in self._problems:
            known = self._problems[part]
            known.error, known.attempts = reason, known.attempts + 1
        else:
            self._problems[part] = Problem(part, reason, self._clock.now().replace(microsecond=0).isoformat())
            _log.error("%s does not work, ports stay open and it is tried again: %s", part, reason)

    def clear(self, part: str) -> None:
        """Report that a part works again."""
        if self._problems.pop(part, None) is not None:
            _log.info("%s works again", part)

    def document(self, conditions: Mapping[str, str | None] = MappingProxyType({})) -> list[dict[str, Any]]:
        """Return the problems for `status --json`, after those that parts report themselves."""
        return [*known_problems(conditions), *(dict(vars(problem)) for problem in self._problems.values())]

    def loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle an error outside of every part, such as an accept without a free descriptor: log it once."""
        error = context.get("exception")
        reason = f"{context.get('message')}: {error}" if error else str(context.get("message"))
        self.note("event loop", reason)
        _log.debug("an error in the event loop: %s", reason, exc_info=error)
        loop.call_later(STABLE, self.clear, "event loop")

    async def _run(self, part: str, run: Part) -> None:
        """Run a part, and clear its problem once it has run for a while."""
        timer = asyncio.get_running_loop().call_later(STABLE, self.clear, part)
        try:
            # An ExceptionGroup of a task group hides what failed.
            await run()
        except ExceptionGroup as group:
            raise _first(group) from group
        finally:
            timer.cancel()


def _first(group: ExceptionGroup[Exception]) -> Exception:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


def name_of(task: object) -> str:
    """Return the name of a background task, for the list of problems."""
    function = getattr(task, "func", task)
    name = getattr(function, "__name__", "task")
    return _NAMES.get(name, name)


_NAMES = {"serve": "control socket", "serve_http": "http listener", "keep_pid_files": "pid file"}
