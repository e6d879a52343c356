"""Work in a thread for as long as a context lasts."""

from __future__ import annotations

import threading
from typing import Self


class Background:
    """Context in which `work` runs in its own thread.

    Attributes:
        stopping: set when the context ends.
    """

    def __init__(self, name: str) -> None:
        """Prepare the thread, which has this name in a dump."""
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self.work, name=name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopping.set()
        self._thread.join()
        self.close()

    def work(self) -> None:
        """Work until `stopping` is set."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what the work needed; the thread has ended."""
