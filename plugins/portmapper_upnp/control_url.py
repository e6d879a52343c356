"""The URLs of a service: a description may mean several with one text. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from portmapper_upnp.location_check import at_host_of, at_same_host

_SAFE = "%/:=&?~#+!$,;'@()*[]"
"""Characters that stay as they are; blanks and others are escaped."""


def possible_urls(text: str, bases: Sequence[str], location: str) -> list[str]:
    """Return the possible URLs of a service, most likely first (H9, H13).

    First follow RFC 3986. Then do as other clients do, which append a relative path to the host: some routers
    were tested with nothing else. A path may look like an absolute URL: `uuid:…`. Last, try the port that
    served the description: the other one may belong to an earlier configuration.

    Args:
        text: the URL in the description.
        bases: the URLs that it may be relative to; invalid ones are skipped, and those on another host
            are the last ones to try.
        location: the URL of the description. Its host is used, whatever host the text names.
    """
    text = quote(text, safe=_SAFE)
    ordered = sorted(filter(None, bases), key=lambda base: at_same_host(base, location) is None)
    usable = [url for base in ordered if (url := at_host_of(base, location))]
    urls = [at_host_of(url, location) for url in _readings(text, usable)]
    urls += [_at_port_of(location, url) for url in urls if url]
    return [url for url in dict.fromkeys(urls) if url is not None]


def own_page(text: str, location: str) -> str | None:
    """Return the URL of a page, None if it is on another host."""
    try:
        return at_same_host(urljoin(location, text), location)
    except ValueError:  # for example an unbalanced bracket
        return None


def _readings(text: str, bases: Sequence[str]) -> list[str]:
    if text.startswith("//"):  # a host according to RFC 3986, a path for other clients
        return [f"{_root(base)}{text}" for base in bases] + [_join(base, text) for base in bases]
    if "://" in text or text.startswith(("/", "?")):
        return [_join(base, text) for base in bases]
    return [_join(base, spelling) for spelling in (text, f"./{text}", f"/{text}") for base in bases]


def _join(base: str, reference: str) -> str:
    try:
        return urljoin(base, reference)
    except ValueError:  # for example an unbalanced bracket
        return ""


def _root(base: str) -> str:
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}"


def _at_port_of(location: str, url: str) -> str:
    own = urlsplit(location)
    return urlunsplit(urlsplit(url)._replace(scheme=own.scheme, netloc=own.netloc))
