"""The headers that make browsers enforce what pages may do."""

from __future__ import annotations

import secrets
from typing import Any

from portmapper.http.visit import visit_of

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_OTHER_POLICY = "default-src 'none'; frame-ancestors 'none'"

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With `no-referrer`, a browser sends `Origin: null` with a form of our own page.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Server": "portmapper",
}


def nonce_of(request: Any) -> str:
    """Return the nonce of the page that answers a request."""
    visit = visit_of(request)
    visit.nonce = visit.nonce or secrets.token_urlsafe(16)
    return visit.nonce


async def add_headers(request: Any, response: Any) -> None:
    """Add the headers to a response (a signal of aiohttp)."""
    is_page = response.content_type == "text/html"
    policy = _PAGE_POLICY.format(nonce=nonce_of(request)) if is_page else _OTHER_POLICY
    response.headers["Content-Security-Policy"] = policy
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
