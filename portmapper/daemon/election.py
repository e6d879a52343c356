"""The daemon's part in an election: which role it has, and whether it may change gateways."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from portmapper.api.errors import LeadershipLost, PluginFault, PortmapperError, UsageError
from portmapper.gateways.gate import LeaderGate
from portmapper.pluginhost import guard as guarded
from portmapper.pluginhost.faults import record_fault
from portmapper.support.text import printable

if TYPE_CHECKING:
    from portmapper.api.guard import Guard

LONGEST_NAME = 200
"""Characters of a leader's name that are shown."""

Keep = Callable[[str, Callable[[], Coroutine[Any, Any, None]]], Coroutine[Any, Any, None]]
"""Runs a part of the daemon under a name, and again after a failure; see `Supervisor.keep`."""

_log = logging.getLogger(__name__)


class Role(enum.StrEnum):
    """What this daemon is at the moment.

    Attributes:
        ALONE: it has no guard, so it may always act.
        LEADER: it may change gateways.
        STANDBY: it waits until it may lead, or it has lost its leadership.
    """

    ALONE = "alone"
    LEADER = "leader"
    STANDBY = "standby"


class Election:
    """Runs the guard, and contains its faults: a guard that fails lets nothing pass.

    Attributes:
        gate: asked before each packet that changes a gateway; None without a guard.
        lost: this daemon led, and must stop.
        on_leading: called when this daemon leads.
    """

    def __init__(self, guard: Guard | None, on_lost: Callable[[], None]) -> None:
        """Prepare; `on_lost` is called when this daemon no longer leads."""
        self._guard = guard
        self._on_lost = on_lost
        self._task: asyncio.Task[None] | None = None
        self.on_leading: Callable[[], None] = lambda: None
        self.lost = False
        margin = guard.release_margin if guard else 0.0
        self.gate = LeaderGate(self._may_act, margin, self._denied) if guard else None

    @property
    def role(self) -> Role:
        """The role of this daemon."""
        if self._guard is None:
            return Role.ALONE
        return Role.LEADER if self._guard.leading.is_set() and not self.lost else Role.STANDBY

    @property
    def leader(self) -> str | None:
        """Name of the leader, None if it is not known or there is no election."""
        try:
            name = self._guard.leader if self._guard else None
        except Exception as error:
            record_fault(self._plugin, error)
            return None
        return printable(str(name))[:LONGEST_NAME] if name else None

    @property
    def standing(self) -> str:
        """`standby; node-b leads`, or empty if this daemon may act."""
        if self.role is not Role.STANDBY:
            return ""
        return f"{Role.STANDBY}; {self.leader} leads" if self.leader else Role.STANDBY.value

    @property
    def does(self) -> str:
        """What this daemon does with its mappings, for the log."""
        return "on standby, ready to keep" if self.standing else "keeping"

    def document(self) -> dict[str, str | None]:
        """Return the part of the status document."""
        return {"role": self.role.value, "leader": self.leader}

    def refuse_on_standby(self) -> None:
        """Raise `UsageError` for a command that would change a gateway, unless this daemon may."""
        if self.standing:
            raise UsageError(f"this daemon is on {self.standing}: run the command there")

    def check_end(self) -> None:
        """Raise `LeadershipLost` if that ended the run."""
        if self.lost:
            raise self.reason

    def start(self, keep: Keep) -> None:
        """Take part until `close`, also while the daemon closes its ports at the end."""
        if self._guard is not None:
            self._task = asyncio.create_task(keep("guard", self._run_until_closed))

    async def _run_until_closed(self) -> None:
        await self.run()
        await asyncio.Event().wait()  # leadership is lost, and the daemon stops

    async def run(self) -> None:
        """Take part until leadership is lost; before that, an error is raised."""
        if self._guard is None:
            return
        taking_part = asyncio.create_task(guarded.run(self._plugin, self._guard.run(), None))
        waiting = [asyncio.create_task(self._follow()), taking_part]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            self._check(taking_part)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def close(self) -> None:
        """Hand leadership over; nothing more is sent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._guard is not None:
            await guarded.close(self._plugin, self._guard)

    def lose(self) -> None:
        """Stop this daemon: another one may lead now."""
        if not self.lost:
            self.lost = True
            _log.error("%s", self.reason)
            self._on_lost()

    @property
    def reason(self) -> LeadershipLost:
        """Why this daemon stops."""
        who = f"{self.leader} leads now" if self.leader else "another daemon may lead now"
        return LeadershipLost(
            f"lost leadership, so nothing more is sent and no port is closed: {who}. The service manager "
            "should start this daemon again, as a follower"
        )

    async def _follow(self) -> None:
        assert self._guard is not None
        await self._guard.wait_until_leading()
        _log.info("this daemon leads: opening and renewing the mappings")
        self.on_leading()
        await self._guard.lost.wait()

    def _check(self, taking_part: asyncio.Task[None]) -> None:
        """Stop a leader whose guard has ended; report a follower's guard that has failed."""
        assert self._guard is not None
        if self._guard.leading.is_set() or self._guard.lost.is_set():
            self.lose()
        elif taking_part.done():
            error = taking_part.exception()
            raise error or PluginFault(f"the {self._plugin} ended although it does not lead")

    def _may_act(self, margin: float) -> bool:
        assert self._guard is not None
        try:
            return not self.lost and self._guard.may_act(margin) is True
        except Exception as error:
            record_fault(self._plugin, error)
            return False

    def _denied(self) -> None:
        assert self._guard is not None
        if self._guard.leading.is_set():
            self.lose()

    @property
    def _plugin(self) -> str:
        return f"guard:{self._guard.name if self._guard else ''}"


def make_guard(kind: type[Guard], location: str) -> Guard:
    """Create a guard for a location.

    Raises:
        PortmapperError: the location is invalid, or the plugin is faulty.
    """
    try:
        return kind(location)
    except PortmapperError:
        raise
    except Exception as error:
        raise record_fault(f"guard:{kind.name}", error) from error
