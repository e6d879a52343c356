"""What a gateway tells without a query for each mapping: its address, and changes of its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from portmapper.api import ExternalKind, GatewayEvent, IPAddress, external_kind
from portmapper_upnp.connection import WanConnection
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.soap_call import read_address
from portmapper_upnp.subscription import Subscription
from portmapper_upnp.table_watch import COUNT, TableWatch

ADDRESS = "ExternalIPAddress"


class IgdWatch:
    """The events of one gateway, and cheap checks of its table."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._events = Subscription(endpoint.local_address, endpoint.address, self._changed)
        self._table = TableWatch(endpoint)
        self._count = ""
        self._notify: Callable[[GatewayEvent], None] | None = None

    def listen(self, notify: Callable[[GatewayEvent], None]) -> Callable[[GatewayEvent], None]:
        """Report events to `notify` from now on; return what takes the gateway's announcements."""
        self._notify = notify

        def announced(event: GatewayEvent) -> None:
            if event in (GatewayEvent.RESTARTED, GatewayEvent.GONE):
                self._events.forget()
            notify(event)

        return announced

    async def close(self) -> None:
        """Unsubscribe."""
        self._notify = None
        await self._events.close()

    def opened(self, connection: WanConnection, *, new: bool) -> None:
        """Note that a port was opened or renewed; a gateway in use is subscribed to."""
        if new:
            self._table.added()
        if self._notify is not None:
            self._events.start(connection)

    def closed(self) -> None:
        """Note that an entry was removed."""
        self._table.removed()

    @property
    def knows_address(self) -> bool:
        """Whether the gateway reports its external address by itself."""
        return self._events.is_active and ADDRESS in self._events.values

    def address(self) -> IPAddress | None:
        """Return the external address as reported; None for one that is no address (S5, S8)."""
        address = read_address(self._events.values[ADDRESS])
        usable = address is not None and address.version == 4
        return address if usable and external_kind(address) is not ExternalKind.NONE else None

    async def table_may_have_changed(self, connection: WanConnection) -> bool:
        """Query one row of the table; while events arrive, mostly only ask whether the gateway restarted."""
        return await self._table.changed(connection, events=self._events.is_active)

    def _changed(self, values: Mapping[str, str]) -> None:
        if self._notify is None:
            return
        if ADDRESS in values:
            self._notify(GatewayEvent.EXTERNAL_ADDRESS_CHANGED)
        if COUNT in values:
            before, self._count = self._count, values[COUNT]
            if before and self._table.shrank(before, self._count):
                self._notify(GatewayEvent.TABLE_CHANGED)
