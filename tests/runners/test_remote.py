"""What a session makes of what engines tell it about calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_selfopt.execution.backends import RemoteBackend, RunnerPurpose
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.runners.message import MOST_REASONS
from pytest_selfopt.runners.remote import OTHER_QUESTION, RemoteRunner, ResultListener
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.wire import Answer, question_of
from tests.runners.hostile_messages import ANSWERED, HELLO
from tests.runners.queue_work import ask, asking, wait_for

OTHER = Answer(ANSWERED, question_of(replace(HELLO, model="other")))
RIGHT = Answer(replace(ANSWERED, lane="of another one"), question_of(HELLO))


class Engine:
    """Tells at once what is known of a call, and notes what is sent."""

    def __init__(self, *known: Answer) -> None:
        self.known = known
        self.sent: list[str] = []

    def start(self, inbox: ResultListener, cycle: str) -> None:
        self.inbox = inbox
        for answer in self.known:
            assert inbox.ended(HELLO.id, answer)

    def send(self, calls: Sequence[Call]) -> None:
        self.sent += [call.id for call in calls]


def runner_of(engine: Engine) -> RemoteRunner:
    return RemoteRunner(engine, cycle="cycle")  # type: ignore[arg-type]  # all that is called


def refused(runner: RemoteRunner) -> dict[str, int]:
    return dict(runner.refusals)


def test_a_known_answer_to_the_question_is_used() -> None:
    engine = Engine(OTHER, RIGHT)
    runner = runner_of(engine)
    assert ask(runner, HELLO.id)[HELLO.id].reply == ANSWERED.reply
    assert engine.sent == []
    assert refused(runner) == {OTHER_QUESTION: 1}


def test_a_known_answer_to_another_question_is_not_used() -> None:
    engine = Engine(OTHER)
    runner = runner_of(engine)
    with asking(runner, HELLO.id) as found:
        wait_for(lambda: engine.sent)
        assert not engine.inbox.ended(HELLO.id, OTHER)
        assert not engine.inbox.is_over(HELLO.id)
        assert engine.inbox.ended(HELLO.id, RIGHT)
        assert engine.inbox.is_over(HELLO.id)
        assert engine.inbox.ended(HELLO.id, OTHER)
    assert found[HELLO.id].lane == HELLO.lane
    assert refused(runner) == {OTHER_QUESTION: 2}


def test_answers_to_calls_nobody_asks_change_nothing() -> None:
    engine = Engine()
    runner = runner_of(engine)
    with asking(runner, HELLO.id) as found:
        wait_for(lambda: engine.sent)
        for number in range(100):
            assert engine.inbox.ended(f"other-{number % 2}", RIGHT)
        engine.inbox.ended(HELLO.id, RIGHT)
    assert list(found) == [HELLO.id]


def test_refused_messages_are_told_once_for_each_reason() -> None:
    engine = Engine()
    model = ModelConfig(id="m", provider=ProviderConfig(name="p", wire="openai"))
    backend = RemoteBackend(engine, [model])  # type: ignore[arg-type]  # all that is called
    backend.runner(RunnerPurpose(cycle="cycle", budget=None, stored={}, on_parts=lambda _: None))
    assert backend.notes() == []
    for _ in range(3):
        engine.inbox.refused("it is not from pytest-selfopt")
    assert backend.notes() == ["messages from the queue that were refused: 3 (it is not from pytest-selfopt)"]
    for number in range(1000):
        engine.inbox.refused(f"reason {number}")
    assert len(backend.notes()) == MOST_REASONS + 1
