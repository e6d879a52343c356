"""Names that identify this host, its users and its neighbors, for a report that is published."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

HOSTS_FILE = Path("/etc/hosts")

PEOPLE = range(1000, 60_000)
"""User IDs of people; smaller ones belong to services, larger ones to containers and dynamic users."""

MOST_NAMES = 1000

_COMMON_HOSTS = re.compile(r"localhost|ip6-|broadcasthost|gateway\Z|router\Z|host\.docker", re.IGNORECASE)
_COMMON_LINKS = re.compile(
    r"(?:eth|en|em|wlan|wl|ww|lo|br|docker|veth|virbr|tun|tap|utun|wg|ppp|bond|team|vlan|dummy|sit|ip6tnl|bridge"
    r"|awdl|llw|anpi|ap|gif|stf|igb|ix|re|vmx|vtnet|cni|cali|flannel|tailscale|zt|lxc|vmnet|vboxnet|mv|nm)"
    r"(?:\d[\w.]*|-?[0-9a-f]{6,}|[opsx]\w*)?\Z"
)


def host_names() -> Iterator[str]:
    """Yield the names of this host."""
    name = socket.gethostname()
    yield name
    yield name.partition(".")[0]


def user_names() -> Iterator[str]:
    """Yield the names of the user of this process."""
    with contextlib.suppress(OSError, KeyError):  # a user ID without an entry in the password database
        yield getpass.getuser()
    yield os.environ.get("SUDO_USER", "")
    yield Path(os.path.expanduser("~")).name


def people() -> Iterator[str]:
    """Yield the login names and full names of the people with an account on this host."""
    try:
        import pwd
    except ImportError:  # Windows
        return
    for account in pwd.getpwall()[:MOST_NAMES]:
        if account.pw_uid in PEOPLE:
            yield account.pw_name
            yield account.pw_gecos.split(",")[0]


def known_hosts() -> Iterator[str]:
    """Yield the names in the file of hosts, except those that every host has."""
    try:
        text = HOSTS_FILE.read_text("utf-8", "replace")
    except OSError:
        return
    words = (word for line in text.splitlines() for word in line.partition("#")[0].split()[1:])
    names = (word for word in words if not _COMMON_HOSTS.match(word))
    yield from [name for _, name in zip(range(MOST_NAMES), names, strict=False)]


def is_common_link(name: str) -> bool:
    """Return whether many hosts have an interface with this name, so that it identifies none."""
    return _COMMON_LINKS.match(name) is not None
