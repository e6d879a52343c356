"""Small files in the state directory, in which plugins keep what must survive a restart."""

from __future__ import annotations

from pathlib import Path

from portmapper.support.safe_open import read_limited

MAX_SIZE = 1024 * 1024


class PluginState:
    """The files of all plugins. Global, because a process has one state directory.

    Attributes:
        directory: the state directory; None keeps nothing, as in a program that uses the Python API.
    """

    def __init__(self) -> None:
        self.directory: Path | None = None

    def read(self, name: str) -> object:
        """Return what a plugin has written; None if it has written nothing.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is damaged.
        """
        path = self._path(name)
        if path is None or not path.exists():
            return None
        import json  # few plugins keep anything

        try:
            content: object = json.loads(read_limited(path, MAX_SIZE))
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return content

    def write(self, name: str, content: object) -> None:
        """Keep what a plugin needs after a restart; only the owner of the file can read it.

        Raises:
            OSError: the file cannot be written.
        """
        path = self._path(name)
        if path is not None:
            from portmapper.support.private_json import write_private  # most runs only read

            write_private(path, content)

    def _path(self, name: str) -> Path | None:
        return self.directory / f"plugin-{name}.json" if self.directory is not None else None


STATE = PluginState()
