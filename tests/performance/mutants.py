"""How many faults of the product the tests catch: `python -m tests.performance.mutants [TREE …]` (hours, by hand).

A mutant is one small change of the code: another operator or constant, a call that is left out. All mutants are built
into a copy of each tree, switched off; one run of its tests tells which of them come past which mutant, and each mutant
is then switched on for those tests alone, the quickest first, until one fails. With several trees, such as a checkout
from before a change of the tests, only modules that are the same in all of them are changed, so that what is counted
are the tests.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("loop", "routing", "runners", "ledger", "models", "session", "cycle", "planning", "execution")
HOOK = Path(__file__).with_name("mutants_hook.py")
LIMIT_S = 900
FIRST, MOST = 40, 300
"""How many of the tests that come past a mutant are run, the quickest first: so many, then up to so many."""
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
}


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """Where a module is changed: the number of the node in `ast.walk`, and what is done in words."""

    module: str
    node: int
    line: int
    what: str


def changed(node: ast.AST) -> tuple[ast.AST, str] | None:
    """A node with one small change, and the change in words; None where none is known."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
        other = copy.deepcopy(node)
        other.ops = [_COMPARISONS[type(node.ops[0])]()]
        return other, f"{ast.unparse(node)} → {ast.unparse(other)}"
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS and not _is_text(node):
        swapped = copy.deepcopy(node)
        swapped.op = _OPERATORS[type(node.op)]()
        return swapped, f"{ast.unparse(node)} → {ast.unparse(swapped)}"
    if isinstance(node, ast.BoolOp):
        joined = copy.deepcopy(node)
        joined.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return joined, f"{ast.unparse(node)} → {ast.unparse(joined)}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return node.operand, f"{ast.unparse(node)} → {ast.unparse(node.operand)}"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.Pass(), f"{ast.unparse(node)} left out"
    return None


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(one, ast.JoinedStr | ast.Constant) and not _is_number(one) for one in (node.left, node.right))


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def sites_of(module: str, text: str) -> Iterator[Site]:
    """The places of a module that can be changed; annotations and what is imported for types alone are none."""
    tree = ast.parse(text)
    skipped = set[int]()
    for node in ast.walk(tree):
        unread = [getattr(node, name, None) for name in ("annotation", "returns")]
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            unread.append(node)
        for part in unread:
            if isinstance(part, ast.AST):
                skipped.update(id(one) for one in ast.walk(part))
    for number, node in enumerate(ast.walk(tree)):
        if id(node) not in skipped and isinstance(node, ast.stmt | ast.expr) and (found := changed(node)):
            yield Site(module, number, node.lineno, found[1])


def chosen_sites(trees: Sequence[Path], count: int, seed: int) -> list[Site]:
    """So many places, as many in each folder, in modules that all trees have alike."""
    chance = random.Random(seed)
    folders: list[list[Site]] = []
    for folder in FOLDERS:
        found: list[Site] = []
        for path in sorted((trees[-1] / "pytest_selfopt" / folder).rglob("*.py")):
            module = str(path.relative_to(trees[-1]))
            texts = {(tree / module).read_text() for tree in trees if (tree / module).exists()}
            if len(texts) == 1 and all((tree / module).exists() for tree in trees):
                found += sites_of(module, texts.pop())
        chance.shuffle(found)
        if found:
            folders.append(found)
    turns = (folder[index] for index in range(count) for folder in folders if index < len(folder))
    return sorted(site for site, _ in zip(turns, range(count), strict=False))


class _Builder(ast.NodeTransformer):
    """Builds mutants into a module, each behind the question whether it is switched on."""

    def __init__(self, numbers: dict[int, int]) -> None:
        self._numbers = numbers
        """The mutants by the id of the node that they change."""

    def visit(self, node: ast.AST) -> ast.AST:
        number = self._numbers.get(id(node))
        found = changed(node) if number is not None else None
        node = self.generic_visit(node)
        if found is None:
            return node
        on = ast.Call(ast.Name("_mutant", ast.Load()), [ast.Constant(number)], [])
        if isinstance(found[0], ast.stmt):
            assert isinstance(node, ast.stmt)
            return ast.If(on, [found[0]], [node])
        assert isinstance(node, ast.expr)
        assert isinstance(found[0], ast.expr)
        return ast.IfExp(on, found[0], node)


def build(tree: Path, sites: Sequence[Site]) -> None:
    """Build mutants into the modules of a tree."""
    for module in sorted({site.module for site in sites}):
        parsed = ast.parse((tree / module).read_text())
        nodes = list(ast.walk(parsed))
        numbers = {id(nodes[site.node]): number for number, site in enumerate(sites) if site.module == module}
        (tree / module).write_text(ast.unparse(ast.fix_missing_locations(_Builder(numbers).visit(parsed))))


@dataclass(frozen=True, slots=True)
class Caught:
    """What became of mutants: for each the test that failed, "" where all passed, None where none came past it."""

    tests: tuple[str | None, ...]


def caught_in(tree: Path, sites: Sequence[Site], place: Path) -> Caught:
    """Run the tests of a tree against mutants."""
    work = place / tree.name
    shutil.copytree(tree, work, ignore=shutil.ignore_patterns(".venv", "__pycache__", ".selfopt", ".git"))
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(["uv", "sync", "-q"], cwd=work, env=environment, check=True)
    (packages,) = (work / ".venv").glob("lib/python*/site-packages")
    shutil.copy(HOOK, packages)
    (packages / "mutants.pth").write_text("import mutants_hook\n")
    build(work, sites)
    log = place / f"{tree.name}.log"
    began = time.time()
    arguments = ["-p", "mutants_hook", "-p", "no:cacheprovider", "-p", "no:randomly", "-q"]
    run(work, arguments, MUTANTS_LOG=str(log))
    if not log.exists():
        raise SystemExit(f"the tests of {tree} do not start with mutants in it: see by `pytest` in {work}")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    failing = {entry["failed"] for entry in entries if "failed" in entry}
    took = {entry["ended"]: entry["took"] for entry in entries if "ended" in entry}
    print(f"{tree.name}: {len(took)} tests in {time.time() - began:.0f} s, {len(failing)} of them never pass here")
    found: list[str | None] = []
    for number, site in enumerate(sites):
        tests = {entry["test"] for entry in entries if entry.get("reached") == number} - failing - {None}
        found.append(first_failure(work, number, sorted(tests, key=lambda test: took.get(test, 0.0)), place))
        print(f"{tree.name} {number} {site.module}:{site.line} {site.what}: {found[-1] or 'MISSED'} of {len(tests)}")
        sys.stdout.flush()
    return Caught(tuple(found))


def first_failure(work: Path, number: int, tests: Sequence[str], place: Path) -> str | None:
    """The first of some tests that fails with a mutant switched on; "" when none does, None when there is no test."""
    if not tests:
        return None
    log, chosen = place / "mutant.log", place / "chosen.txt"
    for some in (tests[:FIRST], tests[FIRST:MOST]):
        if not some:
            return ""
        log.unlink(missing_ok=True)
        chosen.write_text("\n".join(some))
        arguments = ["-x", "-q", "-p", "mutants_hook", "-p", "no:cacheprovider", "--timeout=150", f"@{chosen}"]
        ended = run(work, arguments, MUTANT=str(number), MUTANTS_LOG=str(log))
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        failed = [line["failed"] for line in lines if "failed" in line]
        if failed or ended:
            return failed[0] if failed else "the session itself"
    return ""


def run(work: Path, arguments: Sequence[str], **environment: str) -> int:
    """Run pytest in a tree; its status."""
    command = [str(work / ".venv/bin/python"), "-m", "pytest", *arguments]
    try:
        return subprocess.run(
            command, cwd=work, env={**os.environ, **environment}, capture_output=True, timeout=LIMIT_S * 2
        ).returncode
    except subprocess.TimeoutExpired:
        return -1


def main() -> None:
    """Print a table of mutants and the tests that catch them, tree by tree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trees", nargs="*", type=Path, default=[Path(__file__).parents[2]])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    trees = [tree.resolve() for tree in options.trees]
    sites = chosen_sites(trees, options.count, options.seed)
    with tempfile.TemporaryDirectory() as place:
        caught = {tree: caught_in(tree, sites, Path(place)) for tree in trees}
    for number, site in enumerate(sites):
        print(f"{number:3} {site.module}:{site.line}: {site.what}")
        for tree in trees:
            print(f"      {tree.name}: {caught[tree].tests[number] or 'MISSED'}")
    for tree in trees:
        print(f"{tree}: {sum(map(bool, caught[tree].tests))} of {len(sites)} caught")


if __name__ == "__main__":
    main()
