"""The provider's service on the VPN gateway: HTTPS, verified with the provider's certificate authority."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from portmapper.api import BackendError, GatewayTimeout, NetworkFailure, NotAuthorized, Unsupported, quoted
from portmapper.support.reasons import words_of
from portmapper.support.send_gate import check_before_sending
from portmapper.support.wall_clock import wall_now
from portmapper_pia.grant import Grant, read_grant
from portmapper_pia.settings import Place

SECONDS = 5.0
"""The provider's own script waits as long."""

MAX_ANSWER = 32 * 1024


class BindRefused(NetworkFailure):
    """The server answered that it does not bind the port."""


class Service:
    """Requests to one gateway. Each has its own connection, because they are minutes apart.

    Args:
        server: name of the server, which its certificate must have.
        place: address and port to connect to.
        authority: the provider's certificates, in PEM.
    """

    def __init__(self, server: str, place: Place, authority: str) -> None:
        self._server = server
        self._place = place
        self._tls = _tls_context(authority)

    async def identify(self) -> None:
        """Connect and verify the server's certificate. Nothing is sent, so a stranger learns no token.

        Raises:
            BackendError: the server does not answer, or is another one.
        """
        address, port = self._place
        try:
            async with asyncio.timeout(SECONDS):
                _, writer = await asyncio.open_connection(
                    str(address), port, ssl=self._tls, server_hostname=self._server
                )
        except (OSError, TimeoutError) as error:
            raise self._failure(error) from None
        writer.transport.abort()

    async def new_grant(self, token: str) -> Grant:
        """Request a port.

        Raises:
            NotAuthorized: the token is invalid, or the server forwards no ports.
            BackendError: the server does not answer, or its answer is invalid.
        """
        answer = await self._get("getSignature", token=token)
        if answer.get("status") != "OK":
            raise NotAuthorized(f"{self._server} grants no port: {_reason(answer)}")
        try:
            return read_grant(answer, wall_now())
        except ValueError as error:
            raise NetworkFailure(f"{self._server} sent an invalid answer: {error}") from None

    async def bind(self, grant: Grant) -> None:
        """Forward the granted port to this host. The server forgets it after about 15 minutes.

        Raises:
            BindRefused: the server does not bind this port.
            BackendError: the server does not answer, or its answer is invalid.
        """
        answer = await self._get("bindPort", payload=grant.payload, signature=grant.signature)
        if answer.get("status") != "OK":
            raise BindRefused(f"{self._server} does not forward port {grant.port}: {_reason(answer)}")

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        check_before_sending()
        _, port = self._place
        url = f"https://{self._server}:{port}/{path}"
        connector = aiohttp.TCPConnector(ssl=self._tls, resolver=_Fixed(self._place), force_close=True)
        limit = aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=limit) as session,
                session.get(url, params=query, allow_redirects=False) as response,
            ):
                return _object(response.status, await _body(response))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> BackendError:
        """Return the reason in one line; the library's text may contain the token."""
        address, port = self._place
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            cause = error.certificate_error
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unsupported(f"{address} does not prove to be {self._server}: {cause.verify_message}")
        if isinstance(cause, TimeoutError):
            return GatewayTimeout(f"{address}:{port} did not answer within {SECONDS:g} s")
        if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno:
            return NetworkFailure(f"no connection to {address}:{port}: {words_of(cause)}")
        return NetworkFailure(f"{address}:{port} sent no valid answer")


class _Fixed(AbstractResolver):
    """Resolves the server's name to the gateway: the name is only for the certificate."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        address, number = self._place
        return [ResolveResult(hostname=host, host=str(address), port=number, family=2, proto=0, flags=0)]

    async def close(self) -> None:
        return


def _tls_context(authority: str) -> ssl.SSLContext:
    """Return a context that trusts only the provider, and none of the system's authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(ssl.SSLError, ValueError):
        context.load_verify_locations(cadata=authority)
    if not context.cert_store_stats()["x509"]:
        raise Unsupported("[plugin.pia] ca: the file contains no certificate")
    return context


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(8192):
        body += chunk
        if len(body) > MAX_ANSWER:
            raise ValueError("too large")
    return bytes(body)


def _object(status: int, body: bytes) -> dict[str, Any]:
    """Return the JSON object; an error of HTTP becomes an object without the status OK."""
    if status in (401, 403):
        return {"message": f"status {status}"}
    try:
        parsed = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if status != 200 or not isinstance(parsed, dict):
        raise ValueError("not an answer of the service")
    return parsed


def _reason(answer: dict[str, Any]) -> str:
    return quoted(answer.get("message") or answer.get("status") or "no reason")
