"""The border to plugins: what is under way when its asker leaves ends in silence."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import Any

from portmapper.api.errors import NetworkFailure
from portmapper.pluginhost import guard


async def test_a_call_that_fails_in_the_moment_its_asker_is_cancelled_is_no_complaint_of_the_loop() -> None:
    """As when this host's address goes while a search from it fails."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def fail() -> None:
        raise NetworkFailure("cannot search")

    asker = asyncio.create_task(guard.run("backend:x", fail(), 1.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asker
    assert asker.cancelled()
    del asker
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
