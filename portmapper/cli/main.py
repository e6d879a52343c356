"""Finds the verb, runs it, and turns what goes wrong into one line and an exit status."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from portmapper import __version__

if TYPE_CHECKING:
    import argparse

    from portmapper.api.command import Command

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "run": ("portmapper.cli.run:Run", "keep the ports of a list open"),
        "status": ("portmapper.cli.status:Status", "show what the daemon keeps open"),
        "history": (
            "portmapper.cli.history:History",
            "show what was opened, changed and closed, when and why",
        ),
        "discover": ("portmapper.cli.discover:Discover", "show the gateways that answer"),
        "list": ("portmapper.cli.list:List", "show what is open on the gateway, by its own table"),
        "open": ("portmapper.cli.open:Open", "open single ports until they are closed"),
        "close": ("portmapper.cli.close:Close", "close single ports, or what nobody answers for"),
        "doctor": ("portmapper.cli.doctor:Doctor", "find out why a port is not open, and what to do"),
        "check": ("portmapper.cli.check:Check", "read sources and report, without touching a gateway"),
        "init": (
            "portmapper.cli.init:Init",
            "write a settings file, after asking the gateway what it can do",
        ),
        "convert": ("portmapper.cli.convert:Convert", "write a list of one format in another"),
        "service": (
            "portmapper.cli.service:Service",
            "print or install a unit file for systemd, launchd or Windows",
        ),
        "plugins": (
            "portmapper.cli.plugins:ListPlugins",
            "show the plugins and what they provide, or begin a new one",
        ),
        "install": (
            "portmapper.cli.install:Install",
            "install plugins into the environment of this program",
        ),
        "uninstall": (
            "portmapper.cli.install:Uninstall",
            "remove plugins from the environment of this program",
        ),
        "completion": (
            "portmapper.cli.completion:Completion",
            "print a completion script for bash, zsh or fish",
        ),
    }
)
"""Our own verbs: where each lives, and one line of help, so that neither costs an import."""

EXIT_STATUS = {"UsageError": 2, "SourceError": 2, "NoGateway": 3, "AlreadyRunning": 4}
FORCED = 130

COLLECT_AFTER = 100_000
"""New objects until garbage is looked for. A start makes up to 75 thousand, with UPnP, nearly all to stay:
with Python's own 700 it would be looked through a hundred times in vain."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _run(words)
        # Here, where a reader that has left can still be told from a bug.
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return FORCED
    except BrokenPipeError:
        # Whoever read our output has left; a second complaint at interpreter exit helps nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _failed(error)


def entry() -> NoReturn:
    """Be the console script.

    The interpreter is not taken down: to free every object takes 50 ms, a fifth of a whole `run --oneshot`.
    And where a call is still under way in a thread of its own (`portmapper.support.threads`), an import that
    is in the midst of a C extension then would crash.
    """
    gc.set_threshold(COLLECT_AFTER)
    status = main()
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _run(words: list[str]) -> int:
    if words[:1] in (["--version"], ["-V"]):
        print(f"portmapper {__version__}")
        return 0
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else 2
    if words[0].startswith("-"):
        # Options without a verb are upnp-daemon's way; its unit files go on working.
        words = ["run", *words]
    return _run_command(_command(words[0]), words[1:])


def _run_command(command: Command, words: list[str]) -> int:
    import argparse

    parser = argparse.ArgumentParser(
        prog=f"portmapper {command.name}", description=f"{command.help[:1].upper()}{command.help[1:]}."
    )
    command.add_arguments(parser)
    arguments = _parse(parser, words)
    if "config" in arguments:
        from portmapper.cli.defaults import settle

        settle(arguments)
    return command.run(arguments)


def _parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    try:
        return parser.parse_intermixed_args(words)
    except TypeError:
        # A plugin's command with subcommands: argparse cannot mix options among those.
        return parser.parse_args(words)


def _command(name: str) -> Command:
    if name in COMMANDS:
        return imported(COMMANDS[name][0])()
    from portmapper.pluginhost.manager import load_plugins

    added = {command.name: command for command in load_plugins().commands}
    if name in added:
        return added[name]()
    raise _unknown(name, [*COMMANDS, *added])


def imported(where: str) -> type[Command]:
    """Return the command at `module:class`."""
    import importlib

    module, _, name = where.partition(":")
    command: type[Command] = getattr(importlib.import_module(module), name)
    return command


def _unknown(name: str, known: Sequence[str]) -> Exception:
    import difflib

    from portmapper.api.errors import UsageError

    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else "; see 'portmapper --help'"
    return UsageError(f"there is no command {name!r}{hint}")


def _overview() -> str:
    from portmapper.pluginhost.manager import load_plugins

    lines = {name: help_line for name, (_, help_line) in COMMANDS.items()}
    lines.update({command.name: command.help for command in load_plugins().commands})
    verbs = "\n".join(f"  {name:<12} {help_line}" for name, help_line in lines.items())
    return (
        "usage: portmapper COMMAND [OPTION]...\n\n"
        "Keeps ports open on the NAT gateway in front of you, over PCP, NAT-PMP and UPnP IGD.\n\n"
        f"commands:\n{verbs}\n\n"
        "options:\n  -h, --help     show this, or with a command: its options\n"
        "  -V, --version  show the version\n\n"
        "example:\n  portmapper run ports.csv"
    )


def _failed(error: Exception) -> int:
    from portmapper.api.errors import PortmapperError

    if isinstance(error, PortmapperError):
        _complain(str(error))
        return next((EXIT_STATUS[c.__name__] for c in type(error).__mro__ if c.__name__ in EXIT_STATUS), 1)
    if os.environ.get("PORTMAPPER_LOG", "").lower() == "debug":
        raise error
    _complain(f"internal error: {type(error).__name__}: {error} (PORTMAPPER_LOG=debug shows where)")
    return 1


def _complain(message: str) -> None:
    from portmapper.support.text import printable

    print(f"portmapper: {printable(message)}", file=sys.stderr)


if __name__ == "__main__":
    entry()
