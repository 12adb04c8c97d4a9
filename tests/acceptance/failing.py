"""Projects whose servers fail in ways that real ones do, and what their cycles come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.acceptance.conftest import TOOL, Project, call
from tests.models.reply_shapes import SHAPES
from tests.models.reply_shapes.shape import Shape

Make = Callable[..., Project]
MODEL = "desk/served"
CALLS = 3
CASES = CALLS + 1
SHAPE = {shape.name: shape for shape in SHAPES}
VARIANTS = '["native_api", "atomic"]'
SETTINGS = """
[tool.pytest.ini_options]
[tool.selfopt]
model = "{model}"
[tool.selfopt.providers.desk]
wire = "{wire}"
base_url = "{url}"
[tool.selfopt.search]
variants = {variants}
timeouts = []
retries = []
isolation = []
warmup = []
"""


def suite(calls: int = CALLS, restraint: int = 1) -> list[dict[str, Any]]:
    """The lines of a suite: prompts that need a call, and prompts that need none."""
    lines: list[dict[str, Any]] = [{"tool": TOOL}]
    for index in range(calls):
        expect: dict[str, Any] = {"call": call(str(index))}
        lines.append({"id": f"item-{index}", "prompt": f"Find item {index}.", "tools": ["look_up"], "expect": expect})
    for index in range(restraint):
        expect = {"no_call": True}
        lines.append({"id": f"hello-{index}", "prompt": f"Hello {index}!", "tools": ["look_up"], "expect": expect})
    return lines


def finds(calls: int = CALLS, **when: Any) -> list[dict[str, Any]]:
    """Rules by which every item is found, under a condition such as `native=True`."""
    return [
        {"when": {"prompt": f"item {index}.", **when}, "then": {"call": call(str(index))}} for index in range(calls)
    ]


def reply_of(shape: Shape) -> dict[str, Any]:
    """What a rule answers to serve a shape."""
    body, headers = shape.served()
    return {"body": body, "status": shape.status, "headers": headers}


def configure(made: Project, extra: str = "", *, wire: str = "openai", variants: str = VARIANTS) -> None:
    """Write settings by which a model in this wire format is asked in two variants; `extra` begins with a table."""
    url = made.server.address
    if wire == "openai":
        url = made.server.base_url
    text = SETTINGS.format(model=MODEL, wire=wire, url=url, variants=variants)
    (made.path / "pyproject.toml").write_text(text + extra)


def verdicts(made: Project) -> dict[str, str]:
    """The last verdict on each candidate, by its spec."""
    judged = [one for entry in made.history() for one in entry["verdicts"]]
    return {one["spec"]: one["verdict"] for one in judged}


def disallowed(made: Project) -> list[dict[str, Any]]:
    """The rules in force that do not allow a model."""
    if not (made.path / "routing_config.json").exists():
        return []
    return [rule for rule in made.routing()["rules"] if rule.get("allow") is False]
