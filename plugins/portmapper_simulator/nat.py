"""NAT of the gateway: the mapping table, and an open port for each active entry."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Iterator

import attrs

from portmapper_simulator.errors import Reason, Refused
from portmapper_simulator.gateway_points import Forwarding
from portmapper_simulator.relay import Relay, Traffic, make_relay
from portmapper_simulator.settings import HIGHEST_PORT, Settings
from portmapper_simulator.table import Entry, Key, Table

MAX_TRIES = 256
"""External ports to try if the requested one is in use and another is acceptable."""

FIRST_FREE = 1024

log = logging.getLogger(__name__)


class Nat:
    """Opens, renews and closes mappings of all protocols; applies rules and detects conflicts."""

    def __init__(
        self,
        settings: Settings,
        sees: Callable[[str, Entry], bool],
        forward: Callable[[Forwarding], Forwarding] = lambda forwarding: forwarding,
    ) -> None:
        """Create an empty NAT.

        Args:
            settings: the gateway's settings.
            sees: returns whether a protocol can see an entry.
            forward: changes where the traffic of a port goes.
        """
        self._settings = settings
        self._forward_to = forward
        self._sees = sees
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._relays: dict[Key, Relay] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.table = Table(self._loop.time)
        self.traffic = Traffic()

    async def open(self, desired: Entry, *, exact: bool = True) -> Entry:
        """Open a mapping, or renew the client's own; return the entry with its granted port.

        Args:
            desired: the entry to open; external port 0 means any port, if `exact` is False.
            exact: refuse instead of granting another external port.

        Raises:
            Refused: a rule denies it, another host holds the port (`holder`), or the table is full.
        """
        async with self._lock:
            if exact:
                return await self._open_at(desired)
            for port in self._candidates(desired):
                try:
                    return await self._open_at(attrs.evolve(desired, external_port=port))
                except Refused as refused:
                    if refused.reason is not Reason.CANNOT_PROVIDE_EXTERNAL:
                        raise
            raise Refused(Reason.NO_RESOURCES)

    def close(self, entry: Entry, why: str = "closed") -> None:
        """Close a mapping."""
        self.table.remove(entry)
        self._close_relay(entry.key)
        log.info("%s: %s", why, entry)
        self._schedule()

    def clear(self, why: str = "restart") -> None:
        """Close every mapping."""
        for entry in self.table:
            self.close(entry, why)

    def allows(self, entry: Entry) -> bool:
        """Return whether the permission rules allow the entry; the first match decides."""
        fields = (entry.protocol, entry.external_port, entry.internal_address, entry.internal_port)
        return next((rule.allow for rule in self._settings.rules if rule.matches(*fields)), True)

    def _candidates(self, desired: Entry) -> Iterator[int]:
        first = desired.external_port or desired.internal_port
        yield first
        for step in range(1, MAX_TRIES):
            port = first + step
            yield port if port <= HIGHEST_PORT else FIRST_FREE + port - HIGHEST_PORT

    async def _open_at(self, desired: Entry) -> Entry:
        if not self.allows(desired):
            log.info("denied by a rule: %s", desired)
            raise Refused(Reason.NOT_AUTHORIZED)
        held = self.table.get(*desired.key)
        if held is not None and self._blocks(held, desired):
            raise Refused(Reason.CANNOT_PROVIDE_EXTERNAL, holder=held)
        if held is None and len(self.table) >= self._settings.max_mappings:
            raise Refused(Reason.NO_RESOURCES)
        await self._forward(desired)
        self.table.put(desired)
        self._schedule()
        log.info("%s: %s", "opened" if held is None else "renewed", desired)
        return desired

    def _blocks(self, held: Entry, desired: Entry) -> bool:
        """Return whether an existing entry conflicts with this request.

        Over UPnP a client may change the internal port of its mapping (WANIPConnection:1,
        AddPortMapping); over PCP and NAT-PMP that is a different mapping.
        """
        if not self._sees(desired.mechanism, held):
            return True
        if desired.mechanism == "upnp":
            return held.internal_address != desired.internal_address
        return held.target != desired.target

    async def _forward(self, desired: Entry) -> None:
        """Match the relay to the entry; keep connections if only the lifetime changes."""
        forwarding = self._forward_to(Forwarding(desired.external_port, desired.internal_port))
        internal = (desired.internal_address, forwarding.internal_port)
        relay = self._relays.get(desired.key)
        to_itself = internal == (self._settings.external_host, desired.external_port)
        if to_itself or not (desired.enabled and self._settings.relay):
            self._close_relay(desired.key)
        elif relay is None:
            self._relays[desired.key] = await self._opened_relay(desired, internal)
        else:
            relay.restrict(desired.remote)
            if relay.internal != internal:
                relay.retarget(internal)

    async def _opened_relay(self, desired: Entry, internal: tuple[str, int]) -> Relay:
        external = (self._settings.external_host, desired.external_port)
        relay = make_relay(desired.protocol, external, internal, self.traffic)
        relay.restrict(desired.remote)
        try:
            await relay.open()
        except OSError as error:
            log.warning("cannot open %s %s port %d: %s", external[0], desired.protocol, external[1], error)
            # Another port helps only if a program or the system holds this one.
            of_this_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
            raise Refused(Reason.CANNOT_PROVIDE_EXTERNAL if of_this_port else Reason.NO_RESOURCES) from error
        return relay

    def _close_relay(self, key: Key) -> None:
        if (relay := self._relays.pop(key, None)) is not None:
            relay.close()

    def _schedule(self) -> None:
        """Set the timer to the next expiry."""
        at = self.table.next_expiry()
        if self._timer is not None:
            if self._timer.when() == at and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = None if at is None else self._loop.call_at(at, self._expire)

    def _expire(self) -> None:
        self._timer = None
        for entry in self.table.due():
            self.close(entry, "expired")
        self._schedule()
