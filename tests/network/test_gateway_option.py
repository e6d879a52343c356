"""The values of `--gateway`."""

from __future__ import annotations

import ipaddress
import socket

import attrs
import pytest

from portmapper.api.errors import NoGateway, UsageError
from portmapper.api.model import IPAddress
from portmapper.network.gateway_option import chosen_target, reachable_targets
from portmapper.network.host import Interface, Network

LOCAL = ipaddress.ip_address("192.168.88.10")
STABLE = ipaddress.ip_address("2001:db8::5")
LINK_LOCAL = ipaddress.ip_address("fe80::5")


@attrs.frozen
class RoutedNetwork(Network):
    """A network that has a route to 192.168.88.0/24 and to link-local addresses with a zone."""

    def local_address_towards(self, address: IPAddress) -> IPAddress | None:
        """Return our address without asking the system."""
        if address.version == 4:
            return LOCAL if address in ipaddress.ip_network("192.168.88.0/24") else None
        return LINK_LOCAL if "%" in str(address) else None


NETWORK = RoutedNetwork(
    (
        Interface(
            "eth0", tuple(map(ipaddress.ip_interface, ("192.168.88.10/24", "fe80::5/64", "2001:db8::5/64")))
        ),
    ),
    (),
)


@pytest.mark.parametrize(
    ("text", "gateway", "port"),
    [
        ("192.168.88.1", "192.168.88.1", None),
        ("192.168.88.1:5555", "192.168.88.1", 5555),
        ("fe80::1%eth0", "fe80::1%eth0", None),
        ("[fe80::1%eth0]:5555", "fe80::1%eth0", 5555),
    ],
)
def test_an_address_may_have_a_port(text: str, gateway: str, port: int | None) -> None:
    """An IPv6 address with a port needs brackets."""
    target = chosen_target(text, NETWORK)
    assert (str(target.gateway), target.port, target.url, target.chosen) == (gateway, port, None, True)


def test_a_link_local_gateway_is_reached_from_a_stable_address() -> None:
    """The system would send from the link-local address, which no outside host can reach."""
    assert chosen_target("fe80::1%eth0", NETWORK).local_address == STABLE
    assert chosen_target("192.168.88.1", NETWORK).local_address == LOCAL


def test_a_url_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its host is resolved to find our address on the route to it."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.168.88.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    target = chosen_target("http://router.lan:5000/igd.xml", NETWORK)
    assert (target.url, str(target.gateway)) == ("http://router.lan:5000/igd.xml", "192.168.88.1")


def test_a_url_whose_host_cannot_be_resolved_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message contains the host."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(UsageError, match=r"cannot resolve router\.lan"):
        chosen_target("http://router.lan/igd.xml", NETWORK)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("router", "neither ADDRESS, ADDRESS:PORT nor a URL"),
        ("192.168.88.1:0", "a number from 1 to 65535"),
        ("192.168.88.1:70000", "a number from 1 to 65535"),
        ("192.168.88.1:http", "a number from 1 to 65535"),
        ("ftp://192.168.88.1/", "not an http or https URL"),
        ("http:///igd.xml", "not an http or https URL"),
        ("http://192.168.88.1:x/", "--gateway"),
    ],
)
def test_an_invalid_value_is_a_usage_error(text: str, reason: str) -> None:
    """The message says what to write."""
    with pytest.raises(UsageError, match=reason):
        chosen_target(text, NETWORK)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("10.0.0.1", "no route to the gateway 10.0.0.1"), ("fe80::1", "add its interface, as in fe80::1%eth0")],
)
def test_a_gateway_without_a_route_is_reported(text: str, reason: str) -> None:
    """A link-local address needs its zone."""
    with pytest.raises(NoGateway, match=reason):
        chosen_target(text, NETWORK)


def test_gateways_without_a_route_are_skipped(caplog: pytest.LogCaptureFixture) -> None:
    """They may become reachable later; a warning is logged."""
    found = reachable_targets(["10.0.0.1", "192.168.88.1"], NETWORK)
    assert found is not None
    assert [str(target.gateway) for target in found] == ["192.168.88.1"]
    assert "no route to the gateway 10.0.0.1" in caplog.text
    assert reachable_targets([], NETWORK) is None
