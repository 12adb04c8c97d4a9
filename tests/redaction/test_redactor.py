"""Secrets are found in whatever they are encoded, and nothing else is touched."""

from __future__ import annotations

import base64
import html
import json
import random
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_selfopt.execution.model_pool import LimitedClient
from pytest_selfopt.execution.project_runner import without_secrets
from pytest_selfopt.redaction.known import KnownSecrets
from pytest_selfopt.redaction.redactor import MARK, WITHHELD, Redactor
from pytest_selfopt.runners.message import MessageContext, MessageKind
from pytest_selfopt.runners.runner import Call, Finished
from pytest_selfopt.runners.wire import answer_from_bytes, result_to_bytes
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Json, Reply, ToolCall
from pytest_selfopt.trial_bounds import MOST_MESSAGE
from tests.redaction.finding import is_in

KEYS = ("sk-Demo/Key+0123456789abcdef", "gsk_Ab.Cd~12'\"<&>%41\\n", "AIzaSyD-9tSrke72PouQMnMX", "11223344556677889900")
REDACTOR = Redactor(KEYS)


def _in_json(text: str) -> str:
    return json.dumps({"key": text, "n": 1})


def _with_slashes(text: str) -> str:
    return _in_json(text).replace("/", "\\/")


def _escaped(text: str) -> str:
    return '{"a": "' + "".join(f"\\u{ord(sign):04x}" for sign in text) + '"}'


def _python(text: str) -> str:
    return "".join(f"\\x{ord(sign):02X}" for sign in text)


def _percent(text: str) -> str:
    return f"https://host/path?a=1&k={quote(text, safe='')}&b=2"


def _every_percent(text: str) -> str:
    return "".join(f"%{ord(sign):02x}" for sign in text)


def _entities(text: str) -> str:
    return "<p>" + "".join(f"&#{ord(sign)};" for sign in text) + "</p>"


def _hex_entities(text: str) -> str:
    return "".join(f"&#x{ord(sign):x};" for sign in text)


def _named(text: str) -> str:
    return html.escape(text).replace("/", "&sol;").replace("-", "&#45;")


def _base64(text: str, before: str = "") -> str:
    return base64.b64encode(f"{before}{text}".encode("latin-1")).decode()


def _shifted(text: str) -> str:
    return _base64(text, "ab")


def _for_addresses(text: str) -> str:
    return base64.urlsafe_b64encode(f"x{text}.".encode("latin-1")).decode().rstrip("=")


def _wrapped(text: str) -> str:
    return base64.encodebytes(("before " * 9 + text + " after" * 9).encode("latin-1")).decode()


def _hexadecimal(text: str) -> str:
    return text.encode("latin-1").hex()


def _utf16(text: str) -> str:
    return text.encode("utf-16-le").decode("latin-1")


def _utf16_big(text: str) -> str:
    return text.encode("utf-16").decode("latin-1")


def _misread(text: str) -> str:
    """Return UTF-16 that was read as another encoding, so that a replacement stands for every zero, in JSON in JSON."""
    return json.dumps(json.dumps(f"\ufffd{chr(0xFFFD).join(text)}"))


ENCODINGS: tuple[Callable[[str], str], ...] = (
    _in_json,
    _with_slashes,
    _escaped,
    _python,
    _percent,
    _every_percent,
    _entities,
    _hex_entities,
    _named,
    _base64,
    _shifted,
    _for_addresses,
    _wrapped,
    _hexadecimal,
    _utf16,
    _utf16_big,
    _misread,
)
nested = st.lists(st.sampled_from(ENCODINGS), max_size=4)


def encoded(key: str, encodings: list[Callable[[str], str]]) -> str:
    for encode in encodings:
        key = encode(key)
    return key


@given(st.sampled_from(KEYS), nested, st.sampled_from(["", "You sent ", "é🙂 ", "\\", '{"a":"', "Zm9v"]))
@example(KEYS[0], [_in_json] * 4, "")
@example(KEYS[0], [_escaped] * 3, "")
@example(KEYS[1], [_in_json, _percent, _shifted, _named], "")
def test_no_nesting_of_encodings_hides_a_key(key: str, encodings: list[Callable[[str], str]], before: str) -> None:
    text = f"{before}{encoded(key, encodings)} after"
    shown = REDACTOR.redact(text)
    assert shown != text
    assert not is_in(key, shown)


@given(st.text(max_size=200) | st.from_regex(r"([\\%&=]([ux0-9a-f#]{0,6}|amp;)|[A-Za-z+/]{0,50}){0,9}", fullmatch=True))
def test_a_text_without_a_key_stays(text: str) -> None:
    assert REDACTOR.redact(text) is text
    assert REDACTOR.redact_written(text) is text


@pytest.mark.timeout(120)
def test_pictures_and_signatures_stay() -> None:
    picture = _base64(random.Random(1).randbytes(1_500_000).decode("latin-1"))
    assert REDACTOR.redact(picture) is picture
    assert REDACTOR.redact(picture + _shifted(KEYS[0])) == WITHHELD
    signature = picture[:20_000]
    assert REDACTOR.redact(f"{signature}{_shifted(KEYS[0])} end") == f"{signature}{MARK} end"


@pytest.mark.parametrize("encode", [_in_json, _escaped, _percent, _entities, lambda text: f"a {text} b {text}"])
def test_what_is_beside_a_key_stays(encode: Callable[[str], str]) -> None:
    whole, empty = encode(KEYS[0]), encode("")
    shown = REDACTOR.redact(whole)
    assert MARK in shown
    assert shown.replace(MARK, "").replace(";</p>", "</p>") == empty


def test_a_key_in_parts_of_a_reply_is_found() -> None:
    call = ToolCall(name=f"f_{KEYS[0]}", arguments={KEYS[0]: [{"a": _escaped(KEYS[0])}, int(KEYS[3]), 7]})
    reply = Reply(text=_base64(KEYS[0]), tool_calls=(call,), served_model=KEYS[0], provider_id=_percent(KEYS[0]))
    result = CallResult(reply=reply, started=0.0, ended=1.0)
    redacted = REDACTOR.redact_value(result)
    assert redacted.reply is not None
    assert redacted.reply.tool_calls == (
        ToolCall(name=f"f_{MARK}", arguments={MARK: [{"a": '{"a": "[key]"}'}, MARK, 7]}),
    )
    assert (redacted.reply.text, redacted.reply.served_model) == (f"{MARK}==", MARK)
    assert REDACTOR.redact_value(redacted) is redacted
    assert Redactor(()).redact_value(result) is result


def test_a_longer_number_is_no_key() -> None:
    text = f'{{"a": 1{KEYS[3]}, "b": 0.{KEYS[3]}, "d": {KEYS[3]}.5, "c": "{KEYS[3]}"}}'
    assert REDACTOR.redact_written(text) == text.replace(f'"{KEYS[3]}"', f'"{MARK}"')


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "text",
    [
        "%25" * 200_000 + "%41",
        "\\" * 500_000 + "u0041",
        "&amp;" * 100_000 + "#65;",
        _escaped(KEYS[0]) * 4_000,
    ],
    ids=["percent", "backslashes", "entities", "keys"],
)
def test_a_hostile_text_is_searched_or_withheld(text: str) -> None:
    shown = REDACTOR.redact_value([text, text, text])
    assert all(part in (text, WITHHELD) for part in shown)
    if KEYS[0] in text.encode().decode("unicode_escape"):
        assert shown == [WITHHELD] * 3


def test_short_keys_and_keys_in_names_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SHORT": "a", "NAMED": "Desk-2024", "WORD": "not-needed", "LONG": KEYS[0]}.items():
        monkeypatch.setenv(name, value)
    known = KnownSecrets()
    known.watch(["SHORT", "NAMED", "WORD", "LONG", "UNSET", ""], ["Desk-2024/qwen"])
    known.add("")
    known.add("no UTF-8: \udcff")
    text = f"a Desk-2024 not-needed {KEYS[0]}"
    assert known.redactor.redact(text) == f"a Desk-2024 not-needed {MARK}"
    assert known.why_shown("a").startswith("it has fewer than 8 characters")
    assert known.why_shown("Desk-2024") == "the name 'Desk-2024/qwen' has it, too"
    assert known.why_shown("not-needed") == "it reads as an ordinary word"
    assert known.why_shown(KEYS[0]) == ""


def learn_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process know a key until the end of a test: what it knows in earnest, it never forgets."""
    known = KnownSecrets()
    known.add(KEYS[0])
    for place in ("runners.wire", "execution.model_pool", "execution.project_runner"):
        monkeypatch.setattr(f"pytest_selfopt.{place}.KNOWN", known)


class Leaky:
    """A project's client that repeats its key."""

    def __init__(self, message: str = f"wrong key {KEYS[0]}") -> None:
        self._message = message

    def ask(self, request: ChatRequest, *, timeout_s: float) -> CallError:
        del request, timeout_s
        reply = Reply(text=_escaped(_base64(KEYS[0])))
        return CallError(kind=ErrorKind.SERVER, message=self._message, reply=reply)

    def abort(self) -> None:
        pass


def test_what_workers_and_projects_send_has_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(id="a", model="m", request=ChatRequest(messages=()))
    error = Leaky().ask(call.request, timeout_s=1)
    result = CallResult(error=error, started=0.0, ended=1.0)
    about = MessageContext(MessageKind.RESULT, "team", "cycle", "a")
    payload = result_to_bytes(result, about, "")
    assert is_in(KEYS[0], payload.decode())
    learn_key(monkeypatch)
    for received in (
        LimitedClient(Leaky(), 9).ask(call.request, timeout_s=1),
        without_secrets([Finished(call, result)])[0].result,
        answer_from_bytes(payload, about),
        result_to_bytes(result, about, ""),
    ):
        assert MARK in repr(received)
        assert not is_in(KEYS[0], repr(received))


def test_a_key_where_a_message_is_cut_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(id="a", model="m", request=ChatRequest(messages=()))
    leaky = Leaky("." * (MOST_MESSAGE - len(KEYS[0]) + 1) + KEYS[0])
    about = MessageContext(MessageKind.RESULT, "team", "cycle", "a")
    payload = result_to_bytes(CallResult(error=leaky.ask(call.request, timeout_s=1), started=0.0, ended=1.0), about, "")
    learn_key(monkeypatch)
    received = answer_from_bytes(payload, about).result.error
    for error in (LimitedClient(leaky, 9).ask(call.request, timeout_s=1), received):
        assert isinstance(error, CallError)
        assert error.message.endswith(MARK)


def test_an_endless_answer_of_a_project_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(id="a", model="m", request=ChatRequest(messages=()))
    learn_key(monkeypatch)
    deep: Json = KEYS[0]
    for _ in range(10_000):
        deep = [deep]
    replies = [Reply(tool_calls=(ToolCall(name="f", arguments={"a": deep}),), tokens_out=4), Reply(text="whole")]
    results = [CallResult(reply=reply, started=0.0, ended=1.0) for reply in replies]
    endless, whole = without_secrets([Finished(call, result) for result in results])
    assert endless.result.error is not None
    assert endless.result.received == Reply(tokens_out=4)
    assert whole.result == results[1]
