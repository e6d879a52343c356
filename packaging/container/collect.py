"""Collects what the container image needs into one directory; runs inside the build stage.

    python3 collect.py SOURCE IMAGE

The image gets the interpreter, the standard library without what a daemon never imports, portmapper with its
dependencies, and the shared libraries of all of them.
"""

from __future__ import annotations

import compileall
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

USER = 65532
PROGRAM = "/opt/portmapper"
UNUSED = (
    *("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data", "site-packages"),
    *("dist-packages", "__pycache__", "config-*", "_tkinter*", "_test*", "*.a", "turtle.py", "__phello__"),
)
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LAUNCHER = """\
#!{python} -I
import sys

sys.path.insert(0, "{program}")

from portmapper.cli.main import entry

entry()
"""
FILES = {
    "etc/passwd": f"portmapper:x:{USER}:{USER}:portmapper:/:/sbin/nologin\n",
    "etc/group": f"portmapper:x:{USER}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/portmapper/portmapper.toml": 'sources = ["ports.csv"]\n',
    "etc/portmapper/ports.csv": "port;protocol;comment\n",
}

_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")


def main(source: Path, image: Path) -> None:
    """Fill the image."""
    install(source, image / PROGRAM[1:])
    copy_python(image)
    for path in set(shared_libraries(image)):
        copy(path, image)
    if CERTIFICATES.exists():
        copy(CERTIFICATES, image)
    for name, text in FILES.items():
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).write_text(text)
    write_launcher(image)
    state = image / "var/lib/portmapper"
    state.mkdir(parents=True)
    state.chmod(0o700)
    os.chown(state, USER, USER)
    (image / "tmp").mkdir(mode=0o1777)
    compileall.compile_dir(image, quiet=1, stripdir=str(image), workers=1)


def install(source: Path, place: Path) -> None:
    """Install portmapper and its dependencies, whose hashes are checked, from `wheels/` if that exists."""
    wheels = source / "wheels"
    offline = ["--no-index", "--find-links", str(wheels)] if wheels.is_dir() else []
    pip = pip_command()
    target = ["--quiet", "--no-compile", "--target", str(place)]
    requirements = str(source / "packaging/requirements.txt")
    run(*pip, "install", *offline, *target, "--no-deps", "--require-hashes", "-r", requirements)
    own = next(wheels.glob("portmapperd-*.whl"), None) or source
    run(*pip, "install", *target, "--no-deps", str(own))
    shutil.rmtree(place / "bin", ignore_errors=True)
    shutil.rmtree(place / "share", ignore_errors=True)


def pip_command() -> list[str]:
    """Return pip of a new environment: Debian forbids its own pip to install."""
    run(sys.executable, "-m", "venv", "/pip")
    return ["/pip/bin/python", "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]


def copy_python(image: Path) -> None:
    """Copy the interpreter and the standard library."""
    copy(Path(os.path.realpath(sys.executable)), image)
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(
        library,
        image / str(library)[1:],
        symlinks=False,
        ignore=shutil.ignore_patterns(*UNUSED),
        dirs_exist_ok=True,
    )


def write_launcher(image: Path) -> None:
    """Write the command, under both of its names."""
    path = image / "usr/bin/portmapper"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(LAUNCHER.format(python=os.path.realpath(sys.executable), program=PROGRAM))
    path.chmod(0o755)
    path.with_name("portmapperd").symlink_to("portmapper")


def shared_libraries(image: Path) -> Iterator[Path]:
    """Yield the shared libraries that the programs and modules in the image load."""
    modules = [path for path in image.rglob("*.so*") if path.is_file()]
    for path in [Path(os.path.realpath(sys.executable)), *modules]:
        yield from libraries_of(path)


def libraries_of(path: Path) -> Iterable[Path]:
    """Return the libraries that the dynamic linker finds for a file."""
    done = subprocess.run(["ldd", str(path)], check=False, capture_output=True, text=True)
    return [Path(found) for found in _LIBRARY.findall(done.stdout) if Path(found).is_absolute()]


def copy(path: Path, image: Path) -> None:
    """Copy a file to the same path in the image."""
    if path.is_relative_to(image):
        return
    place = image / str(path)[1:]
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, place, follow_symlinks=True)


def run(*words: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(words, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
