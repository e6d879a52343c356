"""The registered backends, and the cost of loading the plugin."""

from __future__ import annotations

import subprocess
import sys

from portmapper_pcp import plugin


def test_both_backends_are_registered_in_order_of_preference() -> None:
    """PCP before NAT-PMP, as `--backend` lists them."""
    registered = plugin.portmapper_register_backends()
    assert [(backend.name, backend.rank) for backend in registered] == [("pcp", 10), ("natpmp", 20)]


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    """The hook imports inside, so that `portmapper --version` stays fast."""
    script = (
        "import sys, portmapper_pcp.plugin; print(*sorted({'asyncio', 'natpmp', 'attrs'} & set(sys.modules)))"
    )
    path = repr(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {path}; {script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
