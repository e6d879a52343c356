"""A house: the embedded gateway as the test wants it, and the real scheduler and backends behind it."""

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
from portmapper.api.model import Mapping, MapRequest, Protocol
from portmapper.network.host import DefaultRoute, Interface, Network
from portmapper.observability.publisher import EventPublisher
from portmapper.scheduler.record import Record
from portmapper.scheduler.options import Options
from portmapper.scheduler.scheduler import Scheduler
from portmapper.store.leases import Store
from portmapper.support.clock import Clock
from portmapper_pcp.nat_pmp import NatPmpBackend
from portmapper_pcp.pcp import PcpBackend
from portmapper_simulator.gateway import EmbeddedGateway
from portmapper_simulator.settings import Settings
from portmapper_upnp.backend import IgdBackend

ALL = ("pcp", "natpmp", "upnp")
PATIENCE = 60.0
TURN = 0.01


def loopback_network(local: str = "127.0.0.1", gateway: str = "127.0.0.1") -> Network:
    """Return a network of the loopback interface alone, with a default route to the gateway."""
    interface = Interface("lo", (ipaddress.ip_interface(f"{local}/8"),))
    return Network((interface,), (DefaultRoute("lo", ipaddress.ip_address(gateway)),))


@attrs.define(eq=False)
class House:
    """A host behind an embedded gateway.

    Attributes:
        gateway: its gateway; its quirks may be changed while it runs.
        scheduler: keeps the ports open.
        events: all that was published.
        network: what the scheduler takes for the host's network.
    """

    gateway: EmbeddedGateway
    network: Network
    scheduler: Scheduler = None  # type: ignore[assignment]
    events: list[Event] = attrs.field(factory=list)

    async def open(self, *mappings: Mapping) -> Record:
        """Want these and nothing else, wait until each was tried, and return the first."""
        await self.want(*mappings)
        return next(iter(self.scheduler.records.values()))

    async def want(self, *mappings: Mapping) -> None:
        """Want these and nothing else, and wait until each was tried."""
        self.scheduler.set_desired(mappings)
        async with asyncio.timeout(PATIENCE):
            await self.scheduler.settled()

    async def renew(self, entry: Record) -> Record:
        """Renew at once, as an edit of the comment does."""
        others = [
            other.mapping
            for other in self.scheduler.records.values()
            if other.mapping.key != entry.mapping.key
        ]
        await self.want(attrs.evolve(entry.mapping, comment=f"{entry.mapping.comment} again"), *others)
        return self.scheduler.records[entry.mapping.key]

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something has come true."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"not {what}; {[str(e) for e in self.events]}"
            await asyncio.sleep(TURN)

    def requested(self, action: str) -> list[Any]:
        """Return the details of each request of that name, oldest first."""
        return [requested.details for requested in self.gateway.requests if requested.action == action]

    def kinds(self) -> list[EventKind]:
        """Return what happened, by name."""
        return [event.kind for event in self.events]

    def ports(self) -> set[int]:
        """Return the external ports that are open on the gateway."""
        return {entry.external_port for entry in self.gateway.table}


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is closed at the end of the test."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def start_gateway(
    stack: AsyncExitStack, free_port: Callable[[], int]
) -> Callable[..., Awaitable[EmbeddedGateway]]:
    """Start a gateway with quirks and settings; it relays nothing, and keeps its ports when it restarts."""

    async def start(*quirks: str, **settings: Any) -> EmbeddedGateway:
        ports = {name: free_port() for name in ("pcp_port", "http_port", "ssdp_port")}
        chosen = Settings(**{"quirks": frozenset(quirks), "relay": False, **ports, **settings})
        return await stack.enter_async_context(EmbeddedGateway(chosen))

    return start


def backends_for(gateway: EmbeddedGateway, names: Sequence[str]) -> list[Backend]:
    """Make the real backends, towards the gateway's SSDP port."""
    makers: dict[str, Callable[[], Backend]] = {
        "pcp": PcpBackend,
        "natpmp": NatPmpBackend,
        "upnp": lambda: IgdBackend(gateway.ssdp_port or 1900),
    }
    return [makers[name]() for name in names]


@pytest.fixture
def move_in(stack: AsyncExitStack) -> Callable[..., Awaitable[House]]:
    """Put a scheduler before a gateway; `searched` finds it as a home's, else its port 5351 is named."""

    async def move_in(
        gateway: EmbeddedGateway,
        backends: Sequence[str] = ALL,
        *,
        searched: bool = False,
        local: str = "127.0.0.1",
        store: Store | None = None,
        **options: Any,
    ) -> House:
        host = gateway.settings.host
        if not searched:
            options["chosen"] = (f"{host}:{gateway.pcp_port or 5351}",)
        house = House(gateway, loopback_network(local, host))
        store = store or Store(None)
        journal = EventPublisher(store)
        journal.listen(house.events.append)
        house.scheduler = Scheduler(
            backends_for(gateway, backends),
            store,
            journal.publish,
            Options(**options),
            Clock(),
            lambda: house.network,
        )
        running = asyncio.create_task(house.scheduler.run())
        stack.push_async_callback(_move_out, house, running)
        return house

    return move_in


async def _move_out(house: House, running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await house.scheduler.close()


@pytest.fixture
def house(
    start_gateway: Callable[..., Awaitable[EmbeddedGateway]], move_in: Callable[..., Awaitable[House]]
) -> Callable[..., Awaitable[House]]:
    """Start a gateway with quirks and move in, with the backends given by name or all."""

    async def build(
        *quirks: str, backends: Sequence[str] = ALL, options: dict[str, Any] | None = None, **settings: Any
    ) -> House:
        return await move_in(await start_gateway(*quirks, **settings), backends, **(options or {}))

    return build


@pytest.fixture
def desired() -> Callable[..., Mapping]:
    """Make a mapping; TCP 8080 where nothing else is said."""

    def make(port: int = 8080, internal_port: int | None = None, **more: Any) -> Mapping:
        more.setdefault("protocol", Protocol.TCP)
        return Mapping(port=port, internal_port=internal_port or port, **more)

    return make


@attrs.define
class Found:
    """What a search came to."""

    gateways: list[Gateway]
    failure: BackendError | None


@pytest.fixture
def discover(stack: AsyncExitStack) -> Callable[..., Awaitable[Found]]:
    """Search with one backend, to the end, for the gateways that it finds."""

    async def discover(gateway: EmbeddedGateway, backend: str = "upnp", *, first: bool = False) -> Found:
        host = ipaddress.ip_address(gateway.settings.host)
        local = ipaddress.ip_address("127.0.0.1")
        (searching,) = backends_for(gateway, [backend])
        stack.push_async_callback(searching.close)
        found = Found([], None)
        answers: Any = searching.discover(Target(local, "lo", host, port=gateway.pcp_port or 5351))
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
    """Write a request for this host's TCP port 8080 with the changes given."""

    def write(**changes: Any) -> MapRequest:
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

    return write


@pytest.fixture
def quick_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """End a search after 0.4 s, for what is never found, and a request after 0.5 s."""
    monkeypatch.setattr("portmapper_upnp.search.SEARCH_TIME", 0.4)
    monkeypatch.setattr("portmapper_upnp.requester.REQUEST_TIME", 0.5)
