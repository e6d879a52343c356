"""`portmapper plugins new` writes a project that builds, is tested, installs and goes again, as it is."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from portmapper.cli.main import main
from portmapper.pluginhost.manager import KINDS

LIMIT = 120

needs_hatchling = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None and not os.environ.get("CI"),
    reason="hatchling, of the dependency group tests, builds the projects",
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
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", KINDS)
def test_a_project_builds_passes_its_tests_installs_and_goes_again(
    kind: str, plugin_environment: Mapping[str, str], tmp_path: Path
) -> None:
    """As generated, without a change and without a network."""
    name = f"portmapper-its-{kind}"

    def run(line: str) -> str:
        return _run(line, plugin_environment, tmp_path)

    run(f"portmapper plugins new {name} --kind {kind}")
    run(f"pip wheel --no-deps --wheel-dir dist ./{name}")
    run(f"cd {name} && pytest -q")
    run("portmapper install dist/*.whl")
    reports = {report["name"]: report for report in json.loads(run("portmapper plugins --json"))}
    report = reports[f"its-{kind}"]
    assert (report["state"], report["distribution"]) == ("loaded", name)
    assert report["provides"] == [f"{kind}:its-{kind}"]
    run(f"portmapper uninstall {name}")
    assert f'"its-{kind}"' not in run("portmapper plugins --json")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_to_do_next_is_said_in_three_lines(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Edit, test, use."""
    assert main(["plugins", "new", "my-router", "--kind", "backend"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Edit", "Test", "Use"]
    assert (here / "my-router" / "my_router.py").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_short(kind: str, here: Path) -> None:
    """A plugin is under 110 lines, and nothing of the template's words is left in it."""
    assert main(["plugins", "new", "mine", "--kind", kind]) == 0
    files = {path: path.read_text() for path in (here / "mine").rglob("*") if path.is_file()}
    assert len((here / "mine" / "mine.py").read_text().splitlines()) < 110
    assert not any(
        "@" in text.replace("@hookimpl", "").replace("@classmethod", "").replace("@pytest", "")
        for text in files.values()
    )


@pytest.mark.parametrize("name", ["My_Router.v2", "3com", "x", "class", "portmapper-observer"])
def test_every_name_of_a_distribution_is_taken(name: str, here: Path) -> None:
    """Also one that is no name for a module or a class."""
    assert main(["plugins", "new", name, "--kind", "observer"]) == 0
    for path in (here / name).rglob("*.py"):
        compile(path.read_text(), str(path), "exec")


@pytest.mark.parametrize("name", ["-x", "", "a b", "../up", "my-", "/tmp/x", "a/b", "é", "x" * 70, "a\nb"])
def test_another_name_is_refused(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the status of wrong usage and one line, and nothing is written."""
    try:
        status = main(["plugins", "new", "--kind", "format", "--", name])
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("portmapper-pcp", "backend", "the backend 'pcp' already exists"),
        ("doctor", "command", "the command 'doctor' already exists"),
        ("json", "source", "the module 'json' already exists"),
        ("portmapper", "source", "the module 'portmapper' already exists"),
    ],
)
def test_a_name_that_would_not_load_is_refused(
    name: str, kind: str, words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is taken is said."""
    assert main(["plugins", "new", name, "--kind", kind]) == 2
    assert words in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_a_directory_that_is_there_is_left_as_it_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and status 1."""
    (here / "mine").mkdir()
    (here / "mine" / "notes").write_text("kept")
    assert main(["plugins", "new", "mine", "--kind", "source"]) == 1
    assert capsys.readouterr().err == "portmapper: mine already exists; nothing was written\n"
    assert [path.name for path in (here / "mine").iterdir()] == ["notes"]


@pytest.mark.parametrize("words", [["new"], ["new", "x"], ["new", "--kind", "format"], ["--kind", "format"]])
def test_what_is_missing_is_said(words: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With how it is to be written."""
    assert main(["plugins", *words]) == 2
    assert "portmapper plugins new NAME --kind" in capsys.readouterr().err
