"""Loads the settings again while the daemon runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from portmapper.api.errors import PortmapperError, UsageError
from portmapper.daemon.answers import ANSWER_LIMIT
from portmapper.daemon.reloadable import LoadSettings, Reloadable
from portmapper.daemon.systemd import ServiceManager

_log = logging.getLogger(__name__)


class Reloading:
    """Reloads, and tells the service manager when it begins and ends.

    Attributes:
        settings: the settings in effect.
    """

    def __init__(
        self,
        settings: Reloadable,
        load: LoadSettings | None,
        apply: Callable[[Reloadable], None],
        service: ServiceManager,
    ) -> None:
        """Reload nothing yet.

        Args:
            settings: those of the start.
            load: loads the settings again; None keeps them, and a reload only reads the sources again.
            apply: puts the settings into effect.
            service: the service manager.
        """
        self.settings = settings
        self._load = load
        self._apply = apply
        self._service = service
        self._all_read = asyncio.Event()

    def reload(self) -> PortmapperError | None:
        """Load the settings and put them into effect. If they are invalid, return why; the old ones stay."""
        self._service.notify_reloading()
        self._all_read.clear()
        invalid = None
        if self._load is not None:
            try:
                self.settings = self._load()
            except PortmapperError as error:
                invalid = error
                _log.error("%s; the old settings stay in effect", error)
        self._apply(self.settings)
        return invalid

    def sources_read(self) -> None:
        """Remember that every source has been read after a reload."""
        self._all_read.set()
        self._service.notify("READY=1")

    async def reload_and_wait(self) -> None:
        """Reload, and wait until all sources have been read, but not longer than a client waits.

        Raises:
            UsageError: the new settings are invalid; the old settings stay in effect.
        """
        if error := self.reload():
            raise UsageError(f"{error}; the old settings stay in effect")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_LIMIT):
                await self._all_read.wait()
