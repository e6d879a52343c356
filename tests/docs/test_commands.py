"""Every command in the README and on the pages works."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from portmapper.cli.main import main
from portmapper.config.loader import read_settings
from portmapper.pluginhost.manager import load_plugins

if TYPE_CHECKING:
    import argparse

    Blocks = Mapping[str, list[Any]]
    Parsers = Mapping[str, argparse.ArgumentParser]
    Shell = Callable[..., subprocess.CompletedProcess[str]]

LANGUAGES = ("sh", "console", "bash")
LISTS = ("csv", "json", "toml")

SETUP_COMMANDS = (
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/portmapper demo",
    "python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox",
)

OTHER_PROGRAMS = {
    "python3 -m venv .venv": "the tests already run in an environment",
    ".venv/bin/pip install": "the tests already run in an environment; CI installs from a fresh clone",
    ".venv/bin/nox": "runs these tests",
    "docker ": "needs a container engine",
    "openssl ": "writes a random token",
    "curl ": "the tests of the control socket cover it",
}
"""Commands of other programs, with the reason why these tests do not run them."""

NOT_RUN_WITH = {
    "--daemon": "detaches, so the test could not stop it",
    "--family": "requests IPv6, which the software gateway does not support at an IPv4 address",
    "[fe80::1%eth0]": "names a router on an interface that does not exist here",
}
"""Options of commands that are only parsed and not run, with the reason."""

GATEWAY_COMMANDS = ("run", "discover", "doctor", "list", "open", "close")
"""Commands that contact a gateway."""

LOCAL_COMMANDS = ("check", "convert", "plugins", "service", "demo")


def _lines(blocks: Blocks) -> Iterator[tuple[str, int, str]]:
    """Yield the page, the line and the text of each command; split chains at `&&`."""
    for page, found in blocks.items():
        for block in found:
            if block.language not in LANGUAGES:
                continue
            for number, line in enumerate(block.body.splitlines(), block.line + 1):
                for command in line.removeprefix("$ ").split("&&"):
                    if command.strip() and not command.startswith("#"):
                        yield page, number, command.strip()


def _words(command: str) -> list[str] | None:
    """Return the arguments of a portmapper command; None for other programs."""
    words = shlex.split(command)
    if words[0] not in ("portmapper", ".venv/bin/portmapper"):
        return None
    return words[1 : words.index("<")] if "<" in words else words[1:]


@pytest.fixture
def lists(tmp_path: Path, free_port: Callable[[], int]) -> Path:
    """Write the lists that the pages use, with a port that the simulator can open."""
    port = free_port()
    (tmp_path / "ports.csv").write_text(f"port;protocol;comment\n{port};tcp;web server\n")
    (tmp_path / "ports.json").write_text(f'[{{"port": {port}, "protocol": "tcp"}}]\n')
    for name in ("ports.toml", "portmapper.toml"):
        (tmp_path / name).write_text(f'[[mapping]]\nport = {port}\nprotocol = "tcp"\n')
    return tmp_path


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[str]:
    """Run the software gateway and yield its URL."""
    ports = ("--pcp-port", "0", "--http-port", "0", "--ssdp-port", "0", "--external-host", "127.0.0.1")
    command = [sys.executable, "-m", "portmapper.cli.main", "simulate", *ports, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as gateway:
        assert gateway.stdout is not None
        try:
            yield json.loads(gateway.stdout.readline())["location"]
        finally:
            gateway.terminate()


def test_the_readme_has_the_setup_commands(root: Path) -> None:
    """The README has exactly two setup commands, and CI runs the second one as written."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^python3 .*$", readme, re.MULTILINE)
    assert shown == list(SETUP_COMMANDS)


def test_every_command_is_parsed(blocks: Blocks, parsers: Parsers) -> None:
    """Each command, option and value on the pages exists."""
    for page, line, command in _lines(blocks):
        words = _words(command)
        if words is None:
            assert command.startswith(tuple(OTHER_PROGRAMS)), (
                f"{page}:{line}: {command}: add a reason to OTHER_PROGRAMS"
            )
            continue
        if words and words[0].startswith("-"):
            words = ["run", *words]
        try:
            parsers[words[0]].parse_args(words[1:])
        except (KeyError, SystemExit):
            pytest.fail(f"{page}:{line}: {command}: unknown command or option")


def test_local_commands_work(blocks: Blocks, shell: Shell, lists: Path) -> None:
    """Each command that contacts no gateway succeeds as written."""
    shown = {command for _, _, command in _lines(blocks) if (_words(command) or [""])[0] in LOCAL_COMMANDS}
    assert shown
    for command in sorted(shown):
        result = shell(command.replace(".venv/bin/", ""))
        assert result.returncode == 0, f"{command}: {result.stderr}"


def test_gateway_commands_work(
    blocks: Blocks, shell: Shell, lists: Path, simulated: str, free_port: Callable[[], int]
) -> None:
    """Each command that contacts a gateway succeeds on the software gateway."""
    commands = [_words(command) for _, _, command in _lines(blocks)]
    found = [words for words in commands if words and (words[0] in GATEWAY_COMMANDS or words[0][0] == "-")]
    lines = {_simulated(words, simulated) for words in found if not NOT_RUN_WITH.keys() & set(words)}
    assert lines
    port = free_port()
    # The software gateway listens on this host, where the ports of the pages may be in use.
    replacements = {
        "8080/tcp": f"{port}/tcp",
        "8080:80 ": f"{port + 3}:80 ",
        "2722-2723/": f"{port + 1}-{port + 2}/",
        " :2722": f" :{port + 1}",
    }
    # Reverse order runs `open` before `close`.
    for line in sorted((_replaced(line, replacements) for line in lines), reverse=True):
        result = shell(line)
        assert result.returncode == 0, f"{line}: {result.stderr}"


def test_state_commands_work(blocks: Blocks, shell: Shell, lists: Path, simulated: str) -> None:
    """After one pass, `history` succeeds and `status` exits with 1, because no daemon runs."""
    assert shell(_simulated(["run", "ports.csv"], simulated)).returncode == 0
    for _, _, command in _lines(blocks):
        words = _words(command) or [""]
        if words[0] in ("status", "history") and "--watch" not in words:
            result = shell(f"{command} --state-dir state")
            assert result.returncode == (1 if words[0] == "status" else 0), f"{command}: {result.stderr}"
            assert result.stdout.strip()


def _replaced(line: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        line = line.replace(old, new)
    return line


def _simulated(words: list[str], gateway: str) -> str:
    """Return the command for one pass with that gateway."""
    kept, rest = [], iter(words)
    for word in rest:
        if word in ("--gateway", "--backend"):
            next(rest)
        else:
            kept.append(word)
    options = [] if words[0] == "discover" else ["--state-dir", "state"]
    runs = words[0] == "run" or words[0].startswith("-")
    if runs and not {"-1", "--oneshot", "--only-close-ports"} & set(words):
        options.append("--oneshot")
    return shlex.join(["portmapper", *kept, "--gateway", gateway, *options])


def test_every_simulator_profile_exists(blocks: Blocks, shell: Shell) -> None:
    """Each profile on the pages is a profile of the simulator."""
    known = shell("portmapper simulate --list").stdout
    for page, line, command in _lines(blocks):
        words = _words(command) or []
        if "--profile" in words:
            profile = words[words.index("--profile") + 1]
            assert re.search(rf"^\s*{re.escape(profile)}\s", known, re.MULTILINE), f"{page}:{line}: {profile}"


def test_every_list_is_valid(
    blocks: Blocks, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row of a list on the pages is rejected."""
    monkeypatch.chdir(tmp_path)
    checked = 0
    for page, found in blocks.items():
        for block in found:
            if block.language in LISTS and not _is_settings(block):
                (tmp_path / f"ports.{block.language}").write_text(block.body, encoding="utf-8")
                status = main(["check", f"ports.{block.language}"])
                assert status == 0, f"{page}:{block.line}: {capsys.readouterr()}"
                checked += 1
    assert checked >= len(LISTS)


def test_every_settings_file_is_valid(blocks: Blocks, tmp_path: Path) -> None:
    """Each key of the settings on the pages is known, including keys of plugin tables."""
    plugins = load_plugins()
    observers = {observer.table: observer for observer in plugins.observers(plugins.tables) if observer.table}
    shown = [block for found in blocks.values() for block in found if _is_settings(block)]
    assert shown
    for block in shown:
        path = tmp_path / "portmapper.toml"
        path.write_text(block.body, encoding="utf-8")
        file = read_settings(path)
        file.check_plugin_tables(("plugin", *observers))
        for table in file.plugin_tables.keys() & observers.keys():
            part = file.plugin_tables[table]
            assert observers[table].from_table(part) is not None, f"{block.page}:{block.line}"


def _is_settings(block: Any) -> bool:
    """Return whether a block is a settings file and not a list of mappings."""
    return block.language == "toml" and set(tomllib.loads(block.body)) != {"mapping"}


def test_every_command_is_in_the_readme(root: Path, parsers: Parsers) -> None:
    """The README lists every command."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    for name in parsers:
        assert f"`portmapper {name}" in readme


def test_every_option_reference_exists(root: Path, parsers: Parsers) -> None:
    """Each `{option}` reference names an option of its command."""
    for page in (root / "docs").rglob("*.md"):
        for name, option in re.findall(r"{option}`portmapper (\w+) (\S+)`", page.read_text(encoding="utf-8")):
            known = [text for action in parsers[name]._actions for text in action.option_strings]
            assert option in known, f"{page.name}: {name} {option}"
