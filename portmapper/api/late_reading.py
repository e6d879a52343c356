"""Gateways that are known, but not read before something needs them."""

from __future__ import annotations

import abc
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portmapper.api.backend import Target
    from portmapper.api.model import IPAddress


class ReadsLate(abc.ABC):
    """Capability of a backend: find a gateway without reading what it takes to use it.

    Reading takes time and memory for nothing while a better protocol of the same device opens every port. A
    gateway that is found in this way has `unread` set, and each of its calls reads it first.
    """

    @abc.abstractmethod
    def others_answered(
        self, target: Target, answered: Collection[IPAddress], *, may_follow: bool, alone: bool
    ) -> None:
        """Take note of where better backends have answered a search of the target so far.

        Args:
            target: where they search.
            answered: the addresses of their gateways.
            may_follow: another one of them may still answer, and did in the last search if there was one.
                False until a search has begun that may leave gateways unread.
            alone: this is the only backend of the search, so nothing else can open the ports.
        """
