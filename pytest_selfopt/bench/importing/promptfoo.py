"""promptfoo's test YAML: prompts with {{variables}}, and assertions that need no model and no program to be judged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.importing.imported import Imported
from pytest_selfopt.errors import SuiteError

_VARIABLE = re.compile(r"{{\s*([A-Za-z_][A-Za-z0-9_.]*)\s*}}")


def import_promptfoo(path: Path, limit: int | None = None) -> Imported:
    """The cases of a configuration: every prompt with every test, at most `limit` of them.

    Raises:
        SuiteError: when the file cannot be read, or holds no prompts or no tests.
    """
    document = _document(path)
    prompts = [text for text in map(_prompt, _list(document.get("prompts"))) if text is not None]
    tests = [one for one in _list(document.get("tests")) if isinstance(one, Mapping)]
    if not prompts or not tests:
        raise SuiteError(f"{path.name}: holds no prompts written in it, or no tests")
    shared = document.get("defaultTest") or {}
    imported = Imported()
    for number, text in enumerate(prompts, start=1):
        for place, test in enumerate(tests, start=1):
            if limit is not None and imported.cases >= limit:
                return imported
            name = f"prompt-{number}-test-{place}" if len(prompts) > 1 else f"test-{place}"
            where = f"{path.name}: tests[{place - 1}]" + (f" with prompts[{number - 1}]" if len(prompts) > 1 else "")
            try:
                case = {"id": name, "prompt": _filled(text, test, shared), "expect": _expect(test, shared)}
                imported.add(case, where)
            except ValueError as problem:
                imported.leave(where, str(problem))
    for one in _list(document.get("prompts")):
        if _prompt(one) is None:
            imported.leave(path.name, f"the prompt {one!r} stands in another file or is a program")
    return imported


def _document(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise SuiteError(f"{path}: cannot be read: {' '.join(str(problem).split())}") from None
    if not isinstance(value, Mapping):
        raise SuiteError(f"{path}: expected an object with prompts and tests")
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _prompt(value: Any) -> str | None:
    """The text of a prompt; None for one that stands elsewhere."""
    text = value.get("raw") if isinstance(value, Mapping) else value
    return None if not isinstance(text, str) or text.startswith("file://") else text


def _filled(text: str, test: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    variables = {**(shared.get("vars") or {}), **(test.get("vars") or {})}

    def value(found: re.Match[str]) -> str:
        known = variables.get(found[1])
        if isinstance(known, str | int | float) and not str(known).startswith("file://"):
            return str(known)
        raise ValueError(f"the variable {found[1]!r} is no text that stands in the file")

    filled = _VARIABLE.sub(value, text)
    if "{%" in filled or "{{" in filled:
        raise ValueError("its prompt is a template with more than variables")
    return filled


def _expect(test: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """The one expectation that the assertions amount to; several texts that are to be contained count as one."""
    found = list(_read([*_list(shared.get("assert")), *_list(test.get("assert"))]))
    if not found:
        raise ValueError("it asserts nothing")
    texts = [one for one in found if "contains" in one]
    if len(texts) == len(found) and len({one["ignore_case"] for one in texts}) == 1:
        return {"contains": [part for one in texts for part in one["contains"]], "ignore_case": texts[0]["ignore_case"]}
    if len(found) > 1:
        raise ValueError("it has several assertions of different kinds; a case has one expectation")
    return found[0]


def _read(assertions: list[Any]) -> Iterator[dict[str, Any]]:
    for one in assertions:
        kind, value = str(one.get("type")), one.get("value")
        if kind in ("contains", "icontains") and isinstance(value, str | int | float):
            yield {"contains": [str(value)], "ignore_case": kind == "icontains"}
        elif kind in ("contains-all", "icontains-all") and isinstance(value, list):
            yield {"contains": [str(part) for part in value], "ignore_case": kind == "icontains-all"}
        elif kind in ("contains-any", "icontains-any") and isinstance(value, list):
            flag = "(?i)" if kind == "icontains-any" else ""
            yield {"regex": flag + "|".join(re.escape(str(part)) for part in value)}
        elif kind == "equals" and isinstance(value, str | int | float):
            yield {"exact": str(value)}
        elif kind == "regex" and isinstance(value, str):
            yield {"regex": value}
        elif kind == "starts-with" and isinstance(value, str):
            yield {"regex": rf"\A{re.escape(value)}"}
        elif kind == "is-json":
            yield {"json_schema": value if isinstance(value, dict) else {}}
        else:
            raise ValueError(f"the assertion {kind!r} needs a model, a program or a measure that cases do not have")
