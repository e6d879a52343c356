"""The program's files are removed or replaced while a daemon runs, as by an upgrade of the package."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

WITHOUT_FILES = """
import os, sys

class NoFiles:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("portmapper") and os.path.exists(os.environ["FILES_ARE_GONE"]):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, NoFiles())
"""


@pytest.mark.parametrize(("options", "left_open"), [([], {8081}), (["--close-ports-on-exit"], set())])
def test_a_daemon_ends_in_order_without_its_files(
    program: Any, gateway: Any, ports: Path, tmp_path: Path, options: list[str], left_open: set[int]
) -> None:
    """The upgrade stops the daemon after its files were replaced by those of another version."""
    gone = tmp_path / "gone"
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_FILES)
    program.environment |= {"PYTHONPATH": str(tmp_path), "FILES_ARE_GONE": str(gone)}
    with program.running("run", *options, "-n", "3600", *gateway.options, str(ports)) as daemon:
        daemon.until(lambda: gateway.ports() == {8080}, "opened")
        gone.touch()
        ports.write_text("port;protocol\n8081;TCP\n")
        daemon.until(lambda: gateway.ports() == {8081}, "followed the list")
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0, daemon.log
    assert gateway.ports() == left_open
