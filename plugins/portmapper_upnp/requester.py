"""HTTP requests for async-upnp-client, with limits on time, size and connections."""

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
from portmapper.support.reasons import connection_reason
from portmapper.support.send_gate import check_before_sending
from portmapper_upnp.body_text import decode
from portmapper_upnp.soap_fault import Refused

MAX_BODY = 256 * 1024
"""Maximum bytes of an answer; the largest real description is a tenth of it."""

REQUEST_TIME = 5.0
"""Seconds for one exchange from connecting to the last byte, so that a slow drip also ends (H4)."""

CONNECT_TIMES = (1.0, 1.0, 1.0, 2.0)
"""Seconds for each attempt to connect, `REQUEST_TIME` in total. The system repeats a lost SYN at growing
intervals, so one long attempt would notice only seconds later that a gateway is back."""

PAUSE = 0.2
"""Seconds before each request to a gateway that is overloaded by several connections (H11)."""

MAX_PATIENCE = 2.0
"""Maximum factor for time limits of a slow gateway: one request may then take 10 s."""

MAX_CONNECTIONS = 4
"""Connections to one gateway at once: some listen with a backlog of 5, others with less (H5)."""

SERVER = "Server"
"""The header that names the software, such as `Linux/5.4 UPnP/1.1 ACME/2.3`."""

_HEADERS = (SERVER, "Location", "SID", "TIMEOUT")
"""Headers of an answer that are used: of a redirect, and of an answer to SUBSCRIBE."""

_BETWEEN_ELEMENTS = re.compile(r">\s+<")


def open_session(local_address: IPAddress | None) -> aiohttp.ClientSession:
    """Return a session bound to `local_address`, without cookies, compression or proxies."""
    # After connecting, which takes time: another daemon may lead by now.
    checks = aiohttp.TraceConfig()
    checks.on_connection_create_end.append(_check)
    checks.on_connection_reuseconn.append(_check)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            local_addr=(str(local_address), 0) if local_address else None, limit_per_host=MAX_CONNECTIONS
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity", "User-Agent": "portmapper UPnP/1.1"},
        auto_decompress=False,
        trace_configs=[checks],
        trust_env=False,
    )


async def _check(*_: object) -> None:
    check_before_sending()


class BoundedRequester(UpnpRequester):
    """A requester for one gateway, with at most `MAX_CONNECTIONS` requests at once."""

    def __init__(self, session: aiohttp.ClientSession, local_address: IPAddress | None = None) -> None:
        self._session = session
        self._local_address = str(local_address) if local_address else None
        # Acquired outside a request's time limit: waiting for a slot is not the gateway's delay.
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._keep = True
        self._lenient = False
        self._turn = asyncio.Lock()
        self._one_at_a_time = False
        self.patience = 1.0
        """Factor for all time limits: it grows with the gateway's own pace (M21)."""

    async def async_http_request(self, http_request: HttpRequest) -> HttpResponse:
        """Send one request and return the answer; redirects are returned, not followed.

        Raises:
            Refused: the gateway refuses the connection.
            GatewayTimeout: no complete answer in time.
            NetworkFailure: the gateway cannot be reached, or the answer is too long or not HTTP.
        """
        async with self._slots:
            late: Exception | None = None
            for connect_time in CONNECT_TIMES:
                try:
                    return await self._measured(http_request, connect_time)
                except aiohttp.ConnectionTimeoutError as error:
                    late = error
                except (aiohttp.ClientError, OSError, ValueError) as error:
                    if _is_invalid_http(error) and urlsplit(http_request.url).scheme == "http":
                        self._lenient = True
                        continue
                    if not _was_closed(error):
                        raise _typed(error) from error
                    # The gateway may have closed any kept-alive connection (H5). From now on keep none.
                    # A retry is safe: every action may be repeated. If it closes a new connection too, it is
                    # overloaded (H11).
                    self._one_at_a_time = self._one_at_a_time or not self._keep
                    self._keep = False
            if late is not None:
                raise _typed(late) from late
            raise NetworkFailure("the gateway closes every connection without an answer")

    async def read_to_the_end(self, request: HttpRequest) -> HttpResponse:
        """Repeat a request on its own connection, and read until the gateway closes it or pauses (H12).

        Raises:
            OSError: the connection failed, was cut, or took too long.
            NetworkFailure: the answer is too long, or not HTTP.
        """
        async with self._slots:
            return await self._exchange_leniently(request, {"Host": _host(request.url)}, to_the_end=True)

    async def _measured(self, request: HttpRequest, connect_time: float) -> HttpResponse:
        """Send the request in its turn, and learn the gateway's pace."""
        loop = asyncio.get_running_loop()
        async with self._turn if self._one_at_a_time else contextlib.nullcontext():
            if self._one_at_a_time:
                await asyncio.sleep(PAUSE)
            started = loop.time()
            try:
                return await self._exchange(request, connect_time)
            except TimeoutError as error:
                if not isinstance(error, aiohttp.ConnectionTimeoutError):
                    self.patience = min(2 * self.patience, MAX_PATIENCE)
                raise
            finally:
                if loop.time() - started > REQUEST_TIME * self.patience / 2:
                    self.patience = min(2 * self.patience, MAX_PATIENCE)

    async def _exchange(self, request: HttpRequest, connect_time: float) -> HttpResponse:
        headers = {**request.headers, "Host": _host(request.url)}
        if self._lenient:
            return await self._exchange_leniently(request, headers)
        if not self._keep:
            headers["Connection"] = "close"
        async with self._session.request(
            request.method,
            request.url,
            headers=headers,
            data=_compact(request.body),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIME * self.patience, sock_connect=connect_time),
        ) as response:
            known = {name: response.headers.get(name, "") for name in _HEADERS}
            return HttpResponse(
                response.status, known, decode(await _read(response), response.charset, MAX_BODY)
            )

    async def _exchange_leniently(
        self, request: HttpRequest, headers: Mapping[str, str], *, to_the_end: bool = False
    ) -> HttpResponse:
        from portmapper_upnp import lenient_http  # few gateways need it

        body = _compact(request.body) or ""
        async with asyncio.timeout(REQUEST_TIME * self.patience):
            answer = await lenient_http.exchange(
                request.method,
                request.url,
                {**self._session.headers, **headers},
                body.encode() if isinstance(body, str) else body,
                self._local_address,
                MAX_BODY,
                to_the_end=to_the_end,
            )
        known = {"Location": answer.location}
        return HttpResponse(answer.status, known, decode(answer.body, answer.charset, MAX_BODY))


def _compact(body: str | bytes | None) -> str | bytes | None:
    """Remove the line breaks between elements: some routers' parsers accept none (H10)."""
    return _BETWEEN_ELEMENTS.sub("><", body) if isinstance(body, str) else body


def _host(url: str) -> str:
    """Return the Host header without the zone, which has no meaning on the other side (RFC 6874, 4)."""
    return re.sub(r"%[^\]]*", "", urlsplit(url).netloc.rpartition("@")[2])


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read the body up to its limit; accept a body that is shorter than its Content-Length."""
    body = bytearray()
    with contextlib.suppress(aiohttp.ClientPayloadError):
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY:
                raise NetworkFailure(f"the gateway's answer is longer than {MAX_BODY} bytes")
    return bytes(body)


def _is_invalid_http(error: Exception) -> bool:
    """Tell whether aiohttp rejected the answer as invalid HTTP."""
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
        return NetworkFailure(f"cannot reach the gateway: {connection_reason(error)}")
    return NetworkFailure(f"the gateway's HTTP answer is invalid ({type(error).__name__})")
