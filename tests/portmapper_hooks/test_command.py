"""Commands run with the facts of an event, without a shell, within their bounds."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from portmapper.api.errors import SettingError
from portmapper.api.events import Event, EventKind
from portmapper.api.model import Family, Protocol
from portmapper_hooks import command, turns
from portmapper_hooks.command import CommandObserver

PATIENCE = 30.0

WRITE = "import json,os,sys; p=os.environ['PORTMAPPER_EXTERNAL_PORT']; open(sys.argv[1],'a').write(p+'\\n')"
TELL = (
    "import json,os,sys; f=json.load(sys.stdin);"
    "e={k:v for k,v in os.environ.items() if k.startswith('PORTMAPPER_')};"
    "json.dump([f,e,sys.argv[2:]], open(sys.argv[1]+'.new','w')); os.rename(sys.argv[1]+'.new',sys.argv[1])"
)


def event(port: int = 8080, kind: EventKind = EventKind.OPENED, **more: Any) -> Event:
    """Return an event of one mapping."""
    facts = {
        "protocol": Protocol.TCP,
        "family": Family.IPV4,
        "internal_address": ipaddress.ip_address("192.168.1.5"),
        "internal_port": 80,
        "wanted_external_port": 8080,
        "external_port": port,
        "backend": "pcp",
    }
    return Event(datetime(2026, 1, 1, tzinfo=UTC), kind, **{**facts, **more})


@pytest.fixture
async def hooked() -> AsyncIterator[Callable[..., CommandObserver]]:
    """Make observers of tables `[[hook]]`, and close them at the end."""
    async with AsyncExitStack() as stack:

        def make(*tables: dict[str, Any]) -> CommandObserver:
            observer = CommandObserver.configured(list(tables))
            assert observer is not None
            stack.push_async_callback(observer.close)
            return observer

        yield make


async def until(condition: Callable[[], object]) -> None:
    """Wait until something has come true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


def python(code: str, *arguments: object) -> list[str]:
    """Return the command that runs a program of these lines."""
    return [sys.executable, "-S", "-c", code, *map(str, arguments)]


async def test_a_command_is_told_the_facts(hooked: Any, tmp_path: Path) -> None:
    """As environment variables and as JSON; arguments are no shell's to read."""
    told = tmp_path / "told"
    observer = hooked({"on": "opened", "run": python(TELL, told, "$HOME; touch x")})
    await observer.observe(event(comment="web\nserver", detail="\x1b[31m"))
    await until(told.exists)
    facts, environment, arguments = json.loads(told.read_text())
    assert (facts["event"], facts["external_port"], facts["external_address"]) == ("opened", 8080, None)
    assert environment["PORTMAPPER_EVENT"] == "opened"
    assert environment["PORTMAPPER_INTERNAL_ADDRESS"] == "192.168.1.5"
    assert environment["PORTMAPPER_EXTERNAL_ADDRESS"] == ""
    assert environment["PORTMAPPER_COMMENT"] == "web server"
    assert "\x1b" not in environment["PORTMAPPER_DETAIL"]
    assert arguments == ["$HOME; touch x"]


async def test_only_the_events_that_are_named_run_it(hooked: Any, tmp_path: Path) -> None:
    """One name, or a list of them."""
    seen = tmp_path / "seen"
    observer = hooked({"on": ["closed", "external_port_changed"], "run": python(WRITE, seen)})
    await observer.observe(event(1, EventKind.OPENED))
    await observer.observe(event(2, EventKind.CLOSED))
    await observer.observe(event(3, EventKind.EXTERNAL_PORT_CHANGED))
    await until(lambda: seen.exists() and seen.read_text().split() == ["2", "3"])


async def test_the_events_of_one_mapping_run_in_order(hooked: Any, tmp_path: Path) -> None:
    """The last one is the last to have run, though many may run at once."""
    seen = tmp_path / "seen"
    observer = hooked({"on": "opened", "run": python(WRITE, seen)})
    for port in range(1, 11):
        await observer.observe(event(port))
    await until(lambda: seen.exists() and len(seen.read_text().split()) == 10)
    assert seen.read_text().split() == [str(port) for port in range(1, 11)]


async def test_a_command_that_hangs_is_killed_with_all_that_it_started(
    hooked: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its time limit ends it, and the next one of the same mapping has its turn."""
    pids, seen = tmp_path / "pids", tmp_path / "seen"
    hang = (
        "import os,sys,time; child=os.fork();"
        "child or time.sleep(600);"
        "open(sys.argv[1]+'.new','w').write(f'{os.getpid()} {child}');"
        "os.rename(sys.argv[1]+'.new',sys.argv[1]); time.sleep(600)"
    )
    observer = hooked(
        {"on": "opened", "run": python(hang, pids), "time_limit": 5},
        {"on": "opened", "run": python(WRITE, seen)},
    )
    await observer.observe(event(7))
    await until(seen.exists)
    assert "killed after 5 s" in caplog.text
    # A machine under load may kill it before it came so far.
    known = pids.read_text().split() if pids.exists() else []
    await until(lambda: not any(_lives(int(pid)) for pid in known))


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


async def test_at_most_a_few_run_at_once(hooked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many mappings there are."""
    under_way, most = 0, 0

    async def run(hook: object, told: Event) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        under_way -= 1

    monkeypatch.setattr(command, "run", run)
    observer = hooked({"on": "opened", "run": ["x"]})
    for port in range(50):
        await observer.observe(event(internal_port=port))
    await observer.close()
    assert most == turns.AT_ONCE


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (["/nowhere/at/all"], "No such file or directory"),
        (["/"], "Permission denied"),
        (python("import sys; sys.exit('no\\x1b[2Jway ' + 'x'*1000000)"), "exit status 1: no\\x1b[2Jway xxx"),
    ],
)
async def test_what_goes_wrong_is_one_line_of_the_log(
    hooked: Any, caplog: pytest.LogCaptureFixture, run: list[str], told: str
) -> None:
    """With what the program said, harmless to a terminal and cut."""
    observer = hooked({"on": "opened", "run": run})
    await observer.observe(event())
    await until(lambda: told in caplog.text)
    assert "\x1b" not in caplog.text
    assert len(caplog.text) < 2000


async def test_a_command_that_reads_nothing_and_leaves_a_child_is_over_when_it_ends(
    hooked: Any, tmp_path: Path
) -> None:
    """Neither its closed standard input nor a grandchild that holds its standard error is waited for."""
    seen, pid = tmp_path / "seen", tmp_path / "pid"
    leave = (
        "import os,sys,time; child=os.fork();"
        "child or (os.setsid(), time.sleep(600), os._exit(0));"
        "open(sys.argv[1],'w').write(str(child)); os.close(0)"
    )
    observer = hooked(
        {"on": "opened", "run": python(leave, pid), "time_limit": 500},
        {"on": "opened", "run": python(WRITE, seen)},
    )
    try:
        await observer.observe(event())
        await until(seen.exists)
    finally:
        os.kill(int(pid.read_text()), 9)


async def test_what_runs_at_the_end_is_given_up(
    hooked: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The daemon does not wait for ever."""
    monkeypatch.setattr(command, "FINISH_LIMIT", 0.05)
    observer = hooked({"on": "opened", "run": python("import time; time.sleep(600)"), "time_limit": 500})
    await observer.observe(event())
    await observer.observe(event())
    await observer.close()
    assert "2 hook(s) are given up" in caplog.text


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"on": "opened"}, "hook: is not an array of tables: write [[hook]]"),
        ([{"run": ["x"]}], "hook[0].on: is missing"),
        ([{"on": "opened", "run": "x"}], "hook[0].run: 'x' is not a list"),
        ([{"on": "opened", "run": []}], "hook[0].run: [] is not a list"),
        ([{"on": "opend", "run": ["x"]}], "hook[0].on: 'opend' is no event, did you mean opened?"),
        ([{"on": ["opened", 3], "run": ["x"]}], "hook[0].on[1]: 3 is no event"),
        (
            [{"on": "opened", "run": ["x"], "timelimit": 3}],
            "hook[0].timelimit: unknown key, did you mean time_limit?",
        ),
        ([{"on": "opened", "run": ["x"], "time_limit": 0}], "hook[0].time_limit: 0 is not a number"),
        ([{"on": "opened", "run": ["x"]}] * 65, "hook: more than 64 tables"),
    ],
)
def test_a_wrong_table_is_told(part: object, told: str) -> None:
    """With the path of the key, which the core gives its line."""
    with pytest.raises(SettingError) as caught:
        CommandObserver.configured(part)
    assert told in str(caught.value)


def test_without_a_table_there_is_no_observer() -> None:
    """Whoever has no hooks pays nothing for them."""
    assert CommandObserver.configured(None) is None
