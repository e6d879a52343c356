"""Writes packaging/requirements.txt: the newest dependencies with the hashes of all their files.

    python packaging/lock.py

It installs pip-tools into a temporary environment.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADING = """\
# The exact dependencies of the container and of releases, with the hashes of their files.
# Generated: nox -s audit -- --update
"""
OPTIONS = ("--generate-hashes", "--strip-extras", "--no-annotate", "--no-header", "--no-emit-find-links")


def main() -> None:
    """Resolve the dependencies and write the file."""
    with tempfile.TemporaryDirectory() as directory:
        python, found = Path(directory, "bin/python"), Path(directory, "found.txt")
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "pip-tools>=7.4"], check=True)
        command = [python, "-m", "piptools", "compile", "--quiet", "--no-emit-index-url", "--allow-unsafe"]
        subprocess.run([*command, *OPTIONS, "--output-file", found, ROOT / "pyproject.toml"], check=True)
        text = found.read_text(encoding="utf-8").lstrip()
    (ROOT / "packaging/requirements.txt").write_text(HEADING + text, encoding="utf-8")


if __name__ == "__main__":
    main()
