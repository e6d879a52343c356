"""What a gateway tells about its connection to the internet."""

from __future__ import annotations

import abc

from portmapper.support.values import frozen


@frozen
class Connection:
    """What a gateway reports about its connection to the internet; texts are the device's and untrusted.

    Attributes:
        kind: such as `IP_Routed`; empty if the gateway does not tell.
        status: such as `Connected`; empty if the gateway does not tell.
        last_error: why the connection was lost last time; empty if the gateway tells none.
        uptime: seconds since the connection was established; None if the gateway does not tell.
        upstream: maximum rate to the internet in bits per second; 0 if the gateway does not tell.
        downstream: maximum rate from the internet in bits per second; 0 if the gateway does not tell.
        page: URL of the router's own web page; empty if the gateway does not tell.
    """

    kind: str = ""
    status: str = ""
    last_error: str = ""
    uptime: int | None = None
    upstream: int = 0
    downstream: int = 0
    page: str = ""


class DescribesConnection(abc.ABC):
    """Capability: tell about the connection to the internet, for `discover -v`."""

    @abc.abstractmethod
    async def connection(self) -> Connection:
        """Ask the gateway, with a short limit for each question; leave out what it does not answer."""
