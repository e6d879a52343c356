"""The interface of a store, so that leases can be kept elsewhere than in a file of this host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from portmapper.api.events import Event
    from portmapper.store.device_table import DeviceTable
    from portmapper.store.gateway_table import GatewayTable
    from portmapper.store.pause_table import PauseTable
    from portmapper.store.stored_lease import AnyPort, StoredLease


class LeaseStore(Protocol):
    """What the daemon needs of a store. A store that fails must close no port, so no method may raise.

    Attributes:
        devices: what gateways told of their devices.
        gateways: where gateways answered last.
        pauses: the rows that the user has paused.
        damage: report of damaged content that was set aside, or empty.
        on_write_failure: called whenever a write fails; `catch_up` tries it again.
    """

    devices: DeviceTable
    gateways: GatewayTable
    pauses: PauseTable
    damage: str
    on_write_failure: Callable[[], None]

    @property
    def ports(self) -> dict[AnyPort, int]:
        """The last external port of each mapping that accepts any port; `remember_port` adds to it."""

    @property
    def error(self) -> str | None:
        """Why the stored content is not up to date, or None."""

    @property
    def leases(self) -> Iterable[StoredLease]:
        """All leases, confirmed or not."""

    @property
    def adhoc(self) -> tuple[str, ...]:
        """The ad-hoc mappings, one JSON record each."""

    @adhoc.setter
    def adhoc(self, records: tuple[str, ...]) -> None: ...

    def get(self, token: bytes) -> StoredLease | None:
        """Return the lease with that token, or None."""

    def put(self, stored: StoredLease) -> None:
        """Store a lease, in place of an earlier one with the same token."""

    async def written(self) -> None:
        """Wait until every lease is stored safely, or cannot be. A request is sent only after that."""

    def remove(self, token: bytes) -> None:
        """Remove a lease that was released or has expired."""

    def remember_port(self, mapping: AnyPort, external_port: int) -> None:
        """Remember which external port was granted."""

    def record(self, event: Event) -> None:
        """Add an event to the journal."""

    @property
    def last_event_id(self) -> int:
        """The id of the latest event; 0 without one."""

    def history(self, limit: int, before: int | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Return the latest events between two ids, the oldest first. May raise `StoreError`."""

    def batching(self, call_soon: Callable[[Callable[[], None]], object]) -> AbstractContextManager[None]:
        """Allow to write as late as the next cycle of the event loop."""

    def catch_up(self) -> None:
        """Write what could not be written before."""
