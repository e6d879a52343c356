"""List and watch, with the odd answers of a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from portmapper_kubernetes import reflector as module
from portmapper_kubernetes.api_server import ApiServer
from portmapper_kubernetes.reflector import Reflector

from .conftest import SERVICES, FakeApi, answer, service, stream, until


def _uid(found: dict[str, Any]) -> str | None:
    return str(found["metadata"]["uid"])


@pytest.fixture
async def followed(api: FakeApi, server: ApiServer) -> AsyncIterator[Reflector[str]]:
    """A reflector of Services that runs, and waits only a moment between two attempts."""
    changes: list[None] = []

    async def soon(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0.01)

    pauses: list[float] = []
    followed: Reflector[str] = Reflector(server, SERVICES, _uid, partial(changes.append, None), soon)
    followed.changes, followed.pauses = changes, pauses  # type: ignore[attr-defined]
    task = asyncio.create_task(followed.run())
    yield followed
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_follows_additions_changes_and_deletions(api: FakeApi, followed: Reflector[str]) -> None:
    """One list and one watch are enough."""
    api.put(SERVICES, service("a"))
    await until(lambda: followed.items == {"shop/a": "uid-shop-a"})
    api.put(SERVICES, service("b"))
    await until(lambda: "shop/b" in followed.items)
    api.delete(SERVICES, "a")
    await until(lambda: list(followed.items) == ["shop/b"])
    assert api.count("watch=") == 1


async def test_a_change_that_does_not_matter_is_not_reported(api: FakeApi, followed: Reflector[str]) -> None:
    """Rows are computed only if something that is kept has changed."""
    api.put(SERVICES, service("a"))
    await until(lambda: followed.items)
    before = len(followed.changes)  # type: ignore[attr-defined]
    api.put(SERVICES, service("a", annotations={"other": "text"}))
    api.put(SERVICES, service("b"))
    await until(lambda: "shop/b" in followed.items)
    assert len(followed.changes) == before + 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [410, 429, 500, 503, 504])
async def test_lists_again_after_an_error_of_the_watch(
    api: FakeApi, followed: Reflector[str], status: int
) -> None:
    """The next change is seen, whatever the server answered."""
    api.fail("watch=", answer(status))
    await until(lambda: api.count("watch=") == 2)
    api.put(SERVICES, service("a"))
    await until(lambda: followed.items)
    assert api.count("limit=") == 2


@pytest.mark.parametrize(
    "lines",
    [
        ['{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old resource version"}}\n'],
        ['{"type":"ADDED","object":{"metadata":{"na'],
        ["[1, 2]\n"],
        ['{"type":"ADDED","object":7}\n'],
        ['{"type":"ADDED"}\n'],
        ["\xff\n"],
        ["[" * 100_000 + "\n"],
    ],
)
async def test_lists_again_after_an_invalid_stream(
    api: FakeApi, followed: Reflector[str], lines: list[str]
) -> None:
    """Nothing of an invalid stream is believed."""
    api.fail("watch=", stream(*lines))
    await until(lambda: api.count("limit=") == 2)
    api.put(SERVICES, service("a"))
    await until(lambda: followed.items)


async def test_an_outage_keeps_the_items(api: FakeApi, followed: Reflector[str]) -> None:
    """While an API server starts, it may not know a kind yet, and answers 404."""
    api.put(SERVICES, service("a"))
    await until(lambda: followed.items)
    api.fail("limit=", answer(404), times=3)
    followed._handle({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "1"}}})
    api.fail("watch=", answer(410))
    api.put(SERVICES, service("b"))
    await until(lambda: "shop/b" in followed.items)
    assert "shop/a" in followed.items


async def test_silence_begins_a_new_watch_from_the_last_version(
    api: FakeApi, followed: Reflector[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-open connection delivers nothing, and no error either."""
    monkeypatch.setattr(module, "SILENCE", 0.05)
    first = json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "150"}}})
    api.fail("watch=", stream(f"{first}\n", then_wait=True))
    await until(lambda: api.count("resourceVersion=150") == 1)
    assert api.count("limit=") == 1


async def test_waits_as_long_as_the_server_asks(api: FakeApi, followed: Reflector[str]) -> None:
    """The header Retry-After is respected."""
    api.fail("limit=", answer(429, **{"Retry-After": "7"}))
    await until(followed.synced.is_set)
    assert followed.pauses[0] == 7  # type: ignore[attr-defined]


async def test_lists_in_pages(api: FakeApi, followed: Reflector[str]) -> None:
    """The watch begins at the version of the list."""
    page = {"items": [service("a")], "metadata": {"continue": "more", "resourceVersion": "100"}}

    async def first(_: object) -> Any:
        from aiohttp import web

        return web.json_response(page)

    api.fail("limit=", first)
    api.put(SERVICES, service("b"))
    await until(lambda: set(followed.items) == {"shop/a", "shop/b"})
    assert api.count("continue=more") == 1


async def test_the_number_of_items_is_bounded(
    api: FakeApi, followed: Reflector[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is the memory."""
    monkeypatch.setattr(module, "MAX_OBJECTS", 3)
    for number in range(5):
        api.put(SERVICES, service(f"s{number}"))
    await until(lambda: len(followed.items) == 3)
    assert len(followed.items) == 3


async def test_asks_for_smaller_pages_if_an_answer_is_too_large(
    api: FakeApi, followed: Reflector[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenant with large objects must not stop the list."""
    monkeypatch.setattr("portmapper_kubernetes.api_server.MAX_ANSWER", 10)
    await until(lambda: api.count("limit=31") > 0)


async def test_a_refused_kind_is_settled_but_not_synced(api: FakeApi, followed: Reflector[str]) -> None:
    """Without permission to read nodes, Services work."""
    api.fail("limit=", answer(403), times=100)
    await until(followed.settled.is_set)
    assert not followed.synced.is_set()
    assert api.count("limit=") > 1
