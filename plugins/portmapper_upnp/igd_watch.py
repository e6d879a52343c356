"""What a gateway tells without a query for each mapping: its address, and changes of its table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from portmapper.api import GatewayEvent
from portmapper_upnp.connection import WanConnection
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.subscription import Subscription
from portmapper_upnp.table_watch import COUNT, TableWatch

ADDRESS = "ExternalIPAddress"

SETTLED = 1.0
"""Seconds after an event until the address is queried again: some gateways lose the event of a second change
while the first one is under way, such as of an address that is removed and then replaced."""


class IgdWatch:
    """The events of one gateway, and cheap checks of its table."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._events = Subscription(
            endpoint.local_address, endpoint.address, self._query_again, self._changed
        )
        self._table = TableWatch(endpoint)
        self._asked = 0
        self._address_changed = False
        self._again: asyncio.TimerHandle | None = None
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
        if self._again is not None:
            self._again.cancel()
        await self._events.close()

    def opened(self, connection: WanConnection, *, new: bool) -> None:
        """Note that a port was opened or renewed; a gateway in use is subscribed to."""
        if new:
            self._table.added()
        else:
            self._table.renewed()
        if self._notify is not None:
            self._events.start(connection)

    def closed(self) -> None:
        """Note that an entry was removed."""
        self._table.removed()

    def unreachable(self) -> None:
        """Trust no events: the gateway may have ended the subscription when it could not reach us either."""
        self._events.forget()

    def address_is_current(self) -> bool:
        """Return whether the external address that was queried last still holds.

        Each third time it is queried all the same: a gateway can end a subscription without a word.
        """
        self._asked += 1
        quiet = self._events.is_active and not self._address_changed and self._asked % 3 != 0
        self._address_changed = False
        return quiet

    async def table_may_have_changed(self, connection: WanConnection) -> bool:
        """Query one row of the table; while events arrive, mostly only ask whether the gateway restarted."""
        if self._notify is not None:
            self._events.start(connection)
        changed = await self._table.changed(connection, events=self._events.is_active)
        if changed and not self._table.unreadable:
            self._events.forget()  # no event told of it
        return changed

    def _query_again(self) -> None:
        """Query the address once more: it may have changed while the last event was under way."""
        self._again = asyncio.get_running_loop().call_later(SETTLED, self._report_address)

    def _report_address(self) -> None:
        self._address_changed = True
        if self._notify is not None:
            self._notify(GatewayEvent.EXTERNAL_ADDRESS_CHANGED)

    def _changed(self, values: Mapping[str, str], changed: Mapping[str, str]) -> None:
        if self._notify is None:
            return
        if ADDRESS in changed:
            self._report_address()
            self._query_again()
        if COUNT in values and self._table.shrank(values[COUNT]):
            self._notify(GatewayEvent.TABLE_CHANGED)
