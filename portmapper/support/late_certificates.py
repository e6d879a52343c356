"""Lets aiohttp be imported without loading the certificates of the system.

aiohttp creates two TLS contexts while it is imported, and each loads all certificates. That is a third of the
import, and UPnP uses no TLS.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from typing import Any

_lock = threading.Lock()


class LateCertificates(ssl.SSLContext):
    """A context that loads the certificates of the system for its first connection."""

    _loaded = False

    def load(self) -> None:
        """Load the certificates, unless they are loaded already."""
        if not self._loaded:
            self._loaded = True
            self.set_default_verify_paths()

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """Begin a connection of asyncio."""
        self.load()
        return super().wrap_bio(*arguments, **options)

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Begin a connection of a socket."""
        self.load()
        return super().wrap_socket(*arguments, **options)

    def cert_store_stats(self) -> dict[str, int]:
        """Return how many certificates there are."""
        self.load()
        return super().cert_store_stats()

    def get_ca_certs(self, binary_form: Any = False) -> Any:
        """Return the certificates that were loaded."""
        self.load()
        return super().get_ca_certs(binary_form)


@contextlib.contextmanager
def late_certificates() -> Iterator[None]:
    """Let contexts that are created meanwhile, in any thread, load the certificates of the system later."""
    with _lock:
        ssl.SSLContext.set_default_verify_paths = _later  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            del ssl.SSLContext.set_default_verify_paths  # the method of the base class is in effect again


def _later(context: ssl.SSLContext) -> None:
    if type(context) is ssl.SSLContext:
        context.__class__ = LateCertificates
    else:  # a subclass, or one of these contexts that loads now
        super(ssl.SSLContext, context).set_default_verify_paths()
