"""The `http` source. The server is not trusted: redirects, sizes and times are limited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import Document, Source, SourceError
from portmapper.support.reasons import words_of
from portmapper.support.secrets import distinct_location, mask_urls, masked_parts, remember

if TYPE_CHECKING:
    from portmapper_http.download import Download

_SCHEMES = ("http:", "https:")
_TOTAL_SECONDS = 20


class HttpSource(Source):
    """An `http:` or `https:` URL. Its secrets are used, but never shown."""

    name = "http"
    may_be_down = True

    def __init__(self, location: str) -> None:
        super().__init__(distinct_location(location))
        remember(location)
        self._url = location
        self._download: Download | None = None

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim the schemes http and https, also without slashes: that is no name of a file."""
        return location.lower().startswith(_SCHEMES)

    async def fetch(self) -> Document:
        """Download the document, or return the cached one if it did not change."""
        import asyncio

        import aiohttp

        from portmapper_http.download import Download, reason_of  # few runs read a URL

        self._download = self._download or Download(self._url, self.fetch_options)
        try:
            async with asyncio.timeout(_TOTAL_SECONDS):
                return await self._download.fetch()
        except SourceError as error:  # the server may have repeated what it was sent
            raise SourceError(masked_parts(mask_urls(str(error)), self._url)) from None
        except TimeoutError:
            raise SourceError(f"not read within {_TOTAL_SECONDS} seconds") from None
        except aiohttp.ClientError as error:
            raise SourceError(reason_of(error)) from None
        except OSError as error:
            reason = words_of(error) if error.errno else "the system refused the connection"
            raise SourceError(f"cannot be fetched: {reason}") from None
        except ValueError:  # its text may contain the URL
            raise SourceError("cannot be fetched: its URL, a redirect or a header is invalid") from None
