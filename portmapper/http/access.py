"""Who may send which request: host, origin, login, CSRF token."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import attrs

from portmapper.api.model import IPNetwork
from portmapper.control.problems import Problem
from portmapper.http.arrival import Arrival, arrival_of
from portmapper.http.forms import read_form
from portmapper.http.login_limit import LoginLimit
from portmapper.http.sessions import Sessions
from portmapper.http.tokens import Token, Tokens
from portmapper.http.visit import Visit, Visitor, visit_of
from portmapper.support.allowed_hosts import AllowedHosts, split_host
from portmapper.support.connection_guard import peer_key

COOKIE = "portmapper"
SECURE_COOKIE = "__Host-portmapper"
"""Under HTTPS; the prefix keeps other hosts of the domain from setting it (RFC 6265bis, section 4.1.3)."""

LOGOUT = "/logout"
SAFE = ("GET", "HEAD", "OPTIONS")
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
PORTS = {"http": "80", "https": "443"}


@attrs.frozen
class Access:
    """Checks each request.

    Attributes:
        hosts: the names of the listener.
        tokens, sessions: the valid logins.
        limit: the failed logins.
        trusted: networks of reverse proxies.
        reads_are_open: reading needs no login from this host.
        public: method and path of each route that never needs a login.
    """

    hosts: AllowedHosts
    tokens: Tokens
    sessions: Sessions
    limit: LoginLimit
    trusted: Sequence[IPNetwork]
    reads_are_open: bool
    public: set[tuple[str, str]]

    async def check(self, request: Any) -> None:
        """Let a request pass, and note its visitor.

        Raises:
            Problem: it may not pass.
        """
        visit = visit_of(request)
        visit.arrival = arrival = arrival_of(request, self.trusted)
        visit.client = _client(arrival, request)
        if not self.hosts.allows(arrival.host, arrival.local_address):
            raise Problem(421, "this host name is not allowed; add it to `hosts` in the table [http]")
        check_origin(request, arrival)
        visit.visitor = visitor = self._visitor(request, visit)
        if self._is_public(request):
            return
        if request.method in SAFE:
            self._check_read(visitor, arrival)
            return
        _check_change(request, visitor)
        if visitor.cookie and not await _has_csrf_token(request, visitor):
            raise Problem(403, f"the CSRF token is missing or invalid; send it as {CSRF_HEADER}")

    def may_continue(self, request: Any) -> bool:
        """Return whether the visitor may still read: a token may have been revoked, or a session ended."""
        visit = visit_of(request)
        visitor = visit.visitor
        if visitor.cookie:
            return self.sessions.token_of(visitor.cookie) is not None
        if visitor.token is not None:
            return self.tokens.with_hash(visitor.token.hash) is not None
        return True

    def _is_public(self, request: Any) -> bool:
        resource = request.match_info.route.resource
        method = "GET" if request.method == "HEAD" else request.method
        return resource is not None and (method, resource.canonical) in self.public

    def _check_read(self, visitor: Visitor, arrival: Arrival) -> None:
        if visitor.token is None and not (self.reads_are_open and arrival.is_local):
            raise _login_needed()

    def _visitor(self, request: Any, visit: Visit) -> Visitor:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":  # a proxy may forward other schemes, which it has checked itself
            return Visitor(self._by_header(secret.strip()))
        cookie = request.cookies.get(cookie_name(visit), "")
        token = self.sessions.token_of(cookie) if cookie else None
        return Visitor(token, cookie) if token else Visitor()

    def _by_header(self, secret: str) -> Token:
        """Return the token of an `Authorization` header. Its 256 random bits need no limit for guesses."""
        token = self.tokens.find(secret)
        if token is None:
            raise _login_needed("the token is not valid")
        return token

    def refuse_if_too_many(self, client: Hashable) -> None:
        """Raise a problem if too many logins failed."""
        if wait := self.limit.wait(client):
            raise Problem(429, f"too many failed logins; try again in {wait} s", {"Retry-After": str(wait)})


def middleware(web: Any, access: Access) -> Any:
    """Return a middleware that checks each request."""

    @web.middleware  # type: ignore[untyped-decorator]
    async def check(request: Any, handler: Any) -> Any:
        await access.check(request)
        return await handler(request)

    return check


def check_origin(request: Any, arrival: Arrival) -> None:
    """Refuse what a page of another site sent: any request with its origin, and any change.

    Raises:
        Problem: another site sent it.
    """
    origin = request.headers.get("Origin")
    if origin is not None and not _is_own(origin, arrival):
        raise Problem(403, "another site sent this request")
    site = request.headers.get("Sec-Fetch-Site", "")
    is_link = request.method in SAFE and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if site in ("cross-site", "same-site") and not is_link:
        raise Problem(403, "another site sent this request")


def _is_own(origin: str, arrival: Arrival) -> bool:
    """Return whether an origin is the host that the request names. A proxy may hide scheme and port."""
    scheme, separator, host = origin.lower().partition("://")
    if not separator or scheme not in PORTS:
        return False
    (name, port), (own_name, own_port) = split_host(host), split_host(arrival.host)
    own_scheme = "https" if arrival.is_encrypted else scheme
    if arrival.by_proxy and not own_port:
        return bool(name) and name == own_name
    return bool(name) and (name, port or PORTS[scheme]) == (own_name, own_port or PORTS[own_scheme])


def cookie_name(visit: Visit) -> str:
    """Return the name of the session's cookie."""
    is_encrypted = visit.arrival is not None and visit.arrival.is_encrypted
    return SECURE_COOKIE if is_encrypted else COOKIE


def _client(arrival: Arrival, request: Any) -> Hashable:
    return peer_key(arrival.client) if arrival.client is not None else id(request.transport)


def _check_change(request: Any, visitor: Visitor) -> None:
    if visitor.token is None:
        raise _login_needed()
    if not visitor.may_change and request.path != LOGOUT:
        raise Problem(403, f"the token {visitor.token.name!r} may only read")


async def _has_csrf_token(request: Any, visitor: Visitor) -> bool:
    import hmac

    sent = request.headers.get(CSRF_HEADER) or (await read_form(request)).get(CSRF_FIELD, "")
    return hmac.compare_digest(sent.encode("utf-8", "surrogateescape"), visitor.csrf_token.encode())


def _login_needed(reason: str = "this needs a login") -> Problem:
    advice = "create a token with 'portmapper web token', and send it as 'Authorization: Bearer TOKEN'"
    return Problem(401, f"{reason}; {advice}", {"WWW-Authenticate": 'Bearer realm="portmapper"'})
