"""The controller: copies of the cluster's objects, and the rows that follow from them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from portmapper.api import DEFAULT_DURATION, IPAddress, Row, SourceError
from portmapper.support.threads import in_thread
from portmapper_kubernetes.api_errors import ApiFailure
from portmapper_kubernetes.closing import Closing
from portmapper_kubernetes.cluster import Cluster
from portmapper_kubernetes.decision import Verdict, decide
from portmapper_kubernetes.limits import addresses_of
from portmapper_kubernetes.objects import (
    GROUP,
    VERSION,
    PortMapping,
    Service,
    read_node,
    read_port_mapping,
    read_service,
)
from portmapper_kubernetes.open_ports import OpenPorts
from portmapper_kubernetes.options import Settings
from portmapper_kubernetes.reflector import Reflector
from portmapper_kubernetes.wanted import ANY, Wanted

if TYPE_CHECKING:
    from portmapper_kubernetes.api_server import ApiServer

FIRST_LIST_LIMIT = 5.0
"""Seconds that the first read waits for the API server."""

ADDRESS_INTERVAL = 0.5
"""Seconds between two looks at the addresses of this host."""

_log = logging.getLogger(__name__)


@attrs.define
class _Kinds:
    """The reflectors, by what they follow."""

    services: list[Reflector[Service]]
    mappings: list[Reflector[PortMapping]]
    nodes: list[Reflector[tuple[str, ...]]]

    @property
    def all(self) -> list[Reflector[Any]]:
        return [*self.services, *self.mappings, *self.nodes]


class Controller:
    """What this replica knows of the cluster.

    Attributes:
        settings: the settings.
        open_ports: the ports that are open on gateways.
        closing: ports of an earlier leader that are being closed.
        must_hold_back: whether a PortMapping without our finalizer will get it.
        before_first: called once, before the first rows; without an election, it reads the shared Secret.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.open_ports = OpenPorts()
        self.closing = Closing(self.open_ports)
        self.must_hold_back: Callable[[PortMapping], bool] = lambda mapping: False
        self.before_first: Callable[[], Awaitable[None]] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._kinds: _Kinds | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._verdicts: list[Verdict] | None = None
        self._carried: frozenset[IPAddress] = frozenset()
        self._ever_carried: frozenset[IPAddress] = frozenset()
        self._has_record = False
        self._server: ApiServer | None = None

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` after each change of an object."""
        self._listeners.append(changed)

    def changed(self) -> None:
        """Note that objects changed."""
        self._verdicts = None
        for listener in self._listeners:
            listener()

    @property
    def is_synced(self) -> bool:
        """Whether the Services are known."""
        return self._kinds is not None and all(kind.synced.is_set() for kind in self._kinds.services)

    @property
    def is_settled(self) -> bool:
        """Whether the rows are complete. An incomplete list would close the ports of the rest."""
        return self.is_synced and all(kind.settled.is_set() for kind in self._all_kinds)

    @property
    def _all_kinds(self) -> list[Reflector[Any]]:
        return self._kinds.all if self._kinds else []

    @property
    def error(self) -> str:
        """Why the copies may be old; empty if they are up to date."""
        return next((kind.error for kind in self._all_kinds if kind.error), "")

    @property
    def services(self) -> dict[str, Service]:
        """All Services, by `namespace/name`."""
        return _merged(self._kinds.services) if self._kinds else {}

    @property
    def mappings(self) -> dict[str, PortMapping]:
        """All PortMapping objects, by `namespace/name`."""
        return _merged(self._kinds.mappings) if self._kinds else {}

    async def server(self) -> ApiServer:
        """Return the connection for everything but the election."""
        if self._server is None:
            self._server = await in_thread(partial(connect, self.settings))
        return self._server

    async def follow(self) -> None:
        """Start to follow the cluster, and wait for the first lists.

        Raises:
            SourceError: the API server does not answer yet.
        """
        if self._kinds is None:
            self._kinds = _Kinds(**self._reflectors(await self.server()))
            self._tasks = [asyncio.create_task(kind.run()) for kind in self._kinds.all]
            self._tasks.append(asyncio.create_task(self._follow_addresses()))
        waiting = [asyncio.create_task(kind.settled.wait()) for kind in self._kinds.all]
        _, pending = await asyncio.wait(waiting, timeout=FIRST_LIST_LIMIT)
        for task in pending:
            task.cancel()
        if not self.is_settled:
            raise SourceError(self.error or "the API server does not answer")
        await self._prepare()
        self._begin_closing()

    async def _prepare(self) -> None:
        hook, self.before_first = self.before_first, None
        if hook is not None:
            try:
                await hook()
            except ApiFailure as failure:
                _log.warning("cannot read what an earlier run left: %s", failure)

    def _reflectors(self, server: ApiServer) -> dict[str, Any]:
        selection = self.settings.selection
        service = partial(read_service, prefix=selection.prefix, own_class=selection.load_balancer_class)
        group = f"apis/{GROUP}/{VERSION}"
        scopes = [f"namespaces/{name}/" for name in self.settings.limits.namespaces] or [""]
        return {
            "services": [Reflector(server, f"api/v1/{s}services", service, self.changed) for s in scopes],
            "mappings": [
                Reflector(server, f"{group}/{s}portmappings", read_port_mapping, self.changed) for s in scopes
            ],
            "nodes": [Reflector(server, "api/v1/nodes", read_node, self.changed)],
        }

    async def _follow_addresses(self) -> None:
        """Report when a virtual address arrives: objects may lead to it."""
        while True:
            await asyncio.sleep(ADDRESS_INTERVAL)
            if self._find_carried() != self._carried:
                self.changed()

    def verdicts(self) -> list[Verdict]:
        """Return what is decided for each object."""
        carried = self._find_carried()
        if self._verdicts is None or carried != self._carried:
            self._carried = carried
            cluster = Cluster(self.services, carried, self.settings.limits, self.settings.selection)
            self._verdicts = decide(cluster, self.mappings.values())
        return self._verdicts

    def _find_carried(self) -> frozenset[IPAddress]:
        """Return the addresses of nodes, and those that this host has or had.

        A virtual address that moves to another node is still an address of the cluster. If its objects were
        denied at that moment, their ports would be closed.
        """
        nodes = _merged(self._kinds.nodes).values() if self._kinds else ()
        texts = [text for addresses in nodes for text in addresses]
        self._ever_carried |= frozenset(addresses_of(list(own_addresses())))
        return self._ever_carried | frozenset(addresses_of(texts))

    def rows(self) -> list[Row]:
        """Return the rows for portmapper. A port that must be closed first waits."""
        blocked = self.closing.claims()
        held_back = self._held_back()
        wanted = [
            port
            for verdict in self.verdicts()
            if verdict.reference.origin not in held_back
            for port in verdict.wanted
        ]
        kept = self._kept(wanted) if self.settings.keeps else []
        return [*(port.row for port in wanted if port.claim[:3] not in blocked), *self.closing.rows(), *kept]

    def _kept(self, wanted: Iterable[Wanted]) -> list[Row]:
        """Return a row for each open port that no object wants. If another object asks for it, it gets it."""
        claims = {port.claim[:3] for port in wanted}
        origins = {port.reference.origin for port in wanted if port.external == ANY}
        return [
            port.row(origin, DEFAULT_DURATION, "that --policy upsert-only keeps")
            for port, origin in self.open_ports.items()
            if (port.family, port.protocol, port.external_port) not in claims and origin not in origins
        ]

    def _held_back(self) -> set[str]:
        """Return the PortMappings that must get our finalizer first.

        Otherwise such an object could be gone before its port is closed.
        """
        return {
            mapping.reference.origin
            for mapping in self.mappings.values()
            if not mapping.has_finalizer
            and self.must_hold_back(mapping)
            and not self.open_ports.of(mapping.reference.origin)
        }

    def take_over(self, record: bytes) -> None:
        """Find what an earlier leader left open, from its record."""
        self.open_ports.unpack(record)
        self._has_record = True
        self._begin_closing()

    def _begin_closing(self) -> None:
        """Find what nothing wants any more, once both the record and the objects are known."""
        if not self._has_record or not self.is_settled:
            return
        if self.settings.keeps:
            self.changed()
            return
        self._has_record = False
        verdicts = self.verdicts()
        # An object that is refused now may be accepted soon, such as when a virtual address arrives.
        refused = {verdict.reference.origin for verdict in verdicts if verdict.rejection is not None}
        self.closing.begin([port for verdict in verdicts for port in verdict.wanted], refused, self._is_known)
        self.changed()

    def _is_known(self, origin: str) -> bool:
        """Return whether the objects of this kind were listed, so that a missing one is gone."""
        if not origin.startswith("portmapping/"):
            return True
        return self._kinds is not None and all(kind.synced.is_set() for kind in self._kinds.mappings)

    async def close(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks, self._kinds = [], None
        if self._server is not None:
            await self._server.close()


def connect(settings: Settings) -> ApiServer:
    """Return a connection to the API server. This imports lightkube, so call it in a thread."""
    from portmapper_kubernetes.api_server import ApiServer, load_config

    return ApiServer(load_config(settings.kubeconfig))


def own_addresses() -> Iterable[str]:
    """Return the addresses of this host."""
    import psutil

    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            yield address.address.partition("%")[0]


def _merged(reflectors: Iterable[Reflector[Any]]) -> dict[str, Any]:
    return {key: item for reflector in reflectors for key, item in reflector.items.items()}
