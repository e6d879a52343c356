"""`portmapper install` and `uninstall`: pip, in the very environment that runs us."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from portmapper.api.command import Command
from portmapper.api.errors import PortmapperError


class Install(Command):
    """Add plugins."""

    name = "install"
    help = "install plugins into the environment of this program"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "distribution", nargs="+", metavar="NAME", help="a distribution, a path, or what else pip takes"
        )
        parser.add_argument("-U", "--upgrade", action="store_true", help="take a newer version, too")

    def run(self, arguments: argparse.Namespace) -> int:
        """Exit status 0 when pip is content, 1 otherwise."""
        more = ["--upgrade"] if arguments.upgrade else []
        return _run([*_installer("install"), *more, *_named(arguments.distribution)])


class Uninstall(Command):
    """Remove plugins."""

    name = "uninstall"
    help = "remove plugins from the environment of this program"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("distribution", nargs="+", metavar="NAME", help="a distribution")

    def run(self, arguments: argparse.Namespace) -> int:
        """Exit status 0 when pip is content, 1 otherwise; nothing is asked."""
        if any(name.lower() == "portmapperd" for name in arguments.distribution):
            raise PortmapperError("that is this program itself; use pip to remove it")
        command = _installer("uninstall")
        yes = ["--yes"] if command[0] == sys.executable else []
        return _run([*command, *yes, *_named(arguments.distribution)])


def _installer(verb: str) -> list[str]:
    """Return the command that installs here.

    Raises:
        PortmapperError: the system's package manager owns this environment (PEP 668), or there is neither
            pip nor uv.
    """
    if sys.prefix == sys.base_prefix and _is_externally_managed():
        raise PortmapperError(
            "this environment belongs to the system's package manager; install portmapperd into a virtual "
            "environment (python3 -m venv, or pipx), and its plugins there"
        )
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", verb]
    if uv := shutil.which("uv"):
        return [uv, "pip", verb, "--python", sys.executable]
    raise PortmapperError("there is neither pip nor uv in this environment")


def _is_externally_managed() -> bool:
    return (Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED").exists()


def _named(names: Sequence[str]) -> list[str]:
    """Return the names, none of which can be an option of pip's."""
    if wrong := [name for name in names if name.startswith("-")]:
        raise PortmapperError(f"{wrong[0]!r} is no name of a distribution")
    return list(names)


def _run(command: Sequence[str]) -> int:
    try:
        return 1 if subprocess.run(command, check=False).returncode else 0
    except OSError as error:
        raise PortmapperError(f"{command[0]} cannot be run: {error.strerror}") from error
