"""The observer `transmission`: sets the port over RPC."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from portmapper.api import Observer, hookimpl
from portmapper_clients.errors import LoginRefused
from portmapper_clients.follower import CALL_SECONDS, Client
from portmapper_clients.tables import WebFollower

_RPC = "/transmission/rpc"
_PORTS = {"http": 9091, "https": 443}


class TransmissionObserver(WebFollower):
    """Keeps the peer port of Transmission equal to the granted port."""

    name = "transmission"

    def connect(self, secret: str) -> Client:
        """Return a connection. There is no session: each request contains the login."""
        return _Transmission(self._table.url, self._table.username, secret)


def rpc_place(url: str) -> dict[str, Any]:
    """Return scheme, host, port and path of RPC."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if not path.endswith("/rpc"):
        path += "/rpc" if path.endswith("/transmission") else _RPC
    host = parts.hostname or ""
    return {
        "protocol": parts.scheme,
        "host": f"[{host}]" if ":" in host else host,
        "port": parts.port or _PORTS[parts.scheme],
        "path": path,
    }


class _Transmission(Client):
    def __init__(self, url: str, username: str, password: str) -> None:
        import transmission_rpc

        try:
            self._client = transmission_rpc.Client(
                **rpc_place(url), username=username or None, password=password or None, timeout=CALL_SECONDS
            )
        except transmission_rpc.TransmissionAuthError:
            raise LoginRefused(f"{url} refused username and password") from None

    def port(self) -> int:
        """Return the port in the settings."""
        return int(self._client.get_session().peer_port)

    def set_port(self, port: int) -> None:
        """Set the port, also for the next start."""
        self._client.set_session(peer_port=port, peer_port_random_on_start=False)


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the observer `transmission`."""
    return [TransmissionObserver]
