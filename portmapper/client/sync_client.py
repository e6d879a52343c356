"""The synchronous Python API, for programs without an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from portmapper.api.errors import UsageError
from portmapper.api.model import DEFAULT_DURATION, ConflictPolicy, Family, IPAddress
from portmapper.client.async_client import Client, ClientLease

T = TypeVar("T")


class SyncLease:
    """A `ClientLease` without async methods; it has the same attributes."""

    def __init__(self, client: SyncClient, lease: ClientLease) -> None:
        self._client = client
        self._lease = lease

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lease, name)

    def close(self) -> None:
        """Close the port, as `ClientLease.close` does."""
        self._client._run(self._lease.close())


class SyncClient:
    """A `Client` without async methods: it runs an event loop in its own thread."""

    def __init__(
        self,
        *,
        backend: Sequence[str] = (),
        gateway: Sequence[str] = (),
        conflict: ConflictPolicy | str = ConflictPolicy.OWN,
    ) -> None:
        """Configure the client, as `Client` does."""
        self._client = Client(backend=backend, gateway=gateway, conflict=conflict)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Self:
        """Start the thread and the client in it."""
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
        port: int,
        protocol: str = "tcp",
        *,
        internal_port: int | None = None,
        address: IPAddress | None = None,
        family: Family | str | None = None,
        lifetime: int = DEFAULT_DURATION,
        comment: str = "",
        gateway: str | None = None,
    ) -> SyncLease:
        """Open a port and keep it open, as `Client.open` does."""
        coroutine = self._client.open(
            port,
            protocol,
            internal_port=internal_port,
            address=address,
            family=family,
            lifetime=lifetime,
            comment=comment,
            gateway=gateway,
        )
        return SyncLease(self, self._run(coroutine))

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            coroutine.close()
            raise UsageError("use the client only inside 'with'")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _stop(self) -> None:
        loop, self._loop = self._loop, None
        assert loop is not None, "the block was entered"
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()
