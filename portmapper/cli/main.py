"""Entry point: finds and runs the command, and turns an error into one line and an exit status."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import os
import sys
from types import MappingProxyType

from portmapper import __version__
from portmapper.cli.streams import make_streams_safe
from portmapper.support.bounded_time import bound_time
from portmapper.support.shortage import is_shortage

# `typing` takes a fifth of the time of `status`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn

    from portmapper.api.command import Command

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "run": ("portmapper.cli.run:Run", "keep the ports of a list open"),
        "status": ("portmapper.cli.status:Status", "show the mappings that the daemon keeps open"),
        "stop": ("portmapper.cli.stop:Stop", "stop the daemon; its ports stay open until their leases end"),
        "reload": ("portmapper.cli.reload:Reload", "reload the daemon's settings and lists"),
        "history": (
            "portmapper.cli.history:History",
            "show what was opened, changed and closed, when and why",
        ),
        "health": ("portmapper.cli.health:Health", "exit with 0 if the daemon works, else with 1"),
        "web": (
            "portmapper.cli.web:Web",
            "create and revoke tokens for the web interface and the HTTP API",
        ),
        "discover": ("portmapper.cli.discover:Discover", "show the gateways that answer"),
        "address": ("portmapper.cli.address:Address", "print only the external address"),
        "list": ("portmapper.cli.list:List", "show the mappings in the gateway's table"),
        "open": ("portmapper.cli.open:Open", "open single ports until they are closed"),
        "presets": (
            "portmapper.cli.presets:Presets",
            "show the programs whose ports 'open' knows by name",
        ),
        "close": ("portmapper.cli.close:Close", "close single ports, or all stale mappings"),
        "pause": ("portmapper.cli.pause:Pause", "close rows of a list until they are resumed"),
        "resume": ("portmapper.cli.pause:Resume", "open rows again that were paused"),
        "doctor": ("portmapper.cli.doctor:Doctor", "find out why a port is not open, and what to do"),
        "probe": ("portmapper.cli.probe:Probe", "check whether ports are reachable from outside"),
        "check": (
            "portmapper.cli.check:Check",
            "read the sources and report errors, without contacting a gateway",
        ),
        "hooks": ("portmapper.cli.hooks:Hooks", "run a hook of the settings file, to test it"),
        "init": ("portmapper.cli.init:Init", "query the gateway and write a settings file"),
        "convert": ("portmapper.cli.convert:Convert", "convert a list to another format"),
        "service": (
            "portmapper.cli.service:Service",
            "print or install a unit file for systemd, launchd or Windows",
        ),
        "plugins": (
            "portmapper.cli.plugins:ListPlugins",
            "show the plugins and what they provide, or create a new one",
        ),
        "install": (
            "portmapper.cli.install:Install",
            "install plugins into portmapper's environment",
        ),
        "uninstall": (
            "portmapper.cli.install:Uninstall",
            "remove plugins from portmapper's environment",
        ),
        "completion": (
            "portmapper.cli.completion:Completion",
            "print a completion script for bash, zsh or fish",
        ),
        "version": ("portmapper.cli.version:Version", "print the version"),
    }
)
"""Built-in commands: class and help line, so that the overview imports no command."""

EXIT_STATUS = {"UsageError": 2, "SourceError": 2, "NoGateway": 3, "AlreadyRunning": 4, "LeadershipLost": 5}
INTERRUPTED = 130

QUICK: Mapping[str, str] = MappingProxyType(
    {
        "status": "portmapper.cli.quick_status:quick_status",
        "open": "portmapper.cli.quick_open:quick_open",
        "close": "portmapper.cli.quick_requests:quick_close",
        "pause": "portmapper.cli.quick_requests:quick_pause",
        "resume": "portmapper.cli.quick_requests:quick_resume",
    }
)
"""Functions that do without the full command in the usual cases, and else return None."""

GC_THRESHOLD = 100_000
"""New objects between two garbage collections during startup. A start creates up to 75,000 objects with UPnP,
nearly all long-lived: with Python's default of 700, about a hundred collections would find nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _run(words)
        # Flush here, where a closed pipe is handled below and not reported as a bug.
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if _is_closed_pipe(error):
            _discard_output()
            return 1
        return _report(error)


def entry() -> NoReturn:
    """Run as the console script.

    Exit without finalizing the interpreter. Freeing every object takes 50 ms, a fifth of a whole
    `run --oneshot`. Also, finalizing crashes if a thread of `portmapper.support.threads` is still importing a
    C extension.
    """
    gc.set_threshold(GC_THRESHOLD)
    bound_time()
    make_streams_safe()
    status = main()
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _is_closed_pipe(error: Exception) -> bool:
    """Return whether the reader of our output is gone, which Windows reports as an invalid argument."""
    if sys.platform == "win32" and isinstance(error, OSError):
        return error.errno == errno.EINVAL and error.filename is None
    return isinstance(error, BrokenPipeError)


def _discard_output() -> None:
    """Redirect the output, or the flush at interpreter exit fails again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: list[str]) -> int:
    if words[:1] in (["--version"], ["-V"]):
        print(f"portmapper {__version__}")
        return 0
    if words[:1] == ["help"] and words[1:]:
        words = [words[1], "--help"]
    if not words or words[0] in ("-h", "--help", "help"):
        from portmapper.support.fitted import fitted, width_of

        print(fitted(_overview(), width_of(sys.stdout), indent=13))
        return 0 if words else 2
    if words[0].startswith("-"):
        # upnp-daemon has no commands: its unit files, which only pass options, keep working.
        words = ["run", *words]
    if words[0] in QUICK:
        quick: Callable[[Sequence[str]], int | None] = _load(QUICK[words[0]])
        status = quick(words[1:])
        if status is not None:
            return status
    if words[0] == "run":
        # It may run for months: what it does not load at startup, it does not hold in memory.
        from portmapper.support.late_tls import import_asyncio

        import_asyncio()
    return _run_command(_command(words[0]), words[1:])


def _run_command(command: Command, words: list[str]) -> int:
    from portmapper.api.command import build_parser
    from portmapper.cli.argument_parser import Parser, parse

    arguments = parse(build_parser(command, Parser), words)
    if "config" in arguments:
        _apply_settings(command, arguments)
    return command.run(arguments)


def _apply_settings(command: Command, arguments: argparse.Namespace) -> None:
    from portmapper.api.errors import PortmapperError
    from portmapper.cli.defaults import apply_settings

    try:
        apply_settings(arguments)
    except PortmapperError as error:
        # Only `doctor` has this method: it can report invalid settings.
        report = getattr(command, "report_invalid_settings", None)
        if report is not None:
            report(arguments, error)
        raise


def _command(name: str) -> Command:
    if name in COMMANDS:
        return load_command(COMMANDS[name][0])()
    from portmapper.pluginhost.manager import load_plugins

    from_plugins = {command.name: command for command in load_plugins().commands}
    if name in from_plugins:
        return with_options_of_run(from_plugins[name]())
    raise _unknown_command(name, [*COMMANDS, *from_plugins])


def with_options_of_run(command: Command) -> Command:
    """Complete a command that runs the daemon."""
    from portmapper.api.daemon_command import DaemonCommand

    if not isinstance(command, DaemonCommand):
        return command
    completed: Callable[[Command], Command] = load_command("portmapper.cli.run_parts:RunWithParts")
    return completed(command)


def load_command(path: str) -> type[Command]:
    """Import the command at the path `module:class`."""
    command: type[Command] = _load(path)
    return command


def _load(path: str) -> Any:
    import importlib

    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _unknown_command(name: str, known: Sequence[str]) -> Exception:
    import difflib

    from portmapper.api.errors import UsageError

    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else "; see 'portmapper --help'"
    return UsageError(f"there is no command {name!r}{hint}")


def _overview() -> str:
    from portmapper.pluginhost.manager import load_plugins

    lines = {name: help_line for name, (_, help_line) in COMMANDS.items()}
    lines.update({command.name: command.help for command in load_plugins().commands})
    commands = "\n".join(f"  {name:<12} {help_line}" for name, help_line in lines.items())
    return (
        "usage: portmapper COMMAND [OPTION]...\n\n"
        "Keeps ports open on your NAT gateway, over PCP, NAT-PMP and UPnP IGD.\n\n"
        f"commands:\n{commands}\n\n"
        "options:\n  -h, --help     show this help; 'help COMMAND' shows a command's options\n"
        "  -V, --version  show the version\n\n"
        "examples:\n  portmapper open 8080\n  portmapper run ports.csv"
    )


def _report(error: Exception) -> int:
    """Print the error and return its exit status."""
    if is_shortage(error):
        # Without an import: it would fail, too.
        reason = getattr(error, "strerror", None) or "no memory left"
        sys.stderr.write(
            f"portmapper: cannot start: {reason}. Free some, or raise the limit, then try again\n"
        )
        return 1
    from portmapper.api.errors import PortmapperError

    if isinstance(error, PortmapperError):
        _print_error(str(error))
        return next((EXIT_STATUS[c.__name__] for c in type(error).__mro__ if c.__name__ in EXIT_STATUS), 1)
    if os.environ.get("PORTMAPPER_LOG", "").lower() == "debug":
        raise error
    from portmapper.support.reasons import plain_reason

    kind = "the system refused a call" if isinstance(error, OSError) else "internal error"
    _print_error(f"{kind}: {plain_reason(error)} (PORTMAPPER_LOG=debug shows where)")
    return 1


def _print_error(message: str) -> None:
    from portmapper.cli.say import say
    from portmapper.support.text import printable

    say(f"portmapper: {printable(message)}", sys.stderr)


if __name__ == "__main__":
    entry()
