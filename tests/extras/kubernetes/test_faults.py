"""Random edits while the API server gives odd answers."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from portmapper_kubernetes import reflector as module
from portmapper_kubernetes.api_server import ApiServer
from portmapper_kubernetes.reflector import Reflector

from .conftest import SERVICES, FakeApi, answer, service, stream, until

EDITS = 1000
GONE = json.dumps({"type": "ERROR", "object": {"code": 410, "message": "too old"}})
BOOKMARK = json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "100"}}})

FAULTS = [
    ("watch=", answer(410)),
    ("watch=", answer(429, **{"Retry-After": "0"})),
    ("watch=", answer(500)),
    ("watch=", answer(504)),
    ("watch=", stream(f"{GONE}\n")),
    ("watch=", stream(BOOKMARK[:30])),
    ("watch=", stream(then_wait=True)),
    ("watch=", stream(f"{BOOKMARK}\n", then_wait=True)),
    ("limit=", answer(429)),
    ("limit=", answer(504)),
    ("limit=", stream('{"items": [')),
]


def _version(found: dict[str, Any]) -> str:
    return str(found["spec"]["ports"][0]["port"])


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_final_state_is_the_servers(
    api: FakeApi, server: ApiServer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """After a thousand edits and about a hundred faults, among them compaction and half-open streams."""
    monkeypatch.setattr(module, "SILENCE", 0.1)
    chance = random.Random(seed)

    async def soon(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))

    followed: Reflector[str] = Reflector(server, SERVICES, _version, lambda: None, soon)
    task = asyncio.create_task(followed.run())
    for number in range(EDITS):
        _edit(api, chance, number)
        if chance.random() < 0.1:
            api.fail(*chance.choice(FAULTS))
            api.drop_watches()
        if chance.random() < 0.2:
            await asyncio.sleep(0.01)
    expected = {f"shop/{name}": _version(found) for name, found in api.objects[SERVICES].items()}
    await until(lambda: followed.items == expected, 30)
    assert api.count("watch=") > 20
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _edit(api: FakeApi, chance: random.Random, number: int) -> None:
    name = f"s{chance.randrange(30)}"
    if name in api.objects.get(SERVICES, {}) and chance.random() < 0.3:
        api.delete(SERVICES, name)
    else:
        api.put(SERVICES, service(name, spec={"ports": [{"name": "http", "port": number + 1}]}))
    if number % 100 == 99:
        api.compact()
