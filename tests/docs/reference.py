"""The reference in docs/reference, as the code has it; `python -m tests.docs.reference` writes its pages anew."""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

from pytest_selfopt import cli, hookspec, plugin
from pytest_selfopt.commands.common.exit_status import STATUSES as COMMAND_STATUSES
from pytest_selfopt.cycle.exit_status import STATUSES
from pytest_selfopt.ledger.schema import SCHEMA_VERSION, connect
from tests.docs.lines import table
from tests.docs.settings_page import settings_page
from tests.packages import ROOT
from tests.performance.statuses import ENDED

FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Made from the code by `python -m tests.docs.reference`. -->"
Schema = Mapping[str, Any]
STATUSES_OF_OTHERS = (
    "Pytest and other plugins have statuses of their own, which are never replaced by one of these. The verdict is "
    "the same with and without `-n`; some of these statuses are not, because pytest and xdist end a session in "
    "different ways (pytest 9.2.0, pytest-xdist 3.8.0, pytest-timeout 2.4.0, pytest-cov 7.1.0; "
    "`python -m tests.performance.statuses`):"
)


def options() -> Iterator[str]:
    """The options of pytest."""
    yield from ("# Options of pytest", "", "Without any of them the plugin does nothing but route plain sessions.", "")
    rows = []
    for name, values in plugin._OPTIONS.items():
        shown = f"{name} {values['metavar']}" if "metavar" in values else name
        shown += f" {{{','.join(values['choices'])}}}" if "choices" in values else ""
        rows.append([f"`{shown}`", values["help"].replace("%%", "%")])
    yield from table(["option", "meaning"], rows)
    yield from (
        "",
        "With `-n` the bodies run [in several processes](../how-to/xdist.md); calls run in parallel anyway.",
    )


def commands() -> Iterator[str]:
    """The commands of `selfopt`."""
    yield from ("# The command line", "", "`selfopt COMMAND --help` says the same.", "")
    parser = cli.build_parser()
    for name, command, help_text in _subcommands(parser):
        yield from (f"## selfopt {name}", "", f"{help_text[:1].upper()}{help_text[1:]}.", "")
        yield from _command(name, command)
    yield from (
        "## Exit status",
        "",
        *table(["status", "meaning"], [[str(n), t] for n, t in COMMAND_STATUSES.items()]),
    )


def _subcommands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield name, command, helps[name]


def _command(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    rows = []
    for action in command._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        if isinstance(action, argparse._SubParsersAction):
            rows += [[f"`{name} {inner}`", text] for inner, _, text in _subcommands(command)]
            continue
        metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        value = "" if action.nargs == 0 else f"{{{','.join(map(str, action.choices))}}}" if action.choices else metavar
        shown = ", ".join(action.option_strings) or metavar.lower()
        rows.append([f"`{f'{shown} {value}'.strip() if action.option_strings else value or shown}`", action.help or ""])
    yield from table(["argument", "meaning"], rows)
    if command.epilog:
        yield from ("", f"{command.epilog.partition(':')[0].capitalize()}: `{command.epilog.partition(': ')[2]}`")
    yield ""
    for inner, sub, _ in _subcommands(command):
        yield from (f"### selfopt {name} {inner}", "")
        yield from _command(f"{name} {inner}", sub)


def hooks() -> Iterator[str]:
    """The hooks by which others extend the plugin."""
    yield from ("# Hooks", "", inspect.getdoc(hookspec) or "", "")
    for name, function in vars(hookspec).items():
        if name.startswith("pytest_selfopt_"):
            yield from (f"## {name}", "", f"`{name}{_signature(function)}`", "")
            first = getattr(function, "pytest_spec", {}).get("firstresult")
            yield from _docstring(inspect.getdoc(function) or "")
            yield from ("", "The first answer that is not None counts." if first else "All answers count.", "")
    yield "More is extended by what a setting names: see [Writing your own](../how-to/extend.md)."


def _signature(function: Callable[..., Any]) -> str:
    return str(inspect.signature(function)).replace("'", "")


def _docstring(text: str) -> Iterator[str]:
    """A docstring as Markdown: what is set in after a double colon is code."""
    before, mark, code = text.partition("::\n\n")
    yield f"{before}:" if mark else before
    if mark:
        yield from ("", "```python", *inspect.cleandoc(code).split("\n"), "```")


def statuses() -> Iterator[str]:
    """Exit codes."""
    yield from (
        "# Exit status",
        "",
        "Of `pytest --selfopt-cycle` and `--selfopt-gate`, with and without `-n`:",
        "",
    )
    yield from table(["status", "meaning"], [[str(number), text] for number, text in STATUSES.items()])
    yield from ("", STATUSES_OF_OTHERS, "")
    rows = [[words, _status(one.alone), _status(one.distributed), one.verdict] for words, one in ENDED.items()]
    yield from table(["what happens", "status without `-n`", "with `-n`", "the verdict"], rows)
    yield from ("", "Of `selfopt`:", "")
    yield from table(["status", "meaning"], [[str(number), text] for number, text in COMMAND_STATUSES.items()])


def _status(number: int | None) -> str:
    if number is None:
        return "–"
    return str(number)


def ledger() -> Iterator[str]:
    """The tables of the ledger."""
    yield from (
        "# The ledger",
        "",
        f"SQLite, `.selfopt/ledger.sqlite`, version {SCHEMA_VERSION} (`PRAGMA user_version`).",
        "",
    )
    yield from ("Older versions are brought up to date when they are opened. JSON stands as text.", "")
    yield from ("What may be missing is null; everything else is always there.", "")
    with tempfile.TemporaryDirectory() as folder, closing(connect(Path(folder) / "ledger.sqlite")) as connection:
        names = [
            row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
        ]
        for name in names:
            if not name.startswith("sqlite_"):
                yield from (
                    f"## {name}",
                    "",
                    *table(["column", "type", "meaning"], _columns(connection, name)),
                    "",
                )


def _columns(connection: sqlite3.Connection, name: str) -> list[list[str]]:
    """The columns of a table, each with what the comment behind it says."""
    (made,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    meanings = dict(re.findall(r'(?m)^ *"?(\w+)"? .*?-- (.*)$', made))
    rows = connection.execute(f"PRAGMA table_info({name})").fetchall()
    return [[f"`{row['name']}`", row["type"].lower(), meanings[row["name"]]] for row in rows]


def schema_page(title: str, package: str, file: str, about: str) -> Iterator[str]:
    """A file format, by its JSON Schema."""
    schema: Schema = json.loads((resources.files(package) / file).read_text("utf-8"))
    yield from (f"# {title}", "", about, "", f"JSON Schema (draft-07): `{package.replace('.', '/')}/{file}`.", "")
    if schema.get("description"):
        yield from (schema["description"], "")
    yield from _fields(schema)
    yield from _inner(schema, "")
    for name, inner in schema.get("definitions", {}).items():
        yield from ("", f"## {name}", "", inner.get("description", ""), "")
        yield from _fields(inner)


def _inner(schema: Schema, path: str) -> Iterator[str]:
    """The objects that stand inside an object, each under where it stands."""
    for name, one in schema.get("properties", {}).items():
        inner = one.get("items", one)
        if "properties" in inner:
            place = f"{path}{name}"
            yield from ("", f"## {place}", "", inner.get("description", ""), "", *_fields(inner))
            yield from _inner(inner, f"{place}.")


def _fields(schema: Schema) -> list[str]:
    required = schema.get("required", [])
    rows = [
        [f"`{name}`", _type(one), "yes" if name in required else "", str(one.get("description", ""))]
        for name, one in schema.get("properties", {}).items()
    ]
    return table(["field", "type", "always there", "meaning"], rows) if rows else []


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"`{value}`" if value is not None else "null" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "options.md": options,
    "commands.md": commands,
    "hooks.md": hooks,
    "settings.md": settings_page,
    "statuses.md": statuses,
    "ledger.md": ledger,
    "routing-config.md": lambda: schema_page(
        "routing_config.json", "pytest_selfopt.routing", "schema.json", "What is in force. Unknown fields are kept."
    ),
    "report.md": lambda: schema_page(
        "The report as JSON", "pytest_selfopt.report", "report.schema.json", "`selfopt report --format json`."
    ),
    "outcome.md": lambda: schema_page(
        "The outcome as JSON", "pytest_selfopt.report", "outcome.schema.json", "The file of `--selfopt-json`."
    ),
}


def text_of(name: str) -> str:
    """A page as it has to be."""
    lines = [line for part in PAGES[name]() for line in part.split("\n")]
    text = "\n".join([NOTE, "", *(line.rstrip() for line in lines)])
    # Between blocks of code, which have their own ways with empty lines.
    parts = re.split(r"(?ms)(^```.*?^```$)", text)
    parts[::2] = [re.sub(r"\n{3,}", "\n\n", part) for part in parts[::2]]
    return "".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    for page in PAGES:
        (FOLDER / page).write_text(text_of(page))
