"""A URL as a source. The server is not trusted: not its redirects, sizes, nor its speed."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

import attrs

from portmapper.api import Document, Source, SourceError, quoted

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from yarl import URL

_SCHEMES = ("http://", "https://")
_TOTAL_SECONDS = 20
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@attrs.frozen
class _Kept:
    """The last document, and what its server called this version of it."""

    url: URL
    document: Document
    etag: str
    modified: str


class HttpSource(Source):
    """An `http:` or `https:` URL. A password in it is used, and shown nowhere."""

    name = "http"

    def __init__(self, location: str) -> None:
        super().__init__(_masked(location))
        self._typed = location
        self._kept: _Kept | None = None

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim the two schemes."""
        return location.lower().startswith(_SCHEMES)

    async def fetch(self) -> Document:
        """Get it, or learn that it did not change."""
        import asyncio

        import aiohttp

        try:
            async with asyncio.timeout(_TOTAL_SECONDS):
                return await self._follow()
        except TimeoutError:
            raise SourceError(f"not read within {_TOTAL_SECONDS} seconds") from None
        except aiohttp.ClientError as error:
            raise SourceError(_reason(error)) from None
        except (OSError, ValueError) as error:
            raise SourceError(f"cannot be fetched ({type(error).__name__})") from None

    async def _follow(self) -> Document:
        """Go from redirect to redirect, each checked before anything is sent there."""
        from portmapper_http.places import is_public, resolve

        url, public, seen = _parsed(self._typed), False, set()
        for _ in range(_MAX_REDIRECTS + 1):
            addresses = await resolve(url)
            if public and not all(is_public(address) for address in addresses):
                raise SourceError(f"redirects to {_shown(url)}, a private address; not followed")
            public = public or any(is_public(address) for address in addresses)
            found = await self._get(url, [str(address) for address in addresses])
            if isinstance(found, Document):
                return found
            seen.add(url)
            url = _next(url, found)
            if url in seen:
                raise SourceError("redirects in a loop")
        raise SourceError(f"more than {_MAX_REDIRECTS} redirects")

    async def _get(self, url: URL, addresses: list[str]) -> Document | str:
        """Return the document, or where the server sends us."""
        import aiohttp

        from portmapper_http.connecting import connector

        async with (
            aiohttp.ClientSession(
                connector=connector(addresses), auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.get(url, headers=self._headers(url), allow_redirects=False) as response,
        ):
            if response.status in _REDIRECTS:
                return response.headers.get("Location", "")
            if response.status == 304 and self._kept is not None and self._kept.url == url:
                return self._kept.document
            if response.status != 200:
                raise SourceError(f"the server answered {response.status} {quoted(response.reason or '')}")
            return await self._keep(url, response)

    def _headers(self, url: URL) -> dict[str, str]:
        from portmapper import __version__

        headers = {"User-Agent": f"portmapper/{__version__}", "Accept-Encoding": "gzip"}
        if self._kept is not None and self._kept.url == url:
            if self._kept.etag:
                headers["If-None-Match"] = self._kept.etag
            if self._kept.modified:
                headers["If-Modified-Since"] = self._kept.modified
        return headers

    async def _keep(self, url: URL, response: ClientResponse) -> Document:
        from portmapper_http.body import read_body

        document = Document(
            content=await read_body(response),
            content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            suffix=posixpath.splitext(url.path)[1].lower(),
        )
        headers = response.headers
        self._kept = _Kept(url, document, headers.get("ETag", ""), headers.get("Last-Modified", ""))
        return document


def _parsed(location: str) -> URL:
    from yarl import URL

    try:
        url = URL(location)
        usable = bool(url.host) and bool(url.port)
    except ValueError:
        usable = False
    if not usable:
        raise SourceError("not a URL that can be fetched")
    return url.with_fragment(None)


def _next(url: URL, location: str) -> URL:
    """Resolve a redirect. The password goes along to the same server only."""
    from yarl import URL

    try:
        target = url.join(URL(location)).with_fragment(None)
        usable = bool(location) and bool(target.host) and bool(target.port)
    except ValueError:
        usable = False
    if not usable or target.scheme != url.scheme:
        raise SourceError(f"redirects to {quoted(_masked(location))}, not followed: only {url.scheme} is")
    if target.origin() == url.origin():
        return target.with_user(url.user).with_password(url.password)
    return target


def _shown(url: URL) -> str:
    return quoted(str(url.with_user(None).with_query(None)))


def _masked(location: str) -> str:
    """Hide what stands before the `@` of the host, without relying on the URL being a valid one."""
    scheme, mark, rest = location.partition("://")
    slash = min((i for i in map(rest.find, "/?#") if i >= 0), default=len(rest))
    userinfo, at, host = rest[:slash].rpartition("@")
    if not at:
        return location
    user, colon, _ = userinfo.partition(":")
    return f"{scheme}{mark}{user + ':***' if colon else '***'}@{host}{rest[slash:]}"


def _reason(error: Exception) -> str:
    """Say it in our words: the text of the library's error can hold the URL with its password."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not valid for us"
    if isinstance(error, aiohttp.ClientSSLError):
        return "no TLS connection"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return f"no connection: {os.strerror(number) if number else 'unreachable'}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection without an answer"
    return f"no valid HTTP answer ({type(error).__name__})"
