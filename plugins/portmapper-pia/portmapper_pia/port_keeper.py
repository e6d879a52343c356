"""The one port of the account at this gateway: who uses it, its grant, and the file that keeps the grant."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from portmapper.api import ANY_PORT, Conflict, IPAddress, Lease, MapRequest, NoResources, Protocol
from portmapper.support.plugin_state import STATE
from portmapper.support.wall_clock import wall_now
from portmapper_pia.grant import Grant, read_grant
from portmapper_pia.service import BindRefused, Service
from portmapper_pia.settings import read_token

STATE_NAME = "pia"
LEAST_SECONDS = 60.0
"""A grant that ends sooner is replaced."""

MAX_REFUSALS = 3
"""Refused bindings after which another port is requested: the account or the provider's key has changed."""

User = tuple[IPAddress, int]
"""Internal address and port of a mapping. The port is forwarded for TCP and UDP, so both share one user."""

_log = logging.getLogger(__name__)


def _now() -> datetime:
    return wall_now()


class PortKeeper:
    """Gets a grant if there is none, and binds it. Calls take turns, so that there is only one port.

    Args:
        token_file: file with the account's token; read when a port is requested.
        now: the current time.
    """

    def __init__(self, token_file: Path, now: Callable[[], datetime] = _now) -> None:
        self._token_file = token_file
        self._now = now
        self._lock = asyncio.Lock()
        self._grant: Grant | None = None
        self._loaded = False
        self._refusals = 0
        self._users: dict[Protocol, User] = {}

    async def bind(self, service: Service, request: MapRequest) -> tuple[int, float]:
        """Bind the port for a mapping; return the port, and for how many seconds it is granted.

        Raises:
            NoResources: another mapping uses the port.
            Conflict: the mapping accepts only another port.
            BackendError: the service does not grant or bind a port.
        """
        async with self._lock:
            self._check_user(request)
            grant = self._valid_grant() or await self._request_grant(service)
            if request.exact and request.external_port not in (ANY_PORT, grant.port):
                raise Conflict(f'the VPN forwards only port {grant.port}: set port = "any" in the row')
            try:
                await service.bind(grant)
            except BindRefused:
                self._note_refusal()
                raise
            self._refusals = 0
            self._note_user(request)
            return grant.port, grant.seconds_left(self._now())

    def release(self, lease: Lease) -> None:
        """Let another mapping use the port. The service has no request for this."""
        if self._users.get(lease.protocol) == (lease.internal_address, lease.internal_port):
            del self._users[lease.protocol]

    def _check_user(self, request: MapRequest) -> None:
        for protocol, (address, port) in self._users.items():
            if address == request.internal_address and port != request.internal_port:
                raise NoResources(f"the VPN forwards one port, and {port}/{protocol.lower()} uses it")

    def _note_user(self, request: MapRequest) -> None:
        # A user with another address had the address that this host lost when the VPN connected again.
        here = request.internal_address
        self._users = {protocol: user for protocol, user in self._users.items() if user[0] == here}
        self._users[request.protocol] = (here, request.internal_port)

    def _valid_grant(self) -> Grant | None:
        if not self._loaded:
            self._loaded = True
            self._grant = self._kept_grant()
        if self._grant is not None and self._grant.seconds_left(self._now()) >= LEAST_SECONDS:
            return self._grant
        return None

    def _kept_grant(self) -> Grant | None:
        try:
            kept = STATE.read(STATE_NAME)
            return read_grant(kept, self._now()) if kept is not None else None
        except (OSError, ValueError):
            return None  # missing, damaged or expired: a new port replaces it

    async def _request_grant(self, service: Service) -> Grant:
        self._grant = await service.new_grant(read_token(self._token_file))
        self._refusals = 0
        try:
            STATE.write(STATE_NAME, {"payload": self._grant.payload, "signature": self._grant.signature})
        except OSError as error:
            _log.warning("port %d is lost after a restart: %s", self._grant.port, error.strerror)
        return self._grant

    def _note_refusal(self) -> None:
        self._refusals += 1
        if self._refusals >= MAX_REFUSALS:
            self._grant = None
