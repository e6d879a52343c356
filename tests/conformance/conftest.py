"""The software gateway with quirks, and the real scheduler and backends of a host behind it."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Backend, Gateway, Target
from portmapper.api.errors import BackendError
from portmapper.api.events import Event, EventKind
from portmapper.api.model import Mapping, MappingKey, MappingState, MapRequest, Protocol
from portmapper.network.host import DefaultRoute, Interface, Network
from portmapper.observability.publisher import EventPublisher
from portmapper.scheduler.options import Options
from portmapper.scheduler.scheduler import Scheduler
from portmapper.store.leases import Store
from portmapper.support.clock import Clock
from portmapper_pcp.backends import NatPmpBackend, PcpBackend
from portmapper_simulator.gateway import EmbeddedGateway
from portmapper_simulator.settings import Settings
from portmapper_upnp.backend import IgdBackend

ALL = ("pcp", "natpmp", "upnp")
TIMEOUT = 60.0
POLL_INTERVAL = 0.01


def loopback_network(local: str = "127.0.0.1", gateway: str = "127.0.0.1") -> Network:
    """Return a network with only the loopback interface and a default route to the gateway."""
    interface = Interface("lo", (ipaddress.ip_interface(f"{local}/8"),))
    return Network((interface,), (DefaultRoute("lo", ipaddress.ip_address(gateway)),))


class CurrentRecord:
    """The record of one mapping as it is at the moment of each access."""

    def __init__(self, scheduler: Scheduler, key: MappingKey) -> None:
        self._scheduler = scheduler
        self._key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scheduler.records[self._key], name)

    @property
    def refusal(self) -> Any:
        """The only error of a mapping that is not open."""
        assert self.lease is None
        ((_, error),) = self.refusals
        return error


class LoopClock(Clock):
    """The clock of the event loop, which hurries: leases must not get older there than here."""

    def monotonic(self) -> float:
        """Return the time of the loop."""
        return asyncio.get_running_loop().time()


@attrs.define(eq=False)
class LoopbackHarness:
    """A host behind a software gateway.

    Attributes:
        gateway: the gateway; its quirks may be changed while it runs.
        scheduler: the scheduler of the host.
        events: all published events.
        network: the host's network as the scheduler sees it.
    """

    gateway: EmbeddedGateway
    network: Network
    scheduler: Scheduler = None  # type: ignore[assignment]
    events: list[Event] = attrs.field(factory=list)

    async def open(self, *mappings: Mapping) -> CurrentRecord:
        """Replace the desired mappings, wait until each was tried, and return the state of the first."""
        await self.set_desired(*mappings)
        return CurrentRecord(self.scheduler, next(iter(self.scheduler.records)))

    async def set_desired(self, *mappings: Mapping) -> None:
        """Replace the desired mappings and wait until each was tried."""
        self.scheduler.set_desired(mappings)
        async with asyncio.timeout(TIMEOUT):
            await self.scheduler.settled()

    async def opens(self, mapping: Mapping) -> CurrentRecord:
        """Open one mapping, and check that the gateway has its port open and no other."""
        entry = await self.open(mapping)
        assert entry.state is MappingState.ACTIVE, entry.error
        assert self.ports() == {mapping.port}
        assert len(self.scheduler.discovery.gateways) == 1
        return entry

    async def opens_and_closes(self, mapping: Mapping) -> None:
        """Open one mapping, and check that it can be listed, renewed and released."""
        entry = await self.opens(mapping)
        (gateway,) = self.scheduler.discovery.gateways
        assert [row.external_port for row in await gateway.list_mappings()] == [mapping.port]
        assert (await self.renew(entry)).error is None
        await self.scheduler.release_all()
        assert self.ports() == set()

    async def close_all(self) -> None:
        """Release every mapping, and wait until the gateway has no port open."""
        await self.set_desired()
        await self.until(lambda: not self.ports(), "released")

    async def renew(self, entry: CurrentRecord) -> CurrentRecord:
        """Renew a lease at once by an edit of its comment."""
        others = [
            other.mapping
            for other in self.scheduler.records.values()
            if other.mapping.key != entry.mapping.key
        ]
        await self.set_desired(attrs.evolve(entry.mapping, comment=f"{entry.mapping.comment} again"), *others)
        return entry

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition is true; `what` describes it in the failure."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < deadline, f"not {what}; {[str(e) for e in self.events]}"
            await asyncio.sleep(POLL_INTERVAL)

    def requested(self, action: str) -> list[Any]:
        """Return the details of all requests of this name, oldest first."""
        return [request.details for request in self.gateway.requests if request.action == action]

    def added(self, argument: str) -> list[Any]:
        """Return one argument of each AddPortMapping, in order."""
        return [details[argument] for details in self.requested("AddPortMapping")]

    def kinds(self) -> list[EventKind]:
        """Return the kinds of the published events, in order."""
        return [event.kind for event in self.events]

    def ports(self) -> set[int]:
        """Return the external ports that are open on the gateway."""
        return {entry.external_port for entry in self.gateway.table}


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """An exit stack that is closed at the end of the test."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def start_gateway(
    stack: AsyncExitStack, free_port: Callable[[], int]
) -> Callable[..., Awaitable[EmbeddedGateway]]:
    """A function that starts a gateway with quirks; it relays nothing and keeps its ports on restart."""

    async def start(*quirks: str, **settings: Any) -> EmbeddedGateway:
        ports = {name: free_port() for name in ("pcp_port", "http_port", "ssdp_port")}
        chosen = Settings(**{"quirks": frozenset(quirks), "relay": False, **ports, **settings})
        return await stack.enter_async_context(EmbeddedGateway(chosen))

    return start


def backends_for(gateway: EmbeddedGateway, names: Sequence[str]) -> list[Backend]:
    """Return the real backends, with the SSDP port of the gateway."""
    makers: dict[str, Callable[[], Backend]] = {
        "pcp": PcpBackend,
        "natpmp": NatPmpBackend,
        "upnp": lambda: IgdBackend(gateway.ssdp_port or 1900),
    }
    return [makers[name]() for name in names]


@pytest.fixture
def start_scheduler(stack: AsyncExitStack) -> Callable[..., Awaitable[LoopbackHarness]]:
    """A function that starts a scheduler for a gateway, which it searches only if `searched`."""

    async def start_scheduler(
        gateway: EmbeddedGateway,
        backends: Sequence[str] = ALL,
        *,
        searched: bool = False,
        local: str = "127.0.0.1",
        store: Store | None = None,
        **options: Any,
    ) -> LoopbackHarness:
        host = gateway.settings.host
        if not searched:
            options["chosen"] = (f"{host}:{gateway.pcp_port or 5351}",)
        harness = LoopbackHarness(gateway, loopback_network(local, host))
        if store is None:
            store = Store(None)
            stack.callback(store.close)
        journal = EventPublisher(store)
        journal.listen(harness.events.append)
        harness.scheduler = Scheduler(
            backends_for(gateway, backends),
            store,
            journal.publish,
            Options(**options),
            LoopClock(),
            lambda: harness.network,
        )
        running = asyncio.create_task(harness.scheduler.run())
        stack.push_async_callback(_stop_scheduler, harness, running)
        return harness

    return start_scheduler


async def _stop_scheduler(harness: LoopbackHarness, running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await harness.scheduler.close()


@pytest.fixture
def new_harness(
    start_gateway: Callable[..., Awaitable[EmbeddedGateway]],
    start_scheduler: Callable[..., Awaitable[LoopbackHarness]],
) -> Callable[..., Awaitable[LoopbackHarness]]:
    """A function that starts a gateway with quirks and a scheduler with the given backends."""

    async def build(
        *quirks: str, backends: Sequence[str] = ALL, options: dict[str, Any] | None = None, **settings: Any
    ) -> LoopbackHarness:
        return await start_scheduler(await start_gateway(*quirks, **settings), backends, **(options or {}))

    return build


@pytest.fixture
def desired() -> Callable[..., Mapping]:
    """A function that makes a mapping; the default is TCP 8080."""

    def make(port: int = 8080, internal_port: int | None = None, **more: Any) -> Mapping:
        more.setdefault("protocol", Protocol.TCP)
        return Mapping(port=port, internal_port=internal_port or port, **more)

    return make


@attrs.define
class SearchResult:
    """The result of a search."""

    gateways: list[Gateway]
    failure: BackendError | None


@pytest.fixture
def discover(stack: AsyncExitStack) -> Callable[..., Awaitable[SearchResult]]:
    """A function that searches with one backend until the search ends."""

    async def discover(
        gateway: EmbeddedGateway, backend: str = "upnp", *, first: bool = False
    ) -> SearchResult:
        host = ipaddress.ip_address(gateway.settings.host)
        local = ipaddress.ip_address("127.0.0.1")
        (backend_object,) = backends_for(gateway, [backend])
        stack.push_async_callback(backend_object.close)
        found = SearchResult([], None)
        answers: Any = backend_object.discover(Target(local, "lo", host, port=gateway.pcp_port or 5351))
        try:
            async for answer in answers:
                found.gateways.append(answer)
                stack.push_async_callback(answer.close)
                if first:
                    break
        except BackendError as error:
            found.failure = error
        await answers.aclose()
        return found

    return discover


@pytest.fixture
def request_for() -> Callable[..., MapRequest]:
    """A function that makes a request for this host's TCP port 8080 with the given changes."""

    def make(**changes: Any) -> MapRequest:
        fields = {
            "protocol": Protocol.TCP,
            "internal_address": ipaddress.ip_address("127.0.0.1"),
            "internal_port": 8080,
            "external_port": 8080,
            "comment": "web",
            "token": bytes(range(12)),
            **changes,
        }
        return MapRequest(**fields)

    return make


@pytest.fixture
def quick_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time limits of searches to 0.4 s and of requests to 0.5 s."""
    monkeypatch.setattr("portmapper_upnp.search.SEARCH_TIME", 0.4)
    monkeypatch.setattr("portmapper_upnp.search.LATE_ANSWER_TIME", 0.4)
    monkeypatch.setattr("portmapper_upnp.requester.REQUEST_TIME", 0.5)


@pytest.fixture(autouse=True)
async def _hurry(hurry: None) -> None:
    """Wait for retries and time limits only briefly: the gateway is on the loop of the test."""
