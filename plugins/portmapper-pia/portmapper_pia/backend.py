"""The backend `pia`: the gateway of the VPN that the settings name."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, ClassVar

from portmapper.api import Backend, Gateway, GatewayTimeout, NetworkFailure, Target
from portmapper_pia.settings import PORT, PiaTable, Place, read_authority

if TYPE_CHECKING:
    from portmapper_pia.port_keeper import PortKeeper


class PiaBackend(Backend):
    """Port forwarding of Private Internet Access: one port that the provider chooses."""

    name: ClassVar[str] = "pia"
    rank: ClassVar[int] = 40
    settings: ClassVar[type] = PiaTable

    def __init__(self, *, settings: PiaTable | None = None) -> None:
        self._table = settings or PiaTable()
        # Shared by the gateway objects of all searches: there is one port.
        self._keeper: PortKeeper | None = None

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield the gateway if it proves to be the server of the settings.

        Raises:
            BackendError: another server answers, or the gateway of the settings does not.
        """
        place = self._place(target)
        if place is None:
            return
        from portmapper_pia.gateway import PiaGateway
        from portmapper_pia.service import Service

        assert self._table.ca is not None
        service = Service(self._table.server, place, read_authority(self._table.ca))
        asked = time.monotonic()
        try:
            await service.identify()
        except (NetworkFailure, GatewayTimeout):
            if self._table.gateway is None:
                return  # this route leads to another router
            raise
        gateway = PiaGateway(place[0], target.local_address, service, self._port_keeper())
        gateway.latency = time.monotonic() - asked
        yield gateway

    def _place(self, target: Target) -> Place | None:
        """Return where to connect; None if the backend is off, or the user chose another gateway."""
        place = self._table.gateway
        if not self._table.server or target.url is not None:
            return None
        if place is None and isinstance(target.gateway, IPv4Address):
            place = (target.gateway, PORT)
        if place is None or (target.chosen and target.gateway != place[0]):
            return None
        return place

    def _port_keeper(self) -> PortKeeper:
        from portmapper_pia.port_keeper import PortKeeper

        if self._keeper is None:
            assert self._table.token_file is not None
            self._keeper = PortKeeper(self._table.token_file)
        return self._keeper
