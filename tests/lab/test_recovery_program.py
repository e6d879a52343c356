"""Recovery from crashes, edits of the list and disks that are full or read-only."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from netlab.gateway import IGD2_AND_PCP
from netlab.lab import Lab
from netlab.managed_daemon import ENDPOINTS, Endpoint, ManagedDaemon
from netlab.program import Program

BACKENDS = [pytest.param(("--backend", name), id=name) for name in IGD2_AND_PCP.backends]
CRASHES = 8
FAULTS = 50


@pytest.fixture
def managed(lab: Lab, program: Program, tmp_path: Path) -> ManagedDaemon:
    """A daemon with four mappings on the LAN host of the shared lab."""
    return ManagedDaemon(lab, program, tmp_path)


def tokens(managed: ManagedDaemon) -> set[bytes]:
    """Return the stored tokens of granted leases, once every listed port has one."""

    def read() -> set[bytes]:
        with contextlib.closing(sqlite3.connect(managed.state / "leases.sqlite3")) as store:
            return {row[0] for row in store.execute("SELECT token FROM leases WHERE confirmed")}

    managed.until(lambda: len(read()) == len(managed.endpoints), "stored")
    return read()


@pytest.mark.parametrize("backend", BACKENDS)
def test_leases_are_adopted_after_a_crash(managed: ManagedDaemon, lab: Lab, backend: tuple[str, ...]) -> None:
    """They keep their tokens, and ports that were removed from the list are closed."""
    with managed.daemon(*backend):
        before = tokens(managed)
        managed.kill()
    assert lab.gateway.rules() == managed.expected_rules()
    with managed.daemon(*backend):
        assert tokens(managed) == before
        managed.kill()
    managed.write(ENDPOINTS[1:3])
    with managed.daemon(*backend):
        managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "closed unlisted ports")
        managed.until_open(time.monotonic(), 2)
        assert tokens(managed) < before


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_crash_at_any_moment_opens_nothing_twice(
    managed: ManagedDaemon, lab: Lab, backend: tuple[str, ...]
) -> None:
    """The daemon is killed repeatedly during start, open and renewal, with changing lists."""
    chance = random.Random(725)
    endpoints = (*ENDPOINTS, ("TCP", 8083))
    for _ in range(CRASHES):
        managed.write(chance.sample(endpoints, 3))
        with managed.daemon(*backend, opens=False):
            time.sleep(chance.uniform(0.1, 0.9))
            managed.kill()
    managed.write(endpoints)
    with managed.daemon(*backend, "--close-ports-on-exit") as daemon:
        managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "as listed")
        managed.until_open(time.monotonic(), 3)
        managed.until(
            managed.status, "listening"
        )  # ports of an earlier run may be open before SIGTERM is handled
        assert daemon.end() == 0
    assert lab.gateway.rules() == set()


@pytest.mark.parametrize("before", ["natpmp", "upnp"])
def test_changing_the_protocol_at_a_start_closes_no_port(
    managed: ManagedDaemon, lab: Lab, before: str
) -> None:
    """The existing mappings were opened in a different order than the daemon requests them."""
    for endpoints in (ENDPOINTS[:2], ENDPOINTS[1::-1]):
        managed.write(endpoints)
        with managed.daemon("--backend", before):
            managed.until(lambda: managed.backends() == {before}, "held")
            managed.kill()
        managed.write(endpoints[::-1])
        with managed.daemon("--close-ports-on-exit") as daemon:
            managed.until(lambda: managed.backends() == {"pcp"}, "taken over")
            managed.until_open(time.monotonic(), 5)
            assert daemon.end() == 0
        assert lab.gateway.rules() == set()


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_edit_takes_effect_at_once(managed: ManagedDaemon, lab: Lab, backend: tuple[str, ...]) -> None:
    """Rows are added, changed and removed; unchanged rows stay open."""
    took = {}
    managed.write(ENDPOINTS[2:3])
    with managed.daemon(*backend):
        managed.status()  # the first request loads the libraries that answer it, which is no part of an edit
        steps = {"added": ENDPOINTS, "changed": ENDPOINTS, "removed": ENDPOINTS[1:]}
        for name, endpoints in steps.items():
            began = time.monotonic()
            managed.write(endpoints, duration=900 if name == "changed" else 600)
            managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), name, 5)
            if name == "changed":
                managed.until(
                    lambda: {m["lifetime"] for m in managed.status().get("mappings", [])} == {900}, name, 5
                )
            took[name] = time.monotonic() - began
            managed.until_open(time.monotonic(), 2)
        assert managed.events("lost") == []
    print("edited:", backend, {name: f"{seconds:.2f} s" for name, seconds in took.items()})
    assert max(took.values()) <= 3


@pytest.mark.parametrize("older", ENDPOINTS[:2], ids=["TCP", "UDP"])
@pytest.mark.parametrize("backend", [pytest.param((), id="any"), *BACKENDS])
def test_the_newer_protocol_of_a_port_stays_open_when_the_older_is_released(
    managed: ManagedDaemon, lab: Lab, backend: tuple[str, ...], older: Endpoint
) -> None:
    """miniupnpd 2.3.1 closes the newer one too; the release is an edit, or follows a crash."""
    (newer,) = {*ENDPOINTS[:2]} - {older}
    managed.write([older])
    with managed.daemon(*backend, "-n", "60"):
        managed.write([older, newer])
        managed.until_open(time.monotonic(), 10)
        managed.write([newer])
        managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "the older closed")
        managed.until_open(time.monotonic(), 2)
        managed.write([newer, older])
        managed.until_open(time.monotonic(), 10)
        managed.kill()
    managed.write([older])
    with managed.daemon(*backend, "-n", "60"):
        managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "the newer closed")
        managed.until_open(time.monotonic(), 2)
        managed.until(
            lambda: lab.gateway.accepted_ports() == Counter(managed.endpoints), "no other filter rule"
        )


@pytest.fixture
def small_disk(lab_can_run: None, tmp_path: Path) -> Iterator[Path]:
    """A state directory on a separate disk of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0755", "lab", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Fill the disk, and return the file that fills it."""
    filler = disk / "filler"
    with filler.open("wb") as full, contextlib.suppress(OSError):
        while True:
            os.write(full.fileno(), bytes(4096))
    return filler


def test_a_full_disk_closes_no_port(managed: ManagedDaemon, lab: Lab, small_disk: Path) -> None:
    """It is logged once, ports are still opened and closed, and the store catches up later."""
    managed.state = small_disk
    with managed.daemon() as daemon:
        filler = fill(small_disk)
        for port in range(9000, 9030):
            managed.write([*ENDPOINTS, ("TCP", port)])
            managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "edited", 5)
        managed.until_open(time.monotonic(), 3)
        assert daemon.log.count("cannot write the lease store") == 1
        assert "full" in managed.status()["error"]
        managed.write(ENDPOINTS)
        managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "edited", 5)
        filler.unlink()
        managed.until(lambda: "can be written again" in daemon.log, "caught up without another edit", 3)
        managed.until(lambda: managed.status()["error"] is None, "reported")
    assert len(tokens(managed)) == len(ENDPOINTS)


@pytest.mark.parametrize("disk", ["full", "read-only"])
def test_a_start_on_an_unwritable_disk_adopts_and_opens(
    managed: ManagedDaemon, lab: Lab, small_disk: Path, disk: str
) -> None:
    """It is reported, and once the disk is writable, the store catches up."""
    managed.state = small_disk
    managed.write(ENDPOINTS[1:])
    with managed.daemon():
        before = tokens(managed)
        managed.kill()
    filler = fill(small_disk) if disk == "full" else None
    if disk == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    managed.write(ENDPOINTS)
    with managed.daemon() as daemon:
        managed.until(lambda: daemon.log.count("open since an earlier run") == len(before), "adopted")
        managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "as listed")
        managed.until(
            lambda: daemon.log.count("cannot write the lease store, ports stay open") == 1, "logged once"
        )
        if filler:  # a read-only disk cannot be remounted for a process in its own mount namespace
            managed.until(
                lambda: "cannot write the lease store" in (managed.status().get("error") or ""), "reported"
            )
            filler.unlink()
            managed.until(lambda: "can be written again" in daemon.log, "caught up")
            assert before < tokens(managed)


def test_one_pass_on_a_read_only_disk_is_a_clear_error(managed: ManagedDaemon, small_disk: Path) -> None:
    """Nothing is opened, because the next pass could not renew it."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    managed.state = small_disk
    managed.write(ENDPOINTS)
    finished = managed.run_oneshot()
    assert finished.status == 1
    assert len(finished.errors.splitlines()) == 1
    assert str(small_disk) in finished.errors
    assert "Read-only file system" in finished.errors
    assert managed.lab.gateway.rules() == set()


def test_descriptors_and_memory_do_not_grow(managed: ManagedDaemon, lab: Lab) -> None:
    """The test makes fifty edits and restarts."""
    chance = random.Random(50)
    with managed.daemon("-n", "5") as daemon:
        time.sleep(2)
        before = managed.descriptors()
        for number in range(FAULTS):
            if number % 10 == 9:
                lab.gateway.restart()
            else:
                managed.write(chance.sample(ENDPOINTS, 3))
        managed.write(ENDPOINTS)
        managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "as listed")
        managed.until(lambda: managed.descriptors() <= before, f"{before} descriptors", 15)
        assert "Traceback" not in daemon.log
