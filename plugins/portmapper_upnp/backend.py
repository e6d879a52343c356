"""The `upnp` backend: discovery and diagnosis of internet gateway devices."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from portmapper.api import (
    Backend,
    Diagnoses,
    EndsSearch,
    Family,
    Gateway,
    HearsArrivals,
    IPAddress,
    ReadsLate,
    Target,
)
from portmapper_upnp.lazy_import import FACTORY, is_loaded, load
from portmapper_upnp.multicast import SSDP_PORT

if TYPE_CHECKING:
    import aiohttp

    from portmapper.api import Finding
    from portmapper_upnp.device import IgdDevice
    from portmapper_upnp.endpoint import Endpoint
    from portmapper_upnp.others import Others
    from portmapper_upnp.search import Search

FULL_SEARCH_EVERY = 4
"""While nothing answers, each fourth search names every target; the others are quiet."""

OTHERS_TIME = 0.1
"""Seconds in which a better protocol that has not refused may answer, before the libraries for this one are
loaded. It answers as fast as UPnP, within a few ms, but the answer waits while a program starts."""


class IgdBackend(Backend, Diagnoses, EndsSearch, HearsArrivals, ReadsLate):
    """UPnP IGD v1 and v2: port mappings over IPv4, pinholes over IPv6."""

    name: ClassVar[str] = "upnp"
    rank: ClassVar[int] = 30
    families: ClassVar[frozenset[Family]] = frozenset(Family)

    def __init__(self, ssdp_port: int = SSDP_PORT) -> None:
        """Create a backend that searches on `ssdp_port`; only tests use another port than 1900."""
        self._ssdp_port = ssdp_port
        self._sessions: dict[IPAddress, aiohttp.ClientSession] = {}
        self._searches: dict[Target, list[Search]] = {}
        self._ended: dict[Target, float] = {}
        self._fruitless: Counter[Target] = Counter()
        self._listened: set[Target] = set()
        self._announced: dict[Target, tuple[bytes, tuple[Any, ...]]] = {}
        self._diagnosed: set[Target] = set()
        self._others: dict[Target, Others] = {}

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield each gateway that answers at the target.

        Raises:
            Unsupported: a device answered, but it is no internet gateway.
            NetworkFailure, GatewayTimeout: a device answered, but its description could not be read; or
                nothing can be sent from our address.
        """
        from portmapper_upnp.discovery import Discovery, connect_to
        from portmapper_upnp.search import LATE_ANSWER_TIME, Search

        if target.url is not None:
            yield await connect_to(target.url, target, partial(self._connect, target), self._ssdp_port)
            return
        search = Search(
            target.local_address,
            target.gateway,
            self._ssdp_port,
            interface=target.interface,
            only_gateway=target.chosen,
            patience=LATE_ANSWER_TIME,
            quiet=self._fruitless[target] % FULL_SEARCH_EVERY != 0,
        )
        self._fruitless[target] += 1
        self._track(search, target)
        try:
            async with search, self._hearing(search, target):
                if self._others_at(target).alone:
                    await self._load_at(target)  # miniupnpd answers after 50 ms: the import need not wait
                if not await search.expects_answers():
                    return
                connect, unread = partial(self._connect, target), await self._left_unread(target)
                discovery = Discovery(target, connect, self._ssdp_port, unread)
                async with aclosing(discovery.gateways(search)) as gateways:
                    async for gateway in gateways:
                        del self._fruitless[target]
                        self._announced.pop(target, None)
                        yield gateway
        finally:
            self._searches[target].remove(search)

    def end_search(self, target: Target, patience: float) -> None:
        """End the search of a target early; descriptions that are being read are read to their end."""
        self._ended[target] = patience  # `doctor` may not have started its searches yet
        for search in self._searches.get(target, ()):
            search.end_after(patience)
            search.end_if_refused()

    def others_answered(
        self, target: Target, answered: Collection[IPAddress], *, may_follow: bool, alone: bool
    ) -> None:
        """Take note of where PCP or NAT-PMP has answered."""
        self._others_at(target).note(answered, may_follow=may_follow, alone=alone)

    def _others_at(self, target: Target) -> Others:
        from portmapper_upnp.others import Others

        return self._others.setdefault(target, Others())

    async def _left_unread(self, target: Target) -> Collection[IPAddress]:
        """Return the addresses whose descriptions are read later; if there are none, load what reads them.

        Once the libraries are loaded, a description costs little, and reading it proves that it can be read.
        """
        others = self._others_at(target)
        if not is_loaded(FACTORY) and await others.answer_within(OTHERS_TIME):
            return others.answered
        await self._load_at(target)
        return ()

    async def _load_at(self, target: Target) -> None:
        """Load what reads descriptions, except where hardly anything answers: on a bridge of containers."""
        if target.gateway is not None:
            await load(FACTORY)

    async def _connect(self, target: Target, endpoint: Endpoint) -> IgdDevice:
        """Read a description. Raise `BackendError` if it is not a gateway's."""
        await load(FACTORY)
        from portmapper_upnp.factory import connect

        return await connect(self._session(target), endpoint)

    async def listen(self, target: Target, arrived: Callable[[], None]) -> None:
        """Listen for SSDP announcements. Raise `NetworkFailure` if nothing can be heard."""
        from portmapper_upnp.arrivals import listen

        def heard(data: bytes, sender: tuple[Any, ...]) -> None:
            del self._fruitless[target]
            for search in self._searches.get(target, ()):
                search.ask_again()
            self._use(target, data, sender)
            arrived()

        self._listened.add(target)
        try:
            await listen(target, self._ssdp_port, heard)
        finally:
            self._listened.discard(target)

    def _use(self, target: Target, data: bytes, sender: tuple[Any, ...]) -> None:
        """Use an announcement in the present searches and the next one, but not while `doctor` diagnoses.

        It tells how searches go: a gateway that is found by a lucky announcement would hide a firewall.
        """
        if target not in self._diagnosed:
            self._announced[target] = (data, sender)
            for search in self._searches.get(target, ()):
                search.hear(data, sender)

    @contextlib.asynccontextmanager
    async def _hearing(self, search: Search, target: Target) -> AsyncIterator[None]:
        """Listen for announcements during a search, and use the last one, but only once (D17).

        The gateway may be away since then, and requests for its description would delay its answer.
        """
        if target in self._announced:
            search.hear(*self._announced.pop(target))
        if target in self._listened:
            yield
            return
        listening = asyncio.create_task(self.listen(target, lambda: None))
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def diagnose(self, target: Target) -> Sequence[Finding]:
        """Report which kind of search finds the target's gateway, or why no search does.

        Skip gateways that the user named with a port or a description URL: those are not searched for.
        """
        if target.url is not None or target.port is not None:
            return ()
        self._diagnosed.add(target)
        for search in self._searches.get(target, ()):
            search.forget_announcement()
        await load(FACTORY)
        from portmapper_upnp.diagnosis import diagnose
        from portmapper_upnp.discovery import connect_to

        def describe(url: str) -> Awaitable[IgdDevice]:
            return connect_to(url, target, partial(self._connect, target), self._ssdp_port)

        return await diagnose(target, self._ssdp_port, describe, lambda search: self._track(search, target))

    async def close(self) -> None:
        """Close all HTTP sessions."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    def _track(self, search: Search, target: Target) -> None:
        self._searches.setdefault(target, []).append(search)
        if target in self._ended:
            search.end_after(self._ended[target])
            search.end_if_refused()

    def _session(self, target: Target) -> aiohttp.ClientSession:
        """Return the HTTP session for the target's local address; all its gateways share it."""
        from portmapper_upnp.factory import open_session

        if target.local_address not in self._sessions:
            self._sessions[target.local_address] = open_session(target.local_address)
        return self._sessions[target.local_address]
