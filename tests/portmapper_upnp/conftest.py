"""A scripted router: an HTTP server that answers SOAP from a table, and an SSDP responder."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from portmapper.api.backend import Target
from portmapper.api.model import MapRequest, Protocol, TableEntry
from portmapper_upnp import discovery, search
from portmapper_upnp.backend import IgdBackend
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.factory import connect
from portmapper_upnp.igd import IgdGateway
from portmapper_upnp.requester import open_session

IGD = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
LOOPBACK = ipaddress.ip_address("127.0.0.1")
ENVELOPE = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
    "<s:Body>{}</s:Body></s:Envelope>"
)


def service(kind: str, control: str = "/control", *, name: str = "service") -> str:
    """Build a service element of a description."""
    return (
        f"<{name}><serviceType>urn:schemas-upnp-org:service:{kind}</serviceType>"
        f"<serviceId>x</serviceId><SCPDURL>/never-fetched.xml</SCPDURL>"
        f"<controlURL>{control}</controlURL><eventSubURL>/events</eventSubURL></{name}>"
    )


def description(*services: str, version: int = 1, before: str = "", namespace: bool = True) -> str:
    """Build a device description around its services."""
    xmlns = ' xmlns="urn:schemas-upnp-org:device-1-0"' if namespace else ""
    return (
        f'<?xml version="1.0"?><root{xmlns}>{before}<device>'
        f"<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:{version}</deviceType>"
        "<friendlyName>Router &amp; Co</friendlyName><modelName>R1</modelName>"
        f"<serviceList>{''.join(services)}</serviceList></device></root>"
    )


def search_answer(location: str, target: str = IGD) -> Callable[[str, int], str]:
    """Return an answer to every search that names the location and the search target."""
    return lambda _target, _count: f"LOCATION: {location}\r\nST: {target}\r\nUSN: uuid:1::{target}"


class Router:
    """A scripted router.

    Attributes:
        description: the document at /desc.xml.
        table: (protocol, external port) to the entry's fields.
        faults: action to error code, or to a function of its arguments that returns one or None.
        replies: action to the whole HTTP answer, raw.
        more: further actions, each from its arguments to its result or error code.
        calls: every action called, with its arguments in order.
        heads: the start line and headers of every HTTP request.
    """

    def __init__(self) -> None:
        self.description = description(service("WANIPConnection:1"))
        self.table: dict[tuple[str, int], dict[str, str]] = {}
        self.faults: dict[str, int | Callable[[dict[str, str]], int | None]] = {}
        self.replies: dict[str, bytes] = {}
        self.more: dict[str, Callable[[dict[str, str]], dict[str, str] | int]] = {}
        self.external = {"/control": "8.8.4.4"}
        self.status = {"/control": "Connected"}
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.heads: list[str] = []
        self.busy = 0
        self.most_busy = 0
        self.port = 0

    @property
    def location(self) -> str:
        """The URL of its description."""
        return f"http://127.0.0.1:{self.port}/desc.xml"

    def named(self, action: str) -> list[dict[str, str]]:
        """Return the arguments of each call of one action."""
        return [arguments for name, arguments in self.calls if name == action]

    def entry(
        self, port: int, client: str, internal_port: int = 80, protocol: str = "TCP", **more: str
    ) -> None:
        """Add an entry to the table."""
        self.table[protocol, port] = {
            "NewInternalPort": str(internal_port),
            "NewInternalClient": client,
            "NewEnabled": "1",
            "NewPortMappingDescription": "theirs",
            "NewLeaseDuration": "100",
            **more,
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, then close the connection."""
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            body = (await reader.readexactly(int(length[1]))).decode() if length else ""
            writer.write(self._answer(head.split()[1], body))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.busy -= 1
            writer.close()

    def _answer(self, path: str, body: str) -> bytes:
        if not body:
            found = self.replies.get("description")
            return found if found is not None else http(self.description)
        called = re.search(r"<u:(\w+) ", body)
        assert called is not None
        action = called[1]
        arguments = dict(re.findall(r"<(\w+)>([^<]*)</", body))
        self.calls.append((action, arguments))
        if action in self.replies:
            return self.replies[action]
        kind = re.search(r'xmlns:u="([^"]+)"', body)
        assert kind is not None
        fault = self.faults.get(action)
        code = fault(arguments) if callable(fault) else fault
        result = code or self._act(action, arguments, path)
        if isinstance(result, int):
            return http(soap_fault(result), "500 Internal Server Error")
        fields = "".join(f"<{name}>{value}</{name}>" for name, value in result.items())
        return http(ENVELOPE.format(f'<u:{action}Response xmlns:u="{kind[1]}">{fields}</u:{action}Response>'))

    def _act(self, action: str, arguments: dict[str, str], path: str) -> dict[str, str] | int:
        if action in self.more:
            return self.more[action](arguments)
        key = (arguments.get("NewProtocol", ""), int(arguments.get("NewExternalPort", "0")))
        if action == "AddPortMapping":
            holder = self.table.get(key)
            if holder is not None and holder["NewInternalClient"] != arguments["NewInternalClient"]:
                return 718
            self.table[key] = {name: arguments[name] for name in list(arguments)[3:]}
            return {}
        if action == "DeletePortMapping":
            return 714 if self.table.pop(key, None) is None else {}
        if action == "GetSpecificPortMappingEntry":
            return self.table.get(key, 714)
        if action == "GetGenericPortMappingEntry":
            index = int(arguments["NewPortMappingIndex"])
            if index >= len(self.table):
                return 713
            (protocol, port), entry = list(self.table.items())[index]
            return {"NewRemoteHost": "", "NewExternalPort": str(port), "NewProtocol": protocol, **entry}
        if action == "GetExternalIPAddress":
            return {"NewExternalIPAddress": self.external.get(path, "")}
        if action == "GetStatusInfo":
            return {"NewConnectionStatus": self.status.get(path, "Disconnected")}
        return 401


def http(body: str | bytes, status: str = "200 OK", headers: str = "") -> bytes:
    """Build an HTTP answer."""
    content = body.encode() if isinstance(body, str) else body
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{headers}\r\n".encode() + content


def soap_fault(code: int, words: str = "the words of the router") -> str:
    """Build a SOAP fault."""
    return ENVELOPE.format(
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
        f'<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>{code}</errorCode>'
        f"<errorDescription>{words}</errorDescription></UPnPError></detail></s:Fault>"
    )


class Responder(asyncio.DatagramProtocol):
    """A responder that answers each M-SEARCH with what `answer` returns.

    Attributes:
        answer: maps a search target and the number of searches to the answer's headers, None for silence.
        senders: sockets to answer from; empty for the responder's own socket.
        searches: the received search targets.
    """

    def __init__(self) -> None:
        self.answer: Callable[[str, int], str | None] = lambda _target, _count: None
        self.senders: list[socket.socket] = []
        self.searches: list[str] = []
        self.port = 0

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, sender: tuple[Any, ...]) -> None:
        """Answer a search."""
        found = re.search(r"\nST: (\S+)", data.decode())
        assert found is not None
        self.searches.append(found[1])
        answer = self.answer(found[1], len(self.searches))
        if answer is None:
            return
        packet = f"HTTP/1.1 200 OK\r\n{answer}\r\n\r\n".encode()
        for sending in self.senders:
            sending.sendto(packet, sender)
        if not self.senders:
            self.transport.sendto(packet, sender)


@pytest.fixture
def build() -> Any:
    """Return the builders of documents, as test modules cannot import each other."""

    class Build:
        pass

    for writer in (service, description, http, soap_fault, search_answer):
        setattr(Build, writer.__name__, staticmethod(writer))
    Build.ENVELOPE = ENVELOPE  # type: ignore[attr-defined]
    return Build


@pytest.fixture
async def router() -> AsyncIterator[Router]:
    """Run a router on loopback."""
    router = Router()
    server = await asyncio.start_server(router.serve, "127.0.0.1", 0)
    router.port = server.sockets[0].getsockname()[1]
    yield router
    server.close()
    await server.wait_closed()


@pytest.fixture
async def responder() -> AsyncIterator[Responder]:
    """Answer searches on loopback."""
    loop = asyncio.get_running_loop()
    transport, responder = await loop.create_datagram_endpoint(Responder, local_addr=("127.0.0.1", 0))
    yield responder
    transport.abort()
    for sending in responder.senders:
        sending.close()


@pytest.fixture
def short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search for a fraction of the usual time."""
    monkeypatch.setattr(search, "SEARCH_TIME", 0.3)
    monkeypatch.setattr(search, "LATE_ANSWER_TIME", 0.3)
    monkeypatch.setattr(search, "SEND_TIMES", (0.0, 0.05, 0.1))
    monkeypatch.setattr(discovery, "GRACE", 0.1)


@pytest.fixture
async def found(responder: Responder, short_search: None) -> AsyncIterator[Callable[..., Any]]:
    """Return a function that returns all gateways found at a target on loopback, with the changes given."""
    backend = IgdBackend(ssdp_port=responder.port)

    async def find(**changes: Any) -> list[Any]:
        target = Target(**{"local_address": LOOPBACK, "gateway": LOOPBACK, **changes})
        return [gateway async for gateway in backend.discover(target)]

    yield find
    await backend.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Return an HTTP session like that of the backend."""
    async with open_session(LOOPBACK) as session:
        yield session


@pytest.fixture
def connected(router: Router, session: aiohttp.ClientSession) -> Callable[[], Awaitable[IgdGateway]]:
    """Return a function that connects to the router in its current state."""
    return lambda: connect(session, Endpoint(router.location, LOOPBACK, LOOPBACK))


@pytest.fixture
def request_for() -> Callable[..., MapRequest]:
    """Return a function that builds a request for this host's TCP port 80, with the changes given."""

    def write(**changes: Any) -> MapRequest:
        fields = {
            "protocol": Protocol.TCP,
            "internal_address": LOOPBACK,
            "internal_port": 80,
            "external_port": 80,
            "comment": "web",
            **changes,
        }
        return MapRequest(**fields)

    return write


@pytest.fixture
def own_entry() -> TableEntry:
    """Return the gateway's entry for what `request_for` requests."""
    return TableEntry(Protocol.TCP, 80, LOOPBACK, 80, "web", 3600)


@pytest.fixture
def unused_port(free_port: Callable[[], int]) -> int:
    """Return a TCP port that no program listens on."""
    return free_port()


@pytest.fixture(autouse=True)
async def _hurry(hurry: None) -> None:
    """Wait for retries and time limits only briefly: the router is on the loop of the test."""
