"""Requirements of the lab."""

from __future__ import annotations

import os
import shutil
import subprocess

COMMANDS = {
    "ip": "iproute2",
    "nft": "nftables",
    "miniupnpd": "miniupnpd-nftables",
    "upnpc": "miniupnpc",
    "natpmpc": "natpmpc",
    "sysctl": "procps",
    "keepalived": "keepalived",
}


def missing_requirement() -> str | None:
    """Return why real gateways cannot run here, or None."""
    if os.geteuid() != 0:
        return "the lab needs root"
    if missing := sorted({package for name, package in COMMANDS.items() if shutil.which(name) is None}):
        return f"the lab needs the Debian packages {' '.join(missing)}"
    probe = ["unshare", "--net", "--mount", "nft", "add", "table", "inet", "probe"]
    if subprocess.run(probe, check=False, capture_output=True).returncode != 0:
        return "the lab needs network namespaces and nftables in the kernel"
    return None
