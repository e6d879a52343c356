"""What is known of a request besides its content."""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Hashable
from typing import Any

import attrs

from portmapper.http.arrival import Arrival
from portmapper.http.tokens import Token


@attrs.frozen
class Visitor:
    """Who sent a request.

    Attributes:
        token: the token that was sent, or with which the session began; None without a login.
        cookie: the session's cookie; empty without one.
    """

    token: Token | None = None
    cookie: str = ""

    @property
    def may_change(self) -> bool:
        """Whether the visitor may change something."""
        return self.token is not None and not self.token.read_only

    @property
    def csrf_token(self) -> str:
        """What a change of this session must send along; empty without a session."""
        return csrf_token(self.cookie) if self.cookie else ""


@attrs.define
class Visit:
    """One request.

    Attributes:
        arrival: how it came; None before it was checked.
        client: what identifies the visitor for limits.
        visitor: who sent it.
        form: the fields of its form; None before they were read.
        nonce: that of the page that answers it; empty before it was needed.
    """

    arrival: Arrival | None = None
    client: Hashable = None
    visitor: Visitor = attrs.field(factory=Visitor)
    form: dict[str, str] | None = None
    nonce: str = ""


def visit_of(request: Any) -> Visit:
    """Return what is known of a request."""
    visit: Visit | None = request.get(_key())
    if visit is None:
        visit = request[_key()] = Visit()
    return visit


@functools.cache
def _key() -> Any:
    """Return the key of a request's storage; aiohttp 3.14 warns of keys that are text."""
    from aiohttp import web

    kind = getattr(web, "RequestKey", None)
    return kind("portmapper_visit", Visit) if kind else "portmapper_visit"


def client_of(request: Any) -> Hashable:
    """Return what identifies the visitor for limits."""
    return visit_of(request).client


def csrf_token(cookie: str) -> str:
    """Return what each change of a session must send along; another site cannot read it."""
    return hmac.new(cookie.encode(), b"portmapper csrf", hashlib.sha256).hexdigest()
