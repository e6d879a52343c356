"""A stream that ends is opened again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from portmapper.support import stream_follower
from portmapper.support.stream_follower import StreamFollower


async def test_an_end_counts_as_a_change_and_is_followed_by_a_new_stream(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was missed meanwhile is in the new list; `close` ends a stream that is open."""
    monkeypatch.setattr(stream_follower, "FIRST_DELAY", 0.0)
    caplog.set_level(logging.DEBUG)
    changes: list[str] = []
    opened = asyncio.Queue[int]()

    async def stream(changed: Callable[[], None]) -> str:
        opened.put_nowait(len(changes))
        changed()
        if len(changes) >= 4:
            await asyncio.Event().wait()
        return "it ended"

    follower = StreamFollower("the list", stream)
    follower.start(lambda: changes.append("change"))
    assert [await opened.get() for _ in range(3)] == [0, 2, 4]
    await follower.close()
    await follower.close()
    assert len(changes) == 5
    assert caplog.messages.count("the list: it ended") == 2
