"""Checks that pip finds a wheel of every dependency, for each platform and version of Python.

python packaging/checks/wheels.py                             # all; the files are discarded
python packaging/checks/wheels.py PLATFORM VERSION DIRECTORY  # one; the wheels are kept
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

LISTED = Path("packaging/requirements.txt")
VERSIONS = ("3.11", "3.12", "3.13", "3.14")

PLATFORMS = {
    "Linux, x86-64": "manylinux_2_28_x86_64 manylinux_2_17_x86_64 manylinux2014_x86_64",
    "Linux, arm64": "manylinux_2_28_aarch64 manylinux_2_17_aarch64 manylinux2014_aarch64",
    "musl, x86-64": "musllinux_1_2_x86_64",
    "musl, arm64": "musllinux_1_2_aarch64",
    "macOS, arm64": "macosx_11_0_arm64",
    "macOS, x86-64": "macosx_10_13_x86_64 macosx_10_9_x86_64",
    "Windows, x86-64": "win_amd64",
    "Windows, arm64": "win_arm64",
}


def requirements() -> Iterator[str]:
    """Yield name and version of each locked dependency."""
    for line in LISTED.read_text().splitlines():
        name, equals, rest = line.partition("==")
        if equals and not line.startswith((" ", "#")):
            yield f"{name}=={rest.split()[0]}"


def download(platform: str, version: str, place: str) -> str:
    """Download the wheels, and return what is missing."""
    tags = [word for tag in platform.split() for word in ("--platform", tag)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    python = ["--implementation", "cp", "--python-version", version, *tags]
    done = subprocess.run(
        [*command, *python, "--dest", place, *requirements()], check=False, capture_output=True, text=True
    )
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else (lines[-1] if lines else "pip failed")


def main() -> int:
    """Check all, or download for one."""
    if len(sys.argv) > 1:
        missing = download(*sys.argv[1:4])
        print(missing, end="")
        return int(bool(missing))
    failed = False
    for name, platform in PLATFORMS.items():
        for version in VERSIONS:
            with tempfile.TemporaryDirectory() as place:
                missing = download(platform, version, place)
            failed |= bool(missing)
            print(
                f"{'FAILED' if missing else 'ok    '} {name}, Python {version}{': ' * bool(missing)}{missing}"
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
