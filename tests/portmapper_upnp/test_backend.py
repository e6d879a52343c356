"""The `upnp` backend: description URLs, and closing a search."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import aclosing

import pytest

from portmapper.api.backend import Target
from portmapper.api.errors import NetworkFailure
from portmapper_upnp.backend import IgdBackend

LOOPBACK = ipaddress.ip_address("127.0.0.1")


async def test_a_url_is_used_as_it_is(router, responder, found):
    """Nothing is searched for a URL that the user typed; its host may be a name and is resolved once."""
    [gateway] = await found(url=f"http://localhost:{router.port}/desc.xml", chosen=True)
    assert gateway.location == router.location
    assert responder.searches == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/desc.xml", "http://[/", "nonsense", "http://"])
async def test_a_url_that_leads_nowhere_is_typed(unused_port, found, url):
    """One clear error, whatever was typed."""
    with pytest.raises(NetworkFailure):
        await found(url=url.format(port=unused_port))


async def test_closing_the_iterator_ends_the_search(build, router, responder):
    """The first gateway is enough: the socket goes with the iterator."""
    responder.answer = build.search_answer(router.location)
    backend = IgdBackend(ssdp_port=responder.port)
    async with aclosing(backend.discover(Target(LOOPBACK, gateway=LOOPBACK))) as gateways:
        async for _ in gateways:
            break
    for _ in range(50):
        await asyncio.sleep(0)  # what was sent before lies in the socket, a datagram a turn
    searches = len(responder.searches)
    await asyncio.sleep(0.3)
    assert len(responder.searches) == searches
    await backend.close()
