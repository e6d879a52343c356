"""The program ends at once and in order while a call is under way in a thread."""

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
