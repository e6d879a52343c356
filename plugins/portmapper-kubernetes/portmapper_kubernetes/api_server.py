"""Connection to the API server: lightkube's credentials and TLS, with bounded answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig

from portmapper.api import UsageError, quoted
from portmapper_kubernetes.api_errors import TOO_LARGE, ApiFailure

REQUEST_LIMIT = 10.0
"""Seconds for one request that is not a watch."""

MAX_ANSWER = 64 * 1024 * 1024
MAX_EVENT = 8 * 1024 * 1024
"""Bytes of one answer, and of one event of a watch. etcd stores at most 1.5 MiB for one object."""

MAX_RETRY_AFTER = 30.0

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
"""Content type of server-side apply. JSON is valid YAML."""

# It would log every request.
logging.getLogger("httpx2").setLevel(logging.WARNING)

_FAILURES = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, ValueError, RecursionError)


def load_config(path: Path | None) -> SingleConfig:
    """Return the configuration of a file, or else of the pod, `KUBECONFIG` or the default file.

    Raises:
        UsageError: there is no valid configuration.
    """
    try:
        config = (KubeConfig.from_file(path) if path else KubeConfig.from_env()).get()
    except Exception as error:  # lightkube, yaml and msgspec have no common base class
        raise UsageError(f"kubeconfig {path or 'of this environment'}: {quoted(str(error))}") from None
    if config is None or config.user is None:
        raise UsageError(f"kubeconfig {path or 'of this environment'}: its context names no user")
    return config


class ApiServer:
    """One API server, as one user."""

    def __init__(self, config: SingleConfig) -> None:
        self._config = config
        self._client: httpx2.AsyncClient | None = None
        self.requests = 0

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        limit: float = REQUEST_LIMIT,
    ) -> dict[str, Any]:
        """Send one request, and return the object in the answer.

        Raises:
            ApiFailure: the server did not answer within `limit` seconds, or refused.
        """
        try:
            async with (
                asyncio.timeout(limit),
                self._stream(method, path, query, body, content_type) as response,
            ):
                content = await _content(response)
            return _object(content)
        except TimeoutError:
            raise ApiFailure("the API server does not answer") from None
        except _FAILURES as error:
            raise await self._failure(error) from None

    async def watch(
        self, path: str, query: Mapping[str, str], silence: float
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the events of a watch until the server ends it, or sends nothing for `silence` seconds.

        Raises:
            ApiFailure: the server refused, or the stream is invalid.
        """
        try:
            async with self._stream("GET", path, query, None, JSON, silence) as response:
                async for line in _lines(response):
                    yield _object(line)
        except httpx2.ReadTimeout:
            return
        except _FAILURES as error:
            raise await self._failure(error) from None

    async def close(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _stream(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
        content_type: str,
        silence: float = REQUEST_LIMIT,
    ) -> _Exchange:
        self.requests += 1
        if self._client is None:
            self._client = AsyncClient(self._config, ConnectionParams())
        return _Exchange(
            self._client,
            self._client.build_request(
                method,
                path,
                params=dict(query or {}),
                content=None if body is None else json.dumps(body),
                headers={"Content-Type": content_type, "Accept": JSON},
                timeout=httpx2.Timeout(REQUEST_LIMIT, read=silence),
            ),
        )

    async def _failure(self, error: Exception) -> ApiFailure:
        if isinstance(error, ApiFailure):
            return error
        if certificate := _certificate_error(error):
            await self.close()  # the next client reads the certificate authority again
            return ApiFailure(f"the certificate of the API server is not valid: {quoted(certificate)}")
        if isinstance(error, httpx2.TimeoutException):
            return ApiFailure("the API server does not answer")
        if isinstance(error, TooLarge):
            return ApiFailure(f"an answer is too large: {error}", TOO_LARGE)
        return ApiFailure(f"no valid answer from the API server: {quoted(str(error) or 'it closed')}")


def _certificate_error(error: BaseException | None) -> str:
    """Return why a certificate was not accepted, from the chain of an error; empty text for another error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return str(error.verify_message)
        if isinstance(error, ssl.SSLError):
            return str(error.reason or "TLS failed")
        error = error.__cause__ or error.__context__
    return ""


class _Exchange:
    """One request as a context; it raises `ApiFailure` for a refusal."""

    def __init__(self, client: httpx2.AsyncClient, request: httpx2.Request) -> None:
        self._client = client
        self._request = request

    async def __aenter__(self) -> httpx2.Response:
        self._response = await self._client.send(self._request, stream=True)
        if self._response.is_success:
            return self._response
        try:
            raise await _refusal(self._response)
        finally:
            await self._response.aclose()

    async def __aexit__(self, *_: object) -> None:
        await self._response.aclose()


async def _refusal(response: httpx2.Response) -> ApiFailure:
    """Return the error for an answer that is not a success."""
    message = response.reason_phrase
    with contextlib.suppress(ValueError):  # a proxy answered, and not the API server
        message = _object(await _content(response, 65536)).get("message") or message
    wait = response.headers.get("Retry-After", "")
    seconds = min(float(wait), MAX_RETRY_AFTER) if wait.isascii() and wait.isdigit() else 0.0
    text = f"the API server refused ({response.status_code}): {quoted(str(message))}"
    return ApiFailure(text, response.status_code, seconds)


async def _content(response: httpx2.Response, limit: int = 0) -> bytes:
    limit = limit or MAX_ANSWER
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > limit:
            raise TooLarge(f"larger than {limit // 2**20} MiB")
    return bytes(content)


class TooLarge(ValueError):
    """An answer exceeds its limit."""


async def _lines(response: httpx2.Response) -> AsyncIterator[bytes]:
    rest = bytearray()
    async for chunk in response.aiter_bytes():
        rest += chunk
        *lines, last = rest.split(b"\n")
        rest = bytearray(last)
        if len(rest) > MAX_EVENT:
            raise TooLarge(f"an event larger than {MAX_EVENT // 2**20} MiB")
        for line in filter(None, lines):
            yield bytes(line)
    if rest.strip():
        yield bytes(rest)


def _object(content: bytes) -> dict[str, Any]:
    found = json.loads(content)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found
