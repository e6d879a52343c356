"""Each plugin tutorial works exactly as written."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

LIMIT = 360

END = "END OF FILE"

FILE = re.compile(r"`([\w./-]+)`[^\n`]*:\n\n```(?!sh|text)\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)

NOT_RUN = {
    "pip install build twine": "the test has no network access",
    "python3 -m build": "builds the wheel again, with the tools that the line before installed",
    "twine upload": "needs a PyPI account",
}

WAIT = "for _ in $(seq 600); do [ -s ready ] && break; sleep 0.1; done; [ -s ready ]"

GATEWAYS = {
    "portmapper simulate": " --json --http-port 0 --ssdp-port 0 --external-host 127.0.0.1",
    "python3 tests/router.py": "",
}
"""Commands that a reader starts in another terminal, and options that avoid conflicts with other tests."""

needs_hatchling = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None and not os.environ.get("CI"),
    reason="hatchling (dependency group `tests`) builds the projects",
)


def _commands(block: str, gateway_port: int) -> Iterator[str]:
    for line in block.splitlines():
        if line.startswith(tuple(NOT_RUN)):
            continue
        line = line.replace("5999", str(gateway_port))
        more = [options for start, options in GATEWAYS.items() if line.startswith(start)]
        yield f"{line}{more[0]} > ready 2> /dev/null & {WAIT}" if more else line


def _file(path: str, content: str, port: int) -> Iterator[str]:
    """Yield lines that compare an existing file with the page, or create the file."""
    yield f"if [ -e {path} ]; then diff {path} - <<'{END}'\n{content}{END}"
    yield f"else cat > {path} <<'{END}'\n{content.replace('8080', str(port))}{END}\nfi"


def _script(page: str, gateway_port: int, port: int) -> str:
    """Return the page as one shell script that stops at the first failure."""
    found = sorted([*FILE.finditer(page), *SHELL.finditer(page)], key=lambda match: match.start())
    lines = ["set -eu", "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT"]
    for match in found:
        if match.re is FILE:
            lines += _file(match[1], match[2], port)
        else:
            lines += _commands(match[1].replace("8080", str(port)), gateway_port)
    return "\n".join(lines)


@needs_hatchling
@pytest.mark.packaging
@pytest.mark.timeout(400)
def test_a_tutorial_works_from_end_to_end(
    tutorial: Path, plugin_environment: Mapping[str, str], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """Every command succeeds, every file matches the page, and every output is printed."""
    page, port = tutorial.read_text(encoding="utf-8"), free_port()
    done = subprocess.run(
        ["bash", "-c", _script(page, free_port(), port)],
        check=False,
        cwd=tmp_path,
        env={**plugin_environment, "STATE_DIRECTORY": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    printed = f"{done.stdout}{done.stderr}"
    assert done.returncode == 0, printed
    for block in OUTPUT.findall(page):
        for line in block.replace("8080", str(port)).splitlines():
            words = r".*?".join(re.escape(part.strip()) for part in line.split("…"))
            assert re.search(words, printed), f"{line!r} is not in\n{printed}"


def test_every_block_of_a_tutorial_is_tested(tutorial: Path) -> None:
    """Each block is a file, a command or an output, so the script or the output check uses it."""
    page = tutorial.read_text(encoding="utf-8")
    seen = sum(len(pattern.findall(page)) for pattern in (FILE, SHELL, OUTPUT))
    assert seen == len(re.findall(r"^```\w+$", page, re.MULTILINE))


def test_only_the_publishing_page_has_commands_that_are_not_run(tutorial: Path) -> None:
    """The list of skipped commands has no unused entry, and all shell lines are well-formed."""
    lines = [
        line for block in SHELL.findall(tutorial.read_text(encoding="utf-8")) for line in block.splitlines()
    ]
    assert all(shlex.split(line) for line in lines)
    skipped = {start for start in NOT_RUN for line in lines if line.startswith(start)}
    assert skipped == (set(NOT_RUN) if tutorial.stem == "publishing" else set())
