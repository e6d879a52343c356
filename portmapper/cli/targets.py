"""Parsing of ports, and access to the daemon and the gateways, for `open`, `close` and `list`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portmapper.api.backend import Target
    from portmapper.api.model import Lease, Protocol
    from portmapper.network.host import Network
    from portmapper.store.leases import Store


def ports_of(texts: Sequence[str]) -> list[tuple[Protocol, int]]:
    """Expand arguments such as `2722-2723/both` or `minecraft` to single ports, without duplicates.

    Raises:
        UsageError: an argument is invalid, or is `any`.
    """
    from portmapper.api.errors import UsageError
    from portmapper.api.model import ANY_PORT
    from portmapper.sources.port_syntax import parse_port_argument

    parsed = [parse_port_argument(part) for text in texts for part in _preset_ports(text)]
    if any(port == ANY_PORT for ports, _ in parsed for port in ports):
        raise UsageError("'any' is not a port to close: specify a port that 'list' shows, such as 8080/tcp")
    return list(dict.fromkeys((p, port) for ports, protocols in parsed for port in ports for p in protocols))


def _preset_ports(text: str) -> Sequence[str]:
    """Return the ports of a preset, and any other argument as it is."""
    from portmapper.sources.presets import find_preset, is_name

    return find_preset(text).ports if text.lower() != "any" and is_name(text) else (text,)


def directory_of(arguments: argparse.Namespace) -> Path:
    """Return the state directory: the option's value or the default."""
    from portmapper.config.paths import state_directory

    directory: Path = (arguments.state_dir or state_directory()).absolute()
    return directory


@contextmanager
def opened_store(directory: Path, *, or_empty: bool = False) -> Iterator[Store]:
    """Open the lease store of a directory; without a file, use an empty one and create none.

    Raises:
        StoreError: the file cannot be opened, and not `or_empty`.
    """
    from portmapper.api.errors import StoreError
    from portmapper.store.leases import FILE_NAME, Store

    path = directory / FILE_NAME
    try:
        store = Store(path if path.exists() else None, must_write=False)
    except (StoreError, OSError):
        if not or_empty:
            raise
        store = Store(None)
    try:
        yield store
    finally:
        store.close()


def add_lenient_config_option(parser: argparse.ArgumentParser) -> None:
    """Add `--config` for a command that only needs the daemon's state directory, even of invalid settings."""
    parser.add_argument(
        "--config",
        dest="settings",
        type=Path,
        metavar="FILE",
        help="the settings file that sets the daemon's state_dir; default: as for 'portmapper run'",
    )


def directory_of_daemon(arguments: argparse.Namespace) -> Path:
    """Return the state directory; invalid settings are no error here, because the daemon reports them."""
    import contextlib
    import tomllib

    from portmapper.config.paths import settings_file
    from portmapper.support.encodings import decoded, in_windows_letters

    path = arguments.settings or settings_file()
    if arguments.state_dir is None and path is not None:
        with contextlib.suppress(OSError, ValueError):
            written = tomllib.loads(in_windows_letters(decoded(path.read_bytes()))).get("state_dir")
            arguments.state_dir = Path(written) if isinstance(written, str) else None
    return directory_of(arguments)


def call_daemon(directory: Path, verb: str, records: Sequence[dict[str, Any]]) -> Any:
    """Send a request to the daemon and return its answer, None if no daemon runs for this state directory.

    A daemon that is starting gets some time.

    Raises:
        PortmapperError: the daemon answers with an error.
    """
    from portmapper.control.client import NotRunning, call_daemon
    from portmapper.daemon.turns import COMMAND_LIMIT, wait_until_started

    while True:
        try:
            return call_daemon(directory, verb, "POST", {"mappings": list(records)})
        except NotRunning:
            if not wait_until_started(directory, COMMAND_LIMIT):
                return None


def targets_of(arguments: argparse.Namespace, network: Network) -> Sequence[Target]:
    """Return the gateways to query: those of `--gateway`, or where to search for them.

    Raises:
        UsageError: a `--gateway` value is invalid or not reachable.
    """
    from portmapper.network.gateway_option import reachable_targets
    from portmapper.network.placement import search_targets

    chosen = reachable_targets(arguments.gateway, network)
    return search_targets(network) if chosen is None else chosen


def targets_with_leases(
    arguments: argparse.Namespace, network: Network, leases: Iterable[Lease], *, only: bool = False
) -> Sequence[Target]:
    """Return the gateways to query, also those of leases that a search does not reach.

    An earlier run may have had `--gateway` where this command has none.

    Args:
        arguments: the command line; `--gateway` replaces all others.
        network: this host's interfaces and routes.
        leases: the leases.
        only: omit gateways without a lease.
    """
    from portmapper.network.gateway_option import reachable_targets

    targets = targets_of(arguments, network)
    if arguments.gateway:
        return targets
    devices = dict.fromkeys(lease.gateway.partition(":")[2] for lease in leases)
    searched = {str(target.gateway) for target in targets}
    more = reachable_targets([device for device in devices if device not in searched], network) or ()
    return [*(t for t in targets if not only or str(t.gateway) in devices), *more]
