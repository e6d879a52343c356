"""Names that identify this host, its users and its neighbors, for a report that is published."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from portmapper.network.host import read_network
from portmapper.support.link_names import is_common_link

HOSTS_FILE = Path("/etc/hosts")

PEOPLE = range(1000, 60_000)
"""User IDs of people; smaller ones belong to services, larger ones to containers and dynamic users."""

MOST_NAMES = 1000

_COMMON_HOSTS = re.compile(r"localhost|ip6-|broadcasthost|gateway\Z|router\Z|host\.docker", re.IGNORECASE)


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


def link_names() -> Iterator[str]:
    """Yield the names of network interfaces that somebody chose; they may name a company or a person."""
    names: set[str] = set()
    with contextlib.suppress(OSError):  # those that are down, too
        names.update(name for _, name in socket.if_nameindex())
    with contextlib.suppress(OSError):  # on Windows, the names that users see
        names.update(interface.name for interface in read_network().interfaces)
    yield from sorted(name for name in names if not is_common_link(name))


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
