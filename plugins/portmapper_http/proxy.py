"""The proxy for a URL, from the usual environment variables (`https_proxy`, `no_proxy`, and so on)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import SourceError
from portmapper.support.secrets import remember

if TYPE_CHECKING:
    from yarl import URL


def proxy_for(url: URL) -> str | None:
    """Return the URL of the proxy, None without one.

    Raises:
        SourceError: it is not a valid URL. The message does not show it.
    """
    import urllib.request

    from yarl import URL

    host = url.host or ""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(f"{host}:{url.port}") or urllib.request.proxy_bypass(host):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    remember(proxy)
    try:
        is_usable = bool(URL(proxy).host) and bool(URL(proxy).port)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise SourceError(f"the variable {url.scheme}_proxy or all_proxy is not the URL of a proxy")
    return proxy
