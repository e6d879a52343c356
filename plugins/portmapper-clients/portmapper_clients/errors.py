"""What can go wrong with a client, in words for the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import PortmapperError

if TYPE_CHECKING:
    import ssl

_MOST_CAUSES = 16


class ClientFailure(PortmapperError):
    """The client does not answer, or does not accept the port. Another attempt may succeed."""


class LoginRefused(PortmapperError):
    """The client refused the login. Another attempt with the same password could lead to a ban."""


def reason_of(error: BaseException) -> str:
    """Return the system's reason for a failed connection, which libraries hide below several layers."""
    import ssl  # loads OpenSSL

    found = "no valid answer"
    waiting: list[object] = [error]
    for _ in range(_MOST_CAUSES):
        if not waiting:
            break
        cause = waiting.pop()
        if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
            return "no answer in time"
        if isinstance(cause, ssl.SSLError):
            return _tls_reason(cause)
        if isinstance(cause, OSError) and cause.strerror and cause.errno:
            found = cause.strerror.lower()
        if isinstance(cause, BaseException):
            more = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
            waiting += [each for each in more if isinstance(each, BaseException)]
    return found


def _tls_reason(error: ssl.SSLError) -> str:
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return "no valid answer over TLS"
