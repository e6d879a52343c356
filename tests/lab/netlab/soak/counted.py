"""Runs portmapper so that the lab can see its tasks: on SIGUSR2 it writes their names to a file.

The script is run by its path, `python -P counted.py FILE run ...`, in the place of the program itself.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import FrameType


def words(place: Path) -> tuple[str, ...]:
    """Spell the program so that it tells its tasks to a file."""
    return (sys.executable, "-P", __file__, str(place))


def main() -> None:
    """Be portmapper, with one more signal."""
    place = Path(sys.argv.pop(1))

    def tell(_: int, __: FrameType | None) -> None:
        import asyncio

        # The loop runs in this thread, and signals are handled between two of its steps.
        names = sorted(getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks())
        written = place.with_suffix(".new")
        written.write_text(json.dumps(names))
        written.replace(place)

    signal.signal(signal.SIGUSR2, tell)
    from portmapper.cli.main import entry

    entry()


if __name__ == "__main__":
    main()
