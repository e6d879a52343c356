"""The one vocabulary of failure. The scheduler decides on these types, never on a protocol's number."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portmapper.api.model import TableEntry


def quoted(value: object) -> str:
    """Show an untrusted value in a message: one line, text in quotes and escaped, about 60 characters."""
    shorten = reprlib.Repr()
    shorten.maxstring = shorten.maxother = shorten.maxlong = 60
    try:
        return shorten.repr(value)
    except ValueError:
        # Python refuses to spell integers of more than 4300 digits.
        return "a number too long to show"


class PortmapperError(Exception):
    """Everything this program raises on purpose; its text is one line for a person."""


class UsageError(PortmapperError):
    """The caller asked for something that makes no sense (exit status 2)."""


class SettingError(UsageError):
    """A key of the settings file is wrong.

    Attributes:
        path: where it stands: names of tables and keys, and the numbers of those that repeat, from 0.
        reason: what is wrong with it, the value included.
    """

    def __init__(self, path: tuple[str | int, ...], reason: str, where: str = "") -> None:
        """Say what is wrong; `where` is the file and the line, once they are known."""
        name = dotted(path)
        self.path = path
        self.reason = reason
        super().__init__(": ".join(part for part in (where, name, reason) if part))


def dotted(path: tuple[str | int, ...]) -> str:
    """Write the path of a key as TOML does: `hook[1].run`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


class SourceError(PortmapperError):
    """A source cannot be read, or its document cannot be parsed at all."""


class RowError(PortmapperError):
    """One row of a document is wrong.

    Attributes:
        field: the column or key at fault, empty when it is the row as a whole.
        reason: what is wrong with it, the value included.
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
    """No gateway answered, or there is none to ask (exit status 3)."""


class BackendError(PortmapperError):
    """A gateway did not grant what was asked.

    Attributes:
        code: the protocol's own result number, for people only.
        retry_after: seconds before it makes sense to ask again, None when the gateway did not say.
    """

    def __init__(self, message: str, *, code: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class Unsupported(BackendError):
    """The gateway or the protocol cannot do this at all."""


class NotAuthorized(BackendError):
    """The gateway's rules say no."""


class Conflict(BackendError):
    """The external port belongs to somebody else.

    Attributes:
        holder: the entry that stands in the way, None where the protocol does not tell.
    """

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
    """The gateway's table is full, or our quota is."""


class OnlyPermanentLeases(BackendError):
    """The gateway grants no finite lifetime, and a finite one was insisted upon."""


class NetworkFailure(BackendError):
    """The gateway cannot be reached, or has no outside address itself."""


class AnotherNat(NetworkFailure):
    """The gateway sees another address than ours: one more NAT stands between."""


class GatewayTimeout(BackendError):
    """The gateway did not answer in time."""


UNREACHABLE = (NetworkFailure, GatewayTimeout)
"""What a request comes to at a gateway that is not there."""


class GatewayRestarted(BackendError):
    """The gateway lost its state while the request was under way."""


class PluginFault(BackendError):
    """A plugin is broken: it raised what it must not, or returned what it cannot mean."""
