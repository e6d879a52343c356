"""`portmapper hooks test NAME`: run a hook of the settings file once, with a made-up event."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from portmapper.api.command import Command
from portmapper.api.errors import UsageError, quoted
from portmapper.cli.options import add_config_option, add_log_options, add_plugin_option, configure_logging
from portmapper.cli.say import say

if TYPE_CHECKING:
    from portmapper.api.events import Observer
    from portmapper.api.runs_hooks import RunsHooks


class Hooks(Command):
    """The command `hooks`."""

    name = "hooks"
    help = "run a hook of the settings file, to test it"
    examples = ("portmapper hooks test client",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the action, the name and the options."""
        parser.add_argument("action", choices=["test"], help="what to do")
        parser.add_argument("hook", metavar="NAME", help="the key name of a [[hook]] or [[webhook]]")
        add_config_option(parser)
        add_plugin_option(parser)
        add_log_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the hook; return 1 if it fails."""
        import asyncio
        import sys

        from portmapper.cli.run_config import observers_of
        from portmapper.pluginhost.manager import load_plugins
        from portmapper.support.text import printable

        configure_logging(arguments, "error")
        observers = observers_of(load_plugins(arguments.disable_plugin), arguments.settings_file)
        problem = asyncio.run(_test(observers, arguments.hook))
        name = printable(arguments.hook)
        if problem:
            say(f"portmapper: hook {name} failed: {printable(problem)}", sys.stderr)
            return 1
        print(f"hook {name} succeeded")
        return 0


def running_hooks(observers: Iterable[Observer]) -> list[RunsHooks]:
    """Return the observers that run hooks."""
    from portmapper.api.runs_hooks import RunsHooks

    return [observer for observer in observers if isinstance(observer, RunsHooks)]


def missing_programs(observers: Iterable[Observer]) -> list[str]:
    """Return one line for each hook whose program is missing."""
    return [
        f"hook {name}: there is no program {program}"
        for runner in running_hooks(observers)
        for name, program in runner.missing_programs().items()
    ]


async def _test(observers: list[Observer], name: str) -> str:
    from portmapper.api.runs_hooks import RunsHooks
    from portmapper.api.suggestions import nearest

    runners = running_hooks(observers)
    known = [each for runner in runners for each in runner.hook_names()]
    if name not in known:
        hint = nearest(name, tuple(known)) if known else ": the settings file has no hooks"
        raise UsageError(f"no hook is named {quoted(name)}{hint}")
    try:
        problems = [await runner.test_hook(name) for runner in runners if name in runner.hook_names()]
    finally:
        for observer in observers:
            if isinstance(observer, RunsHooks):
                await observer.close()
    return "; ".join(filter(None, problems))
