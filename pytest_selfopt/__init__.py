"""Benchmarks of language models that improve the system they measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_selfopt.bench.case import Case as Case
    from pytest_selfopt.bench.case import Miss as Miss
    from pytest_selfopt.bench.environment import Environment as Environment
    from pytest_selfopt.bench.environment import ToolError as ToolError
    from pytest_selfopt.bench.environment import tool as tool
    from pytest_selfopt.errors import SelfoptError as SelfoptError
    from pytest_selfopt.loop.gates import GateResult as GateResult
    from pytest_selfopt.loop.gates import Measured as Measured
    from pytest_selfopt.loop.gates import Verdict as Verdict
    from pytest_selfopt.specs.spec import Spec as Spec
    from pytest_selfopt.trial import Reply as Reply
    from pytest_selfopt.trial import ToolCall as ToolCall

_HOMES = {
    "Case": "pytest_selfopt.bench.case",
    "Environment": "pytest_selfopt.bench.environment",
    "GateResult": "pytest_selfopt.loop.gates",
    "Measured": "pytest_selfopt.loop.gates",
    "Miss": "pytest_selfopt.bench.case",
    "Reply": "pytest_selfopt.trial",
    "SelfoptError": "pytest_selfopt.errors",
    "Spec": "pytest_selfopt.specs.spec",
    "ToolCall": "pytest_selfopt.trial",
    "ToolError": "pytest_selfopt.bench.environment",
    "Verdict": "pytest_selfopt.loop.gates",
    "tool": "pytest_selfopt.bench.environment",
}

__all__ = [
    "Case",
    "Environment",
    "GateResult",
    "Measured",
    "Miss",
    "Reply",
    "SelfoptError",
    "Spec",
    "ToolCall",
    "ToolError",
    "Verdict",
    "tool",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that loading the plugin stays free."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
