"""Import of a heavy module in a thread, without blocking the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import threading

from portmapper.api import BackendError, Unsupported
from portmapper.support.reasons import plain_reason

_loaded: set[str] = set()


async def load(name: str) -> None:
    """Import the module `name` in a separate thread.

    async-upnp-client and aiohttp take about 200 ms to import; PCP and NAT-PMP get their answers sooner.
    Unlike the threads of `asyncio.to_thread`, this one is a daemon thread, so that a program can exit
    without waiting for an import that it no longer needs.

    Raises:
        BackendError: the system has nothing left to import the module with.
        Unsupported: the module cannot be imported.
    """
    if name in _loaded:
        return
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(error: Exception | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(None)

    def work() -> None:
        failure: Exception | None = None
        try:
            from portmapper.support.late_certificates import late_certificates

            with late_certificates():
                importlib.import_module(name)
        except OSError as error:  # such as without a free descriptor
            failure = BackendError(f"{name} cannot be imported: {plain_reason(error)}")
        except Exception as error:  # a broken installation can raise anything
            failure = Unsupported(f"{name} cannot be imported: {error}")
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(finish, failure)

    threading.Thread(target=work, name=f"import {name}", daemon=True).start()
    await done
    _loaded.add(name)
