"""How the program ends: at once, in order, and around threads that are stuck."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading, time
from portmapper.cli import main
def stuck():
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    print("told")
    return 3
main.main = stuck
main.entry()
"""


def test_a_thread_that_is_stuck_holds_nothing_up() -> None:
    """The exit status is the command's, and what it printed is there."""
    ended = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM], capture_output=True, text=True, timeout=50, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "told\n", "")


FAREWELL = """
import atexit, sys
from portmapper.cli import main
atexit.register(print, "farewell")
sys.argv[1:] = ["--version"]
main.entry()
"""


def test_what_is_registered_for_the_end_still_runs() -> None:
    """A plugin may have something to do then, although the interpreter is not taken down."""
    ended = subprocess.run(
        [sys.executable, "-P", "-c", FAREWELL], capture_output=True, text=True, timeout=50, check=False
    )
    assert (ended.returncode, ended.stdout.splitlines()[1:], ended.stderr) == (0, ["farewell"], "")
