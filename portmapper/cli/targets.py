"""What `open`, `close` and `list` share: their ports, where they ask, and whether a daemon runs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portmapper.api.backend import Target
    from portmapper.api.model import Protocol
    from portmapper.network.host import Network


def port_records(texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a record for each `8080/tcp` or `2722-2723/udp`, as the daemon and the lists have them.

    Raises:
        UsageError: one is nothing of the kind.
    """
    from portmapper.sources.port_syntax import parse_port_argument

    for text in texts:
        parse_port_argument(text)
        port, _, protocol = text.partition("/")
        yield {"port": port, "protocol": protocol.upper()}


def ports_of(texts: Sequence[str]) -> list[tuple[Protocol, int]]:
    """Return each port by itself.

    Raises:
        UsageError: one is no port.
    """
    from portmapper.api.errors import UsageError
    from portmapper.api.model import ANY_PORT
    from portmapper.sources.port_syntax import parse_port_argument

    parsed = [parse_port_argument(text) for text in texts]
    if any(port == ANY_PORT for ports, _ in parsed for port in ports):
        raise UsageError("which port? Name it as 'list' shows it, such as 8080/tcp")
    return list(dict.fromkeys((p, port) for ports, protocols in parsed for port in ports for p in protocols))


def directory_of(arguments: argparse.Namespace) -> Path:
    """Return the state directory."""
    from portmapper.config.paths import state_directory

    directory: Path = (arguments.state_dir or state_directory()).absolute()
    return directory


def ask_daemon_if_any(directory: Path, verb: str, records: Sequence[dict[str, Any]]) -> Any:
    """Return the daemon's answer, None when none runs for that state directory.

    Raises:
        PortmapperError: its answer is an error.
    """
    from portmapper.control.client import NotRunning, ask_daemon

    try:
        return ask_daemon(directory, verb, "POST", {"mappings": list(records)})
    except NotRunning:
        return None


def targets_of(arguments: argparse.Namespace, network: Network) -> Sequence[Target]:
    """Return where to ask.

    Raises:
        UsageError: a named gateway is none.
    """
    from portmapper.network.gateway_option import reachable_targets
    from portmapper.network.placement import search_targets

    chosen = reachable_targets(arguments.gateway, network)
    return search_targets(network) if chosen is None else chosen
