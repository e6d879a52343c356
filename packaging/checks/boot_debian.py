"""Boots a minimal Debian with systemd, installs portmapper in it, and checks the service.

    python packaging/checks/boot_debian.py CACHE WHEELS          # installs the wheel into /opt/portmapper
    python packaging/checks/boot_debian.py CACHE PACKAGE.deb     # installs the Debian package

CACHE keeps the tree that debootstrap creates. It needs root, debootstrap and systemd-container.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,iproute2"
RELEASE = "bookworm"
BOOT_LIMIT = 240
RESULT = "root/result"

UNIT = """\
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'python3 /root/in_tree.py {program} > /{result} 2>&1; systemctl --no-block poweroff'
StandardOutput=null
[Install]
WantedBy=multi-user.target
"""

INSTALL_WHEEL = """\
python3 -m venv /opt/portmapper
/opt/portmapper/bin/pip install --quiet --no-index --find-links /root/given portmapperd
/opt/portmapper/bin/portmapper service install
"""

INSTALL_PACKAGE = "dpkg --install /root/given/*.deb\nportmapperd --version\n"


def main() -> int:
    """Boot, check, print the result, and return 1 if a check failed."""
    cache, given = Path(sys.argv[1]), Path(sys.argv[2])
    base = base_tree(cache)
    with tempfile.TemporaryDirectory(prefix="portmapper-tree-") as directory:
        tree = Path(directory, "tree")
        subprocess.run(["cp", "--archive", "--reflink=auto", base, tree], check=True)
        program = install(tree, given)
        boot(tree, program)
        result = tree / RESULT
        text = result.read_text() if result.exists() else "FAILED: the system did not finish its checks\n"
    print(text, end="")
    return 1 if "FAILED" in text or "ok " not in text else 0


def base_tree(cache: Path) -> Path:
    """Return the tree of a minimal Debian; create it at the first call."""
    tree = cache / f"{RELEASE}-systemd"
    if not tree.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = cache / f"{RELEASE}-unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(unfinished)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        unfinished.rename(tree)
    return tree


def install(tree: Path, given: Path) -> str:
    """Install what was given, and return the path of the command."""
    place = tree / "root/given"
    place.mkdir()
    is_package = given.suffix == ".deb"
    for file in [given] if is_package else given.glob("*.whl"):
        shutil.copy(file, place)
    script = INSTALL_PACKAGE if is_package else INSTALL_WHEEL
    _nspawn(tree, "--pipe", "sh", "-euc", script)
    return "/usr/bin/portmapper" if is_package else "/opt/portmapper/bin/portmapper"


def boot(tree: Path, program: str) -> None:
    """Boot the tree. The checks start with it, and switch it off."""
    shutil.copy(Path(__file__).with_name("in_tree.py"), tree / "root")
    units = tree / "etc/systemd/system"
    (units / "checks.service").write_text(UNIT.format(program=program, result=RESULT))
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    (units / "multi-user.target.wants/checks.service").symlink_to("/etc/systemd/system/checks.service")
    _nspawn(tree, "--boot", "--private-network")


def _nspawn(tree: Path, *words: str) -> None:
    command = ["systemd-nspawn", "--quiet", "--directory", str(tree), "--register=no", "--keep-unit", *words]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=BOOT_LIMIT, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        sys.exit(
            f"systemd-nspawn failed with status {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )


if __name__ == "__main__":
    sys.exit(main())
