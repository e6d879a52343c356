"""The HTTP side of the probe server: admits a request, runs its probes, and streams the results."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Sequence
from typing import Any

from portmapper.api.errors import UsageError
from portmapper.api.model import Protocol
from portmapper.probe.wire import PortRequest, Result, parse_request
from portmapper.probe_server.counts import Counts
from portmapper.probe_server.limits import Admission, TooMany
from portmapper.probe_server.peer import Peer
from portmapper.probe_server.tcp import Report, probe_tcp
from portmapper.probe_server.udp import OrderSocket, Session, UdpProbe
from portmapper.support.allowed_hosts import is_loopback_name, name_of

BODY_LIMIT = 5.0
"""Seconds for a client to send the body."""

FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-IP")
"""Headers of a proxy. They decide nothing, but on a connection from this host they reveal one."""


class Service:
    """Handles the requests."""

    def __init__(
        self, web: Any, admission: Admission, orders: OrderSocket, counts: Counts, token: str
    ) -> None:
        self._web = web
        self._admission = admission
        self._orders = orders
        self._counts = counts
        self._token = token
        self.udp_port = 0

    async def probe(self, request: Any) -> Any:
        """Probe the ports that a client asks for, at the address that it asks from."""
        peer = Peer.of(request.transport)
        try:
            self._admission.count_request(peer.address)
            self._check(request, peer)
            ports = await self._ports(request)
            with self._admission.serving(peer.address, len(ports)):
                answer = await self._run(request, peer, ports)
        except TooMany as limit:
            self._counts.add("requests", "limited")
            raise self._web.HTTPTooManyRequests(
                text="too many requests; try again later", headers={"Retry-After": str(limit.wait)}
            ) from None
        except self._web.HTTPException:
            self._counts.add("requests", "refused")
            raise
        self._counts.add("requests", "served")
        return answer

    async def metrics(self, request: Any) -> Any:
        """Return the counts to this host and to clients with the token."""
        # A page of the Internet may point its name at loopback, and a browser here would ask for it.
        is_here = Peer.of(request.transport).address.is_loopback and _names_this_host(request)
        if not (is_here or (self._token and self._knows_token(request))):
            raise self._web.HTTPNotFound
        return self._web.Response(text=self._counts.text())

    def _check(self, request: Any, peer: Peer) -> None:
        if self._token and not self._knows_token(request):
            raise self._web.HTTPUnauthorized(text="the token is missing or invalid")
        if peer.address.is_loopback and any(name in request.headers for name in FORWARDED):
            raise self._web.HTTPForbidden(
                text="a proxy forwards the requests, so the client's address is not known; "
                "let clients connect to the probe server directly"
            )

    def _knows_token(self, request: Any) -> bool:
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        return hmac.compare_digest(given, f"Bearer {self._token}".encode())

    async def _ports(self, request: Any) -> list[PortRequest]:
        try:
            async with asyncio.timeout(BODY_LIMIT):
                document = json.loads(await request.read())
            return parse_request(document)
        except (ValueError, RecursionError, TimeoutError):
            raise self._web.HTTPBadRequest(text="the body is not JSON") from None
        except UsageError as error:
            raise self._web.HTTPBadRequest(text=str(error)) from None

    async def _run(self, request: Any, peer: Peer, ports: Sequence[PortRequest]) -> Any:
        response = self._web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        response.force_close()
        await response.prepare(request)
        lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        session = Session(peer, [port for port in ports if port.protocol is Protocol.UDP])
        self._orders.sessions[session.name] = session
        lines.put_nowait(self._greeting(peer, session))
        probes = asyncio.create_task(self._probe_all(peer, ports, session, lines))
        try:
            while (line := await lines.get()) is not None:
                await response.write(json.dumps(line).encode() + b"\n")
        finally:
            probes.cancel()
            await asyncio.gather(probes, return_exceptions=True)
            del self._orders.sessions[session.name]
            for probe in session.probes.values():
                probe.close()
        return response

    def _greeting(self, peer: Peer, session: Session) -> dict[str, Any]:
        return {
            "peer": str(peer.address),
            "udp_port": self.udp_port,
            "session": session.name.hex(),
            "cookie": session.cookie.hex(),
        }

    async def _probe_all(
        self, peer: Peer, ports: Sequence[PortRequest], session: Session, lines: asyncio.Queue[Any]
    ) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for port in ports:
                    is_tcp = port.protocol is Protocol.TCP
                    tasks.create_task(
                        self._tcp(peer, port, lines.put_nowait)
                        if is_tcp
                        else self._udp(session.probes[port.port], lines.put_nowait)
                    )
            lines.put_nowait({"done": True})
        finally:
            lines.put_nowait(None)

    async def _tcp(self, peer: Peer, port: PortRequest, report: Report) -> None:
        try:
            result = await probe_tcp(peer, port, report)
        except OSError:  # no descriptor or port is left
            result = Result.UNREACHABLE
        self._counts.add("probes", f"tcp {result}")

    async def _udp(self, probe: UdpProbe, report: Report) -> None:
        result = await probe.finish()
        source = probe.source or (None, None)
        report(
            {
                "port": probe.port,
                "protocol": "UDP",
                "result": result.value,
                "source": source[0],
                "source_port": source[1],
            }
        )
        self._counts.add("probes", f"udp {result}")


def _names_this_host(request: Any) -> bool:
    """Return whether a request names loopback, or nothing as HTTP/1.0 allows, which no browser does."""
    return is_loopback_name(name_of(request.headers.get("Host", "localhost")))
