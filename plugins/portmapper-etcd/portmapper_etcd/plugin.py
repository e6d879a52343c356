"""Entry point of the plugin. Imports the guard and the source only when the hooks are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Guard, Source


@hookimpl
def portmapper_register_guards() -> list[type[Guard]]:
    """Register the guard `etcd`."""
    from portmapper_etcd.guard import EtcdGuard

    return [EtcdGuard]


@hookimpl
def portmapper_register_sources() -> list[type[Source]]:
    """Register the source `etcd`."""
    from portmapper_etcd.source import EtcdSource

    return [EtcdSource]
