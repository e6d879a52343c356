"""The program itself crashes, its list is edited, its disk is full: nothing opens twice, nothing is left."""

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
from netlab.keeping import WAYS, Kept, Way
from netlab.lab import Lab
from netlab.program import Program

BACKENDS = [pytest.param(("--backend", name), id=name) for name in IGD2_AND_PCP.backends]
CRASHES = 8
FAULTS = 50


@pytest.fixture
def kept(lab: Lab, program: Program, tmp_path: Path) -> Kept:
    """Four mappings on the LAN host of the shared lab."""
    return Kept(lab, program, tmp_path)


def tokens(kept: Kept) -> set[bytes]:
    """Return the nonces that the store has of what was granted, once that is all that is listed."""

    def read() -> set[bytes]:
        with contextlib.closing(sqlite3.connect(kept.state / "leases.sqlite3")) as store:
            return {row[0] for row in store.execute("SELECT token FROM leases WHERE confirmed")}

    kept.until(lambda: len(read()) == len(kept.ways), "written down")
    return read()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_crash_leaves_leases_that_the_next_start_adopts(
    kept: Kept, lab: Lab, backend: tuple[str, ...]
) -> None:
    """With the nonces they have; what left the list meanwhile is closed."""
    with kept.daemon(*backend):
        before = tokens(kept)
        kept.kill()
    assert lab.gateway.rules() == kept.wanted_rules()
    with kept.daemon(*backend):
        assert tokens(kept) == before
        kept.kill()
    kept.write(WAYS[1:3])
    with kept.daemon(*backend):
        kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "closed what is not listed")
        kept.until_open(time.monotonic(), 2)
        assert tokens(kept) < before


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_crash_at_any_moment_opens_nothing_twice(kept: Kept, lab: Lab, backend: tuple[str, ...]) -> None:
    """Killed again and again while it starts, opens and renews; the lists differ."""
    chance = random.Random(725)
    ways = (*WAYS, ("TCP", 8083))
    for _ in range(CRASHES):
        kept.write(chance.sample(ways, 3))
        with kept.daemon(*backend, opens=False):
            time.sleep(chance.uniform(0.1, 0.9))
            kept.kill()
    kept.write(ways)
    with kept.daemon(*backend, "--close-ports-on-exit") as daemon:
        kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "as listed")
        kept.until_open(time.monotonic(), 3)
        kept.until(kept.status, "listening")  # all may be open from before, and nobody yet heeds SIGTERM
        assert daemon.end() == 0
    assert lab.gateway.rules() == set()


@pytest.mark.parametrize("before", ["natpmp", "upnp"])
def test_a_start_over_another_protocol_closes_neither_of_a_port(kept: Kept, lab: Lab, before: str) -> None:
    """What it finds was opened in another order than the one in which it asks for it."""
    for ways in (WAYS[:2], WAYS[1::-1]):
        kept.write(ways)
        with kept.daemon("--backend", before):
            kept.until(lambda: kept.backends() == {before}, "held")
            kept.kill()
        kept.write(ways[::-1])
        with kept.daemon("--close-ports-on-exit") as daemon:
            kept.until(lambda: kept.backends() == {"pcp"}, "taken over")
            time.sleep(0.3)  # the steps that follow
            kept.until_open(time.monotonic(), 0)
            assert daemon.end() == 0
        assert lab.gateway.rules() == set()


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_edit_is_acted_upon_within_a_second(kept: Kept, lab: Lab, backend: tuple[str, ...]) -> None:
    """Rows are added, changed and removed; what stays listed stays open."""
    took = {}
    kept.write(WAYS[2:3])
    with kept.daemon(*backend):
        steps = {"added": WAYS, "changed": WAYS, "removed": WAYS[1:]}
        for name, ways in steps.items():
            began = time.monotonic()
            kept.write(ways, duration=900 if name == "changed" else 600)
            kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), name, 5)
            if name == "changed":
                kept.until(
                    lambda: {m["lifetime"] for m in kept.status().get("mappings", [])} == {900}, name, 5
                )
            took[name] = time.monotonic() - began
            kept.until_open(time.monotonic(), 2)
        assert kept.events("lost") == []
    print("edited:", backend, {name: f"{seconds:.2f} s" for name, seconds in took.items()})
    assert max(took.values()) <= 1


@pytest.mark.parametrize("elder", WAYS[:2], ids=["TCP", "UDP"])
@pytest.mark.parametrize("backend", [pytest.param((), id="any"), *BACKENDS])
def test_the_younger_of_two_protocols_stays_open_when_the_elder_is_released(
    kept: Kept, lab: Lab, backend: tuple[str, ...], elder: Way
) -> None:
    """By an edit, and by the start after a crash; miniupnpd 2.3.1 closes it with the elder."""
    (younger,) = {*WAYS[:2]} - {elder}
    kept.write([elder])
    with kept.daemon(*backend, "-n", "60"):
        kept.write([elder, younger])
        kept.until_open(time.monotonic(), 10)
        kept.write([younger])
        kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "the elder closed")
        kept.until_open(time.monotonic(), 2)
        kept.write([younger, elder])
        kept.until_open(time.monotonic(), 10)
        kept.kill()
    kept.write([elder])
    with kept.daemon(*backend, "-n", "60"):
        kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "the former younger closed")
        kept.until_open(time.monotonic(), 2)
        kept.until(lambda: lab.gateway.let_through() == Counter(kept.ways), "no other filter rule")


@pytest.fixture
def small_disk(lab_can_run: None, tmp_path: Path) -> Iterator[Path]:
    """A state directory on a disk of its own, of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "lab", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Leave no room; the file that takes it."""
    filler = disk / "filler"
    with filler.open("wb") as full, contextlib.suppress(OSError):
        while True:
            os.write(full.fileno(), bytes(4096))
    return filler


def test_a_full_disk_closes_no_port(kept: Kept, lab: Lab, small_disk: Path) -> None:
    """It is said once, ports are opened and closed all the same, and the store catches up later."""
    kept.state = small_disk
    with kept.daemon() as daemon:
        filler = fill(small_disk)
        for port in range(9000, 9030):
            kept.write([*WAYS, ("TCP", port)])
            kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "edited", 5)
        kept.until_open(time.monotonic(), 3)
        assert daemon.log.count("cannot write the lease store") == 1
        assert "full" in kept.status()["error"]
        kept.write(WAYS)
        kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "edited", 5)
        filler.unlink()
        kept.until(lambda: "can be written again" in daemon.log, "caught up without another edit", 3)
        kept.until(lambda: kept.status()["error"] is None, "said so")
    assert len(tokens(kept)) == len(WAYS)


@pytest.mark.parametrize("disk", ["full", "read-only"])
def test_a_start_on_a_disk_that_cannot_be_written_adopts_and_opens(
    kept: Kept, lab: Lab, small_disk: Path, disk: str
) -> None:
    """It is said; once there is room the store has everything again."""
    kept.state = small_disk
    kept.write(WAYS[1:])
    with kept.daemon():
        before = tokens(kept)
        kept.kill()
    filler = fill(small_disk) if disk == "full" else None
    if disk == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    kept.write(WAYS)
    with kept.daemon() as daemon:
        kept.until(lambda: daemon.log.count("open since an earlier run") == len(before), "adopted")
        assert lab.gateway.rules() == kept.wanted_rules()
        assert daemon.log.count("cannot write the lease store, ports stay open") == 1
        if filler:  # nobody can make a disk writable again for a process that has mounts of its own
            kept.until(lambda: "cannot write the lease store" in (kept.status().get("error") or ""), "said")
            filler.unlink()
            kept.until(lambda: "can be written again" in daemon.log, "caught up")
            assert before < tokens(kept)


def test_one_pass_on_a_disk_that_cannot_be_written_is_one_clear_line(kept: Kept, small_disk: Path) -> None:
    """The next pass could not renew what it opened, so nothing is opened."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    kept.state = small_disk
    kept.write(WAYS)
    finished = kept.pass_once()
    assert finished.status == 1
    assert len(finished.errors.splitlines()) == 1
    assert str(small_disk) in finished.errors
    assert "Read-only file system" in finished.errors
    assert kept.lab.gateway.rules() == set()


def test_descriptors_and_memory_do_not_grow(kept: Kept, lab: Lab) -> None:
    """Through fifty edits, restarts and reloads."""
    chance = random.Random(50)
    with kept.daemon("-n", "5") as daemon:
        time.sleep(2)
        before = kept.descriptors()
        for number in range(FAULTS):
            if number % 10 == 9:
                lab.gateway.restart()
            else:
                kept.write(chance.sample(WAYS, 3))
        kept.write(WAYS)
        kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "as listed")
        kept.until(lambda: kept.descriptors() <= before, f"{before} descriptors", 15)
        assert "Traceback" not in daemon.log
