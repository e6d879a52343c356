"""Imports a heavy module without holding up the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import threading

from portmapper.api import Unsupported

_loaded: set[str] = set()


async def load(name: str) -> None:
    """Import the module `name` in a thread of its own.

    async-upnp-client and aiohttp take about 200 ms, in which PCP and NAT-PMP have long got their answer.
    The thread is a daemon, unlike those of `asyncio.to_thread`, so that a program that has its ports
    does not wait for an import that nobody needs any more.

    Raises:
        Unsupported: it cannot be imported.
    """
    if name in _loaded:
        return
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(None)

    def work() -> None:
        failure: Exception | None = None
        try:
            importlib.import_module(name)
        except Exception as error:  # a broken installation can raise anything
            failure = Unsupported(f"{name} cannot be imported: {error}")
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, failure)

    threading.Thread(target=work, name=f"import {name}", daemon=True).start()
    await done
    _loaded.add(name)
