"""Requests for a device description: repeated if the answer is cut or the device is busy."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus

from async_upnp_client.client import UpnpRequester
from async_upnp_client.const import HttpRequest, HttpResponse

from portmapper.api import BackendError
from portmapper_upnp.requester import BoundedRequester

SCPD_URL = "scpd:known"
"""Where the actions of a service are read: they are known, see `scpd`."""

BUSY_PAUSE = 0.5
"""Seconds before a description is requested again from a device that did not serve it."""

_END = re.compile(r"</(?:[\w.-]{1,30}:)?root\s*>", re.IGNORECASE)


class DescriptionRequester(UpnpRequester):
    """A requester for a device that answers requests for the actions of a service from the standard."""

    def __init__(self, requester: BoundedRequester, scpd: str) -> None:
        self._requester = requester
        self._scpd = scpd

    async def async_http_request(self, http_request: HttpRequest) -> HttpResponse:
        """Return the answer, and for a description the most complete of them. Raise `BackendError`."""
        if http_request.url == SCPD_URL:
            return HttpResponse(HTTPStatus.OK, {}, self._scpd)
        response = await self._requester.async_http_request(http_request)
        if http_request.method != "GET":
            return response
        if not _is_served(response):
            await asyncio.sleep(BUSY_PAUSE)
            response = await self._requester.async_http_request(http_request)
        if response.status_code // 100 != 2 or _END.search(response.body or ""):
            return response
        return await self._to_the_end(http_request, response)

    async def _to_the_end(self, request: HttpRequest, cut: HttpResponse) -> HttpResponse:
        """Read the description again without regard to the length that the device declares (H12)."""
        try:
            whole = await self._requester.read_to_the_end(request)
        except (BackendError, OSError):
            return cut
        return whole if len(whole.body or "") > len(cut.body or "") else cut


def _is_served(response: HttpResponse) -> bool:
    """Tell whether the device has served a document, or never will."""
    return "<" in (response.body or "") if response.status_code // 100 == 2 else response.status_code < 500
