"""The routing tables of macOS and the BSDs, as their `netstat -rn` prints them."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from portmapper.network import bsd

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


def test_a_missing_netstat_is_a_host_without_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minimal system may lack the program."""

    def missing(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("netstat")

    monkeypatch.setattr(subprocess, "run", missing)
    assert list(bsd.default_routes()) == []
