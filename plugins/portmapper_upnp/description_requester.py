"""Requests to a device: repeated if what they ask for is elsewhere, or cut, or the device is busy."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import urljoin

from async_upnp_client.client import UpnpRequester
from async_upnp_client.const import HttpRequest, HttpResponse

from portmapper.api import BackendError
from portmapper_upnp.location_check import at_same_host
from portmapper_upnp.requester import BoundedRequester

SCPD_URL = "scpd:known"
"""Where the actions of a service are read: they are known, see `scpd`."""

BUSY_PAUSE = 0.5
"""Seconds before a description is requested again from a device that did not serve it."""

MAX_REDIRECTS = 3
"""Redirects that are followed, all on the same host (D15)."""

Send = Callable[[HttpRequest], Awaitable[HttpResponse]]

_END = re.compile(r"</(?:[\w.-]{1,30}:)?root\s*>", re.IGNORECASE)


class DescriptionRequester(UpnpRequester):
    """A requester for a device that answers requests for the actions of a service from the standard.

    Attributes:
        location: URL that served the description, empty before that.
    """

    def __init__(self, requester: BoundedRequester, scpd: str) -> None:
        self._requester = requester
        self._scpd = scpd
        self.location = ""

    async def async_http_request(self, http_request: HttpRequest) -> HttpResponse:
        """Return the answer, and for a description the most complete of them. Raise `BackendError`."""
        if http_request.url == SCPD_URL:
            return HttpResponse(HTTPStatus.OK, {}, self._scpd)
        if http_request.method == "POST":
            return (await self._redirected(http_request, self._requester.async_http_request))[1]
        if http_request.method != "GET":
            return await self._requester.async_http_request(http_request)
        request, response = await self._redirected(http_request, self._served)
        self.location = request.url
        if response.status_code // 100 != 2 or _END.search(response.body or ""):
            return response
        return await self._to_the_end(request, response)

    async def _redirected(self, request: HttpRequest, send: Send) -> tuple[HttpRequest, HttpResponse]:
        """Return the last request and its answer; follow redirects on the same host, also of a call (H16)."""
        for _ in range(MAX_REDIRECTS):
            response = await send(request)
            target = _redirect(request.url, response)
            if target is None:
                return request, response
            request = HttpRequest(request.method, target, request.headers, request.body, request.timeout)
        return request, await send(request)

    async def _served(self, request: HttpRequest) -> HttpResponse:
        """Send the request, once more to a device that is busy."""
        response = await self._requester.async_http_request(request)
        if _is_served(response):
            return response
        await asyncio.sleep(BUSY_PAUSE)
        return await self._requester.async_http_request(request)

    async def _to_the_end(self, request: HttpRequest, cut: HttpResponse) -> HttpResponse:
        """Read the description again without regard to the length that the device declares (H12)."""
        try:
            whole = await self._requester.read_to_the_end(request)
        except (BackendError, OSError):
            return cut
        return whole if len(whole.body or "") > len(cut.body or "") else cut


def _redirect(url: str, response: HttpResponse) -> str | None:
    """Return where a redirect leads, None if it is none, or leads to another host."""
    target = response.headers.get("Location", "")
    if response.status_code // 100 != 3 or not target:
        return None
    try:
        return at_same_host(urljoin(url, target), url)
    except ValueError:  # for example an unbalanced bracket
        return None


def _is_served(response: HttpResponse) -> bool:
    """Tell whether the device has served a document, or never will."""
    return "<" in (response.body or "") if response.status_code // 100 == 2 else response.status_code < 500
