"""The reason of a failure, in words."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import ssl
import types

import pytest

from portmapper.support import reasons
from portmapper.support.reasons import connection_reason, number_of, plain_reason


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
        (OSError(errno.ENOENT, "Connect call failed ('a', 1)"), "No such file or directory"),
        (ConnectorError(socket.gaierror(-2, "Name or service not known")), "Name or service not known"),
        (ValueError("anything"), "the connection failed"),
        (ConnectorError(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]")), "no valid answer over TLS"),
        (ConnectorError(untrusted()), "the certificate is not trusted: self-signed certificate"),
    ],
)
def test_a_failed_connection_has_the_words_of_the_system(error: BaseException, reason: str) -> None:
    """Not those of asyncio."""
    assert connection_reason(error) == reason


@pytest.mark.parametrize(("number", "shown"), [(10061, 10061), (1225, 1225), (errno.EACCES, None)])
def test_windows_has_words_for_its_errors_of_sockets(
    monkeypatch: pytest.MonkeyPatch, number: int, shown: int | None
) -> None:
    """`strerror` calls a refused connection an unknown error or an invalid argument there."""
    error = OSError(number, "Connect call failed")
    if number == 1225:
        error = type("WindowsError", (OSError,), {"winerror": number})(errno.EINVAL, "refused")
    monkeypatch.setattr(reasons, "sys", types.SimpleNamespace(platform="win32"))
    monkeypatch.setattr(ctypes, "FormatError", lambda code: f"words for {code}.\r\n", raising=False)
    assert connection_reason(error) == (f"words for {shown}" if shown else os.strerror(number))


@pytest.mark.parametrize(
    ("windows", "expected"), [(1225, errno.ECONNREFUSED), (1232, errno.EHOSTUNREACH), (5, errno.EINVAL)]
)
def test_a_failed_connection_has_the_same_number_on_windows(windows: int, expected: int) -> None:
    """There, Python shows an invalid argument: stale entries and probes would not see the refusal."""
    error = type("WindowsError", (OSError,), {"winerror": windows})(errno.EINVAL, "refused")
    assert number_of(error) == expected
    assert number_of(OSError(errno.ENETUNREACH, "unreachable")) == errno.ENETUNREACH
    assert number_of(OSError("no number")) == 0


def test_a_bug_names_its_type() -> None:
    """Its report needs it."""
    assert plain_reason(KeyError("x")) == "KeyError: 'x'"
