"""The record of open ports."""

from __future__ import annotations

import base64
import ipaddress
import zlib
from datetime import UTC, datetime

import pytest
from portmapper_kubernetes.open_ports import OpenPort, OpenPorts

from portmapper.api import Event, EventKind, Family, Protocol

PORT = OpenPort(Protocol.TCP, Family.IPV4, "192.168.88.50", 80, 8443)


def _event(kind: EventKind, origin: str = "service/shop/web") -> Event:
    return Event(
        at=datetime.now(UTC),
        kind=kind,
        protocol=Protocol.TCP,
        family=Family.IPV4,
        internal_address=ipaddress.ip_address("192.168.88.50"),
        internal_port=80,
        external_port=8443,
        origin=origin,
    )


def test_follows_events_by_object() -> None:
    """A port of another source has no object, and is none of ours."""
    ports = OpenPorts()
    ports.observe(_event(EventKind.OPENED, origin=""))
    assert ports.items() == []
    ports.observe(_event(EventKind.OPENED))
    assert ports.of("service/shop/web") == [PORT]
    ports.observe(_event(EventKind.CLOSED, origin=""))
    assert ports.of("service/shop/web") == []


def test_the_record_survives_and_is_stable() -> None:
    """The same ports give the same bytes, so that nothing is written without a change."""
    ports, other = OpenPorts(), OpenPorts()
    for number in range(1000, 1100):
        ports.add(
            OpenPort(Protocol.UDP, Family.IPV4, "192.168.88.50", number, number), f"service/a/{number % 7}"
        )
    other.unpack(ports.pack())
    assert sorted(other.items()) == sorted(ports.items())
    assert other.pack() == ports.pack()


def test_a_thousand_ports_fit_into_a_secret() -> None:
    """A Secret holds 1 MiB."""
    ports = OpenPorts()
    for number in range(1000, 2000):
        ports.add(
            OpenPort(Protocol.TCP, Family.IPV4, "192.168.88.50", number, number), f"service/team/app-{number}"
        )
    assert len(ports.pack()) < 40_000


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"no base64!",
        base64.b64encode(b"not compressed"),
        base64.b64encode(zlib.compress(b"{}")),
        base64.b64encode(zlib.compress(b"[[1],2,null]")),
        base64.b64encode(zlib.compress(b'[["o","TCP","ipv4","evil",1,2],["o","SCTP","ipv4","1.2.3.4",1,2]]')),
        base64.b64encode(zlib.compress(b"[" * 100_000)),
        base64.b64encode(zlib.compress(b" " * 100_000_000)),
    ],
)
def test_an_invalid_record_is_ignored(record: bytes) -> None:
    """A user who may write the Secret must not be able to stop the controller."""
    ports = OpenPorts()
    ports.unpack(record)
    assert ports.items() == []
