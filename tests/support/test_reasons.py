"""The reason of a failure, in words."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from portmapper.support.reasons import connection_reason, plain_reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error"),
        (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), "Permission denied: /etc/x"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/usr/lib/x.py"), "Too many open files"),
        (OSError("no route"), "no route"),
        (OSError(), "a system call failed"),
        (TimeoutError(), "no answer in time"),
        (MemoryError(), "no memory left"),
        (RuntimeError("can't start new thread"), "the system cannot start another thread"),
    ],
)
def test_an_error_of_the_system_is_a_plain_reason(error: BaseException, reason: str) -> None:
    """It names no Python type."""
    assert plain_reason(error) == reason


class ConnectorError(Exception):
    """An error like those of aiohttp, which have the system's error in an attribute."""

    def __init__(self, os_error: OSError) -> None:
        super().__init__()
        self.os_error = os_error


def untrusted() -> ssl.SSLCertVerificationError:
    """Return an error of a certificate, as OpenSSL raises it."""
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectorError(OSError(errno.ECONNREFUSED, "Connect call failed ('a', 1)")), "Connection refused"),
        (OSError(errno.EHOSTUNREACH, "Connect call failed ('a', 1)"), "No route to host"),
        (ConnectorError(socket.gaierror(-2, "Name or service not known")), "Name or service not known"),
        (ValueError("anything"), "the connection failed"),
        (ConnectorError(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]")), "no valid answer over TLS"),
        (ConnectorError(untrusted()), "the certificate is not trusted: self-signed certificate"),
    ],
)
def test_a_failed_connection_has_the_words_of_the_system(error: BaseException, reason: str) -> None:
    """Not those of asyncio."""
    assert connection_reason(error) == reason


def test_a_bug_names_its_type() -> None:
    """Its report needs it."""
    assert plain_reason(KeyError("x")) == "KeyError: 'x'"
