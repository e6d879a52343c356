"""`portmapper plugins new` creates a project that builds, passes its tests and can be installed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from portmapper.cli.main import main
from portmapper.pluginhost.kinds import KINDS

LIMIT = 120

needs_hatchling = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None and not os.environ.get("CI"),
    reason="needs hatchling (dependency group tests) to build the projects",
)


def _run(line: str, environment: Mapping[str, str], cwd: Path) -> str:
    done = subprocess.run(
        line,
        shell=True,
        check=False,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@needs_hatchling
@pytest.mark.packaging
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", KINDS)
def test_a_project_builds_passes_its_tests_and_installs(
    kind: str, plugin_environment: Mapping[str, str], tmp_path: Path
) -> None:
    """It works without changes and without a network, and can be uninstalled."""
    name = f"portmapper-sample-{kind}"

    def run(line: str) -> str:
        return _run(line, plugin_environment, tmp_path)

    run(f"portmapper plugins new {name} --kind {kind}")
    run(f"pip wheel --no-deps --wheel-dir dist ./{name}")
    run(f"cd {name} && pytest -q")
    run("portmapper install dist/*.whl")
    reports = {report["name"]: report for report in json.loads(run("portmapper plugins --json"))}
    report = reports[f"sample-{kind}"]
    assert (report["state"], report["distribution"]) == ("loaded", name)
    assert report["provides"] == [f"{kind}:sample-{kind}"]
    run(f"portmapper uninstall {name}")
    assert f'"sample-{kind}"' not in run("portmapper plugins --json")


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_is_short(kind: str, workdir: Path) -> None:
    """The module has less than 110 lines, and no placeholder of the template is left."""
    assert main(["plugins", "new", "mine", "--kind", kind]) == 0
    files = {path: path.read_text() for path in (workdir / "mine").rglob("*") if path.is_file()}
    assert len((workdir / "mine" / "mine.py").read_text().splitlines()) < 100
    assert not any(
        "@" in text.replace("@hookimpl", "").replace("@classmethod", "").replace("@pytest", "")
        for text in files.values()
    )


@pytest.mark.parametrize("name", ["My_Router.v2", "3com", "x", "class", "portmapper-observer"])
def test_every_valid_distribution_name_is_accepted(name: str, workdir: Path) -> None:
    """This includes names that are not valid for a module or a class."""
    assert main(["plugins", "new", name, "--kind", "observer"]) == 0
    for path in (workdir / name).rglob("*.py"):
        compile(path.read_text(), str(path), "exec")


@pytest.mark.parametrize("name", ["-x", "", "a b", "../up", "my-", "/tmp/x", "a/b", "é", "x" * 70, "a\nb"])
def test_an_invalid_name_is_refused(name: str, workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a usage error of one line, and nothing is written."""
    try:
        status = main(["plugins", "new", "--kind", "format", "--", name])
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("portmapper-pcp", "backend", "the backend 'pcp' already exists"),
        ("doctor", "command", "the command 'doctor' already exists"),
        ("json", "source", "the module 'json' already exists"),
        ("portmapper", "source", "the module 'portmapper' already exists"),
    ],
)
def test_a_taken_name_is_refused(
    name: str, kind: str, words: str, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names what exists."""
    assert main(["plugins", "new", name, "--kind", kind]) == 2
    assert words in capsys.readouterr().err
    assert list(workdir.iterdir()) == []


def test_an_existing_directory_is_not_changed(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message is one line, and the exit status is 1."""
    (workdir / "mine").mkdir()
    (workdir / "mine" / "notes").write_text("kept")
    assert main(["plugins", "new", "mine", "--kind", "source"]) == 1
    assert capsys.readouterr().err == "portmapper: mine already exists; nothing was written\n"
    assert [path.name for path in (workdir / "mine").iterdir()] == ["notes"]
