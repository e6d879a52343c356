"""The observer `transmission`: sets the port over RPC."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from portmapper.api import Observer, PortmapperError, hookimpl
from portmapper_clients.errors import ClientFailure, LoginRefused
from portmapper_clients.follower import CALL_SECONDS, Client
from portmapper_clients.tables import WebFollower

_RPC = "/transmission/rpc"
_FORBIDDEN = 403
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

        place = rpc_place(url)
        try:
            self._client = transmission_rpc.Client(
                **place, username=username or None, password=password or None, timeout=CALL_SECONDS
            )
        except transmission_rpc.TransmissionAuthError as error:
            raise _refusal(url, error) from None
        except transmission_rpc.TransmissionError as error:
            if error.raw_response is None:
                raise
            advice = f"check the path {place['path']}, and rpc-host-whitelist in its settings"
            raise ClientFailure(f"{url} sends no answer of Transmission: {advice}") from None

    def port(self) -> int:
        """Return the port in the settings."""
        return int(self._client.get_session().peer_port)

    def set_port(self, port: int) -> None:
        """Set the port, also for the next start."""
        self._client.set_session(peer_port=port, peer_port_random_on_start=False)


def _refusal(url: str, error: Any) -> PortmapperError:
    """Return what a refusal means: 403 comes before the login is checked."""
    if error.original is not None and error.original.status_code == _FORBIDDEN:
        return ClientFailure(f"{url} accepts no requests of this host: check rpc-whitelist in its settings")
    return LoginRefused(f"{url} refused username and password")


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the observer `transmission`."""
    return [TransmissionObserver]
