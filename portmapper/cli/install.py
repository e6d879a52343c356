"""`portmapper install` and `uninstall`: run pip in the environment that portmapper runs in."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from portmapper.api.command import Command
from portmapper.api.errors import PortmapperError

PROGRAM = "portmapperd"
"""The distribution of this program."""


class Install(Command):
    """The command `install`."""

    name = "install"
    help = "install plugins into portmapper's environment"
    examples = ("portmapper install portmapper-docker",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `install`."""
        parser.add_argument(
            "distribution",
            nargs="+",
            metavar="NAME",
            help="a distribution, a path, or any other requirement that pip accepts",
        )
        parser.add_argument("-U", "--upgrade", action="store_true", help="upgrade to the newest version")

    def run(self, arguments: argparse.Namespace) -> int:
        """Install with pip or uv; return 0 if it succeeds, otherwise 1."""
        names = _checked(arguments.distribution)
        upgrade = ["--upgrade"] if arguments.upgrade else []
        _refuse_uv_tool(added=names)
        if _is_pipx():
            return _run(["pipx", "inject", *(["--force"] if upgrade else []), PROGRAM, *names])
        return _run([*_installer("install"), *upgrade, *names])


class Uninstall(Command):
    """The command `uninstall`."""

    name = "uninstall"
    help = "remove plugins from portmapper's environment"
    examples = ("portmapper uninstall portmapper-docker",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of `uninstall`."""
        parser.add_argument("distribution", nargs="+", metavar="NAME", help="a distribution")

    def run(self, arguments: argparse.Namespace) -> int:
        """Uninstall without confirmation; return 0 if it succeeds, otherwise 1."""
        if any(name.lower() == PROGRAM for name in arguments.distribution):
            raise PortmapperError("portmapperd is this program itself; use pip to remove it")
        _refuse_uv_tool(removed=arguments.distribution)
        if _is_pipx():
            return _run(["pipx", "uninject", PROGRAM, *_checked(arguments.distribution)])
        command = _installer("uninstall")
        yes = ["--yes"] if command[0] == sys.executable else []
        return _run([*command, *yes, *_checked(arguments.distribution)])


def _is_pipx() -> bool:
    """Return whether pipx made this environment; it forgets packages that pip adds."""
    return (Path(sys.prefix) / "pipx_metadata.json").exists()


def _refuse_uv_tool(added: Sequence[str] = (), removed: Sequence[str] = ()) -> None:
    """Print the command for an environment of `uv tool`, which uv rebuilds from the given packages.

    Raises:
        PortmapperError: `uv tool` made this environment.
    """
    receipt = Path(sys.prefix) / "uv-receipt.toml"
    if receipt.exists():
        kept = [name for name in _listed_by_uv(receipt) if name not in {*added, *removed}]
        options = [f"--with {shlex.quote(name)}" for name in (*kept, *added)]
        command = " ".join(["uv tool install", *options, PROGRAM])
        raise PortmapperError(f"'uv tool' manages this environment; run: {command}")


def _listed_by_uv(receipt: Path) -> list[str]:
    """Return the plugins in this environment: uv removes those that the next command does not name."""
    try:
        requirements = tomllib.loads(receipt.read_text("utf-8"))["tool"]["requirements"]
        return [_where_from(entry) for entry in requirements if entry["name"] != PROGRAM]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _where_from(entry: Mapping[str, str]) -> str:
    places = (entry[key] for key in ("editable", "directory", "path", "url") if key in entry)
    return next(places, entry["name"])


def _installer(verb: str) -> list[str]:
    """Return the command line that runs pip or uv for this environment.

    Raises:
        PortmapperError: the system's package manager owns this environment (PEP 668), or it has neither pip
            nor uv.
    """
    if sys.prefix == sys.base_prefix and _is_externally_managed():
        raise PortmapperError(
            "the system's package manager owns this environment; install portmapperd and its plugins into a "
            "virtual environment (python3 -m venv, or pipx)"
        )
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", verb]
    if uv := shutil.which("uv"):
        return [uv, "pip", verb, "--python", sys.executable]
    raise PortmapperError("this environment has neither pip nor uv")


def _is_externally_managed() -> bool:
    return (Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED").exists()


def _checked(names: Sequence[str]) -> list[str]:
    """Return the names; reject one that pip would read as an option."""
    if options := [name for name in names if name.startswith("-")]:
        raise PortmapperError(f"{options[0]!r} is not a distribution name")
    return list(names)


def _run(command: Sequence[str]) -> int:
    try:
        return 1 if subprocess.run(command, check=False).returncode else 0
    except OSError as error:
        raise PortmapperError(f"{command[0]} cannot be run: {error.strerror}") from error
