"""Points where quirks change the gateway's behavior.

Each server passes a value through a point, which returns it unchanged if no quirk is active. A quirk is
a function registered at a point. It returns a changed value, or raises the gateway's refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv4Network
from typing import Generic, TypeVar

import attrs

from portmapper.api import Protocol

Value = TypeVar("Value")
Change = Callable[[Value], Value]

QUIRKS: dict[str, str] = {}
"""Description of every quirk in one line, by name."""


class QuirkPoint(Generic[Value]):
    """A point where quirks can change a value."""

    def __init__(self) -> None:
        self._changes: dict[str, Change[Value]] = {}
        self._bundles: dict[str, str] = {}

    def quirk(self, name: str, description: str = "") -> Callable[[Change[Value]], Change[Value]]:
        """Register a quirk at this point; a quirk with several points is described at one of them."""

        def register(change: Change[Value]) -> Change[Value]:
            self._changes[name] = change
            if description:
                QUIRKS[name] = description
            return change

        return register

    def bundle(self, name: str, description: str, *quirks: str) -> None:
        """Register a common name for several quirks at this point."""
        self._bundles.update(dict.fromkeys(quirks, name))
        QUIRKS[name] = description

    def apply(self, active: Collection[str], value: Value) -> Value:
        """Apply the active quirks to a value, in the order of their registration."""
        for name, change in self._changes.items() if active else ():
            if name in active or self._bundles.get(name) in active:
                value = change(value)
        return value


# ---- SSDP


@attrs.frozen
class Answer:
    """An answer to an M-SEARCH.

    Attributes:
        headers: names and values, in order.
        separator: text between a name and its value.
        other_port: send from a port other than the gateway's.
        delay: seconds to wait before sending.
    """

    headers: Mapping[str, str]
    separator: str = ": "
    other_port: bool = False
    delay: float = 0.0


@attrs.frozen
class Search:
    """An M-SEARCH and its answers.

    Attributes:
        multicast: True if it was sent to the group, False if sent to the gateway's address.
        age: seconds since the first search.
        answers: the answers to send, in order.
    """

    multicast: bool
    age: float
    answers: tuple[Answer, ...]


SEARCH = QuirkPoint[Search]()

# ---- HTTP


@attrs.frozen
class Listening:
    """Options of the HTTP server's sockets.

    Attributes:
        ports: TCP ports; the first is used in the LOCATION.
        backlog: length of the accept queue.
        connections: connections at once; more are closed without an answer.
    """

    ports: tuple[int, ...]
    backlog: int = 100
    connections: int = 64


@attrs.frozen
class Response:
    """An HTTP response.

    Attributes:
        path: path of the request.
        framing: how the body's end is marked: `length`, `chunked` or `close`.
        close: close the connection after the response.
        pause: seconds between bytes of the body; 0 sends it at once.
        delay: seconds before the response.
    """

    path: str
    status: int
    body: bytes
    content_type: str = 'text/xml; charset="utf-8"'
    version: str = "HTTP/1.1"
    newline: bytes = b"\r\n"
    framing: str = "length"
    close: bool = False
    pause: float = 0.0
    delay: float = 0.0


LISTEN = QuirkPoint[Listening]()
RESPONSE = QuirkPoint[Response]()

# ---- UPnP IGD


@attrs.frozen
class WanService:
    """A WAN connection service.

    Attributes:
        kind: service type URN.
        name: last part of its service id and of its control path.
        connected: state for GetStatusInfo.
        external_address: address for GetExternalIPAddress.
        control_url: control URL as written in the description.
    """

    kind: str
    name: str
    external_address: str
    connected: bool = True
    control_url: str = ""


@attrs.frozen
class Layout:
    """Content of the device description.

    Attributes:
        services: the WAN connections.
        host: address of the gateway, for absolute URLs.
        ports: TCP ports of the HTTP server.
        firewall: offer WANIPv6FirewallControl, which opens no pinhole.
        url_base: content of URLBase, None to omit it.
        location: path of the description.
        boot: number of boots so far.
    """

    services: tuple[WanService, ...]
    host: str
    ports: tuple[int, ...]
    firewall: bool = False
    url_base: str | None = None
    location: str = "/rootDesc.xml"
    boot: int = 0


@attrs.frozen
class Call:
    """A received SOAP call.

    Attributes:
        service: the called WAN connection, None for WANCommonInterfaceConfig.
        action: name of the action.
        arguments: arguments in the order received.
        headers: HTTP header names as written, with their values.
        body: the complete body.
        caller: the client's address.
    """

    service: WanService | None
    action: str
    arguments: Mapping[str, str]
    headers: tuple[tuple[str, str], ...]
    body: bytes
    caller: str


@attrs.frozen
class AddRequest:
    """A request of AddPortMapping or AddAnyPortMapping.

    Attributes:
        any_port: True for AddAnyPortMapping.
        caller: the client's address.
        client: the internal address to map to.
        renews: an entry of the same client exists.
        kept: add the entry to the table.
        entries: number of entries in the table.
        remote: the only hosts that may connect, None for every host.
    """

    any_port: bool
    caller: str
    protocol: Protocol
    external_port: int
    client: str
    internal_port: int
    lifetime: int
    description: str
    enabled: bool
    renews: bool
    kept: bool = True
    entries: int = 0
    remote: IPv4Network | None = None


LAYOUT = QuirkPoint[Layout]()
CALL = QuirkPoint[Call]()
ADD = QuirkPoint[AddRequest]()
DELETED = QuirkPoint[int]()
"""Error code after a successful deletion, 0 for none."""

MISSING = QuirkPoint[int]()
"""Error code of the deletion of a mapping that does not exist, 0 for none."""

NEWEST_FIRST = QuirkPoint[bool]()
"""Whether a listing begins with the newest entry."""

LIST_END = QuirkPoint[int]()
"""Error code at the end of a listing."""

FREE_PORT = QuirkPoint[Mapping[str, str] | None]()
"""Answer to the query for a port without an entry, None for error 714."""

LISTING = QuirkPoint[tuple[tuple[str, str], ...]]()
"""Additional rows at the start of a listing: protocol and description."""

EXTERNAL_ADDRESS = QuirkPoint[str]()
"""External address reported by every protocol."""

TABLES = QuirkPoint[bool]()
"""Whether UPnP sees the entries of PCP and NAT-PMP, and the reverse."""

PROTOCOLS = QuirkPoint[frozenset[str]]()
"""Enabled protocols, of `pcp`, `natpmp` and `upnp`."""

# ---- PCP and NAT-PMP


@attrs.frozen
class Request:
    """A received datagram.

    Attributes:
        mechanism: `pcp` or `natpmp`, by the version byte.
        number: sequence number, from 1.
        data: content of the datagram.
        ignored: drop the datagram.
    """

    mechanism: str
    number: int
    data: bytes
    ignored: bool = False


@attrs.frozen
class Reply:
    """A datagram to send.

    Attributes:
        data: content of the datagram.
        delay: seconds to wait before sending.
        other_port: send from a port other than the gateway's.
    """

    data: bytes
    delay: float = 0.0
    other_port: bool = False


@attrs.frozen
class Replies:
    """The replies to one request, in order."""

    request: Request
    replies: tuple[Reply, ...]


@attrs.frozen
class MappingRequest:
    """A mapping request over PCP or NAT-PMP.

    Attributes:
        mechanism: `pcp` or `natpmp`.
        caller: the client's address.
        external_port: suggested external port, 0 for none.
        lifetime: requested lifetime in seconds; never 0, which means deletion.
        exact: True for the option PREFER_FAILURE.
        remote: the hosts of the option FILTER, None for every host.
        sibling_port: external port of the client's mapping for the other protocol, 0 for none.
    """

    mechanism: str
    caller: str
    protocol: Protocol
    internal_address: str
    internal_port: int
    external_port: int
    lifetime: int
    exact: bool = False
    nonce: bytes = b""
    remote: IPv4Network | None = None
    sibling_port: int = 0


@attrs.frozen
class Forwarding:
    """Where the traffic of an open port goes.

    Attributes:
        external_port: the open port.
        internal_port: the port on the internal host.
    """

    external_port: int
    internal_port: int


REQUEST = QuirkPoint[Request]()
REPLIES = QuirkPoint[Replies]()
MAP = QuirkPoint[MappingRequest]()
FORWARD = QuirkPoint[Forwarding]()
OPTIONS = QuirkPoint[frozenset[int]]()
"""Supported PCP options."""

PCP_VERSION = QuirkPoint[int]()
EPOCH = QuirkPoint[int]()
