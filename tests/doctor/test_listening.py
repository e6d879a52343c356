"""Whether a program listens on the internal address and port."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from portmapper.api.findings import Severity
from portmapper.api.model import Protocol
from portmapper.doctor.desired import DesiredPort
from portmapper.doctor.listening import listening_findings
from portmapper.network.listeners import Listener, read_listeners

OURS = ipaddress.ip_address("192.0.2.7")
WEB = DesiredPort(Protocol.TCP, 80, OURS, 8080)


def listener(address: str, port: int = 8080, protocol: Protocol = Protocol.TCP) -> Listener:
    """Return a socket."""
    return Listener(protocol, ipaddress.ip_address(address), port)


@pytest.mark.parametrize(
    ("listeners", "code", "severity"),
    [
        ([listener("0.0.0.0")], "nothing-listening", Severity.OK),
        ([listener("::")], "nothing-listening", Severity.OK),
        ([listener("192.0.2.7")], "nothing-listening", Severity.OK),
        ([listener("127.0.0.1"), listener("192.0.2.7")], "nothing-listening", Severity.OK),
        ([], "nothing-listening", Severity.WARNING),
        ([listener("0.0.0.0", 80)], "nothing-listening", Severity.WARNING),
        ([listener("0.0.0.0", protocol=Protocol.UDP)], "nothing-listening", Severity.WARNING),
        ([listener("192.0.2.8")], "nothing-listening", Severity.WARNING),
        ([listener("127.0.0.1")], "listening-on-loopback", Severity.WARNING),
        ([listener("::1"), listener("127.0.0.1")], "listening-on-loopback", Severity.WARNING),
    ],
)
def test_the_finding_depends_on_the_sockets(listeners: list[Listener], code: str, severity: Severity) -> None:
    """They must have the protocol, the port and an address that receives the packets."""
    (finding,) = listening_findings([WEB], listeners, lambda _: True)
    assert (finding.code, finding.severity) == (code, severity)


def test_a_port_of_another_host_has_no_finding() -> None:
    """Its sockets are not known."""
    assert list(listening_findings([WEB], [], lambda _: False)) == []


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_the_sockets_of_this_host_are_read(kind: socket.SocketKind) -> None:
    """Only those that listen; connections are not included."""
    with socket.socket(socket.AF_INET, kind) as server:
        server.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            server.listen()
        found = read_listeners()
        assert found is not None
        protocol = Protocol.TCP if kind == socket.SOCK_STREAM else Protocol.UDP
        assert listener("127.0.0.1", server.getsockname()[1], protocol) in found
