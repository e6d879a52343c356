"""What a gateway reports about its connection to the internet, as `upnpc -s` and `upnpc -P` show it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from portmapper.api import BackendError, Connection
from portmapper_upnp.connection import WanConnection
from portmapper_upnp.soap_call import Service, read_number

_MAX = 2**32 - 1
_NO_ERROR = ("ERROR_NONE", "")


class WanLink(Service):
    """One WANCommonInterfaceConfig service."""

    async def properties(self) -> Mapping[str, str]:
        """Return the properties of the line."""
        return await self.call("GetCommonLinkProperties")


async def read_details(
    connection: WanConnection, link: Callable[[], Awaitable[WanLink]], page: str
) -> Connection:
    """Ask one question after another, because many routers cannot bear several at once."""

    async def ask(name: str, query: Callable[[], Awaitable[Mapping[str, str]]]) -> Mapping[str, str]:
        try:
            return await connection.optional(name, query)
        except BackendError:
            return {}

    async def line() -> Mapping[str, str]:
        return await (await link()).properties()

    status = await ask("GetStatusInfo", lambda: connection.call("GetStatusInfo"))
    kind = await ask("GetConnectionTypeInfo", lambda: connection.call("GetConnectionTypeInfo"))
    rates = await ask("GetCommonLinkProperties", line)
    last_error = status.get("NewLastConnectionError", "").strip()
    uptime = status.get("NewUptime", "").strip()
    return Connection(
        kind=kind.get("NewConnectionType", "").strip(),
        status=status.get("NewConnectionStatus", "").strip(),
        last_error="" if last_error.upper() in _NO_ERROR else last_error,
        uptime=read_number(uptime, _MAX) if uptime.isdigit() else None,
        upstream=read_number(rates.get("NewLayer1UpstreamMaxBitRate", ""), _MAX),
        downstream=read_number(rates.get("NewLayer1DownstreamMaxBitRate", ""), _MAX),
        page=page,
    )
