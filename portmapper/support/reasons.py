"""Says why something failed, in words for the user."""

from __future__ import annotations

import errno
import os
import socket
import sys

from portmapper.support.shortage import NO_THREAD, is_shortage

FIRST_SOCKET_ERROR = 10_000
"""WSABASEERR of Windows."""

_NUMBERS = {
    121: errno.ETIMEDOUT,  # ERROR_SEM_TIMEOUT
    1225: errno.ECONNREFUSED,  # ERROR_CONNECTION_REFUSED
    1231: errno.ENETUNREACH,  # ERROR_NETWORK_UNREACHABLE
    1232: errno.EHOSTUNREACH,  # ERROR_HOST_UNREACHABLE
}
"""The numbers of Windows for failed connections, which Python shows as EINVAL."""


def plain_reason(error: BaseException) -> str:
    """Return the reason without the name of a Python type, unless the error is a bug."""
    if isinstance(error, MemoryError):
        return "no memory left"
    if isinstance(error, RuntimeError) and NO_THREAD in str(error):
        return "the system cannot start another thread"
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or "a system call failed"
        names_file = isinstance(error.filename, str) and not is_shortage(error)
        return f"{reason}: {error.filename}" if names_file else reason
    return f"{type(error).__name__}: {error}"


def connection_reason(error: BaseException) -> str:
    """Return the system's words for a failed connection; those of asyncio name a Python call."""
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", error)
    if type(cause).__module__ == "ssl":  # importing it here would slow down every start
        mismatch = getattr(cause, "verify_message", "")
        return f"the certificate is not trusted: {mismatch}" if mismatch else "no valid answer over TLS"
    if isinstance(cause, socket.gaierror):
        return cause.strerror or "the name is unknown"
    number = getattr(cause, "errno", None)
    return words_of(cause) if isinstance(cause, OSError) and number else "the connection failed"


def number_of(error: OSError) -> int:
    """Return the `errno` of an error, also of a connection that failed on Windows; 0 if it has none."""
    return _NUMBERS.get(getattr(error, "winerror", None) or 0, error.errno or 0)


def words_of(error: OSError) -> str:
    """Return the system's words for an error. On Windows, `strerror` does not know the errors of sockets."""
    number = getattr(error, "winerror", None) or error.errno or 0
    if sys.platform == "win32" and (number != error.errno or number >= FIRST_SOCKET_ERROR):
        import ctypes

        return ctypes.FormatError(number).strip().rstrip(".")
    return os.strerror(number)
