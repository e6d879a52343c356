"""The places where a quirk may change what the gateway is about to do.

Each server passes a value through its point; without quirks it comes back as it went in. A quirk is
a function from value to value, registered at a point, or one that raises the gateway's refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

import attrs

from portmapper.api import Protocol

Value = TypeVar("Value")
Change = Callable[[Value], Value]

QUIRKS: dict[str, str] = {}
"""Every quirk's name with one line that says what the gateway does."""


class Point(Generic[Value]):
    """One such place."""

    def __init__(self) -> None:
        self._changes: dict[str, Change[Value]] = {}
        self._bundles: dict[str, str] = {}

    def quirk(self, name: str, description: str = "") -> Callable[[Change[Value]], Change[Value]]:
        """Register a quirk here; one that acts at several points is described at one of them."""

        def register(change: Change[Value]) -> Change[Value]:
            self._changes[name] = change
            if description:
                QUIRKS[name] = description
            return change

        return register

    def bundle(self, name: str, description: str, *quirks: str) -> None:
        """Give one name to several quirks that are registered here, or to the chief one of a kind."""
        self._bundles.update(dict.fromkeys(quirks, name))
        QUIRKS[name] = description

    def through(self, active: Collection[str], value: Value) -> Value:
        """Return what the active quirks make of the value, in the order of their registration."""
        for name, change in self._changes.items() if active else ():
            if name in active or self._bundles.get(name) in active:
                value = change(value)
        return value


# ---- SSDP


@attrs.frozen
class Answer:
    """One answer to an M-SEARCH, before it is written.

    Attributes:
        headers: names and values, in order.
        separator: between a name and its value.
        other_port: sent from a port of its own.
    """

    headers: Mapping[str, str]
    separator: str = ": "
    other_port: bool = False


@attrs.frozen
class Search:
    """An M-SEARCH and what will be answered.

    Attributes:
        multicast: whether it came to the group, and not to the gateway's own address.
        age: seconds since the first search of all.
        answers: in the order in which they are sent.
    """

    multicast: bool
    age: float
    answers: tuple[Answer, ...]


SEARCH = Point[Search]()

# ---- HTTP


@attrs.frozen
class Listening:
    """How the HTTP server listens.

    Attributes:
        ports: the first is the one of the LOCATION.
        backlog: connections that wait to be accepted.
    """

    ports: tuple[int, ...]
    backlog: int = 100


@attrs.frozen
class Response:
    """An HTTP answer, before it is written.

    Attributes:
        path: what was asked for.
        framing: how the body's end is told: `length`, `chunked` or `close`.
        close: end the connection afterwards.
        pause: seconds between single bytes of the body; 0 sends it at once.
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


LISTEN = Point[Listening]()
RESPONSE = Point[Response]()

# ---- UPnP IGD


@attrs.frozen
class WanService:
    """One WAN connection service.

    Attributes:
        kind: service type URN.
        name: last part of its service id and of its control path.
        connected: what GetStatusInfo says.
        external_address: what GetExternalIPAddress says.
        control_url: as the description writes it.
    """

    kind: str
    name: str
    external_address: str
    connected: bool = True
    control_url: str = ""


@attrs.frozen
class Layout:
    """What the description describes.

    Attributes:
        services: the WAN connections.
        host: address of the gateway, for absolute URLs.
        ports: HTTP ports it listens at.
        url_base: content of URLBase, None for none.
        location: path of the description.
        boot: counts the restarts.
    """

    services: tuple[WanService, ...]
    host: str
    ports: tuple[int, ...]
    url_base: str | None = None
    location: str = "/rootDesc.xml"
    boot: int = 0


@attrs.frozen
class Call:
    """A SOAP call as it came in.

    Attributes:
        service: the connection it was sent to, None for WANCommonInterfaceConfig.
        action: name of the action.
        arguments: in the order in which they were sent.
        headers: HTTP header names as they were written, with their values.
        body: the whole of it.
        caller: address it came from.
    """

    service: WanService | None
    action: str
    arguments: Mapping[str, str]
    headers: tuple[tuple[str, str], ...]
    body: bytes
    caller: str


@attrs.frozen
class Addition:
    """What AddPortMapping or AddAnyPortMapping asks for.

    Attributes:
        any_port: it was AddAnyPortMapping.
        caller: address it came from.
        renews: an entry of the same client stands already.
        kept: whether it will really be in the table.
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


LAYOUT = Point[Layout]()
CALL = Point[Call]()
ADDITION = Point[Addition]()
DELETED = Point[int]()
"""The error code that follows a deletion that was done, 0 for none."""

LIST_END = Point[int]()
"""The error code that ends a listing."""

LISTING = Point[tuple[tuple[str, str], ...]]()
"""The rows that stand before the table's own when it is listed: protocol and description."""

EXTERNAL_ADDRESS = Point[str]()
"""What every protocol tells as the outside address."""

TABLES = Point[bool]()
"""Whether UPnP and PCP with NAT-PMP see each other's entries."""

PROTOCOLS = Point[frozenset[str]]()
"""Which of `pcp`, `natpmp` and `upnp` are on."""

# ---- PCP and NAT-PMP


@attrs.frozen
class Request:
    """A datagram as it came in.

    Attributes:
        mechanism: `pcp` or `natpmp`, by its version.
        number: counts from 1.
        ignored: it will not be looked at.
    """

    mechanism: str
    number: int
    data: bytes
    ignored: bool = False


@attrs.frozen
class Reply:
    """A datagram before it is sent.

    Attributes:
        delay: seconds to wait before.
        other_port: sent from a port of its own.
    """

    data: bytes
    delay: float = 0.0
    other_port: bool = False


@attrs.frozen
class Replies:
    """What will be sent in answer to one request, in order."""

    request: Request
    replies: tuple[Reply, ...]


@attrs.frozen
class MapAsk:
    """A mapping asked for over PCP or NAT-PMP.

    Attributes:
        mechanism: `pcp` or `natpmp`.
        caller: address it came from.
        external_port: the suggestion, 0 for none.
        lifetime: asked for, in seconds; never 0, which is a deletion.
        exact: PREFER_FAILURE.
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


REQUEST = Point[Request]()
REPLIES = Point[Replies]()
MAP = Point[MapAsk]()
OPTIONS = Point[frozenset[int]]()
"""The PCP options that are understood."""

PCP_VERSION = Point[int]()
EPOCH = Point[int]()
