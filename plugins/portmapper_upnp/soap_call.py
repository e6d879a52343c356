"""Calls to the actions of one service through async-upnp-client."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from async_upnp_client.client import UpnpService
from async_upnp_client.const import HttpRequest

from portmapper.api import IPAddress, Unsupported
from portmapper_upnp.soap_reply import read_reply


class Service:
    """One service of a gateway; every method of a subclass may raise what `call` raises."""

    def __init__(self, service: UpnpService) -> None:
        self._service = service

    @property
    def kind(self) -> str:
        """The service type exactly as the description has it; every call uses it (S3)."""
        return self._service.service_type

    @property
    def url(self) -> str:
        """The control URL."""
        return self._service.control_url

    @property
    def event_url(self) -> str:
        """The URL for subscriptions, empty if the service has none."""
        url = self._service.event_sub_url  # resolved, so an empty one equals the URL of the description
        return "" if url == self._service.device.device_url else url

    async def event_request(self, method: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Send SUBSCRIBE or UNSUBSCRIBE; return the headers of the answer.

        Raises:
            Unsupported: the gateway refused.
            NetworkFailure, GatewayTimeout: there was no valid answer.
        """
        request = HttpRequest(method, self.event_url, dict(headers), None)
        answer = await self._service.requester.async_http_request(request)
        if answer.status_code != HTTPStatus.OK:
            raise Unsupported(f"the gateway answers {method} with HTTP {answer.status_code}")
        return answer.headers

    async def call(self, action: str, **arguments: str) -> Mapping[str, str]:
        """Call an action by its name and return its output arguments as text.

        Raises:
            Fault: the gateway refused.
            NetworkFailure, GatewayTimeout: there was no valid answer.
        """
        called = self._service.actions[action]
        parameters: dict[str, Any] = dict(arguments)
        answer = await self._service.requester.async_http_request(called.create_request(**parameters))
        return read_reply(action, {result.name for result in called.out_arguments()}, answer)


def read_number(text: str, largest: int) -> int:
    """Parse a decimal number up to `largest`; return 0 for anything else."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return 0
    number = int(text)
    return number if number <= largest else 0


def read_address(text: str) -> IPAddress | None:
    """Parse an address; return None for anything else."""
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None
