"""The base of both kinds of UPnP gateway: time limits, errors and announcements."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from portmapper.api import (
    ChecksTable,
    DescribesConnection,
    Gateway,
    GatewayEvent,
    GatewayTimeout,
    IPAddress,
    IPNetwork,
    LearnsBehavior,
    ListsMappings,
    MapsOtherHosts,
    NotAuthorized,
    RestrictsRemoteHosts,
    VerifiesLeases,
    WatchesGateway,
)
from portmapper.support.values import frozen
from portmapper_upnp.announcements import Announcements
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.soap_fault import Fault, Moved, Refused

CALL_TIME = 18.0
"""Seconds for one request of the core, including all retries."""

MAX_REFUSALS = 3
"""Consecutive refused connections after which the gateway counts as gone (M14)."""


@frozen
class Identity:
    """The identity that a device reports.

    Attributes:
        version: version of the internet gateway device, 1 or 2.
        model: model name; untrusted.
        name: unique device name, empty if there is none.
        server: software from the Server header; untrusted.
        page: URL of the device's own web page, empty if there is none.
    """

    version: int
    model: str = ""
    name: str = ""
    server: str = ""
    page: str = ""


class IgdDevice(Gateway, WatchesGateway):
    """A UPnP gateway, used through one of its services."""

    backend = "upnp"

    def __init__(self, endpoint: Endpoint, identity: Identity) -> None:
        self.address = endpoint.address
        self.local_address = endpoint.local_address
        self.location = endpoint.location
        self.protocol = f"IGD {identity.version}"
        self.model = identity.model
        self.server = identity.server
        self.page = identity.page
        self.latency = endpoint.latency
        self._announcements = Announcements(endpoint, identity.name)
        self._refusals = 0
        self._notify: Callable[[GatewayEvent], None] | None = None

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Listen for SSDP announcements; also report when the gateway refuses connections."""
        self._notify = notify
        await self._announcements.listen(notify)

    def continue_with(self, announcements: Announcements) -> None:
        """Use a listener that has heard the device before it was read."""
        self._announcements = announcements

    async def close(self) -> None:
        """Stop listening for announcements."""
        self._notify = None
        self._announcements.close()

    @contextlib.asynccontextmanager
    async def bounded(self, seconds: float = CALL_TIME) -> AsyncIterator[None]:
        """Limit the time of a request, convert its faults, and count refused connections."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise GatewayTimeout(f"the gateway took longer than {seconds:.0f} seconds") from error
        except Refused:
            self._refusals += 1
            if self._refusals >= MAX_REFUSALS:
                self.report_gone()
            raise
        except Moved:
            self.report_gone()
            raise
        except Fault as fault:
            self._refusals = 0
            raise fault.typed() from fault
        else:
            self._refusals = 0

    def report_gone(self) -> None:
        """Report that the gateway is gone, so that a search starts."""
        self._refusals = 0
        if self._notify is not None:
            self._notify(GatewayEvent.GONE)


class MapsPorts(
    ListsMappings,
    VerifiesLeases,
    ChecksTable,
    MapsOtherHosts,
    RestrictsRemoteHosts,
    DescribesConnection,
    LearnsBehavior,
):
    """What every gateway for port mappings over IPv4 can do, before and after its description is read."""

    restriction_is_checked = True

    def can_restrict_to(self, remote: IPNetwork) -> bool:
        """Return whether RemoteHost can name these hosts: it is one IPv4 address."""
        return remote.version == 4 and remote.num_addresses == 1


def third_party_refused(host: IPAddress, fault: Fault) -> NotAuthorized:
    """Return the error for a gateway that refuses to map another host, with advice (M12)."""
    return NotAuthorized(
        f"the gateway accepts mappings for {host} only from {host} itself: run portmapper there"
        f" ({fault.number} {fault.description})",
        code=fault.number,
    )
