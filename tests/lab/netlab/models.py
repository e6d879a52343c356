"""The settings that real routers give to miniupnpd. `PORTMAPPER_LAB_GATEWAY` chooses one for all labs."""

from __future__ import annotations

import dataclasses
import os

from netlab.firewalls import Firewall, Iptables, Nftables


@dataclasses.dataclass(frozen=True)
class Model:
    """What a variant does not say itself.

    Attributes:
        firewall: chooses the build of miniupnpd.
        igd1: describe itself as an IGD v1.
        http_port: TCP port of the description.
        external_address: external address to report; None reports the real one.
        rules: `allow` and `deny` lines; the first match decides, and the rest is denied.
        extra: additional lines of the configuration.
    """

    firewall: Firewall = dataclasses.field(default_factory=Nftables)
    igd1: bool = False
    http_port: int = 5000
    external_address: str | None = None
    rules: tuple[str, ...] = ("allow 1-65535 0.0.0.0/0 1-65535",)
    extra: tuple[str, ...] = ()


MODELS = {
    "debian": Model(),
    "iptables": Model(firewall=Iptables()),
    # The package miniupnpd of OpenWrt: secure mode, IGD v1, ports from 1024, no third party.
    "openwrt": Model(
        igd1=True,
        rules=("allow 1024-65535 0.0.0.0/0 1024-65535",),
        extra=(
            "friendly_name=OpenWrt UPnP IGD & PCP",
            "presentation_url=http://192.168.88.1/",
            "model_number=1",
            "serial=00000000",
            "notify_interval=30",
            "clean_ruleset_interval=600",
            "clean_ruleset_threshold=20",
            "bitrate_down=8388608",
            "bitrate_up=4194304",
            "pcp_allow_thirdparty=no",
        ),
    ),
    # pfSense and OPNsense: deny by default, a line for each host, the external address given.
    "pfsense": Model(
        http_port=2189,
        external_address="11.22.33.1",
        rules=tuple(f"allow 1024-65535 192.168.88.{host}/32 1-65535" for host in (2, 3, 7, 50, 77)),
        extra=(
            "friendly_name=pfSense",
            "model_number=2.7",
            "serial=1A2B3C4D",
            "min_lifetime=120",
            "max_lifetime=86400",
            "clean_ruleset_interval=600",
        ),
    ),
}

MODEL = MODELS[os.environ.get("PORTMAPPER_LAB_GATEWAY", "debian")]
