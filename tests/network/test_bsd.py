"""The routing tables of macOS and the BSDs, as their `netstat -rn` prints them."""

from __future__ import annotations

import subprocess
from typing import Any

import psutil  # noqa: F401 - before a test pretends to be macOS, which has another part of it
import pytest

from portmapper.network import bsd, host, scutil

MACOS = """\
Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            10.20.30.1         UGScg               utun4
default            192.168.88.1       UGScIg                en0
default            link#23            UCSIg               utun5      !
127                127.0.0.1          UCS                   lo0
192.168.88         link#14            UCS                   en0      !

Internet6:
Destination                             Gateway                                 Flags         Netif Expire
default                                 fe80::1%en0                             UGcg                  en0
default                                 fe80::%utun0                            UGcIg               utun0
"""

FREEBSD = """\
Routing tables

Internet:
Destination        Gateway            Flags     Netif Expire
default            192.168.88.1       UGS         em0
127.0.0.1          link#2             UH          lo0

Internet6:
Destination                       Gateway                       Flags     Netif Expire
::/96                             link#2                        URS         lo0
default                           fe80::1%em0                   UGS         em0
"""

OPENBSD = """\
Routing tables

Internet:
Destination        Gateway            Flags   Refs      Use   Mtu  Prio Iface
default            192.168.88.1       UGS        5      712     -     8 em0
224/4              127.0.0.1          URS        0        0 32768     8 lo0
"""

NETBSD = """\
Routing tables

Internet:
Destination        Gateway            Flags    Refs      Use    Mtu Interface
default            192.168.88.1       UGS         -        -      -  wm0
"""


def routes(output: str) -> list[tuple[str, str]]:
    """Return interface and gateway of each route, in their order."""
    found = sorted(bsd.parse_routes(output), key=lambda route: route[2])
    return [(interface, str(gateway)) for interface, gateway, _ in found]


def test_macos_prefers_the_route_that_is_not_scoped() -> None:
    """The route of a VPN is first; tunnels without a gateway are no routes."""
    assert routes(MACOS) == [("utun4", "10.20.30.1"), ("en0", "fe80::1%en0"), ("en0", "192.168.88.1")]


@pytest.mark.parametrize(
    ("output", "interface"),
    [(FREEBSD, "em0"), (OPENBSD, "em0"), (NETBSD, "wm0")],
    ids=["free", "open", "net"],
)
def test_each_bsd_has_its_own_columns(output: str, interface: str) -> None:
    """The titles show which column contains the interface."""
    assert routes(output)[0] == (interface, "192.168.88.1")


def test_a_link_local_gateway_keeps_its_zone() -> None:
    """It cannot be reached without it."""
    assert routes(FREEBSD)[1] == ("em0", "fe80::1%em0")


@pytest.mark.parametrize(
    "output", ["", "default", "default 192.168.88.1 UGS em0", "Destination Gateway\ndefault x"]
)
def test_output_that_is_not_understood_contains_no_route(output: str) -> None:
    """Without titles, no column is known."""
    assert routes(output) == []


def test_a_missing_program_is_a_host_without_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minimal system may lack it."""

    def missing(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("netstat")

    monkeypatch.setattr(subprocess, "run", missing)
    assert list(bsd.default_routes()) == []
    assert bsd.transient_addresses() == frozenset()


MACOS_ADDRESSES = """\
en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tether a4:83:e7:00:00:01
\tinet6 fe80::1c7a:1:2:3%en0 prefixlen 64 secured scopeid 0xe
\tinet6 2001:db8::a prefixlen 64 autoconf secured
\tinet6 2001:db8::b prefixlen 64 autoconf temporary
\tinet6 2001:db8::c prefixlen 64 deprecated autoconf temporary
\tinet 192.168.88.10 netmask 0xffffff00 broadcast 192.168.88.255
"""

FREEBSD_ADDRESSES = """\
em0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500
\tinet6 2001:db8::b prefixlen 64 tentative
\tinet6 fe80::1%em0 prefixlen 64 scopeid 0x1
\tinet6 2001:db8::c prefixlen 64 duplicated
\tinet6 2001:db8::a prefixlen 64 autoconf pltime 604800 vltime 2592000
"""

OPENBSD_ADDRESSES = """\
em0: flags=808843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,AUTOCONF4> mtu 1500
\tinet6 2001:db8::a prefixlen 64 autoconf pltime 604705 vltime 2591905
\tinet6 2001:db8::b prefixlen 64 autoconf autoconfprivacy pltime 85880 vltime 172280
\tinet6 2001:db8::c prefixlen 64 autoconf temporary deprecated
"""


@pytest.mark.parametrize("output", [MACOS_ADDRESSES, FREEBSD_ADDRESSES, OPENBSD_ADDRESSES])
def test_addresses_that_disappear_soon_are_transient(output: str) -> None:
    """Pinholes for them would lead nowhere tomorrow; stable addresses are not among them."""
    found = {str(address) for address in bsd.parse_transient_addresses(output)}
    assert found == {"2001:db8::b", "2001:db8::c"}


@pytest.mark.parametrize(
    "output", ["", "inet6", "\tinet6 nonsense prefixlen 64 temporary", "inet 10.0.0.1 temporary"]
)
def test_lines_that_are_not_understood_are_no_addresses(output: str) -> None:
    """They are skipped."""
    assert list(bsd.parse_transient_addresses(output)) == []


def test_macos_asks_scutil_if_the_table_has_no_default_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows the router of the primary service."""
    asked: list[tuple[tuple[str, ...], bytes]] = []

    def run(command: tuple[str, ...], *, input: bytes, **_: Any) -> subprocess.CompletedProcess[bytes]:
        asked.append((command, input))
        return subprocess.CompletedProcess(command, 0, SCUTIL.encode() if command[0] == "scutil" else b"")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(host.sys, "platform", "darwin")
    assert [(route.interface, str(route.gateway)) for route in host.read_network().routes] == [
        ("en0", "192.168.88.1"),
        ("en0", "fe80::1"),
    ]
    assert asked[-1] == (("scutil",), scutil.QUESTION.encode())


SCUTIL = """\
<dictionary> {
  PrimaryInterface : en0
  PrimaryService : 0F1E2D3C-0000-1111-2222-333344445555
  Router : 192.168.88.1
}
<dictionary> {
  PrimaryInterface : en0
  PrimaryService : 0F1E2D3C-0000-1111-2222-333344445555
  Router : fe80::1
}
"""


@pytest.mark.parametrize(
    "output",
    [
        "",
        "  No such key\n",
        "<dictionary> {\n  PrimaryInterface : utun4\n}\n",
        "<dictionary> {\n  Router : 192.168.88.1\n}\n",
        "<dictionary> {\n  PrimaryInterface : en0\n  Router : nonsense\n}\n",
    ],
)
def test_a_service_without_a_router_is_no_route(output: str) -> None:
    """As for a tunnel, or without a network."""
    assert list(scutil.parse_primary_routes(output)) == []
