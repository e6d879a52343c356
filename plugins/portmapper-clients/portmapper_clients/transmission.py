"""The observer `transmission`: sets the port over RPC."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import attrs

from portmapper.api import READ, Observer, hookimpl
from portmapper_clients.errors import LoginRefused
from portmapper_clients.follower import CALL_SECONDS, Client, Follower
from portmapper_clients.settings import base_url, check_mapping, row_name, secret_path

_RPC = "/transmission/rpc"
_PORTS = {"http": 9091, "https": 443}


@attrs.frozen
class TransmissionTable:
    """The keys of `[plugin.transmission]`.

    Attributes:
        url: base address, or the address of RPC; without it, the plugin does nothing.
        username: user name.
        password: password.
        password_file: absolute path of a file with the password.
        mapping: comment or port of the row.
    """

    url: str = attrs.field(default="", metadata={READ: base_url})
    username: str = ""
    password: str = attrs.field(default="", repr=False)
    password_file: Path | None = attrs.field(default=None, metadata={READ: secret_path})
    mapping: str = attrs.field(default="", metadata={READ: row_name})

    def __attrs_post_init__(self) -> None:
        check_mapping(self.url, self.mapping)


class TransmissionObserver(Follower):
    """Keeps the peer port of Transmission equal to the granted port."""

    name = "transmission"
    settings: ClassVar[type] = TransmissionTable

    def __init__(self, *, settings: TransmissionTable | None = None) -> None:
        self._table = table = settings or TransmissionTable()
        super().__init__(table.url, table.mapping, table.password, table.password_file)

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
