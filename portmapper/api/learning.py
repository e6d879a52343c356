"""What a gateway has learned about its device, kept across runs."""

from __future__ import annotations

import abc
from typing import Protocol

MAX_LEARNED = 1000
"""Characters that are kept of what one gateway has learned."""


class Learned(Protocol):
    """The store's place for what one gateway has learned."""

    def read(self) -> str:
        """Return the text of an earlier run, empty if there is none. It may be damaged: check it."""

    def write(self, text: str) -> None:
        """Keep a text of at most `MAX_LEARNED` characters in place of the earlier one."""


class LearnsBehavior(abc.ABC):
    """Capability: learn which requests the device refuses, and start from that in the next run.

    The device may have been replaced or updated since. So a gateway trusts what it reads only as long as its
    answers do not contradict it, and only for the same device.
    """

    @abc.abstractmethod
    def start_from(self, learned: Learned) -> None:
        """Use what earlier runs learned, and write what is learned from now on. Called once, when found."""
