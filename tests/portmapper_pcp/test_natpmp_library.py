"""py-natpmp's warning stays away from standard error."""

from __future__ import annotations

import subprocess
import sys


def test_no_warning_reaches_standard_error() -> None:
    """Compiling the library again, as in an installation that cannot be written, does not warn."""
    code = "import sys; sys.dont_write_bytecode = True; import portmapper_pcp.natpmp_library"
    command = [sys.executable, "-W", "always", "-X", "pycache_prefix=/nonexistent", "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "Warning" not in done.stderr
