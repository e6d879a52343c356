"""Checks portmapper's service inside a booted Debian; writes one line for each check.

    python3 in_tree.py COMMAND

COMMAND is the installed `portmapper`. The unit, its settings and an empty list are in place. A software
gateway on loopback takes the place of a router.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PORTMAPPER = sys.argv[1]
LIST = Path("/etc/portmapper/ports.csv")
SETTINGS = Path("/etc/portmapper/portmapper.toml")
STATE = "/var/lib/portmapper"
UNIT = "portmapper.service"
LIMIT = 30.0
MOST_EXPOSED = 1.1

SIMULATOR = f"""\
[Service]
ExecStart={PORTMAPPER} simulate --pcp-port 5351 --http-port 0 --ssdp-port 0
"""

IMPATIENT = """\
[Service]
WatchdogSec=2
TimeoutStopSec=2
RestartSec=1
"""


def run(*words: str) -> str:
    """Run a command and return its output."""
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def property_of(name: str) -> str:
    """Return a property of the unit."""
    return run("systemctl", "show", UNIT, "--property", name, "--value").strip()


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not {what}; journal: {run('journalctl', '-u', UNIT, '-n', '20')}")
        time.sleep(0.2)


def open_ports() -> set[int]:
    """Return the ports that the daemon keeps open."""
    text = subprocess.run(
        [PORTMAPPER, "status", "--json", "--state-dir", STATE], check=False, capture_output=True, text=True
    ).stdout
    try:
        mappings = json.loads(text)["mappings"]
    except ValueError:
        return set()
    return {mapping["external_port"] for mapping in mappings if mapping["state"] == "active"}


def it_starts_with_an_empty_list_and_waits() -> None:
    """The unit becomes ready and says in one line that there is nothing to open."""
    run("systemctl", "restart", UNIT)
    until(lambda: property_of("ActiveState") == "active", "active")
    assert property_of("SubState") == "running"


def it_opens_the_ports_of_its_list() -> None:
    """An edited list is read without a reload; the status line counts the open ports."""
    SETTINGS.write_text('sources = ["ports.csv"]\ngateway = ["127.0.0.1:5351"]\n')
    LIST.write_text("port;protocol\n8080;tcp\n")
    run("systemctl", "restart", UNIT)
    until(lambda: open_ports() == {8080}, "open")
    until(lambda: "1 of 1 mapping open" in property_of("StatusText"), "counted in the status line")


def a_reload_reads_lists_and_reports_invalid_settings() -> None:
    """`systemctl reload` applies an edit, and fails for invalid settings, which change nothing."""
    LIST.write_text("port;protocol\n8080;tcp\n8081;udp\n")
    assert subprocess.run(["systemctl", "reload", UNIT], check=False).returncode == 0
    until(lambda: open_ports() == {8080, 8081}, "both open")
    valid = SETTINGS.read_text()
    SETTINGS.write_text("nonsense = 1\n")
    assert subprocess.run(["systemctl", "reload", UNIT], check=False, capture_output=True).returncode != 0
    SETTINGS.write_text(valid)
    assert property_of("ActiveState") == "active"
    assert open_ports() == {8080, 8081}


def a_restart_keeps_the_ports_open() -> None:
    """No port is closed by a stop, and the next start takes the leases over."""
    run("systemctl", "restart", UNIT)
    until(lambda: open_ports() == {8080, 8081}, "open after the restart")
    history = json.loads(run(PORTMAPPER, "history", "--json", "--state-dir", STATE))
    assert "closed" not in {event["event"] for event in history}


def the_watchdog_restarts_a_stopped_process() -> None:
    """systemd ends a process that no longer reports, and starts another one."""
    directory = Path("/run/systemd/system/portmapper.service.d")
    directory.mkdir(parents=True)
    (directory / "impatient.conf").write_text(IMPATIENT)
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", UNIT)
    until(lambda: open_ports() == {8080, 8081}, "open")
    before = property_of("MainPID")
    run("kill", "-STOP", before) if Path("/bin/kill").exists() else _stop(int(before))
    until(lambda: property_of("MainPID") not in (before, "0"), "restarted by the watchdog")
    until(lambda: open_ports() == {8080, 8081}, "open again")


def _stop(pid: int) -> None:
    import os
    import signal

    os.kill(pid, signal.SIGSTOP)


def the_unit_is_hardly_exposed() -> None:
    """`systemd-analyze security` rates the unit."""
    text = run("systemd-analyze", "security", "--no-pager", UNIT)
    found = re.search(r"Overall exposure level for portmapper\.service: ([\d.]+)", text)
    assert found is not None, text
    assert float(found[1]) <= MOST_EXPOSED, found[0]


def the_journal_has_each_line_once_with_its_priority() -> None:
    """No second time in a line, and `journalctl -p warning` shows no information."""
    lines = [json.loads(line) for line in run("journalctl", "-u", UNIT, "-o", "json", "-a").splitlines()]
    own = [line for line in lines if line.get("SYSLOG_IDENTIFIER") in ("portmapper", "python", "python3")]
    assert own, "the journal has no line of portmapper"
    messages = [str(line["MESSAGE"]) for line in own]
    assert not [message for message in messages if re.match(r"\d{4}-\d\d-\d\d|<\d>", message)], messages
    assert {line["PRIORITY"] for line in own} & {"6"}, "no line is information"
    urgent = [line["MESSAGE"] for line in own if int(line["PRIORITY"]) <= 4]
    assert not [message for message in urgent if " is open" in str(message)], urgent


CHECKS = (
    it_starts_with_an_empty_list_and_waits,
    it_opens_the_ports_of_its_list,
    a_reload_reads_lists_and_reports_invalid_settings,
    a_restart_keeps_the_ports_open,
    the_unit_is_hardly_exposed,
    the_watchdog_restarts_a_stopped_process,
    the_journal_has_each_line_once_with_its_priority,
)


def main() -> None:
    """Start the gateway, run each check, and report it."""
    Path("/run/systemd/system/simulator.service").write_text(SIMULATOR)
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "simulator.service")
    for check in CHECKS:
        try:
            check()
        except Exception as error:
            print(f"FAILED {check.__name__}: {error!r}", flush=True)
        else:
            print(f"ok {check.__name__}", flush=True)


if __name__ == "__main__":
    main()
