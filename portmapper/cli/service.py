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
from portmapper.cli.say import say
from portmapper.support.secrets import mask_url

SYSTEM_UNITS = Path("/etc/systemd/system")
SYSTEM_SETTINGS = Path("/etc")
UNIT = "portmapper.service"
KINDS = ("systemd", "launchd", "windows")
OF_PLATFORM = {"darwin": "launchd", "win32": "windows"}
MARK = "# Written by 'portmapper service'"

HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""Directories that `ProtectHome=` and `PrivateTmp=` hide from the service."""

_PLAIN = re.compile(r"[A-Za-z0-9_./:@?=&+,~-]+\Z")


class Service(Command):
    """The command `service`."""

    name = "service"
    help = "print or install a unit file for systemd, launchd or Windows"
    examples = (
        "portmapper service print",
        "sudo portmapper service install --list /etc/portmapper/ports.csv",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `service`."""
        parser.add_argument(
            "action", choices=("print", "install", "uninstall"), help="install and uninstall are for systemd"
        )
        parser.add_argument("kind", nargs="?", choices=KINDS, help="default: that of this system")
        parser.add_argument(
            "--user", action="store_true", help="for your user's service manager instead of the system's"
        )
        parser.add_argument(
            "--config",
            dest="settings",
            metavar="FILE",
            help="the settings file (default: /etc/portmapper/portmapper.toml, with --user in your "
            "configuration directory)",
        )
        parser.add_argument(
            "-f",
            "--list",
            "--file",
            dest="list",
            action="append",
            default=[],
            metavar="FILE",
            help="a list: a path or a URL; replaces the lists in the settings; may be repeated",
        )

    def run(self, arguments: argparse.Namespace) -> int:
        """Print, install or remove the unit."""
        arguments.kind = arguments.kind or OF_PLATFORM.get(sys.platform, "systemd")
        if arguments.kind != "systemd":
            return _print_other(arguments)
        if arguments.action == "uninstall":
            _uninstall(arguments.user)
            return 0
        settings, lists = _settings(arguments), _absolute(arguments.list)
        program = _program()
        problem = "" if arguments.user else _hidden_path([program[0], str(settings), *lists])
        unit = _systemd(program, settings, lists, arguments.user)
        if arguments.action == "install":
            if problem:
                raise UsageError(problem)
            _install(unit, arguments.user)
            _write_first_settings(settings, lists)
            return 0
        print(unit, end="")
        if problem:
            say(f"portmapper: warning: {problem}", sys.stderr)
        return 0


def _print_other(arguments: argparse.Namespace) -> int:
    if arguments.action != "print":
        raise UsageError(
            f"{arguments.action} works with systemd only; use 'portmapper service print {arguments.kind}'"
        )
    lists = _absolute(arguments.list)
    command = [*_program(), *_run_words(_settings(arguments), lists)]
    print(_launchd(command, arguments.user) if arguments.kind == "launchd" else _windows(command))
    return 0


def _run_words(settings: Path | str, lists: list[str]) -> list[str]:
    return ["run", "--config", str(settings), *(word for source in lists for word in ("--file", source))]


def _program() -> list[str]:
    script = Path(sys.executable).with_name("portmapper.exe" if sys.platform == "win32" else "portmapper")
    return [str(script)] if script.exists() else [sys.executable, "-m", "portmapper.cli.main"]


def _absolute(lists: list[str]) -> list[str]:
    from portmapper.pluginhost.manager import load_plugins
    from portmapper.sources.open_source import is_path

    if "-" in lists:
        raise UsageError("a service has no standard input: specify a file or a URL")
    for location in lists:
        if mask_url(location) != location:
            raise UsageError(
                f"{mask_url(location)} has a secret, and every user can read a service definition: "
                "write the URL in the settings file"
            )
    kinds = load_plugins().sources if lists else ()
    return [os.path.abspath(source) if is_path(source, kinds) else source for source in lists]


def _settings(arguments: argparse.Namespace) -> Path | str:
    if arguments.settings:
        return Path(arguments.settings).absolute()
    if arguments.kind == "windows":
        return r"C:\ProgramData\portmapper\portmapper.toml"
    base = SYSTEM_SETTINGS
    if arguments.user:
        is_macos = arguments.kind == "launchd"
        base = Path.home() / "Library" / "Application Support" if is_macos else _user_configuration()
    return base / "portmapper" / "portmapper.toml"


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


def _systemd(program: list[str], settings: Path | str, lists: list[str], for_user: bool) -> str:
    template = _template("user.service" if for_user else "system.service")
    # The daemon's own `reload` waits until it is done, and reports invalid settings to systemd.
    commands = {
        "@COMMAND@": [*program, *_run_words(settings, lists)],
        "@RELOAD@": [*program, "reload", "--config", str(settings)],
    }
    for mark, words in commands.items():
        template = template.replace(mark, " ".join(_systemd_word(word) for word in words))
    return template


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


def _unit_path(for_user: bool) -> Path:
    """Return the path of the unit.

    Raises:
        PortmapperError: another program wrote the file there.
    """
    path = (_user_configuration() / "systemd" / "user" if for_user else SYSTEM_UNITS) / UNIT
    try:
        if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(MARK):
            raise PortmapperError(f"{path} was not written by portmapper; remove it first")
    except OSError as error:
        raise PortmapperError(f"cannot read {path}: {error.strerror}") from error
    return path


def _install(unit: str, for_user: bool) -> None:
    """Write the unit; never replace a unit that portmapper did not write.

    Raises:
        PortmapperError: the file cannot be written, or another program wrote it.
    """
    path = _unit_path(for_user)
    _write(path, unit)
    _systemctl(for_user, "daemon-reload")
    say(f"wrote {path}")
    say(f"To start it now and at every boot: {' '.join(_manager(for_user))} enable --now portmapper")


def _write_first_settings(settings: Path | str, lists: list[str]) -> None:
    """Write the settings file and the list that the unit uses, unless they exist."""
    path = Path(settings)
    if path.exists():
        return
    if not lists:
        _write_if_missing(path.with_name("ports.csv"), "port;protocol;comment\n")
    _write_if_missing(path, "# 'portmapper init' shows every setting.\n" + 'sources = ["ports.csv"]\n')


def _write_if_missing(path: Path, text: str) -> None:
    if not path.exists():
        _write(path, text)
        say(f"wrote {path}")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PortmapperError(f"cannot write {path}: {error.strerror}") from error


def _uninstall(for_user: bool) -> None:
    """Stop the service and remove its unit; settings, lists and leases stay.

    Raises:
        PortmapperError: there is no unit, it cannot be removed, or another program wrote it.
    """
    path = _unit_path(for_user)
    if not path.exists():
        raise PortmapperError(f"the service is not installed: {path} does not exist")
    _systemctl(for_user, "disable", "--now", "portmapper")
    try:
        path.unlink()
    except OSError as error:
        raise PortmapperError(f"cannot remove {path}: {error.strerror}") from error
    _systemctl(for_user, "daemon-reload")
    say(f"removed {path}; settings, lists and leases are still there")


def _manager(for_user: bool) -> list[str]:
    return ["systemctl", "--user"] if for_user else ["systemctl"]


def _systemctl(for_user: bool, *words: str) -> None:
    if shutil.which("systemctl") and Path("/run/systemd/system").exists():
        subprocess.run([*_manager(for_user), *words], check=False)
