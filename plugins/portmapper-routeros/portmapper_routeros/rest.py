"""Client for RouterOS's REST API, with bounded answers and typed errors."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from typing import NoReturn

import aiohttp
from yarl import URL

from portmapper.api import BackendError, GatewayTimeout, NetworkFailure, NotAuthorized, Unsupported, quoted
from portmapper.support.reasons import connection_reason
from portmapper.support.send_gate import check_before_sending
from portmapper_routeros.settings import Settings

_SECONDS = 5.0
_MAX_ANSWER = 8 * 1024 * 1024
MAX_ITEMS = 65536

Item = dict[str, str]
"""One item of a menu; RouterOS writes every value as text."""


class NotFound(BackendError):
    """The item or the menu does not exist."""


class Router:
    """One router's REST service; call `close` at the end.

    Attributes:
        lock: held from reading the table to changing it, so that two mappings never get the same port.
    """

    def __init__(self, settings: Settings) -> None:
        self.lock = asyncio.Lock()
        self._base = URL.build(scheme="https", host=settings.host, port=settings.port)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=_tls_option(settings), limit=2),
            headers={"Authorization": basic_authorization(settings.user, settings.password)},
            timeout=aiohttp.ClientTimeout(total=_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def items(self, menu: str, **query: str) -> list[Item]:
        """Return the items of a menu that match the query."""
        answer = await self._request("GET", menu, query=query)
        if not isinstance(answer, list) or len(answer) > MAX_ITEMS:
            raise NetworkFailure(f"the router's answer about {menu} is not a list of items")
        return [_item(element) for element in answer]

    async def item(self, menu: str) -> Item:
        """Return the content of a menu that has a single item."""
        return _item(await self._request("GET", menu))

    async def add(self, menu: str, item: Item) -> Item:
        """Add an item, and return it as the router created it."""
        return _item(await self._request("PUT", menu, item))

    async def change(self, menu: str, item_id: str, item: Item) -> Item:
        """Change the item with this `.id`, and return it as the router stored it."""
        return _item(await self._request("PATCH", f"{menu}/{item_id}", item))

    async def remove(self, menu: str, item_id: str) -> None:
        """Remove the item with this `.id`; a missing item is not an error."""
        try:
            await self._request("DELETE", f"{menu}/{item_id}")
        except NotFound:
            return

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _request(
        self, method: str, path: str, item: Item | None = None, query: dict[str, str] | None = None
    ) -> object:
        url = self._base.joinpath("rest", *path.split("/")).with_query(query or {})
        check_before_sending()
        try:
            async with self._session.request(method, url, json=item, allow_redirects=False) as response:
                answer = _parsed(await _body(response))
                if response.status >= 300:
                    _raise_for_status(response.status, answer)
                return answer
        except TimeoutError:
            raise GatewayTimeout(f"the router did not answer within {_SECONDS:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NetworkFailure(_reason(error)) from None


def basic_authorization(user: str, password: str) -> str:
    """Return the header of RFC 7617; aiohttp renamed its own function and warns about the old name."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _tls_option(settings: Settings) -> ssl.SSLContext | aiohttp.Fingerprint:
    if settings.fingerprint:
        return aiohttp.Fingerprint(settings.fingerprint)
    try:
        return ssl.create_default_context(cafile=settings.authority or None)
    except OSError as error:  # includes SSLError
        reason = error.strerror or "contains no certificate"
        raise Unsupported(f"PORTMAPPER_ROUTEROS_CA: {settings.authority}: {reason}") from None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > _MAX_ANSWER:
            raise NetworkFailure(f"the router's answer is larger than {_MAX_ANSWER // 2**20} MiB")
    return bytes(body)


def _parsed(body: bytes) -> object:
    if not body.strip():
        return None
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        raise NetworkFailure("the router's answer is not JSON") from None
    return parsed


def _item(answer: object) -> Item:
    if not isinstance(answer, dict) or not all(isinstance(value, str) for value in answer.values()):
        raise NetworkFailure("the router's answer is not an item of RouterOS")
    return answer


def _raise_for_status(status: int, answer: object) -> NoReturn:
    """Raise the error for an answer such as `{"error": 400, "message": "Bad Request", "detail": "…"}`."""
    fields = answer if isinstance(answer, dict) else {}
    detail = quoted(fields.get("detail") or fields.get("message") or f"status {status}")
    if status == 401:
        raise NotAuthorized("the router rejected the user and password", code=status)
    # Without the policy, the status is 403 or 500, depending on the RouterOS version.
    if status == 403 or "not enough permissions" in detail:
        raise NotAuthorized(f"the router's user has not enough rights: {detail}", code=status)
    if status == 404:
        raise NotFound(f"not found on the router: {detail}", code=status)
    if status < 500:
        raise Unsupported(f"the router refused: {detail}", code=status)
    raise NetworkFailure(f"the router failed: {detail}", code=status)


def _reason(error: Exception) -> str:
    """Return the reason in one line, without the library's wording."""
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return f"the router's certificate does not match: its fingerprint is {error.got.hex()}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the router's certificate is not trusted: set PORTMAPPER_ROUTEROS_CA or …_FINGERPRINT"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to the router: {connection_reason(error)}"
    return f"no valid answer from the router ({type(error).__name__})"
