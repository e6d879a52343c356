"""The options and settings of several daemons for one list: who leads, and the secret that they share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from portmapper.api.errors import SettingError, UsageError, quoted
from portmapper.api.suggestions import nearest

if TYPE_CHECKING:
    from portmapper.api.daemon_command import DaemonParts
    from portmapper.api.guard import Guard
    from portmapper.api.tokens import TokenSource
    from portmapper.daemon.cluster import Cluster
    from portmapper.pluginhost.manager import Plugins

SECRET_VARIABLE = "PORTMAPPER_CLUSTER_SECRET_FILE"

LONGEST_SECRET = 4096
"""Bytes of the file that are read."""


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add `--lead-with-address` and `--lead-with`."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--lead-with-address",
        metavar="ADDRESS",
        help="change gateways only while this host carries this address, such as a virtual address of "
        "keepalived; until then, wait on standby",
    )
    choice.add_argument(
        "--lead-with",
        metavar="NAME:LOCATION",
        help="change gateways only while the guard of a plugin lets this daemon lead, such as "
        "etcd:http://192.168.88.5:2379/portmapper",
    )


def cluster_of(arguments: argparse.Namespace, plugins: Plugins, parts: DaemonParts | None) -> Cluster:
    """Return this daemon's part in a cluster.

    Raises:
        UsageError: an option or setting is invalid, or the secret cannot be read.
    """
    from portmapper.daemon.cluster import ALONE, Cluster

    if arguments.only_close_ports:
        return ALONE  # the user closes the ports, whichever daemon leads
    guard = parts.guard if parts and parts.guard else _guard(arguments, plugins)
    if guard is not None and arguments.oneshot:
        raise UsageError("a guard needs a daemon: omit --oneshot, or omit the guard")
    sources = _tokens(arguments, plugins, parts)
    if not sources:
        return Cluster(guard)
    from portmapper.pluginhost.guarded_tokens import GuardedTokens

    return Cluster(guard, GuardedTokens(sources))


def _guard(arguments: argparse.Namespace, plugins: Plugins) -> Guard | None:
    if arguments.lead_with_address and arguments.lead_with:
        raise UsageError("[guard] has both address and lead_with: remove one")
    if arguments.lead_with_address:
        from portmapper.network.address_guard import AddressGuard

        return AddressGuard(arguments.lead_with_address)
    if not arguments.lead_with:
        return None
    from portmapper.daemon.election import make_guard

    name, colon, location = arguments.lead_with.partition(":")
    known = {kind.name: kind for kind in plugins.guards}
    if not colon or name not in known:
        hint = nearest(name, tuple(known)) or f"; known: {', '.join(known) or 'none, install a plugin'}"
        raise UsageError(f"--lead-with {quoted(arguments.lead_with)}: no guard named {quoted(name)}{hint}")
    return make_guard(known[name], location)


def _tokens(
    arguments: argparse.Namespace, plugins: Plugins, parts: DaemonParts | None
) -> Sequence[TokenSource]:
    """Return the sources of tokens: that of the command, that of the secret file, those of plugins."""
    from portmapper.pluginhost.faults import instantiate

    sources = [parts.tokens] if parts and parts.tokens else []
    path = _secret_file(arguments)
    if path is not None:
        from portmapper.api.tokens import DerivedTokens

        sources.append(DerivedTokens(_read_secret(path)))
    return [*sources, *instantiate("token", plugins.tokens)]


def _secret_file(arguments: argparse.Namespace) -> Path | None:
    """Return the path of the secret: from the environment, or relative to the settings file."""
    given = os.environ.get(SECRET_VARIABLE, "")
    if given:
        return Path(given)
    file = arguments.settings_file
    name = file.settings.cluster.secret_file
    return file.path.parent / Path(name).expanduser() if name and file.path else None


def _read_secret(path: Path) -> bytes:
    """Return the secret without white space at its ends. Its content never is in a message.

    Raises:
        SettingError: the file cannot be read, or is too long.
    """
    from portmapper.support.safe_open import opener_of_regular

    try:
        with open(path, "rb", opener=opener_of_regular) as file:
            secret = file.read(LONGEST_SECRET + 1)
    except OSError as error:
        raise SettingError(("cluster", "secret_file"), f"cannot read {path}: {error.strerror}") from None
    if len(secret) > LONGEST_SECRET:
        raise SettingError(("cluster", "secret_file"), f"{path} is longer than {LONGEST_SECRET} bytes")
    return secret.strip()
