"""The interface of observers that run named hooks, which a user can test."""

from __future__ import annotations

import abc
from collections.abc import Mapping


class RunsHooks(abc.ABC):
    """Capability of an observer: name its hooks, and run one of them for a test."""

    @abc.abstractmethod
    def hook_names(self) -> tuple[str, ...]:
        """Return the names of its hooks, in the order of the settings file. Two hooks may share a name."""

    @abc.abstractmethod
    def missing_programs(self) -> Mapping[str, str]:
        """Return the program of each hook whose program does not exist now, by the hook's name."""

    @abc.abstractmethod
    async def test_hook(self, name: str) -> str:
        """Run the hooks with this name once, with a made-up event; return what failed, empty for nothing."""
