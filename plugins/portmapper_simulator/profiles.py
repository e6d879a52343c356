"""Sorts of router, as bundles of protocols, quirks and permission rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import attrs

from portmapper.api import Protocol
from portmapper_simulator.settings import PROTOCOLS, Rule, Settings


@attrs.frozen
class Profile:
    """One sort of router.

    Attributes:
        description: one line.
        model: what it calls itself.
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
"""Keeps the router's own SSH and WinBox ports out of reach."""

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "plain": Profile("PCP, NAT-PMP and IGD 2, and nothing odd"),
        "routeros": Profile(
            "MikroTik: permanent UPnP leases only, first WAN disconnected, NAT-PMP without PCP, two tables",
            model="MikroTik Router",
            protocols=frozenset({"natpmp", "upnp"}),
            igd_version=1,
            quirks=frozenset({"M1", "S1", "P15", "tables-apart", "show-dummy-rule"}),
            rules=ROUTEROS_RULES,
        ),
        "fritzbox": Profile(
            "FRITZ!Box: PCP and IGD 2, each host only for itself",
            model="FRITZ!Box",
            protocols=frozenset({"pcp", "upnp"}),
            quirks=frozenset({"M12"}),
        ),
        "miniupnpd": Profile(
            "miniupnpd as distributions ship it: everything on, secure mode, one reply a connection",
            model="MiniUPnPd",
            quirks=frozenset({"M12-718", "H5"}),
        ),
        "openwrt": Profile(
            "OpenWrt: miniupnpd that describes an IGD 1, and keeps ports below 1024 to itself",
            model="OpenWrt router",
            igd_version=1,
            quirks=frozenset({"M12-718", "H5"}),
            rules=(
                Rule(allow=True, external_ports=(1024, 65535), internal_ports=(1024, 65535)),
                Rule(allow=False),
            ),
        ),
        "vpn-natpmp": Profile(
            "VPN provider: NAT-PMP alone, a random port for 60 seconds whatever is asked",
            protocols=frozenset({"natpmp"}),
            quirks=frozenset({"P14"}),
        ),
        "isp-cgnat": Profile(
            "a router behind carrier-grade NAT: its outside address is in 100.64.0.0/10",
            quirks=frozenset({"S6-cgnat"}),
        ),
        "ddwrt": Profile(
            "DD-WRT: IGD 1 alone, HTTP/1.0, permanent leases only, answers searches in odd headers",
            model="DD-WRT",
            protocols=frozenset({"upnp"}),
            igd_version=1,
            quirks=frozenset({"M1", "H1-http10", "D4"}),
        ),
    }
)


def settings_of(name: str, quirks: Iterable[str] = ()) -> Settings:
    """Return the settings of a profile, with more quirks on top. Raises `KeyError`."""
    profile = PROFILES[name]
    return Settings(
        igd_version=profile.igd_version,
        protocols=profile.protocols,
        quirks=profile.quirks.union(quirks),
        rules=profile.rules,
        model=profile.model,
    )
