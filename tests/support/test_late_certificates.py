"""aiohttp's contexts load the certificates of the system when they are first used."""

from __future__ import annotations

import ssl
import subprocess
import sys

import pytest

from portmapper.support.late_certificates import LateCertificates, late_certificates

AT_IMPORT = """
import ssl
from portmapper.support.late_certificates import LateCertificates, late_certificates
with late_certificates():
    import aiohttp.connector
context = aiohttp.connector._SSL_CONTEXT_VERIFIED
print(type(context) is LateCertificates, context._loaded, context.verify_mode.name, context.check_hostname)
print(context.cert_store_stats() == ssl.create_default_context().cert_store_stats(), context._loaded)
"""


def created_late() -> ssl.SSLContext:
    """Return a context that has not loaded its certificates."""
    with late_certificates():
        return ssl.create_default_context()


def test_aiohttp_is_imported_without_certificates_and_has_them_later() -> None:
    """It still verifies every certificate."""
    done = subprocess.run([sys.executable, "-c", AT_IMPORT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True False CERT_REQUIRED True", "True True"]


def test_the_certificates_are_loaded_for_the_first_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and before the handshake."""
    loads: list[ssl.SSLContext] = []
    context = created_late()

    def load(context: ssl.SSLContext) -> None:
        loads.append(context)

    monkeypatch.setattr(LateCertificates, "set_default_verify_paths", load, raising=False)
    assert loads == []
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    assert loads == [context]


def test_other_contexts_load_at_once_again_afterwards() -> None:
    """Also after an import that failed."""
    with pytest.raises(ImportError), late_certificates():
        raise ImportError
    assert type(ssl.create_default_context()) is ssl.SSLContext
    assert "set_default_verify_paths" not in vars(ssl.SSLContext)


def test_a_context_loads_what_it_is_asked_for_meanwhile() -> None:
    """For example, in another thread."""
    with late_certificates():
        context = ssl.create_default_context()
        known = context.cert_store_stats()
    assert known == ssl.create_default_context().cert_store_stats()
