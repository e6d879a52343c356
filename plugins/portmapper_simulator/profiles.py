"""Router models, as sets of protocols, quirks and permission rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import attrs

from portmapper.api import Protocol
from portmapper_simulator.settings import PROTOCOLS, Rule, Settings


@attrs.frozen
class Profile:
    """A router model.

    Attributes:
        description: description in one line.
        model: model name that the router reports.
        protocols: enabled protocols.
        igd_version: version of its IGD, 1 or 2.
        quirks: names of its quirks.
        rules: permission rules, in order.
    """

    description: str
    model: str = "portmapper simulator"
    protocols: frozenset[str] = PROTOCOLS
    igd_version: int = 2
    quirks: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()


def _deny_tcp(port: int) -> Rule:
    return Rule(allow=False, protocol=Protocol.TCP, external_ports=(port, port))


ROUTEROS_RULES = (_deny_tcp(22), _deny_tcp(8291), Rule(allow=True))
"""Protects the router's own SSH and WinBox ports."""

_MINIUPNPD = frozenset({"M12-718", "H5", "delete-missing", "newest-first", "firewall-control"})

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "plain": Profile("PCP, NAT-PMP and IGD 2, without quirks"),
        "routeros": Profile(
            "MikroTik: permanent UPnP leases only, first WAN disconnected, NAT-PMP but no PCP, two tables",
            model="MikroTik Router",
            protocols=frozenset({"natpmp", "upnp"}),
            igd_version=1,
            quirks=frozenset({"M1", "S1", "P15", "tables-apart", "show-dummy-rule"}),
            rules=ROUTEROS_RULES,
        ),
        "fritzbox": Profile(
            "FRITZ!Box: PCP and IGD 2, a host can map ports only to itself",
            model="FRITZ!Box",
            protocols=frozenset({"pcp", "upnp"}),
            quirks=frozenset({"M12"}),
        ),
        "miniupnpd": Profile(
            "miniupnpd with distribution defaults: all protocols, secure mode, one request per connection",
            model="MiniUPnPd",
            quirks=_MINIUPNPD,
        ),
        "openwrt": Profile(
            "OpenWrt: miniupnpd as IGD 1, ports below 1024 denied",
            model="OpenWrt router",
            igd_version=1,
            quirks=_MINIUPNPD - {"firewall-control"},
            rules=(
                Rule(allow=True, external_ports=(1024, 65535), internal_ports=(1024, 65535)),
                Rule(allow=False),
            ),
        ),
        "vpn-natpmp": Profile(
            "VPN provider: NAT-PMP only, a random port for 60 seconds, forwarded to that port number",
            protocols=frozenset({"natpmp"}),
            quirks=frozenset({"P14"}),
        ),
        "isp-cgnat": Profile(
            "router behind carrier-grade NAT: its external address is in 100.64.0.0/10",
            quirks=frozenset({"S6-cgnat"}),
        ),
        "ddwrt": Profile(
            "DD-WRT: IGD 1 only, HTTP/1.0, permanent leases only, unusual headers in search answers",
            model="DD-WRT",
            protocols=frozenset({"upnp"}),
            igd_version=1,
            quirks=frozenset({"M1", "H1-http10", "D4"}),
        ),
    }
)


def settings_of(name: str, quirks: Iterable[str] = ()) -> Settings:
    """Return the settings of a profile with additional quirks. Raises `KeyError`."""
    profile = PROFILES[name]
    return Settings(
        igd_version=profile.igd_version,
        protocols=profile.protocols,
        quirks=profile.quirks.union(quirks),
        rules=profile.rules,
        model=profile.model,
    )
