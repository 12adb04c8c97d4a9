"""Benchmarks of language models that improve the system they measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_selfopt.bench.case import Case as Case
    from pytest_selfopt.bench.case import Miss as Miss
    from pytest_selfopt.bench.environment import Environment as Environment
    from pytest_selfopt.bench.environment import ToolError as ToolError
    from pytest_selfopt.bench.environment import tool as tool
    from pytest_selfopt.bench.tools import Message as Message
    from pytest_selfopt.errors import SelfoptError as SelfoptError
    from pytest_selfopt.loop.gates.gate_result import GateResult as GateResult
    from pytest_selfopt.loop.gates.gate_result import Measured as Measured
    from pytest_selfopt.loop.gates.gate_result import Verdict as Verdict
    from pytest_selfopt.models.config import ModelConfig as ModelConfig
    from pytest_selfopt.runners.runner import Call as Call
    from pytest_selfopt.runners.runner import Finished as Finished
    from pytest_selfopt.specs.request import ChatRequest as ChatRequest
    from pytest_selfopt.specs.spec import Spec as Spec
    from pytest_selfopt.specs.variants import VARIANTS as VARIANTS
    from pytest_selfopt.specs.variants import Variant as Variant
    from pytest_selfopt.trial import CallError as CallError
    from pytest_selfopt.trial import CallResult as CallResult
    from pytest_selfopt.trial import ErrorKind as ErrorKind
    from pytest_selfopt.trial import Reply as Reply
    from pytest_selfopt.trial import ToolCall as ToolCall

_HOMES = {
    "CallError": "pytest_selfopt.trial",
    "Finished": "pytest_selfopt.runners.runner",
    "CallResult": "pytest_selfopt.trial",
    "Call": "pytest_selfopt.runners.runner",
    "Case": "pytest_selfopt.bench.case",
    "ChatRequest": "pytest_selfopt.specs.request",
    "Environment": "pytest_selfopt.bench.environment",
    "ErrorKind": "pytest_selfopt.trial",
    "GateResult": "pytest_selfopt.loop.gates.gate_result",
    "Measured": "pytest_selfopt.loop.gates.gate_result",
    "Message": "pytest_selfopt.bench.tools",
    "Miss": "pytest_selfopt.bench.case",
    "ModelConfig": "pytest_selfopt.models.config",
    "Reply": "pytest_selfopt.trial",
    "SelfoptError": "pytest_selfopt.errors",
    "Spec": "pytest_selfopt.specs.spec",
    "ToolCall": "pytest_selfopt.trial",
    "ToolError": "pytest_selfopt.bench.environment",
    "VARIANTS": "pytest_selfopt.specs.variants",
    "Variant": "pytest_selfopt.specs.variants",
    "Verdict": "pytest_selfopt.loop.gates.gate_result",
    "tool": "pytest_selfopt.bench.environment",
}

__all__ = [
    "VARIANTS",
    "Call",
    "CallError",
    "CallResult",
    "Case",
    "ChatRequest",
    "Environment",
    "ErrorKind",
    "Finished",
    "GateResult",
    "Measured",
    "Message",
    "Miss",
    "ModelConfig",
    "Reply",
    "SelfoptError",
    "Spec",
    "ToolCall",
    "ToolError",
    "Variant",
    "Verdict",
    "tool",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that loading the plugin stays free."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
