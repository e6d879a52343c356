"""The page costs nothing while the listener is off."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from portmapper.pluginhost.manager import load_plugins
plugins = load_plugins()
print(*(name for name in sys.modules if name.startswith(("portmapper_web.", "jinja2", "markupsafe"))))
print([kind.name for kind in plugins.web])
"""


def test_loading_all_plugins_loads_no_page() -> None:
    """Its modules are imported when the listener starts."""
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout.splitlines() == ["portmapper_web.plugin", "['page']"]
