"""Calls the actions of one service through async-upnp-client, and reads what comes back."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from async_upnp_client.client import UpnpService
from async_upnp_client.exceptions import UpnpActionError, UpnpError

from portmapper.api import IPAddress, NetworkFailure
from portmapper_upnp.faults import Fault


class Service:
    """One service of a gateway. Every method of those below may raise `Fault` or what HTTP raises."""

    def __init__(self, service: UpnpService) -> None:
        self._service = service

    @property
    def kind(self) -> str:
        """The service type, used as found in every call (S3)."""
        return self._service.service_type

    async def call(self, action: str, **arguments: str) -> Mapping[str, str]:
        """Call an action by its name and return what came back, as text.

        Raises:
            Fault: the gateway's refusal.
            NetworkFailure, GatewayTimeout: no sensible answer.
        """
        parameters: dict[str, Any] = dict(arguments)
        try:
            return await self._service.actions[action].async_call(**parameters)
        except UpnpActionError as error:
            raise Fault(error.error_code or 0, error.error_desc or "") from error
        except UpnpError as error:
            raise NetworkFailure("the gateway's answer makes no sense") from error


def read_number(text: str, largest: int) -> int:
    """Read a decimal number up to `largest`; anything else is 0."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return 0
    number = int(text)
    return number if number <= largest else 0


def read_address(text: str) -> IPAddress | None:
    """Read an address, None for anything else."""
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None
