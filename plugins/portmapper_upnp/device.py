"""What the two kinds of UPnP gateway share: bounds of a request, its errors, and the announcements."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import attrs

from portmapper.api import Gateway, GatewayEvent, GatewayTimeout, IPAddress, NotAuthorized, WatchesGateway
from portmapper_upnp.announcements import Announcements
from portmapper_upnp.faults import Fault, Moved, Refused
from portmapper_upnp.location_check import Place

CALL_TIME = 30.0
"""Seconds for one whole request of the core, every retry included."""

MAX_REFUSALS = 3
"""Refused connections in a row after which the gateway counts as gone (M14)."""


@attrs.frozen
class Identity:
    """What a device tells of itself.

    Attributes:
        version: of the internet gateway device, 1 or 2.
        model: what it calls itself; untrusted.
        name: its unique device name, empty when it has none.
        server: the software that it says it runs; untrusted.
    """

    version: int
    model: str = ""
    name: str = ""
    server: str = ""


class IgdDevice(Gateway, WatchesGateway):
    """A device, as one of its services is used."""

    backend = "upnp"

    def __init__(self, place: Place, identity: Identity) -> None:
        self.address = place.address
        self.local_address = place.local_address
        self.location = place.location
        self.protocol = f"IGD {identity.version}"
        self.model = identity.model
        self.latency = place.latency
        self._announcements = Announcements(place, identity.name)
        self._refusals = 0
        self._notify: Callable[[GatewayEvent], None] | None = None

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Listen for SSDP announcements, and tell when the gateway refuses us."""
        self._notify = notify
        await self._announcements.listen(notify)

    async def close(self) -> None:
        """Stop listening."""
        self._notify = None
        self._announcements.close()

    @contextlib.asynccontextmanager
    async def bounded(self, seconds: float = CALL_TIME) -> AsyncIterator[None]:
        """Bound a request in time, type its faults, and count refused connections."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise GatewayTimeout(f"the gateway took longer than {seconds:.0f} seconds") from error
        except Refused:
            self._refusals += 1
            if self._refusals >= MAX_REFUSALS:
                self._tell_gone()
            raise
        except Moved:
            self._tell_gone()
            raise
        except Fault as fault:
            self._refusals = 0
            raise fault.typed() from fault
        else:
            self._refusals = 0

    def _tell_gone(self) -> None:
        self._refusals = 0
        if self._notify is not None:
            self._notify(GatewayEvent.GONE)


def only_itself(host: IPAddress, fault: Fault) -> NotAuthorized:
    """Return the refusal to open a port of another host, with what to do about it (M12)."""
    return NotAuthorized(
        f"the gateway lets {host} be mapped only by {host} itself: run portmapper there"
        f" ({fault.number} {fault.words})",
        code=fault.number,
    )
