"""Calls written as Python, `[get_weather(city="Paris")]`, as Llama 3.2 and 4 are trained to."""

from __future__ import annotations

import ast
import re

from pytest_selfopt.specs.call_values import Undecodable, is_json
from pytest_selfopt.trial import Json, ToolCall

# Python's parser warns of odd escapes and of digits that run into a word, and a warning cannot be kept from other
# threads; so only these tokens reach it. Atomic groups keep the time linear; possessive repetitions of groups matched
# wrongly before Python 3.11.5 (python/cpython#106052).
_STRING = r"""(?:"(?>(?:[^"\\\n]|\\[\\'"abfnrtv\n])*)"|'(?>(?:[^'\\\n]|\\[\\'"abfnrtv\n])*)')"""
_NUMBER = r"\d++(?:\.\d*+)?(?:[eE][-+]?\d++)?(?!\w)"
_TOKENS = re.compile(rf"(?>(?:\s++|{_STRING}|{_NUMBER}|[A-Za-z_]\w*+(?![\"'])|[\[\](){{}},:=.;+-])+)")
_BEGINS = re.compile(r"\s*+\[?+\s*+[A-Za-z_][\w.]*+\(")
_SETS_OUT = re.compile(r"\s*\[\s*[A-Za-z_][\w.]*\((?:\s*[A-Za-z_]\w*\s*=|\s*\)\s*(?:[,\]]|$)|\s*$)")
_JSON_NAMES: dict[str, Json] = {"true": True, "false": False, "null": None}
_LONGEST = 100_000
_LLAMA_4 = "<|python_start|>"
_ENDS = ("<|python_end|>", "<|eom_id|>", "<|eot_id|>", "<|eot|>", "<|im_end|>", "</s>")
"""Ends of calls and of turns that servers may leave in a text."""
_BUILT_IN_CALL = ".call"
"""What Llama 3.1 writes behind the name of a built-in tool, as in `brave_search.call(query="…")`."""


class _NoCall(Exception):
    """Python, but no call with named literal arguments."""


def pythonic_calls(text: str) -> list[ToolCall]:
    """Return the calls that a whole text is: one, a list, or one a line; none if it is words.

    Raises:
        Undecodable: if the text begins as a list of calls with named arguments and goes on otherwise.
    """
    text = _without_marks(text)
    if _BEGINS.match(text) is None:
        return []
    try:
        return _calls(text)
    except (_NoCall, RecursionError):
        if _SETS_OUT.match(text):
            raise Undecodable("is no list of calls with named literal arguments") from None
        return []


def _without_marks(text: str) -> str:
    """Return a text without the marks of Llama 4 around it, the ends of the turn, and white space."""
    text = text.strip().removeprefix(_LLAMA_4).lstrip()
    end = len(text)
    # By places: a copy for each mark would take the square of their number.
    while text.endswith(_ENDS, 0, end):
        end = text.rindex("<", 0, end)
        while text[end - 1 : end].isspace():
            end -= 1
    return text[:end]


def _calls(text: str) -> list[ToolCall]:
    if len(text) > _LONGEST or _TOKENS.fullmatch(text) is None:
        raise _NoCall
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _NoCall from None
    nodes: list[ast.expr] = []
    for statement in body:
        if not isinstance(statement, ast.Expr):
            raise _NoCall
        nodes.append(statement.value)
    if len(nodes) == 1 and isinstance(nodes[0], ast.List):
        nodes = nodes[0].elts
    return list(map(_call, nodes))


def _call(node: ast.expr) -> ToolCall:
    if not isinstance(node, ast.Call) or node.args:
        raise _NoCall
    arguments: dict[str, Json] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise _NoCall
        arguments[keyword.arg] = _literal(keyword.value)
    if not is_json(arguments):
        raise _NoCall
    name = _name(node.func).removesuffix(_BUILT_IN_CALL)
    return ToolCall(name=name, arguments=arguments)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    raise _NoCall


def _literal(node: ast.expr) -> Json:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return node.value
    if isinstance(node, ast.Name) and node.id in _JSON_NAMES:
        return _JSON_NAMES[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        return list(map(_literal, node.elts))
    if isinstance(node, ast.Dict):
        return _object(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _literal(node.operand)
        if isinstance(number, int | float) and not isinstance(number, bool):
            return -number
    raise _NoCall


def _object(node: ast.Dict) -> dict[str, Json]:
    value: dict[str, Json] = {}
    for key, member in zip(node.keys, node.values, strict=True):
        if key is None:
            raise _NoCall
        name = _literal(key)
        if not isinstance(name, str):
            raise _NoCall
        value[name] = _literal(member)
    return value
