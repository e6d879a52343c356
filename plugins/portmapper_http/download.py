"""Downloads a document. The server is not trusted: redirects and sizes are limited."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING

from portmapper.api import Document, FetchOptions, IPAddress, SourceError, quoted
from portmapper.support.reasons import connection_reason
from portmapper.support.safe_open import read_limited
from portmapper.support.secrets import mask_url, masked_parts
from portmapper.support.values import frozen
from portmapper_http.address_check import is_public
from portmapper_http.headers import read_headers
from portmapper_http.proxy import proxy_for

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from aiohttp import BaseConnector, ClientResponse
    from yarl import URL

_SCHEMES = ("http:", "https:", "ftp://", "file://")
_MAX_REDIRECTS = 5
_MAX_CERTIFICATES = 4 * 1024 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@frozen
class _Cached:
    """The last document, with the server's validators for this version."""

    url: URL
    document: Document
    etag: str
    modified: str


class Download:
    """Downloads one URL again and again, and keeps the document as long as it does not change."""

    def __init__(self, url: str, options: FetchOptions) -> None:
        self._url = url
        self._options = options
        self._cached: _Cached | None = None

    async def fetch(self) -> Document:
        """Follow redirects; check each target before sending anything to it."""
        url, public, seen = _parsed(self._url), False, set()
        origin = url
        for _ in range(_MAX_REDIRECTS + 1):
            proxy = proxy_for(url)
            addresses = await _addresses(url, through_proxy=proxy is not None)
            if public and not all(is_public(address) for address in addresses):
                raise SourceError(f"redirects to {_display(url)}, a private address; not followed")
            public = public or any(is_public(address) for address in addresses)
            connector = self._connector(None if proxy else addresses)
            found = await self._get(url, connector, proxy, own=_is_same_server(origin, url))
            if isinstance(found, Document):
                return found
            seen.add(url)
            url = _next(url, found)
            if url in seen:
                raise SourceError("redirects in a loop")
        raise SourceError(f"more than {_MAX_REDIRECTS} redirects")

    def _connector(self, addresses: Sequence[IPAddress] | None) -> BaseConnector:
        """Return a connector to these addresses, or to any address of a proxy."""
        import aiohttp

        from portmapper_http import connector

        context = self._tls()
        if addresses is not None:
            return connector.pinned_connector([str(address) for address in addresses], context)
        return aiohttp.TCPConnector(ssl=context, force_close=True)

    def _tls(self) -> ssl.SSLContext | bool:
        if self._options.ca_file is None:
            return True
        import ssl

        context = ssl.create_default_context()
        try:
            context.load_verify_locations(cadata=_certificates(self._options.ca_file))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it has no valid certificate"
            raise SourceError(f"ca_file: {reason}") from None
        return context

    async def _get(
        self, url: URL, connector: BaseConnector, proxy: str | None, *, own: bool
    ) -> Document | str:
        """Return the document, or the target of a redirect; send the user's headers only to their server."""
        import aiohttp

        headers = self._headers(url) | (read_headers(self._options.headers_file) if own else {})
        if "Authorization" in {name.title() for name in headers}:
            url = url.with_user(None)
        async with (
            aiohttp.ClientSession(
                connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.get(url, headers=headers, allow_redirects=False, proxy=proxy) as response,
        ):
            if response.status in _REDIRECTS:
                return response.headers.get("Location", "")
            if response.status == 304 and self._cached is not None and self._cached.url == url:
                return self._cached.document
            if response.status != 200:
                reason = masked_parts(response.reason or "", self._url)
                raise SourceError(f"the server answered {response.status} {quoted(reason)}")
            return await self._cache(url, response)

    def _headers(self, url: URL) -> dict[str, str]:
        from portmapper import __version__

        headers = {"User-Agent": f"portmapper/{__version__}", "Accept-Encoding": "gzip"}
        if self._cached is not None and self._cached.url == url:
            if self._cached.etag:
                headers["If-None-Match"] = self._cached.etag
            if self._cached.modified:
                headers["If-Modified-Since"] = self._cached.modified
        return headers

    async def _cache(self, url: URL, response: ClientResponse) -> Document:
        from portmapper_http.body import read_body

        document = Document(
            content=await read_body(response),
            content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            suffix=posixpath.splitext(url.path)[1].lower(),
        )
        headers = response.headers
        self._cached = _Cached(url, document, headers.get("ETag", ""), headers.get("Last-Modified", ""))
        return document


def _parsed(location: str) -> URL:
    from yarl import URL

    try:
        url = URL(location)
        usable = bool(url.host) and bool(url.port)
    except ValueError:
        usable = False
    if not usable:
        raise SourceError("not a valid URL, such as https://example.org/ports.csv")
    return url.with_fragment(None)


async def _addresses(url: URL, *, through_proxy: bool) -> Sequence[IPAddress]:
    """Return the addresses of a URL's host; a proxy may know a host that this system does not know."""
    from portmapper_http import address_check

    try:
        return await address_check.resolve(url)
    except SourceError:
        if through_proxy:
            return []
        raise


def _certificates(path: Path) -> str:
    """Return the certificates of a file; OpenSSL would wait for the end of a pipe."""
    return read_limited(path, _MAX_CERTIFICATES).decode("ascii", "replace")


def _next(url: URL, location: str) -> URL:
    """Resolve a redirect; send the password only to the same server."""
    from yarl import URL

    try:
        target = url.join(URL(location)).with_fragment(None)
        usable = bool(location) and bool(target.host) and bool(target.port)
    except ValueError:
        usable = False
    if not usable or target.scheme not in (url.scheme, "https") or url.scheme not in ("http", "https"):
        raise SourceError(f"redirects to {_target(location)}, not followed: not {url.scheme}")
    if _is_same_server(url, target) and not target.user:
        return target.with_user(url.user).with_password(url.password)
    return target


def _is_same_server(url: URL, target: URL) -> bool:
    """Return whether a redirect stays on the server, or moves from its HTTP to its HTTPS port."""
    if url.origin() == target.origin():
        return True
    return url.host == target.host and (url.scheme, url.port, target.scheme, target.port) == (
        *("http", 80),
        *("https", 443),
    )


def _target(location: str) -> str:
    """Describe where a redirect leads that is not followed; the server may send anything, also secrets."""
    known = location.lower().startswith(_SCHEMES)
    return quoted(mask_url(location)) if known else "an invalid URL or another scheme"


def _display(url: URL) -> str:
    return quoted(mask_url(str(url)))


def reason_of(error: Exception) -> str:
    """Describe an error without the library's text, which may contain the URL with its password."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the server's certificate is not valid"
    if isinstance(error, aiohttp.ClientSSLError):
        return "the TLS connection failed"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {connection_reason(error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer ended early, or is not encoded as its headers say"
    if isinstance(error, aiohttp.TooManyRedirects | aiohttp.InvalidURL):
        return "a redirect leads to an invalid URL"
    return "no valid HTTP answer"
