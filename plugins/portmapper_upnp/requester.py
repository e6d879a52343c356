"""HTTP as async-upnp-client asks for it, within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp
from async_upnp_client.client import UpnpRequester
from async_upnp_client.const import HttpRequest, HttpResponse

from portmapper.api import GatewayTimeout, IPAddress, NetworkFailure
from portmapper_upnp.faults import Refused

MAX_BODY = 256 * 1024
"""Bytes; the largest real description is a tenth of it."""

REQUEST_TIME = 5.0
"""Seconds for one exchange from the connection to the last byte, so that a slow drip ends too (H4)."""

CONNECT_TIMES = (1.0, 1.0, 1.0, 2.0)
"""Seconds for each try to connect, `REQUEST_TIME` together: the system repeats a lost SYN ever later, and a
gateway that is back would wait for the next one for seconds."""

MAX_CONNECTIONS = 4
"""To one gateway: miniupnpd listens with a backlog of 5, others with less (H5)."""

SERVER = "Server"
"""The one header of an answer that says something: the software, as `MiniUPnPd/2.3.1`."""

_XML_ENCODING = re.compile(rb"""^[^<]{0,16}<\?xml[^>]{0,80}encoding=["']([A-Za-z0-9._-]{1,40})["']""")

_TEXT_ENCODING = re.compile(
    r"(?:us-ascii|(?:utf-?(?:8|16)|iso-?8859|windows|cp|gb|big5|shift|euc|koi8)[a-z0-9_-]{0,12})",
    re.IGNORECASE,
)
"""Python's codecs also are compressors, escapes and the quadratic punycode."""


def open_session(local_address: IPAddress | None) -> aiohttp.ClientSession:
    """Return a session whose connections leave from `local_address`, with nothing of a browser in it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            local_addr=(str(local_address), 0) if local_address else None, limit_per_host=MAX_CONNECTIONS
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity", "User-Agent": "portmapper UPnP/1.1"},
        auto_decompress=False,
        trust_env=False,
    )


class BoundedRequester(UpnpRequester):
    """Asks one gateway, at most four questions at once."""

    def __init__(self, session: aiohttp.ClientSession, local_address: IPAddress | None = None) -> None:
        self._session = session
        self._local_address = str(local_address) if local_address else None
        # Outside the time bound of a request: to wait for one's turn is not the gateway's slowness.
        self._turn = asyncio.Semaphore(MAX_CONNECTIONS)
        self._keep = True
        self._sloppy = False

    async def async_http_request(self, http_request: HttpRequest) -> HttpResponse:
        """Do one exchange; a redirect is an answer like any other and is not followed.

        Raises:
            Refused: nobody listens there.
            GatewayTimeout: no whole answer in time.
            NetworkFailure: not reached, too long, or not HTTP.
        """
        async with self._turn:
            late: Exception | None = None
            for connect_time in CONNECT_TIMES:
                try:
                    return await self._exchange(http_request, connect_time)
                except aiohttp.ConnectionTimeoutError as error:
                    late = error
                except (aiohttp.ClientError, OSError, ValueError) as error:
                    if _is_odd(error) and urlsplit(http_request.url).scheme == "http":
                        self._sloppy = True
                        continue
                    if not _was_closed(error):
                        raise _typed(error) from error
                    # Each of the kept connections may have been closed without a word (H5). From now on
                    # none is kept; every action may be repeated.
                    self._keep = False
            if late is not None:
                raise _typed(late) from late
            raise NetworkFailure("the gateway closes every connection without an answer")

    async def _exchange(self, request: HttpRequest, connect_time: float) -> HttpResponse:
        headers = {**request.headers, "Host": _host(request.url)}
        if self._sloppy:
            return await self._exchange_sloppily(request, headers)
        if not self._keep:
            headers["Connection"] = "close"
        async with self._session.request(
            request.method,
            request.url,
            headers=headers,
            data=request.body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIME, sock_connect=connect_time),
        ) as response:
            told = {SERVER: response.headers.get(SERVER, "")}
            return HttpResponse(response.status, told, decode(await _read(response), response.charset))

    async def _exchange_sloppily(self, request: HttpRequest, headers: Mapping[str, str]) -> HttpResponse:
        from portmapper_upnp import lenient_http  # few gateways need it

        body = request.body or ""
        async with asyncio.timeout(REQUEST_TIME):
            answer = await lenient_http.exchange(
                request.method,
                request.url,
                {**self._session.headers, **headers},
                body.encode() if isinstance(body, str) else body,
                self._local_address,
                MAX_BODY,
            )
        return HttpResponse(answer.status, {}, decode(answer.body, answer.charset))


def _host(url: str) -> str:
    """Return the Host header: without the zone, which means nothing to the other side (RFC 6874, 4)."""
    return re.sub(r"%[^\]]*", "", urlsplit(url).netloc.rpartition("@")[2])


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read the body within its bound; one that is shorter than its Content-Length is taken as it is."""
    body = bytearray()
    with contextlib.suppress(aiohttp.ClientPayloadError):
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY:
                raise NetworkFailure(f"the gateway's answer is longer than {MAX_BODY} bytes")
    return bytes(body)


def decode(body: bytes, charset: str | None) -> str:
    """Return the body as text, by the first encoding named that a router may use; never fails."""
    declared = _XML_ENCODING.match(body)
    for name in (charset, declared[1].decode("ascii") if declared else None):
        if name and _TEXT_ENCODING.fullmatch(name):
            with contextlib.suppress(LookupError):
                return body.decode(name, "replace")
    return body.decode("utf-8-sig", "replace")


def _is_odd(error: Exception) -> bool:
    """Tell whether something answered that aiohttp does not take for HTTP."""
    return isinstance(error, aiohttp.ClientResponseError)


def _was_closed(error: Exception) -> bool:
    closed = aiohttp.ServerDisconnectedError | aiohttp.ClientOSError
    return isinstance(error, closed) and not isinstance(error, aiohttp.ClientConnectorError)


def _typed(error: Exception) -> NetworkFailure | GatewayTimeout:
    if isinstance(error, TimeoutError):
        return GatewayTimeout(f"the gateway did not answer within {REQUEST_TIME:.0f} seconds")
    if isinstance(error, ConnectionRefusedError):
        return Refused("the gateway refuses the connection")
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, ConnectionRefusedError):
            return Refused("the gateway refuses the connection")
        return NetworkFailure(f"the gateway is not reached: {error.os_error.strerror or error.os_error}")
    return NetworkFailure(f"the gateway's HTTP makes no sense ({type(error).__name__})")
