"""The `upnp` backend: description URLs, and closing a search."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import aclosing

import pytest

from portmapper.api.backend import Target
from portmapper.api.errors import NetworkFailure
from portmapper_upnp import search
from portmapper_upnp.backend import FULL_SEARCH_EVERY, IgdBackend

LOOPBACK = ipaddress.ip_address("127.0.0.1")


async def test_a_url_is_used_directly(router, responder, found):
    """No search is sent for a URL that the user typed; its host name is resolved once."""
    [gateway] = await found(url=f"http://localhost:{router.port}/desc.xml", chosen=True)
    assert gateway.location == router.location
    assert responder.searches == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/desc.xml", "http://[/", "nonsense", "http://"])
async def test_an_invalid_url_is_a_network_failure(unused_port, found, url):
    """The same error for a closed port and for invalid URLs."""
    with pytest.raises(NetworkFailure):
        await found(url=url.format(port=unused_port))


async def test_closing_the_iterator_ends_the_search(build, router, responder):
    """The first gateway is enough: closing the iterator closes the socket."""
    responder.answer = build.search_answer(router.location)
    backend = IgdBackend(ssdp_port=responder.port)
    async with aclosing(backend.discover(Target(LOOPBACK, gateway=LOOPBACK))) as gateways:
        async for _ in gateways:
            break
    for _ in range(50):
        await asyncio.sleep(0)  # earlier datagrams are still in the socket, one datagram in each iteration
    searches = len(responder.searches)
    await asyncio.sleep(0.3)
    assert len(responder.searches) == searches
    await backend.close()


async def test_searches_that_find_nothing_become_quiet(build, router, responder, found, monkeypatch):
    """Each fourth one names every target; after an answer, the next one does too."""
    quiet = []
    enter = search.Search.__aenter__

    async def entered(requested):
        quiet.append(requested._quiet)
        return await enter(requested)

    monkeypatch.setattr(search.Search, "__aenter__", entered)
    for _ in range(FULL_SEARCH_EVERY + 2):
        await found()
    responder.answer = build.search_answer(router.location)
    assert await found()
    responder.answer = lambda _target, _count: None
    await found()
    assert quiet == [False, True, True, True, False, True, True, False]


async def test_a_quiet_search_finds_a_gateway_that_starts_meanwhile(
    build, router, responder, found, monkeypatch
):
    """It answers only searches for `ssdp:all`."""
    monkeypatch.setattr(search, "QUIET_SEND_TIMES", (0.05, 0.1))
    await found()
    answer = build.search_answer(router.location)
    responder.answer = lambda target, count: answer(target, count) if target == "ssdp:all" else None
    assert await found()
