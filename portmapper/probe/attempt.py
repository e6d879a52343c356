"""One request to a probe server, and what this host sees while the server probes."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Coroutine, Sequence

from portmapper.api.external import ExternalKind, external_kind
from portmapper.api.model import IPAddress, Protocol
from portmapper.probe.connections import SocketTable, read_table
from portmapper.probe.evidence import Endpoint, Evidence, Listening, OpenPort
from portmapper.probe.exchange import Greeting, ProbeError, ProbeServer, Report, ask
from portmapper.probe.hairpin import answers_from_inside
from portmapper.probe.listeners import TemporaryListener
from portmapper.probe.packets import Arrival, PacketWatch
from portmapper.probe.wire import NONCE_SIZE, PROBE, PortRequest, Result, order_datagram
from portmapper.support.threads import in_thread

ORDER_PAUSES = (0.0, 0.6, 0.9)
"""Seconds before each order of a UDP probe: a datagram may get lost."""

TABLE_PAUSES = (0.0, 0.2, 0.3)
"""Seconds before each look into the table of sockets; the server holds a connection for a second."""


class _Probe:
    """One port while it is probed."""

    def __init__(self, port: OpenPort, local: IPAddress | None, version: int) -> None:
        self.port = port
        self.nonce = secrets.token_bytes(NONCE_SIZE)
        self.listener = TemporaryListener(port, self.nonce, local, version)
        self.result: Result | None = None
        self.source: Endpoint | None = None
        self.new: frozenset[Endpoint] = frozenset()
        self.received = False
        self.hairpin: bool | None = None

    @property
    def request(self) -> PortRequest:
        return PortRequest(self.port.protocol, self.port.port, self.nonce)


class Attempt:
    """Probes at most `MAX_PORTS` ports of one internal address."""

    def __init__(
        self, server: ProbeServer, ports: Sequence[OpenPort], address: IPAddress, local: IPAddress | None
    ) -> None:
        self._server = server
        self._address = address
        self._local = local
        self._ports = ports
        self._before: SocketTable | None = None
        self._greeting: Greeting | None = None
        self._probes: dict[tuple[Protocol, int], _Probe] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> list[Evidence]:
        """Ask the server, and return the evidence for each port in order.

        Raises:
            ProbeError: the server cannot be asked.
        """
        self._before = await in_thread(read_table)
        try:
            with PacketWatch(self._address.version) as watch:
                for port in self._ports:
                    self._probes[port.protocol, port.port] = _Probe(port, self._local, self._address.version)
                await self._exchange()
                await asyncio.gather(*self._tasks)
                for probe in self._probes.values():
                    probe.received = probe.listener.received
                await self._try_hairpins()
        finally:
            for task in self._tasks:
                task.cancel()
            for probe in self._probes.values():
                probe.listener.close()
        return [self._evidence(probe, watch.arrivals) for probe in self._probes.values()]

    async def _exchange(self) -> None:
        requests = [probe.request for probe in self._probes.values()]
        async for line in ask(self._server, requests, self._address, self._local):
            if isinstance(line, Greeting):
                self._greeting = line
                self._start(self._order(line))
            else:
                self._note(line)

    def _note(self, report: Report) -> None:
        probe = self._probes.get(report.key)
        if probe is None:
            raise ProbeError(f"the probe server {self._server.name} reports a port that it was not asked for")
        probe.result, probe.source = report.result, report.source
        if report.result is Result.CONNECTED and probe.listener.listening is Listening.PROGRAM:
            self._start(self._look_up(probe))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _order(self, greeting: Greeting) -> None:
        """Order the UDP probes, from a socket that is not the one under test."""
        wanted = [probe for probe in self._probes.values() if probe.port.protocol is Protocol.UDP]
        family = socket.AF_INET6 if self._address.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as orders:
            orders.setblocking(False)
            if self._local is not None:
                orders.bind((str(self._local), 0))
            for pause in ORDER_PAUSES if wanted else ():
                await asyncio.sleep(pause)
                for probe in wanted:
                    if probe.result is None and not probe.listener.received:
                        datagram = order_datagram(greeting.session, greeting.cookie, probe.port.port)
                        with contextlib.suppress(OSError):
                            orders.sendto(datagram, (str(self._address), greeting.udp_port))

    async def _look_up(self, probe: _Probe) -> None:
        """Collect the new connections to a program while the server holds its own."""
        for pause in TABLE_PAUSES:
            await asyncio.sleep(pause)
            table = await in_thread(read_table)
            if table is not None and self._before is not None:
                probe.new |= table.new_since(self._before, probe.port.internal_port)
            if self._is_found(probe):
                return

    def _is_found(self, probe: _Probe) -> bool:
        return any(end in probe.new for end in self._sources(probe))

    def _sources(self, probe: _Probe) -> set[Endpoint]:
        """Return where the probe may come from: a server behind NAT does not know its own address."""
        if probe.source is None:
            return set()
        return {probe.source, (self._address, probe.source[1])}

    async def _try_hairpins(self) -> None:
        """If nothing arrived, see whether the gateway forwards the port from inside."""
        silent = [
            probe
            for probe in self._probes.values()
            if probe.result is Result.TIMEOUT
            and probe.listener.listening is Listening.OURS
            and probe.port.protocol is Protocol.TCP
            and probe.port.external_address is not None
        ]
        answers = await asyncio.gather(
            *(answers_from_inside(p.port.external_address, p.port.port, p.nonce, self._local) for p in silent)
        )
        for probe, answer in zip(silent, answers, strict=True):
            probe.hairpin = answer

    def _evidence(self, probe: _Probe, arrivals: Sequence[Arrival] | None) -> Evidence:
        assert self._greeting is not None, "without a greeting, `ask` raises"
        is_readable = self._before is not None and probe.port.protocol is Protocol.TCP
        is_found = self._is_found(probe)
        is_ours = probe.listener.listening is not Listening.ELSEWHERE
        return Evidence(
            port=probe.port,
            seen_address=self._greeting.peer,
            result=probe.result or Result.UNREACHABLE,
            source=self._shown_source(probe),
            listening=probe.listener.listening,
            received=probe.received,
            in_table=is_found if is_readable else None,
            other_connection=bool(probe.new) and not is_found,
            arrived=self._arrived(probe, arrivals) if arrivals is not None and is_ours else None,
            hairpin=probe.hairpin,
            listens_at=self._listens_at(probe),
        )

    def _shown_source(self, probe: _Probe) -> Endpoint | None:
        if probe.source is None:
            return None
        is_private = external_kind(probe.source[0]) is not ExternalKind.PUBLIC
        return (self._address, probe.source[1]) if is_private else probe.source

    def _arrived(self, probe: _Probe, arrivals: Sequence[Arrival]) -> bool:
        mine = [arrival for arrival in arrivals if arrival.is_for(probe.port)]
        if probe.port.protocol is Protocol.UDP:
            return any(arrival.payload == PROBE + probe.nonce for arrival in mine)
        sources = self._sources(probe)
        return any((arrival.source, arrival.source_port) in sources for arrival in mine)

    def _listens_at(self, probe: _Probe) -> tuple[IPAddress, ...]:
        """Return where programs listen that do not get what arrives; only if our own listener got it."""
        if self._before is None or probe.listener.listening is not Listening.OURS:
            return ()
        return self._before.listens_at(probe.port.protocol, probe.port.internal_port)
