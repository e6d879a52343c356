"""A whole `portmapper run --oneshot` over a long list, with the fake gateway as a plugin."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sidebyside.process_start import HEAD, PORTMAPPER
from sidebyside.rows import Row
from sidebyside.timing import medians_of

MANY = 10_000
FIRST_PORT = 10_000
BENCH = Path(__file__).parents[1]


def one_pass(times: int) -> Iterator[Row]:
    """Measure the processor time of the process, from its start to its end, with a new store."""
    with tempfile.TemporaryDirectory() as directory:
        plugins, listed = Path(directory) / "plugins", Path(directory) / "ports.csv"
        _install_gateway(plugins)
        rows = (f";{port};TCP;3600;row {port}\n" for port in range(FIRST_PORT, FIRST_PORT + MANY))
        listed.write_text(HEAD + "".join(rows))
        found = medians_of(times, {"ours": lambda: _cpu_seconds(plugins, listed)})
    yield Row(f"run --oneshot, {MANY} mappings", found["ours"], "s CPU", target=2.0, steady=False)


def _install_gateway(directory: Path) -> None:
    """Write the metadata of a distribution, which make the fake gateway a plugin."""
    metadata = directory / "sidebyside_gateway-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sidebyside-gateway\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[portmapper]\nfake = sidebyside.fake_gateway\n")


def _cpu_seconds(plugins: Path, listed: Path) -> float:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(plugins), str(BENCH)])}
    with tempfile.TemporaryDirectory() as state:
        command = (PORTMAPPER, "run", "--oneshot", "--backend", "fake", "--state-dir", state, str(listed))
        process = subprocess.Popen(command, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}")
    return usage.ru_utime + usage.ru_stime
