"""Where settings are found from: configuration files, folders and arguments that are not the project's own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_selfopt.routing.resolve import resolve
from pytest_selfopt.settings_lookup import ProjectChoice, choose_project
from tests.acceptance.conftest import BODY, MODEL, Project, right, said, selfopt, short_suite

Make = Callable[..., Project]
USED = "settings: {0}pyproject.toml; state: {0}.selfopt; routing: {0}routing_config.json"
NO_CALLS = ("--selfopt-cycle", "--selfopt-dry-run")


def add_benchmark(folder: Path, name: str, settings: str = "") -> None:
    """Put a benchmark into a folder, and settings into the one above."""
    folder.mkdir(parents=True)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in short_suite()))
    (folder / f"test_{name}.py").write_text(BODY.replace("items", name))
    if settings:
        (folder.parent / "pyproject.toml").write_text(settings)


def with_packages(made: Project, *names: str) -> None:
    """Make a repository of packages, each with benchmarks and settings of its own."""
    settings = (made.path / "pyproject.toml").read_text().replace("[tool.selfopt]", '[tool.selfopt]\nstate_dir = "own"')
    for name in names:
        add_benchmark(made.path / "packages" / name / "benchmarks", name, settings)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_configuration_file_elsewhere_moves_neither_settings_nor_state(project: Make, workers: str) -> None:
    made = project({"rules": right(constrained=True)})
    add_benchmark(made.path / "benchmarks", "short")
    conf = made.path / "conf"
    conf.mkdir()
    (conf / "ci.toml").write_text("[tool.pytest.ini_options]\n")
    result = made.run("-c", "conf/ci.toml", "benchmarks", "--selfopt-cycle", workers)
    title = next(index for index, line in enumerate(result.outlines) if "= selfopt cycle 1 =" in line)
    assert result.outlines[title + 1] == USED.format("")
    assert result.outlines[title + 2].startswith("PROMOTE ")
    assert [path.name for path in conf.iterdir()] == ["ci.toml"]
    gate = made.run("-c", "conf/ci.toml", "benchmarks", "--selfopt-gate", workers)
    assert USED.format("") in gate.outlines
    assert "compared with what cycle 1 stored" in said(gate)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_settings_nearest_to_the_benchmarks_hold(project: Make, workers: str) -> None:
    made = project()
    with_packages(made, "a")
    used = "settings: packages/a/pyproject.toml; state: packages/a/own; routing: packages/a/routing_config.json"
    for argument in ("packages/a/benchmarks", "packages/a/benchmarks/test_a.py::test_a", "packages"):
        result = made.run(argument, *NO_CALLS, workers)
        assert f"{used}; not used: pyproject.toml" in said(result)
    whole = made.run("packages", "--selfopt-force-model=ollama/none", "-k", "item-1", "--tb=no", workers)
    note = "packages/a/pyproject.toml holds, because it is nearest to the benchmarks; not used: pyproject.toml"
    assert f"selfopt: {note} (--rootdir=. uses that instead)" in said(whole)
    forced = made.run("packages", "--rootdir=.", *NO_CALLS, workers)
    assert USED.format("") in forced.outlines


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_benchmarks_of_two_projects_are_no_session(project: Make, workers: str) -> None:
    made = project()
    with_packages(made, "a", "b")
    (made.path / "packages" / "test_unit.py").write_text("def test_unit(): pass\n")
    refused = made.run("packages/a", "packages/b", workers)
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert (
        "packages/b/benchmarks/test_b.py::test_b and packages/a/benchmarks/test_a.py::test_a are of two projects, by "
        "packages/b/pyproject.toml and packages/a/pyproject.toml: a session has one ledger"
    ) in refused.stderr.str()
    assert "whose settings hold for both, such as --rootdir=." in refused.stderr.str()
    assert made.run("packages", "-k", "test_unit", workers).ret == 0
    # Which of them is selected is known too late: the first that was collected has named the project.
    late = made.run("packages", "-k", "test_b", *NO_CALLS, workers)
    assert "of one of them by their paths (-k, -m and --deselect choose" in late.stderr.str()
    assert made.run("packages", "-k", "test_a", *NO_CALLS, workers).ret == 0
    assert made.run("packages", "--rootdir=.", *NO_CALLS, workers).ret == 0


def test_another_folder_may_be_the_working_directory(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = project({"rules": right(constrained=True)})
    add_benchmark(made.path / "benchmarks", "short")
    other = made.path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    # Configured above, and of no project itself.
    assert USED.format("../") in made.run("../benchmarks", *NO_CALLS).outlines
    (other / "selfopt.toml").write_text('model = "ollama/other"\n')
    result = made.run("../benchmarks", *NO_CALLS)
    assert f"{USED.format('../')}; not used: selfopt.toml" in said(result)
    monkeypatch.chdir(made.path / "benchmarks")
    (made.path / "benchmarks" / "tox.ini").write_text("[pytest]\n")
    assert made.run("--selfopt-cycles=3", "--selfopt-candidates=1", "--selfopt-no-prove").ret in (0, 10)
    assert not (made.path / "benchmarks" / ".selfopt").exists()
    assert {entry["cycle"] for entry in made.history()} >= {1, 2}


def test_cycles_stop_by_the_history_of_their_project(project: Make) -> None:
    made = project()
    with_packages(made, "a")
    result = made.run("packages", "--selfopt-cycles=9", "-q", "--selfopt-max-calls=3")
    assert "stopped after 1 of 9 cycles: " in said(result)
    assert "recorded nothing" not in said(result)
    assert (made.path / "packages" / "a" / "own" / "ledger.sqlite").exists()


def test_installed_benchmarks_take_the_settings_of_the_working_directory(
    project: Make, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = project()
    installed = tmp_path_factory.mktemp("installed")
    add_benchmark(installed / "shop_benchmarks", "shop")
    (installed / "shop_benchmarks" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")])))
    assert USED.format("") in made.run("--pyargs", "shop_benchmarks", *NO_CALLS).outlines


def test_commands_find_the_project_from_a_folder_in_it(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    made.write_suite(short_suite())
    assert made.run("--selfopt-cycle").ret == 0
    inner = made.path / "docs" / "notes"
    inner.mkdir(parents=True)
    assert selfopt(inner, "history").stdout.startswith("cycle 1 ")
    assert MODEL in selfopt(inner, "models", "--no-ask").stdout
    assert json.loads(selfopt(inner, "resolve", MODEL, "atomic", "--json").stdout)["variant"] == "schema"
    assert selfopt(inner, "history", "--state-dir", "../../.selfopt").stdout.startswith("cycle 1 ")
    shop = '[tool.selfopt.providers.shop]\nbase_url = "http://127.0.0.1:9/v1"'
    made.configure(f'{shop}\n[tool.selfopt.tiers]\nmine = ["{MODEL}"]')
    worker = selfopt(inner, "worker", "nats", "--models", "shops")
    assert (worker.returncode, "did you mean 'shop'?" in worker.stderr) == (4, True)
    batch = selfopt(inner, "batch", "mine", "--yes", "--json")
    assert json.loads(batch.stdout), batch.stderr


def test_commands_take_the_settings_nearest_to_their_suites(project: Make) -> None:
    made = project()
    with_packages(made, "a", "b")
    suites = [str(made.path / f"packages/{name}/benchmarks/{name}.jsonl") for name in "ab"]
    one = made.selfopt("cost-estimate", ":1", "--tier", "none", "--suite", suites[0])
    assert "packages/a/pyproject.toml holds, because it is nearest to the suites; not used: pyproject.toml" in (
        one.stderr.replace("\n", " ")
    )
    both = made.selfopt("power", *suites)
    assert both.returncode == 4
    assert "the suites are of several projects, by packages/a/pyproject.toml, packages/b/pyproject.toml" in both.stderr
    assert made.selfopt("power", *suites, "--rootdir", ".").returncode == 0


def test_an_application_follows_the_settings_of_its_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder within it; and by its own file, if the settings lead to none."""
    inner = tmp_path / "service"
    inner.mkdir()
    monkeypatch.chdir(inner)

    def write(path: Path, variant: str) -> None:
        rule = {"model": "m", "phase": "p", "allow": True, "variant": variant}
        path.write_text(json.dumps({"version": 1, "rules": [rule]}))

    assert resolve("m", "p").because == ("routing_config.json does not exist",)
    write(inner / "routing_config.json", "atomic")
    assert resolve("m", "p").variant == "atomic"
    deeper = inner / "deeper"
    deeper.mkdir()
    monkeypatch.chdir(deeper)
    assert resolve("m", "p").variant == "atomic"
    (deeper / "selfopt.toml").write_text('routing = "routes.json"\n')
    last = deeper / "last"
    last.mkdir()
    monkeypatch.chdir(last)
    assert resolve("m", "p").because == (f"{deeper / 'routes.json'} does not exist",)
    write(deeper / "routes.json", "schema")
    assert resolve("m", "p").variant == "schema"


def choice_from(*starts: Path, given: Path | None = None) -> ProjectChoice:
    return choose_project(starts, given=given, default=starts[-1])


def test_the_search_ends_where_a_project_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a repository, the home directory, and a folder in which everybody may put files."""
    inner = tmp_path / "outer" / "project" / "benchmarks"
    inner.mkdir(parents=True)
    outer, project = inner.parents[1], inner.parent
    settings = outer / "selfopt.toml"
    settings.touch()
    assert choice_from(inner).found == settings
    (project / ".git").touch()
    assert choice_from(inner) == ProjectChoice(inner)
    (project / ".git").unlink()
    monkeypatch.setenv("HOME", str(project))
    assert choice_from(inner) == ProjectChoice(inner)
    assert choice_from(outer).found == settings
    monkeypatch.setenv("HOME", str(outer))
    assert choice_from(inner).found == settings
    outer.chmod(0o1777)
    assert choice_from(inner) == ProjectChoice(inner)
    assert choice_from(outer).found == settings
    outer.chmod(0o777)
    assert choice_from(inner).found == settings


def test_what_counts_as_settings(tmp_path: Path) -> None:
    inner = tmp_path / "project" / "benchmarks"
    inner.mkdir(parents=True)
    project = inner.parent
    (tmp_path / "selfopt.toml").touch()
    pyproject = project / "pyproject.toml"
    for text in ('[project]\ndependencies = ["pytest-selfopt"]\n', "[tool.other", "tool = 1 # selfopt\n", "\udcff"):
        pyproject.write_bytes(text.encode(errors="surrogateescape"))
        assert choice_from(inner).folder == tmp_path, text
    for text in ("[tool.selfopt]\n", "tool.selfopt.model = 'a/b'\n", "[tool.selfopt\n"):
        pyproject.write_text(text)
        assert choice_from(inner) == ProjectChoice(project, pyproject), text
    (project / "selfopt.toml").touch()
    assert choice_from(inner).found == project / "selfopt.toml"


def test_settings_are_preferred_to_state(tmp_path: Path) -> None:
    """What an earlier session has left in a folder of its own makes that no project, if there are settings."""
    inner = tmp_path / "project" / "benchmarks"
    (inner / ".selfopt").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert choice_from(inner, elsewhere) == ProjectChoice(inner, inner / ".selfopt")
    (elsewhere / "routing_config.json").touch()
    left = (elsewhere / "routing_config.json",)
    assert choice_from(inner, elsewhere) == ProjectChoice(inner, inner / ".selfopt", left)
    assert choice_from(inner, given=elsewhere).folder == elsewhere
    (inner.parent / "selfopt.toml").touch()
    assert choice_from(inner, elsewhere).folder == inner.parent
    assert choice_from(inner, given=elsewhere).folder == inner.parent


def test_a_link_belongs_to_where_it_stands(tmp_path: Path) -> None:
    """And where nothing is above it, to what it points to."""
    shared, project = tmp_path / "shared" / "benchmarks", tmp_path / "project"
    shared.mkdir(parents=True)
    project.mkdir()
    link = project / "benchmarks"
    link.symlink_to(shared)
    (shared.parent / "selfopt.toml").touch()
    assert choice_from(link).folder == shared.parent
    (project / "selfopt.toml").touch()
    assert choice_from(link).folder == project
    assert choice_from(link, shared) == ProjectChoice(
        project, project / "selfopt.toml", (shared.parent / "selfopt.toml",)
    )
