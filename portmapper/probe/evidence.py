"""What was seen of one port: by the probe server, and on this host."""

from __future__ import annotations

import enum

from portmapper.api.model import IPAddress, Protocol
from portmapper.probe.wire import Result
from portmapper.support.values import frozen

Endpoint = tuple[IPAddress, int]


@frozen
class OpenPort:
    """A port to check.

    Attributes:
        protocol: TCP or UDP.
        port: the external port.
        internal_port: the port that the program listens on.
        internal_address: the host that listens; None for this host, on any address.
        external_address: the external address that the gateway reports; None if it is not known.
        is_ours: the internal address belongs to this host.
    """

    protocol: Protocol
    port: int
    internal_port: int
    internal_address: IPAddress | None = None
    external_address: IPAddress | None = None
    is_ours: bool = True

    @property
    def name(self) -> str:
        """The external port with its protocol: `8080/tcp`."""
        return f"{self.port}/{self.protocol.lower()}"

    @property
    def internal_name(self) -> str:
        """The internal port with its protocol."""
        return f"{self.internal_port}/{self.protocol.lower()}"


class Listening(enum.StrEnum):
    """Who listens on the internal port while a probe runs.

    Attributes:
        OURS: a temporary listener of this check.
        PROGRAM: a program of this host.
        DENIED: nothing listens, and the system does not let us listen.
        ELSEWHERE: another host has the address.
    """

    OURS = "ours"
    PROGRAM = "program"
    DENIED = "denied"
    ELSEWHERE = "elsewhere"


@frozen
class Evidence:
    """All that is known about one probe.

    Attributes:
        port: the checked port.
        seen_address: this host's address, as the probe server sees it.
        result: what the probe server saw.
        source: where the probe came from, as the server reports it.
        listening: who listens.
        received: the temporary listener got the probe.
        in_table: a new connection from `source` is in the system's table; None if the table is not readable.
        other_connection: a new connection from another address is in the table.
        arrived: the first packet was seen on an interface; None if this host may not watch packets.
        hairpin: the temporary listener is reachable over the external address from inside; None if not tried.
        listens_at: the addresses of programs that listen on the port, but not on the internal address.
    """

    port: OpenPort
    seen_address: IPAddress
    result: Result
    source: Endpoint | None = None
    listening: Listening = Listening.OURS
    received: bool = False
    in_table: bool | None = None
    other_connection: bool = False
    arrived: bool | None = None
    hairpin: bool | None = None
    listens_at: tuple[IPAddress, ...] = ()

    @property
    def address_differs(self) -> bool:
        """The internet sees another IPv4 address than the gateway reports."""
        reported = self.port.external_address
        return (
            reported is not None
            and reported.version == self.seen_address.version == 4
            and reported != self.seen_address
        )


class State(enum.StrEnum):
    """Whether a port is reachable from outside."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Cause(enum.StrEnum):
    """Why the state is what it is; one for each sentence that a user can act on."""

    ANSWERED = "answered"
    NO_PROGRAM = "no-program"
    WRONG_LISTENER = "wrong-listener"
    NO_LISTENER = "no-listener"
    HOST_FIREWALL = "host-firewall"
    ANSWER_LOST = "answer-lost"
    ANOTHER_HOST = "another-host"
    ANOTHER_NAT = "another-nat"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    OUTSIDE_FILTER = "outside-filter"
    NOTHING_ARRIVES = "nothing-arrives"
    WRONG_FAMILY = "wrong-family"
    INSIDE = "inside"
    NOT_PROVEN = "not-proven"
    UDP_BLOCKED = "udp-blocked"
    NO_PROBE = "no-probe"


@frozen
class Verdict:
    """The result of a check.

    Attributes:
        state: whether the port is reachable.
        cause: why.
        reason: the same for people, one line.
        seen_from: the address of the probe server that connected; None if nothing was seen.
        seen_as: this host's address, as the probe server sees it; None if it was not reached.
    """

    state: State
    cause: Cause
    reason: str
    seen_from: IPAddress | None = None
    seen_as: IPAddress | None = None
