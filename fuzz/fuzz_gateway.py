"""Fuzz the whole UPnP client with a gateway on loopback whose answers mutate, from description to table."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Awaitable, Iterator

from harness import fuzz, instrumented

from portmapper.api.backend import Gateway, ListsMappings, Target, VerifiesLeases
from portmapper.api.errors import BackendError
from portmapper.api.model import ConflictPolicy, Lease, MapRequest, Protocol, TableEntry

with instrumented():
    from portmapper.gateways.calls import read_external_address, read_table, request_lease, verify_lease
    from portmapper_upnp import requester
    from portmapper_upnp.backend import IgdBackend

LIMIT = 20.0
"""Seconds for one input; no answer may make the client wait longer."""

BETWEEN = b"\n====\n"
"""Separates the answers in an input; the gateway sends one for each request, and begins again at the end."""

HERE = ipaddress.IPv4Address("127.0.0.1")
TYPE = "urn:schemas-upnp-org:service:WANIPConnection:1"


def _http(body: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def _soap(action: str, **arguments: str) -> bytes:
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in arguments.items())
    return _http(
        f"<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><u:{action}Response "
        f"xmlns:u='{TYPE}'>{inside}</u:{action}Response></s:Body></s:Envelope>"
    )


def _fault(code: int) -> bytes:
    return _http(
        "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><s:Fault><detail>"
        f"<UPnPError><errorCode>{code}</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>",
        "500 Error",
    )


DESCRIPTION = _http(
    "<root><device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>"
    f"<serviceList><service><serviceType>{TYPE}</serviceType><controlURL>/c</controlURL>"
    "<eventSubURL>/e</eventSubURL></service></serviceList></device></root>"
)
STATE = _soap("GetStatusInfo", NewConnectionStatus="Connected", NewUptime="9", NewLastConnectionError="")
ENTRY = _soap(
    "GetSpecificPortMappingEntry",
    NewRemoteHost="",
    NewExternalPort="8080",
    NewProtocol="TCP",
    NewInternalClient="127.0.0.1",
    NewInternalPort="8080",
    NewEnabled="1",
    NewPortMappingDescription="portmapper",
    NewLeaseDuration="3600",
)
ADDRESS = _soap("GetExternalIPAddress", NewExternalIPAddress="203.0.113.7")
SEEDS = [
    BETWEEN.join([DESCRIPTION, STATE, ADDRESS, _soap("AddPortMapping"), ENTRY, ENTRY, _fault(713)]),
    BETWEEN.join([DESCRIPTION, STATE, _fault(718), ENTRY, _fault(725), _soap("AddPortMapping"), _fault(714)]),
    BETWEEN.join([DESCRIPTION, _fault(401), _http("", "404 Not Found"), b"garbage", ENTRY]),
]
REQUEST = MapRequest(Protocol.TCP, HERE, 8080, 8080, 3600, "portmapper", b"x" * 12)

requester.PAUSE = 0.0  # an overloaded gateway gets time, which a fuzzer does not have
_loop = asyncio.new_event_loop()


class Mutating:
    """A gateway that sends one answer after the other, whatever is asked."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._next = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read the head of one request, send the next answer and close the connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answers[self._next % len(self._answers)])
            self._next += 1
            await writer.drain()
        writer.close()


def parse(data: bytes) -> None:
    """Let the client use a gateway that sends these answers; a fault of ours in a task fails, too."""
    faults: list[dict[str, object]] = []
    _loop.set_exception_handler(lambda _, context: faults.append(context))
    _loop.run_until_complete(asyncio.wait_for(_use(data.split(BETWEEN)), LIMIT))
    assert not faults, faults


async def _use(answers: list[bytes]) -> None:
    server = await asyncio.start_server(Mutating(answers).answer, str(HERE), 0)
    port = server.sockets[0].getsockname()[1]
    backend = IgdBackend()
    try:
        target = Target(HERE, gateway=HERE, url=f"http://{HERE}:{port}/d.xml", chosen=True)
        async for gateway in backend.discover(target):
            await _call(gateway)
            await gateway.close()
    finally:
        await backend.close()
        server.close()
        await server.wait_closed()


async def _call(gateway: Gateway) -> None:
    for call in _calls(gateway):
        with contextlib.suppress(BackendError):
            lease = await call
            if isinstance(lease, Lease):
                assert isinstance(gateway, VerifiesLeases)
                await verify_lease(gateway, lease)
                await gateway.unmap(lease)


async def _keep(_: TableEntry | None) -> bool:
    return False


def _calls(gateway: Gateway) -> Iterator[Awaitable[object]]:
    yield read_external_address(gateway)
    yield request_lease(gateway, REQUEST, ConflictPolicy.OWN, _keep)
    if isinstance(gateway, ListsMappings):
        yield read_table(gateway)


if __name__ == "__main__":
    logging.disable()
    fuzz(parse, SEEDS)
