"""Every error that portmapper raises. The scheduler decides by these types, never by result codes."""

from __future__ import annotations

import reprlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import date, time

    from portmapper.api.model import Lease, TableEntry


_LONGEST_INTEGER = 2000
"""Bits of an integer that Python always formats: `sys.set_int_max_str_digits` allows 640 digits at least."""


class _MaskedRepr(reprlib.Repr):
    def repr_str(self, x: str, level: int) -> str:
        """Mask the secrets of URLs before the text is cut off, and show undecoded bytes as letters."""
        # These compile expressions that most commands never need.
        from portmapper.support.encodings import in_windows_letters
        from portmapper.support.secrets import mask_urls

        return super().repr_str(mask_urls(in_windows_letters(x)), level)

    def repr_int(self, x: int, level: int) -> str:
        """Describe a huge integer: Python refuses to format it, or names its type."""
        return (
            "a number too long to show" if x.bit_length() > _LONGEST_INTEGER else super().repr_int(x, level)
        )

    # Lists and settings have the words of JSON and TOML.
    def repr_bool(self, x: bool, level: int) -> str:
        """Return `true` or `false`."""
        return str(x).lower()

    def repr_NoneType(self, x: None, level: int) -> str:  # noqa: N802 (the name that reprlib calls)
        """Return `null`."""
        return "null"

    def repr_float(self, x: float, level: int) -> str:
        """Return the number; JSON's `1e400` is infinity."""
        return "infinity" if x in (float("inf"), float("-inf")) else repr(x)

    def repr_dict(self, x: dict[object, object], level: int) -> str:
        """Return braces only: JSON and TOML write a table differently."""
        return "{…}" if x else "{}"

    def repr_date(self, x: date, level: int) -> str:
        """Return a date or time of TOML as it is written there."""
        return x.isoformat()

    repr_datetime = repr_date

    def repr_time(self, x: time, level: int) -> str:
        """Return a time of day of TOML as it is written there."""
        return x.isoformat()


def quoted(value: object) -> str:
    """Quote an untrusted value for a message: one line, escaped, short, with the secrets of URLs masked."""
    shorten = _MaskedRepr()
    shorten.maxstring = shorten.maxother = shorten.maxlong = 60
    return shorten.repr(value)


class PortmapperError(Exception):
    """Base class of all errors that are raised on purpose; the text is one line for the user."""


class UsageError(PortmapperError):
    """An option, argument or request is invalid (exit status 2)."""


class SettingError(UsageError):
    """A key of the settings file is invalid.

    Attributes:
        path: path of the key: names of tables and keys, and from 0 the index in an array of tables.
        reason: what is wrong, including the value.
    """

    def __init__(self, path: tuple[str | int, ...], reason: str, where: str = "") -> None:
        """Compose the message; `where` is the file and line, once they are known."""
        from portmapper.support.secrets import mask_urls

        name = mask_urls(dotted(path))
        self.path = path
        self.reason = reason = mask_urls(reason)
        super().__init__(": ".join(part for part in (where, name, reason) if part))


def dotted(path: tuple[str | int, ...]) -> str:
    """Format the path of a key: `hook[1].run`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


class SourceError(PortmapperError):
    """A source cannot be read, or its document cannot be parsed at all."""


class RowError(PortmapperError):
    """One row of a document is invalid.

    Attributes:
        field: the invalid column or key, empty if the error concerns the whole row.
        reason: what is wrong, including the value.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


class StoreError(PortmapperError):
    """The state directory or the lease store in it cannot be used."""


class AlreadyRunning(PortmapperError):
    """Another instance holds the pid file (exit status 4)."""


class NoGateway(PortmapperError):
    """No gateway answered, or there is no route to one (exit status 3)."""


class LeadershipLost(PortmapperError):
    """Another daemon may lead now, so this one has stopped (exit status 5)."""


class BackendError(PortmapperError):
    """A request to a gateway failed.

    Attributes:
        code: the protocol's result code, for display only.
        retry_after: seconds to wait before a retry, None if the gateway gave no time.
    """

    def __init__(self, message: str, *, code: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class Unsupported(BackendError):
    """The gateway or the protocol does not support the request."""


class NotAuthorized(BackendError):
    """The gateway's permission rules deny the request."""


class Conflict(BackendError):
    """Another mapping holds the external port.

    Attributes:
        holder: the entry that holds the port, None if the protocol does not report it.
        unreleased: another port that the gateway granted instead, and that could not be released yet. Only
            the core sets it.
        advice: what the user can do, as a sentence. Only the core sets it.
    """

    unreleased: Lease | None = None
    advice = ""

    def __init__(
        self,
        message: str,
        *,
        holder: TableEntry | None = None,
        code: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.holder = holder


class NoResources(BackendError):
    """The gateway's table or our quota is full."""


class OnlyPermanentLeases(BackendError):
    """The gateway grants only permanent leases, but the request required a finite lifetime."""


class NetworkFailure(BackendError):
    """The gateway is unreachable, or has no external address."""


class AnotherNat(NetworkFailure):
    """The gateway sees an address that is not ours: there is another NAT between us and it."""


class GatewayTimeout(BackendError):
    """The gateway did not answer in time."""


UNREACHABLE = (NetworkFailure, GatewayTimeout)
"""The errors that a request to an unreachable gateway raises."""


class GatewayRestarted(BackendError):
    """The gateway restarted and lost its state during the request."""


class NotLeading(BackendError):
    """This daemon does not lead, so the request was not sent."""


class PluginFault(BackendError):
    """A plugin is faulty: it raised an unexpected exception or returned an invalid value."""
