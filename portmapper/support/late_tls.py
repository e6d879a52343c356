"""Imports asyncio without TLS, which asyncio loads when it is first used.

asyncio imports `ssl` for connections with TLS, and that loads OpenSSL: 3 of the 33 MiB of a daemon, and a
twentieth of a start. Mapping protocols need no TLS; web hooks, lists behind HTTPS and plugins may.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

TLS_MODULES = ("ssl", "asyncio.sslproto")


def import_asyncio() -> None:
    """Import asyncio without TLS, unless asyncio or TLS is imported already.

    Only asyncio's own modules get the late ones. Every other import of `ssl` loads it at once.
    """
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return
    sys.modules.update({name: LateModule(name) for name in TLS_MODULES})
    try:
        importlib.import_module("asyncio")
    finally:
        for name in TLS_MODULES:
            del sys.modules[name]


class LateModule(ModuleType):
    """A module that is imported when one of its names is used."""

    def __getattr__(self, name: str) -> object:
        if name == "SSLSocket" and "ssl" not in sys.modules:
            # asyncio asks whether a socket is one of TLS. None can be before `ssl` is loaded.
            return _NoTlsSocket
        return getattr(importlib.import_module(self.__name__), name)


class _NoTlsSocket:
    """A class without instances."""
