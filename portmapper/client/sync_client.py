"""The synchronous Python API, for programs without an event loop."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, SupportsIndex, TypeVar, cast

from portmapper.api.errors import UsageError
from portmapper.api.events import Event
from portmapper.api.model import DEFAULT_DURATION, ConflictPolicy, Family, IPAddress, Mapping
from portmapper.client.arguments import Address, Lifetime, Remote
from portmapper.client.async_client import Client, OnChange
from portmapper.client.gateways import FoundGateway
from portmapper.client.lease import Lease

T = TypeVar("T")


class SyncLease(Lease):
    """A `Lease` without async methods."""

    def __init__(self, client: _Inner, mapping: Mapping, on_change: OnChange | None) -> None:
        """Create the lease; `SyncClient.open` does."""
        super().__init__(client, mapping, on_change if on_change is None else _in_thread(on_change))
        self._run = client.run

    # A program has leases of one kind; both are a `Lease`, so that annotations need one name only.
    def close(self) -> None:  # type: ignore[override]
        """Close the port, as `Lease.close` does."""
        if not self.is_closed:  # the client may have ended
            self._run(super().close())

    def changes(self) -> Iterator[Event]:  # type: ignore[override]
        """Return the changes from now on, as `Lease.changes` does; the iterator blocks."""
        return iter(()) if self.is_closed else self._iterate(self._run(_call(self._changes.read)))

    def _iterate(self, events: Any) -> Iterator[Event]:
        while (event := self._run(anext(events, None))) is not None:
            yield event


class SyncClient:
    """A `Client` without async methods: it runs an event loop in its own thread."""

    def __init__(
        self,
        *,
        backend: str | Sequence[str] = (),
        gateway: Address | Sequence[Address] = (),
        conflict: ConflictPolicy | str = "keep",
    ) -> None:
        """Configure the client, as `Client` does."""
        self._client = _Inner(self._run, backend=backend, gateway=gateway, conflict=conflict)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Self:
        """Start the thread and the client in it."""
        if self._loop is not None:
            raise UsageError("the client is already in a 'with' block: create another client")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="portmapper", daemon=True)
        self._thread.start()
        try:
            self._run(self._client.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every port and stop the thread."""
        try:
            self._run(self._client.__aexit__(kind, error, trace))
        finally:
            self._stop()

    def open(
        self,
        port: SupportsIndex,
        protocol: str = "tcp",
        *,
        internal_port: SupportsIndex | None = None,
        address: Address | None = None,
        family: Family | str | None = None,
        lifetime: Lifetime = DEFAULT_DURATION,
        comment: str = "",
        gateway: Address | None = None,
        conflict: ConflictPolicy | str | None = None,
        remote: Remote | None = None,
        on_change: OnChange | None = None,
        wait: bool = True,
    ) -> SyncLease:
        """Open a port and keep it open, as `Client.open` does; `on_change` is called in another thread."""
        coroutine = self._client.open(
            port,
            protocol,
            internal_port=internal_port,
            address=address,
            family=family,
            lifetime=lifetime,
            comment=comment,
            gateway=gateway,
            conflict=conflict,
            remote=remote,
            on_change=on_change,
            wait=wait,
        )
        return cast(SyncLease, self._run(coroutine))

    def close(self, lease: SyncLease) -> None:
        """Close one lease; the same as `SyncLease.close`."""
        lease.close()

    def mappings(self) -> list[SyncLease]:
        """Return the leases that this client keeps open, in the order of `open`."""
        return cast(list[SyncLease], self._client.mappings())

    def discover(self) -> list[FoundGateway]:
        """Return what answers, as `Client.discover` does."""
        return self._run(self._client.discover())

    def external_address(self, family: Family | str = "ipv4") -> IPAddress:
        """Return the external address, as `Client.external_address` does."""
        return self._run(self._client.external_address(family))

    def __repr__(self) -> str:
        """Return whether the client runs, and its number of leases."""
        return repr(self._client)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop is None or threading.current_thread() is self._thread:
            coroutine.close()
            raise UsageError(
                "use the client only inside 'with'"
                if self._loop is None
                else "a coroutine cannot use SyncClient: pass a function as on_change, or use Client"
            )
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _stop(self) -> None:
        loop, self._loop = self._loop, None
        assert loop is not None, "the block was entered"
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()


class _Inner(Client):
    """The client in the thread; its leases have synchronous methods."""

    def __init__(self, run: Any, **options: Any) -> None:
        super().__init__(**options)
        self.run = run

    def _new_lease(self, mapping: Mapping, on_change: OnChange | None) -> Lease:
        return SyncLease(self, mapping, on_change)

    def __repr__(self) -> str:
        return super().__repr__().replace("_Inner", "SyncClient")


def _in_thread(on_change: OnChange) -> OnChange:
    """Return a callback that blocks no renewal: a function may block, and may use the client."""
    if inspect.iscoroutinefunction(on_change):
        return on_change

    async def call(lease: Lease, event: Event) -> None:
        result = await asyncio.to_thread(on_change, lease, event)
        if inspect.isawaitable(result):
            await result

    return call


async def _call(function: Any) -> Any:
    return function()
