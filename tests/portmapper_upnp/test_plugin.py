"""The plugin's registration and its cost."""

from __future__ import annotations

import os
import subprocess
import sys


def printed(code: str) -> str:
    """Run code in a new interpreter, and return what it prints."""
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=path
    )
    return result.stdout.strip()


def test_the_plugin_imports_nothing_heavy():
    """Loading the plugin and its backend class imports neither aiohttp nor async-upnp-client."""
    code = (
        "import sys; from portmapper_upnp.plugin import portmapper_register_backends as register;"
        "light = set(sys.modules); register();"
        "print({'asyncio'} & light, {'aiohttp', 'async_upnp_client', 'rich'} & set(sys.modules))"
    )
    assert printed(code) == "set() set()"


def test_a_gateway_of_a_valid_description_loads_no_html_entities():
    """Only descriptions that are no XML need them."""
    assert printed("import sys, portmapper_upnp.factory; print('html.entities' in sys.modules)") == "False"
