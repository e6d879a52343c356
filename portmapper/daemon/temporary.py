"""A daemon that stores nothing and closes its ports when it stops, for demos and tests."""

from __future__ import annotations

from portmapper.api.model import ConflictPolicy
from portmapper.daemon.daemon import Daemon
from portmapper.daemon.options import RunOptions
from portmapper.daemon.reloadable import Reloadable
from portmapper.pluginhost.manager import load_plugins
from portmapper.sources.open_source import open_source
from portmapper.store.leases import Store


def temporary_daemon(source: str, *, gateway: str, backend: str) -> Daemon:
    """Return a daemon for one source, one gateway and one backend; call its `run` and `stop`.

    Args:
        source: a path, `-` or a URL, as on the command line.
        gateway: an address, ADDRESS:PORT or the URL of an IGD description.
        backend: the name of the backend.

    Raises:
        UsageError: no plugin provides the backend or the source.
    """
    plugins = load_plugins()
    # Another program may take the port after it was chosen as free and before it is opened.
    conflict = ConflictPolicy.NEXT
    return Daemon(
        RunOptions(close_on_exit=True, chosen=(gateway,), allowed=(backend,), conflict=conflict),
        [cls() for cls in plugins.choose_backends([backend])],
        Reloadable([open_source(source, plugins.sources, plugins.formats)]),
        Store(None),
        quirks=[cls() for cls in plugins.quirks],
    )
