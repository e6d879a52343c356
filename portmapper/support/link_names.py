"""Names of network interfaces that many hosts have."""

from __future__ import annotations

import re

_COMMON_LINKS = re.compile(
    r"(?:eth|en|em|wlan|wl|ww|lo|br|docker|veth|virbr|tun|tap|utun|wg|ppp|bond|team|vlan|dummy|sit|ip6tnl|bridge"
    r"|awdl|llw|anpi|ap|gif|stf|igb|ix|re|vmx|vtnet|cni|cali|flannel|tailscale|zt|lxc|vmnet|vboxnet|mv|nm)"
    r"(?:\d[\w.]*|-?[0-9a-f]{6,}|[opsx]\w*)?"
    r"|(?:br-)?(?:lan|wan)\d*"
    r"|(?:Ethernet|Wi-Fi|WLAN|Local Area Connection|Loopback Pseudo-Interface)(?: \d{1,3})?"  # Windows
)


def is_common_link(name: str) -> bool:
    """Return whether many hosts have an interface with this name, so that it identifies none."""
    return _COMMON_LINKS.fullmatch(name) is not None
