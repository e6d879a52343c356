"""Announcements of gateways that have not been found yet."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portmapper.api.backend import Target


class HearsArrivals(abc.ABC):
    """Capability of a backend: hear that the target's gateway speaks its protocol, without a search.

    A gateway may start a protocol long after the search for it, or speak another one after a crash.
    """

    @abc.abstractmethod
    async def listen(self, target: Target, arrived: Callable[[], None]) -> None:
        """Call `arrived` for each announcement of the target's default gateway, until cancelled.

        The announcement may be forged: it only leads to a search. Return if nothing can be heard.
        """
