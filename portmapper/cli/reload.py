"""`portmapper reload`: let the daemon read its settings and lists again, and report what is invalid."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tomllib
from pathlib import Path
from typing import Any

from portmapper.api.command import Command
from portmapper.cli.options import add_state_option
from portmapper.cli.targets import directory_of


class Reload(Command):
    """The command `reload`."""

    name = "reload"
    help = "reload the daemon's settings and lists"
    examples = ("portmapper reload",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `reload`."""
        parser.add_argument(
            "--config",
            dest="settings",
            type=Path,
            metavar="FILE",
            help="the settings file that sets the daemon's state_dir; default: as for 'portmapper run'",
        )
        add_state_option(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Reload; return 1 if no daemon runs, or if the settings, a source or a row is invalid."""
        from portmapper.cli.progress import progress
        from portmapper.control.client import call_daemon

        with progress("reloading"):
            answer = call_daemon(_directory(arguments), "reload", "POST")
        return _report(answer["sources"])


def _directory(arguments: argparse.Namespace) -> Path:
    """Return the state directory; invalid settings are no error here, because the daemon reports them."""
    from portmapper.config.paths import settings_file

    path = arguments.settings or settings_file()
    if arguments.state_dir is None and path is not None:
        with contextlib.suppress(OSError, ValueError):
            written = tomllib.loads(path.read_text(encoding="utf-8")).get("state_dir")
            arguments.state_dir = Path(written) if isinstance(written, str) else None
    return directory_of(arguments)


def _report(sources: list[dict[str, Any]]) -> int:
    from portmapper.support.text import plural, printable

    problems = [problem for source in sources for problem in _problems(source)]
    for problem in problems:
        print(f"portmapper: {printable(problem)}", file=sys.stderr)
    count = sum(source["mappings"] for source in sources)
    print(f"reloaded: {plural(count, 'mapping')} from {plural(len(sources), 'source')}")
    return 1 if problems else 0


def _problems(source: dict[str, Any]) -> list[str]:
    location = source["location"]
    error = [f"{location}: {source['error']}"] if source["error"] else []
    return [*error, *(f"{location}, {bad['where']}: {bad['reason']}" for bad in source["rejected"])]
