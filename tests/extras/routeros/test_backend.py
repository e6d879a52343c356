"""Discovery of the router."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from aiohttp import web

from portmapper.api.errors import Unsupported

PREFIX = "PORTMAPPER_ROUTEROS_"


async def test_nothing_is_found_without_a_router(backend: Any, here: Any, first: Any) -> None:
    """An installed extra without settings does nothing."""
    assert await first(backend, here) is None


async def test_another_chosen_gateway_excludes_the_router(
    router: Any, backend: Any, here: Any, first: Any
) -> None:
    """`--gateway` allows only the chosen gateway."""
    other = attrs.evolve(here, gateway=ipaddress.ip_address("127.0.0.2"), chosen=True)
    assert await first(backend, other) is None


def always_answer(status: int, body: object) -> Callable[[web.Request], web.StreamResponse]:
    """Return a handler with the same answer to every request."""
    return lambda _: web.Response(
        status=status,
        text=body if isinstance(body, str) else json.dumps(body),
        content_type="application/json",
    )


async def test_a_router_without_a_rest_api_is_unsupported(
    router: Any, backend: Any, here: Any, first: Any
) -> None:
    """The error contains the required version."""
    router.answer = always_answer(404, {"error": 404, "message": "Not Found"})
    with pytest.raises(Unsupported, match=r"7\.1"):
        await first(backend, here)
