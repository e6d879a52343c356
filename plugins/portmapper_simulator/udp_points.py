"""Points where quirks change what the gateway does over PCP and NAT-PMP."""

from __future__ import annotations

from ipaddress import IPv4Network

import attrs

from portmapper.api import Protocol
from portmapper_simulator.quirk_points import QuirkPoint


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


REQUEST = QuirkPoint[Request]()
REPLIES = QuirkPoint[Replies]()
MAP = QuirkPoint[MappingRequest]()
OPTIONS = QuirkPoint[frozenset[int]]()
"""Supported PCP options."""

PCP_VERSION = QuirkPoint[int]()
EPOCH = QuirkPoint[int]()
