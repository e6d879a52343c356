"""Points where quirks change what the gateway does over UPnP: search, HTTP, description and actions."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network

import attrs

from portmapper.api import Protocol
from portmapper_simulator.quirk_points import QuirkPoint

# ---- SSDP


@attrs.frozen
class Answer:
    """An answer to an M-SEARCH.

    Attributes:
        headers: names and values, in order.
        separator: text between a name and its value.
        first: the first line.
        other_port: send from a port other than the gateway's.
        delay: seconds to wait before sending.
    """

    headers: Mapping[str, str]
    separator: str = ": "
    first: str = "HTTP/1.1 200 OK"
    other_port: bool = False
    delay: float = 0.0


@attrs.frozen
class Search:
    """An M-SEARCH and its answers.

    Attributes:
        target: what is searched for.
        multicast: True if it was sent to the group, False if sent to the gateway's address.
        age: seconds since the first search.
        answers: the answers to send, in order.
        announced: announce the device instead.
    """

    target: str
    multicast: bool
    age: float
    answers: tuple[Answer, ...]
    announced: bool = False


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
        counted: the declared length, None for that of the body.
        pause: seconds between bytes of the body; 0 sends it at once.
        delay: seconds before the response.
        location: where a redirect leads, empty for none.
    """

    path: str
    status: int
    body: bytes
    content_type: str = 'text/xml; charset="utf-8"'
    version: str = "HTTP/1.1"
    newline: bytes = b"\r\n"
    framing: str = "length"
    close: bool = False
    counted: int | None = None
    pause: float = 0.0
    delay: float = 0.0
    location: str = ""


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
        redirect: path in the LOCATION that redirects to the description, empty for none.
        redirect_status: HTTP status of the redirect.
        moved_controls: control URLs redirect to other paths.
        boot: number of boots so far.
    """

    services: tuple[WanService, ...]
    host: str
    ports: tuple[int, ...]
    firewall: bool = False
    url_base: str | None = None
    location: str = "/rootDesc.xml"
    redirect: str = ""
    redirect_status: int = 302
    moved_controls: bool = False
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
        other_ports: the client's internal port has another external port.
        kept: add the entry to the table.
        entries: number of entries in the table.
        remote: the only hosts that may connect, None for every host.
        other_descriptions: the descriptions of all other entries.
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
    other_ports: bool = False
    kept: bool = True
    entries: int = 0
    remote: IPv4Network | None = None
    other_descriptions: frozenset[str] = frozenset()


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

ROW = QuirkPoint[Mapping[str, str]]()
"""The fields of an entry, as a listing or a query shows them."""

LISTING = QuirkPoint[tuple[tuple[str, str], ...]]()
"""Additional rows at the start of a listing: protocol and description."""
