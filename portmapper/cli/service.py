"""`portmapper service`: print or install service definitions for systemd, launchd and Windows."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from portmapper.api.command import Command
from portmapper.api.errors import PortmapperError, UsageError

SYSTEM_UNITS = Path("/etc/systemd/system")
UNIT = "portmapper.service"
KINDS = ("systemd", "launchd", "windows")
MARK = "# Written by 'portmapper service'"

HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""Directories that `ProtectHome=` and `PrivateTmp=` hide from the service."""

_PLAIN = re.compile(r"[A-Za-z0-9_./:@?=&+,~-]+\Z")


class Service(Command):
    """The command `service`."""

    name = "service"
    help = "print or install a unit file for systemd, launchd or Windows"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `service`."""
        parser.add_argument("action", choices=("print", "install"), help="install works with systemd only")
        parser.add_argument("kind", nargs="?", choices=KINDS, default="systemd", help="default systemd")
        parser.add_argument(
            "--user", action="store_true", help="for your user's service manager instead of the system's"
        )
        parser.add_argument(
            "-f",
            "--file",
            action="append",
            default=[],
            metavar="SOURCE",
            help="the list: a path or a URL; may be repeated (default: portmapper/ports.csv in the system's "
            "configuration directory, with --user in yours)",
        )

    def run(self, arguments: argparse.Namespace) -> int:
        """Print or install the unit."""
        sources = [_absolute(source) for source in arguments.file] or [_default_source(arguments)]
        command = [*_program(), "run", *(word for source in sources for word in ("--file", source))]
        if arguments.kind != "systemd":
            if arguments.action == "install":
                raise UsageError(
                    f"install works with systemd only; use 'portmapper service print {arguments.kind}'"
                )
            print(_launchd(command, arguments.user) if arguments.kind == "launchd" else _windows(command))
            return 0
        problem = "" if arguments.user else _hidden_path([command[0], *sources])
        unit = _systemd(command, arguments.user)
        if arguments.action == "install":
            if problem:
                raise UsageError(problem)
            _install(unit, arguments.user)
            return 0
        print(unit, end="")
        if problem:
            print(f"portmapper: warning: {problem}", file=sys.stderr)
        return 0


def _program() -> list[str]:
    script = Path(sys.executable).with_name("portmapper.exe" if sys.platform == "win32" else "portmapper")
    return [str(script)] if script.exists() else [sys.executable, "-m", "portmapper.cli.main"]


def _absolute(source: str) -> str:
    if source == "-":
        raise UsageError("a service has no standard input: specify a file or a URL")
    return source if "://" in source else os.path.abspath(source)


def _default_source(arguments: argparse.Namespace) -> str:
    if arguments.kind == "windows":
        return r"C:\ProgramData\portmapper\ports.csv"
    return str((_user_configuration() if arguments.user else Path("/etc")) / "portmapper" / "ports.csv")


def _user_configuration() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _hidden_path(paths: list[str]) -> str:
    """Return an error message if the hardened system unit hides one of the paths from the service."""
    for path in paths:
        for directory in HIDDEN:
            if Path(path).is_relative_to(directory):
                return f"the service cannot see {path}: the unit hides {directory}; use /opt or /etc"
    return ""


def _template(name: str) -> str:
    return (Path(__file__).with_name("units") / name).read_text(encoding="utf-8")


def _systemd(command: list[str], for_user: bool) -> str:
    template = _template("user.service" if for_user else "system.service")
    return template.replace("@COMMAND@", " ".join(_systemd_word(word) for word in command))


def _systemd_word(word: str) -> str:
    """Quote a word by the rules of systemd.service(5)."""
    if any(ord(character) < 32 for character in word):
        raise UsageError(f"a unit file cannot contain {word!r}: it has control characters")
    if _PLAIN.match(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _launchd(command: list[str], for_user: bool) -> str:
    import plistlib

    logs = Path.home() / "Library" / "Logs" if for_user else Path("/var/log")
    plist = {
        "Label": "portmapper",
        "ProgramArguments": command,
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "StandardErrorPath": str(logs / "portmapper.log"),
        "ProcessType": "Background",
        "Umask": 0o077,
    }
    return plistlib.dumps(plist, sort_keys=False).decode().rstrip()


def _windows(command: list[str]) -> str:
    arguments = [*command[1:], "--state-dir", r"C:\ProgramData\portmapper"]
    words = {"@PROGRAM@": command[0], "@ARGUMENTS@": subprocess.list2cmdline(arguments)}
    text = _template("windows.ps1").rstrip()
    for mark, value in words.items():
        text = text.replace(mark, value.replace("'", "''"))
    return text


def _install(unit: str, for_user: bool) -> None:
    """Write the unit; never replace a unit that portmapper did not write.

    Raises:
        PortmapperError: the file cannot be written, or another program wrote it.
    """
    path = (_user_configuration() / "systemd" / "user" if for_user else SYSTEM_UNITS) / UNIT
    try:
        if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(MARK):
            raise PortmapperError(f"{path} was not written by portmapper; remove it first")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(unit, encoding="utf-8")
    except OSError as error:
        raise PortmapperError(f"cannot write {path}: {error.strerror}") from error
    systemctl = ["systemctl", "--user"] if for_user else ["systemctl"]
    if shutil.which("systemctl") and Path("/run/systemd/system").exists():
        subprocess.run([*systemctl, "daemon-reload"], check=False)
    print(f"wrote {path}. To start it now and at every boot: {' '.join(systemctl)} enable --now portmapper")
