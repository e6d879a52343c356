"""A client for etcd's HTTP gateway, with bounded answers and times."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from portmapper.api import PortmapperError, quoted
from portmapper.support.reasons import connection_reason
from portmapper_etcd.location import Location

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER = 16 * 1024 * 1024
MAX_MESSAGE = 2 * 1024 * 1024
"""Bytes of one message of a watch; etcd's own limit of a request is 1.5 MiB."""

Answer = dict[str, Any]


class EtcdError(PortmapperError):
    """etcd did not answer, or refused."""


class Client:
    """Requests to one server."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._session: aiohttp.ClientSession | None = None
        self._token = ""

    async def call(self, path: str, message: Answer, limit: float) -> Answer:
        """Send one request, and return the answer within `limit` seconds.

        Raises:
            EtcdError: etcd did not answer in time, refused, or its answer is invalid.
        """
        try:
            async with asyncio.timeout(limit):
                if self._location.user and not self._token:
                    await self._authenticate()
                return await self._post(path, message)
        except TimeoutError:
            raise EtcdError(f"etcd at {self._location.base} did not answer within {limit:.1f} s") from None

    async def stream(self, path: str, message: Answer, silence: float) -> AsyncGenerator[Answer, None]:
        """Yield each message of a stream; end after `silence` seconds without one.

        Raises:
            EtcdError: the stream failed, or a message is invalid or too long.
        """
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=silence)
        try:
            async with self._opened().post(
                f"{self._location.base}/v3/{path}", json=message, headers=self._headers, timeout=timeout
            ) as response:
                if response.status >= 300:
                    raise _refused(response.status, _parsed(await _body(response)))
                while line := await response.content.readuntil():
                    yield _parsed(line)
        except TimeoutError:
            return
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._no_answer(error) from None

    def _no_answer(self, error: Exception) -> EtcdError:
        return EtcdError(f"no valid answer from etcd at {self._location.base}: {connection_reason(error)}")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": self._token} if self._token else {}

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(read_bufsize=MAX_MESSAGE, trust_env=False)
        return self._session

    async def _authenticate(self) -> None:
        credentials = {"name": self._location.user, "password": self._location.password}
        token = (await self._post("auth/authenticate", credentials)).get("token")
        self._token = token if isinstance(token, str) and token.isascii() and token.isprintable() else ""

    async def _post(self, path: str, message: Answer) -> Answer:
        import aiohttp

        url = f"{self._location.base}/v3/{path}"
        try:
            async with self._opened().post(
                url, json=message, headers=self._headers, allow_redirects=False
            ) as response:
                answer = _parsed(await _body(response))
                if response.status >= 300:
                    self._token = ""  # it may have ended
                    raise _refused(response.status, answer)
                return answer
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise self._no_answer(error) from None


def encoded(data: bytes) -> str:
    """Return bytes as the gateway expects them."""
    return base64.b64encode(data).decode()


def decoded(value: object) -> bytes:
    """Return the bytes of an answer; nothing for anything else."""
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except ValueError:
        return b""


def number(value: object) -> int:
    """Return a 64-bit number, which the gateway writes as text; 0 for anything else."""
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= 20 else 0


def items(answer: Answer, name: str) -> list[Answer]:
    """Return a list of objects in an answer; without it, nothing."""
    found = answer.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > MAX_ANSWER:
            raise EtcdError(f"etcd's answer is larger than {MAX_ANSWER // 2**20} MiB")
    return bytes(body)


def _parsed(body: bytes) -> Answer:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        raise EtcdError("etcd's answer is not JSON") from None
    if not isinstance(parsed, dict):
        raise EtcdError("etcd's answer is not an object")
    return parsed


def _refused(status: int, answer: Answer) -> EtcdError:
    reason = answer.get("message") or answer.get("error") or f"status {status}"
    return EtcdError(f"etcd refused: {quoted(reason)}")
