"""How plain the code is: `python -m tests.shape [FOLDER …]` counts what `tests/test_shape.py` bounds."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "pytest_selfopt"
_NESTABLE = (ast.IfExp, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_QUIET = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


@dataclass(frozen=True, slots=True)
class Shape:
    """What was counted in some modules; a code line has a token that is neither comment nor docstring."""

    lines: int
    characters: int
    conditionals: int
    comprehensions: int
    nested: int
    fullest: int
    """Modules in the folder that has most."""
    longest: int
    """Lines of the longest module."""

    @property
    def conditionals_per_thousand(self) -> float:
        """Conditional expressions in 1,000 code lines."""
        return 1000 * self.conditionals / self.lines

    @property
    def comprehensions_per_thousand(self) -> float:
        """Comprehensions and generator expressions in 1,000 code lines."""
        return 1000 * self.comprehensions / self.lines

    @property
    def mean_line(self) -> float:
        """Characters of a code line, without its indent."""
        return self.characters / self.lines


def code_lines(text: str) -> list[str]:
    """The lines of code of a module, stripped."""
    documented = set[int]()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            documented.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    numbers = {
        number for token in tokens if token.type not in _QUIET for number in range(token.start[0], token.end[0] + 1)
    }
    lines = text.splitlines()
    return [lines[number - 1].strip() for number in sorted(numbers - documented) if lines[number - 1].strip()]


def shape_of(modules: Iterable[Path]) -> Shape:
    """Count some modules."""
    lines = characters = conditionals = comprehensions = nested = longest = 0
    folders: dict[Path, int] = {}
    for module in modules:
        text = module.read_text("utf-8")
        code = code_lines(text)
        lines += len(code)
        longest = max(longest, text.count("\n"))
        characters += sum(map(len, code))
        folders[module.parent] = folders.get(module.parent, 0) + (module.name != "__init__.py")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, _NESTABLE):
                conditionals += isinstance(node, ast.IfExp)
                comprehensions += not isinstance(node, ast.IfExp)
                nested += any(isinstance(one, ast.IfExp) for one in ast.walk(node) if one is not node) and isinstance(
                    node, ast.IfExp
                )
    return Shape(lines, characters, conditionals, comprehensions, nested, max(folders.values()), longest)


def words_of_test_names(modules: Iterable[Path]) -> list[int]:
    """How many words each test function has in its name after `test_`."""
    counts = []
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if node.name.startswith("test_"):
                counts.append(len(node.name.removeprefix("test_").split("_")))
    return counts


def main() -> None:
    """Print a row for each folder, and the words in tests' names."""
    roots = [Path(name) for name in sys.argv[1:]] or [PACKAGE]
    for root in roots:
        folders = sorted({module.parent for module in root.rglob("*.py")})
        for name, modules in [(str(one), one.glob("*.py")) for one in folders] + [
            (f"{root} in all", root.rglob("*.py"))
        ]:
            found = shape_of(modules)
            sys.stdout.write(
                f"{name:45} {found.lines:6} lines  {found.conditionals_per_thousand:5.1f} conditionals  "
                f"{found.comprehensions_per_thousand:5.1f} comprehensions  {found.nested:2} nested  "
                f"{found.mean_line:4.1f} characters  {found.fullest:2} modules\n"
            )
    words = words_of_test_names(TESTS.rglob("test_*.py"))
    sys.stdout.write(f"names of tests: {median(words):.0f} words in the median, {max(words)} at most\n")


if __name__ == "__main__":
    main()
