"""Runs portmapper, and writes the names of its asyncio tasks to a file on SIGUSR2.

The script is run by its path, `python -P task_dump.py FILE run ...`, instead of the program.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import FrameType


def command_words(place: Path) -> tuple[str, ...]:
    """Return the command that runs portmapper and writes its tasks to a file."""
    return (sys.executable, "-P", __file__, str(place))


def main() -> None:
    """Run portmapper with the additional signal handler."""
    place = Path(sys.argv.pop(1))

    def tell(_: int, __: FrameType | None) -> None:
        import asyncio

        # The event loop runs in this thread, and signals are handled between its steps.
        names = sorted(getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks())
        written = place.with_suffix(".new")
        written.write_text(json.dumps(names))
        written.replace(place)

    signal.signal(signal.SIGUSR2, tell)
    from portmapper.cli.main import entry

    entry()


if __name__ == "__main__":
    main()
