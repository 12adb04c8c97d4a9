"""Answers that came before: which ids prove a copy, and which servers' ids, counts and haste prove nothing."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from pytest_selfopt.execution.copies import FOR_NOTHING, OF_MEMBER, TWICE, CopyWatch, is_telling
from pytest_selfopt.ledger.records import Answered
from pytest_selfopt.runners.runner import Call, Finished
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallResult, Conversation, Reply, Step, ToolCall

CASES = 12


def reply(name: str, text: str = "Hello!", *, tokens: int | None = 7, seconds: float = 1.0) -> Reply:
    return Reply(provider_id=name, text=text, tokens_in=tokens, tokens_out=tokens, latency_s=seconds)


def new_id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"


def end(number: int | str, answer: Reply, *, attempts: int = 1) -> Finished:
    call = Call(id=str(number), model="m", request=ChatRequest(messages=()), lane="m")
    return Finished(call, CallResult(reply=answer, started=0.0, ended=1.0, lane="m", answers=attempts))


def signs(
    answers: Sequence[Reply], earlier: Mapping[str, Sequence[Answered]] | None = None, *, at_once: bool = False
) -> list[str]:
    """The sign of a copy on each answer, in the order of arrival, one by one or all together."""
    watch = CopyWatch(lambda _: earlier or {})
    ends = [end(number, answer) for number, answer in enumerate(answers)]
    marked = watch.mark(ends) if at_once else [found for one in ends for found in watch.mark([one])]
    return [one.result.reply.copied for one in marked if one.result.reply is not None]


@pytest.mark.parametrize("at_once", [False, True])
def test_the_first_of_an_id_is_the_original(*, at_once: bool) -> None:
    first, second = reply(new_id(), "a"), reply(new_id(), "b")
    found = signs([first, second, first, reply(new_id(), "a"), second], at_once=at_once)
    assert found == ["", "", TWICE, "", TWICE]


def test_the_usage_of_a_copy_may_differ() -> None:
    first = reply(new_id(), "a")
    assert signs([first, reply(new_id()), replace(first, tokens_in=0, tokens_out=0)])[2] == TWICE


def test_a_steady_model_copies_nothing() -> None:
    """At temperature 0 it says the same under new ids, for as many tokens, whatever a prompt cache saves in time."""
    answers = [reply(new_id(), f"case {case}", seconds=1 / (run * 9 + 1)) for run in range(7) for case in range(CASES)]
    assert not any(signs(answers))


@pytest.mark.parametrize(
    "names",
    [
        [""],
        ["chatcmpl-xyz"],
        ["chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT"],
        [f"chatcmpl-{number}" for number in range(5)],
        ["2023-08-04T19:22:45.499127Z"],
        [f"chatcmpl-{number:032}" for number in range(5)],
        [new_id(), new_id()],
    ],
    ids=["none", "constant", "constant-of-the-docs", "counter", "constant-time", "padded", "two-in-turn"],
)
def test_ids_that_say_nothing_prove_nothing(names: list[str]) -> None:
    """Each case has its own answer, always the same, as at temperature 0."""
    answers = [reply(names[(run * CASES + case) % len(names)], f"case {case}") for run in range(5) for case in range(5)]
    assert sum(map(bool, signs(answers))) == 0


def test_a_single_constant_id_proves_nothing() -> None:
    assert not any(signs([reply("chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT")] * 9))


def test_ids_of_a_thousand_prove_nothing() -> None:
    """Ollama's endpoint of OpenAI's format draws its ids from 999 numbers."""
    rng = random.Random(1)
    answers = [reply(f"chatcmpl-{rng.randrange(999)}", f"case {case}") for _ in range(20) for case in range(CASES)]
    assert not any(signs(answers))


def test_an_earlier_cycle_comes_back() -> None:
    names = [new_id() for _ in range(4)]
    earlier = {name: [Answered(cycle=3, reply=reply(name, "a"))] for name in names[:3]}
    found = signs([reply(names[0], "a"), reply(names[1], "a"), reply(names[3], "a"), reply(names[2], "a")], earlier)
    assert found == ["", f"{TWICE}, in cycle 3", "", f"{TWICE}, in cycle 3"]


def test_an_earlier_id_with_other_words_proves_nothing() -> None:
    names = [new_id() for _ in range(3)]
    earlier = {name: [Answered(cycle=3, reply=reply(name, "other"))] for name in names}
    assert not any(signs([*map(reply, names), *map(reply, names)], earlier))


@pytest.mark.parametrize(
    ("seconds", "tokens", "sign"),
    [(0.01, 0, FOR_NOTHING), (0.9, 0, ""), (0.01, 7, ""), (0.01, None, "")],
    ids=["copy", "as-slow", "counted", "untold"],
)
def test_the_same_for_nothing_at_once(seconds: float, tokens: int | None, sign: str) -> None:
    answers = [reply("", "a"), reply("", "a", tokens=tokens, seconds=seconds), reply("", "b", tokens=0, seconds=0.01)]
    assert signs(answers) == ["", sign, ""]


def test_servers_that_never_count_copy_nothing() -> None:
    assert not any(signs([reply("", "a", tokens=0, seconds=seconds) for seconds in (2.0, 0.01, 0.01)]))


def test_the_same_call_twice_is_no_copy() -> None:
    """Engines deliver at least once, and a resumed cycle has its answers already."""
    known, other = reply(new_id()), reply(new_id())
    watch = CopyWatch(lambda _: {}, [("1", end(1, known).result), ("2", end(2, other).result)])
    again, copy = watch.mark([end(1, known), end(3, known)])
    assert again.result.reply == known
    assert copy.result.reply == replace(known, copied=TWICE)


def test_one_copied_answer_makes_a_conversation_one() -> None:
    def talk(*names: str) -> Reply:
        steps = tuple(
            Step(turn=1, text=name, calls=(ToolCall(name="f", arguments={"x": [1]}),), id=name) for name in names
        )
        return replace(reply(names[-1]), conversation=Conversation(steps=steps, states=({},)))

    a, b, c, d = (new_id() for _ in range(4))
    assert signs([talk(a, b), talk(a, c), talk(d)]) == ["", TWICE, ""]


def test_a_copied_member_makes_a_swarm_one() -> None:
    """The answer of a vote has the id of the winner, but was asked for by another call."""
    watch = CopyWatch(lambda _: {})
    first, second = reply(new_id(), "a"), reply(new_id(), "b")
    watch.mark([end("x#0.0", first), end("x#0.1", second), end("x#1.0", first, attempts=0)])
    (whole,) = watch.mark([end("x", reply(""))])
    assert whole.result.reply == reply("")
    watch.mark([end("y#0.0", reply(new_id())), end("y#0.1", second)])
    (whole,) = watch.mark([end("y", reply(""))])
    assert whole.result.reply == replace(reply(""), copied=OF_MEMBER)


@pytest.mark.parametrize(
    ("name", "telling"),
    [
        ("chatcmpl-27d74da363fc4808ac18d65c95b3365f", True),
        ("chatcmpl-9c211763-532b-471b-989e-1716c7731637", True),
        ("gen-1732456789-aBcDeFgHiJkLmNoP", True),
        ("msg_01XFDUDYJgAACzvnptvVoYEL", True),
        ("1c0fbf7a90a24e0f9ab5b9a8f6ad47ef", True),
        ("2026-11-28T10:00:00.123456789Z", True),
        ("scripted", False),
        ("chatcmpl-123", False),
        ("chatcmpl-000000000000000000017", False),
        ("", False),
    ],
)
def test_long_mixed_ids_come_once(name: str, *, telling: bool) -> None:
    assert is_telling(name) is telling
