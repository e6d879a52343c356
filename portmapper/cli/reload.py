"""`portmapper reload`: let the daemon read its settings and lists again, and report what is invalid."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from portmapper.api.command import Command
from portmapper.cli.options import add_state_option
from portmapper.cli.say import say
from portmapper.cli.targets import add_lenient_config_option, directory_of_daemon


class Reload(Command):
    """The command `reload`."""

    name = "reload"
    help = "reload the daemon's settings and lists"
    examples = ("portmapper reload",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `reload`."""
        add_lenient_config_option(parser)
        add_state_option(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Reload; return 1 if no daemon runs, or if the settings, a source or a row is invalid."""
        from portmapper.cli.progress import progress
        from portmapper.control.client import call_daemon

        with progress("reloading"):
            answer = call_daemon(directory_of_daemon(arguments), "reload", "POST")
        return _report(answer["sources"])


def _report(sources: list[dict[str, Any]]) -> int:
    from portmapper.support.text import plural, printable

    problems = [problem for source in sources for problem in _problems(source)]
    for problem in problems:
        say(f"portmapper: {printable(problem)}", sys.stderr)
    count = sum(source["mappings"] for source in sources)
    say(f"reloaded: {plural(count, 'mapping')} from {plural(len(sources), 'source')}")
    return 1 if problems else 0


def _problems(source: dict[str, Any]) -> list[str]:
    location = source["location"]
    error = [f"{location}: {source['error']}"] if source["error"] else []
    return [*error, *(f"{location}, {bad['where']}: {bad['reason']}" for bad in source["rejected"])]
