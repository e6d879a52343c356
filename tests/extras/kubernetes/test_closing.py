"""Closing ports of an earlier leader."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from portmapper_kubernetes.closing import GIVE_UP_AFTER, Closing
from portmapper_kubernetes.objects import Reference
from portmapper_kubernetes.open_ports import OpenPort, OpenPorts
from portmapper_kubernetes.wanted import Wanted

from portmapper.api import Family, Protocol

ORIGIN = "service/shop/web"
PORT = OpenPort(Protocol.TCP, Family.IPV4, "192.168.88.50", 80, 8443)


class Now:
    """A clock."""

    time = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.time


def _wanted(**changes: Any) -> Wanted:
    fields = {
        "reference": Reference("Service", "shop", "web", "uid", ""),
        "label": "http",
        "protocol": Protocol.TCP,
        "family": Family.IPV4,
        "external": 8443,
        "internal_port": 80,
        "address": ipaddress.ip_address("192.168.88.50"),
        "lifetime": 3600,
        "conflict": "",
        "comment": "",
    }
    return Wanted(**{**fields, **changes})


def _mapping(state: str) -> dict[str, Any]:
    return {
        "protocol": "TCP",
        "internal_address": "192.168.88.50",
        "internal_port": 80,
        "wanted_external_port": 8443,
        "state": state,
    }


@pytest.mark.parametrize("state", ["waiting", "paused"])
@pytest.mark.parametrize("known", [{}, {"internal_address": None}, {"wanted_external_port": 0}])
def test_a_port_whose_schedule_ended_without_a_leader_is_closed(state: str, known: dict[str, Any]) -> None:
    """An object still wants it, so only the daemon's table tells that it is to be closed."""
    closing, ports, _ = _closing(_wanted())
    held = {**_mapping(state), "origin": ORIGIN, **known}
    assert closing.begin_held_back([held])
    assert not closing.begin_held_back([held])
    (row,) = closing.rows()
    assert row.fields["port"] == 8443
    assert closing.check([_mapping("active")])
    ports.discard(PORT)
    assert closing.check([held])
    assert len(closing) == 0


@pytest.mark.parametrize("other", [{"origin": "service/shop/other"}, {"state": "pending"}])
def test_only_a_row_of_the_same_object_that_is_held_back_closes_a_port(other: dict[str, Any]) -> None:
    """A row that is about to be opened does not."""
    closing, _, _ = _closing(_wanted())
    assert not closing.begin_held_back([{**_mapping("waiting"), "origin": ORIGIN, **other}])


def _closing(*wanted: Wanted) -> tuple[Closing, OpenPorts, Now]:
    ports, now = OpenPorts(), Now()
    ports.add(PORT, ORIGIN)
    closing = Closing(ports, now)
    closing.begin(wanted)
    return closing, ports, now


def test_a_port_that_is_still_wanted_is_not_closed() -> None:
    """Also if it leads to this host, or the gateway chose the port."""
    for wanted in (_wanted(), _wanted(address=None), _wanted(external="any")):
        closing, _, _ = _closing(wanted)
        assert closing.rows() == []


def test_a_port_of_an_object_that_is_refused_is_left_open() -> None:
    """It may be accepted soon, such as when a virtual address arrives."""
    ports = OpenPorts()
    ports.add(PORT, ORIGIN)
    closing = Closing(ports)
    closing.begin([], {ORIGIN})
    assert closing.rows() == []
    assert not closing.claims()


def test_a_port_that_nothing_wants_is_taken_over_then_dropped() -> None:
    """Another object gets the external port only after it was closed."""
    closing, ports, _ = _closing(_wanted(internal_port=81))
    (row,) = closing.rows()
    assert row.fields["port"] == 8443
    assert row.fields["address"] == "192.168.88.50"
    assert closing.claims() == {(Family.IPV4, Protocol.TCP, 8443)}
    assert not closing.check([_mapping("pending")])
    assert closing.check([_mapping("active")])
    assert closing.rows() == []
    assert closing.claims()
    ports.discard(PORT)
    assert closing.check([])
    assert not closing.claims()


def test_a_port_of_another_host_is_given_up() -> None:
    """It ends with its lifetime."""
    closing, ports, _ = _closing()
    assert closing.check([_mapping("conflict")])
    assert closing.rows() == []
    assert ports.items() == []


def test_a_dead_gateway_does_not_block_forever() -> None:
    """After a while, the port is given up."""
    closing, ports, now = _closing()
    assert not closing.check([_mapping("pending")])
    now.time = GIVE_UP_AFTER + 1
    assert closing.check([_mapping("pending")])
    assert len(closing) == 0
    assert ports.items() == []
