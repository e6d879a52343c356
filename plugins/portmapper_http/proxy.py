"""The proxy for a URL, from the usual environment variables (`https_proxy`, `no_proxy`, and so on)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yarl import URL


def proxy_for(url: URL) -> str | None:
    """Return the URL of the proxy, None without one."""
    import urllib.request

    host = url.host or ""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(f"{host}:{url.port}") or urllib.request.proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
