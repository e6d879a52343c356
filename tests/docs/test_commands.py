"""Every command shown in the README and the pages is one that works."""

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

from portmapper.config.loader import read_settings
from portmapper.pluginhost.manager import load_plugins

if TYPE_CHECKING:
    import argparse

    Blocks = Mapping[str, list[Any]]
    Parsers = Mapping[str, argparse.ArgumentParser]
    Shell = Callable[..., subprocess.CompletedProcess[str]]

LANGUAGES = ("sh", "console", "bash")
LISTS = ("csv", "json", "toml")

SET_UP = (
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/portmapper demo",
    "python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox",
)

NOT_OURS = {
    "python3 -m venv .venv": "the tests run in an environment already",
    ".venv/bin/pip install": "the same; CI installs from a fresh clone",
    ".venv/bin/nox": "runs these tests",
    "docker ": "needs a container engine",
    "curl ": "the control socket's own tests ask it",
}
"""Commands of other programs, and why they are not run here."""

NOT_RUN = {
    "--daemon": "detaches, so that nothing here could end it",
    "--family": "asks for IPv6, which the software gateway's IPv4 address does not open",
    "[fe80::1%eth0]": "names a router by the interface that it is on",
}
"""Options of `run` that keep a command from being run here, and why; it is parsed all the same."""

ASKING = ("run", "discover", "doctor", "list", "open", "close")
"""Commands that ask a gateway."""

WITHOUT_GATEWAY = ("check", "convert", "plugins", "service", "demo")


def _lines(blocks: Blocks) -> Iterator[tuple[str, int, str]]:
    """Yield page, line and each command shown, also those of a chain."""
    for page, found in blocks.items():
        for block in found:
            if block.language not in LANGUAGES:
                continue
            for number, line in enumerate(block.body.splitlines(), block.line + 1):
                for command in line.removeprefix("$ ").split("&&"):
                    if command.strip() and not command.startswith("#"):
                        yield page, number, command.strip()


def _words(command: str) -> list[str] | None:
    """Return a portmapper command's words without the program and the shell's own; None for others."""
    words = shlex.split(command)
    if words[0] not in ("portmapper", ".venv/bin/portmapper"):
        return None
    return words[1 : words.index("<")] if "<" in words else words[1:]


@pytest.fixture
def lists(tmp_path: Path, free_port: Callable[[], int]) -> Path:
    """Write a list of each format, as the pages call them, with a port that the simulator can open."""
    port = free_port()
    (tmp_path / "ports.csv").write_text(f"port;protocol;comment\n{port};tcp;web server\n")
    (tmp_path / "ports.json").write_text(f'[{{"port": {port}, "protocol": "tcp"}}]\n')
    for name in ("ports.toml", "portmapper.toml"):
        (tmp_path / name).write_text(f'[[mapping]]\nport = {port}\nprotocol = "tcp"\n')
    return tmp_path


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[str]:
    """Run the software gateway, and yield how to name it."""
    ports = ("--pcp-port", "0", "--http-port", "0", "--ssdp-port", "0", "--external-host", "127.0.0.1")
    command = [sys.executable, "-m", "portmapper.cli.main", "simulate", *ports, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as gateway:
        assert gateway.stdout is not None
        try:
            yield json.loads(gateway.stdout.readline())["location"]
        finally:
            gateway.terminate()


def test_the_set_up_commands_stand_in_the_readme_word_for_word(root: Path) -> None:
    """A newcomer runs one of two commands, and CI runs the second as it is written there."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^python3 .*$", readme, re.MULTILINE)
    assert shown == list(SET_UP)


def test_every_command_shown_is_parsed_by_the_program(blocks: Blocks, parsers: Parsers) -> None:
    """No page shows a command, an option or a value that the program does not have."""
    for page, line, command in _lines(blocks):
        words = _words(command)
        if words is None:
            assert command.startswith(tuple(NOT_OURS)), f"{page}:{line}: {command}: run it or say why not"
            continue
        if words and words[0].startswith("-"):
            words = ["run", *words]
        try:
            parsers[words[0]].parse_args(words[1:])
        except (KeyError, SystemExit):
            pytest.fail(f"{page}:{line}: {command}: there is no such command or option")


def test_commands_that_need_no_gateway_work(blocks: Blocks, shell: Shell, lists: Path) -> None:
    """What touches no gateway is run as it stands."""
    shown = {command for _, _, command in _lines(blocks) if (_words(command) or [""])[0] in WITHOUT_GATEWAY}
    assert shown
    for command in sorted(shown):
        result = shell(command.replace(".venv/bin/", ""))
        assert result.returncode == 0, f"{command}: {result.stderr}"


def test_commands_for_a_gateway_work_on_the_software_gateway(
    blocks: Blocks, shell: Shell, lists: Path, simulated: str, free_port: Callable[[], int]
) -> None:
    """What opens or asks is run once against the simulator, in place of the reader's router."""
    shown = [_words(command) for _, _, command in _lines(blocks)]
    asking = [words for words in shown if words and (words[0] in ASKING or words[0][0] == "-")]
    lines = {_simulated(words, simulated) for words in asking if not NOT_RUN.keys() & set(words)}
    assert lines
    port = free_port()
    # The software gateway takes the ports on this host: those of the pages may be somebody else's here.
    others = {"8080/tcp": f"{port}/tcp", "2722-2723/": f"{port + 1}-{port + 2}/", " :2722": f" :{port + 1}"}
    # Opened before it is closed.
    for line in sorted((_with(line, others) for line in lines), reverse=True):
        result = shell(line)
        assert result.returncode == 0, f"{line}: {result.stderr}"


def test_what_is_asked_of_a_state_directory_is_answered(
    blocks: Blocks, shell: Shell, lists: Path, simulated: str
) -> None:
    """After one pass the store answers; without a daemon `status` ends with 1."""
    assert shell(_simulated(["run", "ports.csv"], simulated)).returncode == 0
    for _, _, command in _lines(blocks):
        words = _words(command) or [""]
        if words[0] in ("status", "history") and "--watch" not in words:
            result = shell(f"{command} --state-dir state")
            assert result.returncode == (1 if words[0] == "status" else 0), f"{command}: {result.stderr}"
            assert result.stdout.strip()


def _with(line: str, others: dict[str, str]) -> str:
    for shown, other in others.items():
        line = line.replace(shown, other)
    return line


def _simulated(words: list[str], gateway: str) -> str:
    """Return the command for one pass at that gateway."""
    kept, rest = [], iter(words)
    for word in rest:
        if word in ("--gateway", "--backend"):
            next(rest)
        else:
            kept.append(word)
    once = [] if words[0] == "discover" else ["--state-dir", "state"]
    runs = words[0] == "run" or words[0].startswith("-")
    if runs and not {"-1", "--oneshot", "--only-close-ports"} & set(words):
        once.append("--oneshot")
    return shlex.join(["portmapper", *kept, "--gateway", gateway, *once])


def test_simulate_is_shown_as_it_is(blocks: Blocks, shell: Shell) -> None:
    """Each profile that a page names is one that the simulator has."""
    known = shell("portmapper simulate --list").stdout
    for page, line, command in _lines(blocks):
        words = _words(command) or []
        if "--profile" in words:
            profile = words[words.index("--profile") + 1]
            assert re.search(rf"^\s*{re.escape(profile)}\s", known, re.MULTILINE), f"{page}:{line}: {profile}"


def test_every_list_shown_is_accepted_whole(blocks: Blocks, shell: Shell, tmp_path: Path) -> None:
    """A reader who copies a list from a page gets no row rejected."""
    checked = 0
    for page, found in blocks.items():
        for block in found:
            if block.language in LISTS and not _is_settings(block):
                (tmp_path / f"ports.{block.language}").write_text(block.body, encoding="utf-8")
                result = shell(f"portmapper check ports.{block.language}")
                assert result.returncode == 0, f"{page}:{block.line}: {result.stdout}{result.stderr}"
                checked += 1
    assert checked >= len(LISTS)


def test_every_settings_file_shown_is_accepted_whole(blocks: Blocks, tmp_path: Path) -> None:
    """A reader who copies settings from a page finds each key known, those of plugins' tables, too."""
    observers = {observer.table: observer for observer in load_plugins().observers if observer.table}
    shown = [block for found in blocks.values() for block in found if _is_settings(block)]
    assert shown
    for block in shown:
        path = tmp_path / "portmapper.toml"
        path.write_text(block.body, encoding="utf-8")
        file = read_settings(path)
        file.check_plugin_tables(observers)
        for table, part in file.plugin_tables.items():
            assert observers[table].configured(part) is not None, f"{block.page}:{block.line}"


def _is_settings(block: Any) -> bool:
    """Tell a settings file from a list, which has nothing but mappings."""
    return block.language == "toml" and set(tomllib.loads(block.body)) != {"mapping"}


def test_every_command_is_in_the_readme(root: Path, parsers: Parsers) -> None:
    """The README's table lists all commands that there are."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    for name in parsers:
        assert f"`portmapper {name}" in readme


def test_every_option_that_a_page_refers_to_is_there(root: Path, parsers: Parsers) -> None:
    """A reference to an option leads to one that its command has."""
    for page in (root / "docs").rglob("*.md"):
        for name, option in re.findall(r"{option}`portmapper (\w+) (\S+)`", page.read_text(encoding="utf-8")):
            known = [text for action in parsers[name]._actions for text in action.option_strings]
            assert option in known, f"{page.name}: {name} {option}"
