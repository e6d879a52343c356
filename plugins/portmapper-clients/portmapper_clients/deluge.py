"""The observer `deluge`: sets the port over the daemon's own protocol."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs

from portmapper.api import READ, Observer, hookimpl, quoted
from portmapper_clients.errors import LoginRefused
from portmapper_clients.follower import CALL_SECONDS, Client, Follower
from portmapper_clients.settings import check_mapping
from portmapper_clients.tables import LoginTable

_REFUSALS = frozenset({"BadLoginError", "AuthenticationRequired", "NotAuthorizedError"})


def _port(value: object) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value
    if type(number) is not int or not 1 <= number <= 65535:
        raise ValueError(f"{quoted(value)} is not a port from 1 to 65535")
    return number


@attrs.frozen
class DelugeTable(LoginTable):
    """The keys of `[plugin.deluge]`.

    Attributes:
        host: name or address of the daemon; without it, the plugin does nothing.
        port: the daemon's TCP port.
        username: user name, as in the daemon's file `auth`.
    """

    host: str = ""
    port: int = attrs.field(default=58846, metadata={READ: _port})
    username: str = "localclient"

    def __attrs_post_init__(self) -> None:
        check_mapping(self.host, self.mapping)


class DelugeObserver(Follower):
    """Keeps the listening port of Deluge equal to the granted port."""

    name = "deluge"
    settings: ClassVar[type] = DelugeTable

    def __init__(self, *, settings: DelugeTable | None = None) -> None:
        self._table = table = settings or DelugeTable()
        place = f"{table.host}:{table.port}" if table.host else ""
        super().__init__(place, table.mapping, table.password, table.password_file)

    def connect(self, secret: str) -> Client:
        """Return a connection; log in."""
        return _Deluge(self._table, secret)


class _Deluge(Client):
    def __init__(self, table: DelugeTable, password: str) -> None:
        import deluge_client

        self._client = deluge_client.DelugeRPCClient(
            table.host,
            table.port,
            table.username,
            password,
            decode_utf8=True,
            automatic_reconnect=False,
            timeout=CALL_SECONDS,
        )
        try:
            self._client.connect()
        except BaseException as error:
            self.close()
            if type(error).__name__ in _REFUSALS:
                place = f"{table.host}:{table.port}"
                raise LoginRefused(f"{place} refused username and password") from None
            raise

    def port(self) -> int:
        """Return the port on which the daemon listens, 0 if the next start would use another one."""
        settings: dict[str, Any] = self._client.call(
            "core.get_config_values", ["listen_ports", "random_port"]
        )
        listening = int(self._client.call("core.get_listen_port"))
        is_kept = list(settings["listen_ports"]) == [listening, listening] and not settings["random_port"]
        return listening if is_kept else 0

    def set_port(self, port: int) -> None:
        """Set the port, also for the next start."""
        self._client.call("core.set_config", {"random_port": False, "listen_ports": [port, port]})

    def close(self) -> None:
        """Close the connection."""
        self._client.connected = True  # otherwise the library keeps the socket of a failed login open
        self._client.disconnect()


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the observer `deluge`."""
    return [DelugeObserver]
