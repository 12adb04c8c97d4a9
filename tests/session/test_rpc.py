"""A line between worker and controller: questions and answers belong together, also when one of them gives up."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.session.xdist.rpc import (
    Abandon,
    ConnectionLost,
    ErrorResponse,
    Request,
    Response,
    ResultOf,
    RpcClient,
    RpcServer,
    StartTrial,
    StartTrialResponse,
)

KEY = TrialKey("atomic", "spec", "case", 0)
OTHER = TrialKey("atomic", "spec", "other", 0)


class Desk:
    """Answers `StartTrial` at once, `ResultOf` when its trial was given up."""

    def __init__(self) -> None:
        self.given_up: set[TrialKey] = set()
        self.changed = threading.Condition()
        self.asked: list[tuple[str, Request]] = []
        self.board = RpcServer(self.answer, at_once=self.at_once)

    def at_once(self, _worker: str, question: Request) -> Response:
        return StartTrialResponse(should_run=True, results={}) if question == StartTrial(OTHER) else None

    def answer(self, worker: str, question: Request) -> Response:
        self.asked.append((worker, question))
        if isinstance(question, Abandon):
            with self.changed:
                self.given_up.add(question.key)
                self.changed.notify_all()
            return None
        if isinstance(question, ResultOf):
            with self.changed:
                self.changed.wait_for(lambda: question.key in self.given_up, timeout=20)
            raise SelfoptError("given up")
        return StartTrialResponse(should_run=False, results={})

    def line(self, name: str = "gw0") -> RpcClient:
        return RpcClient(*self.board.address, name)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.board.close()


def test_workers_get_their_own_responses(desk: Desk) -> None:
    one, other = desk.line("gw0"), desk.line("gw1")
    for _ in range(50):
        assert one.ask(StartTrial(KEY)) == StartTrialResponse(should_run=False, results={})
        assert other.ask(StartTrial(OTHER)) == StartTrialResponse(should_run=True, results={})
    assert {name for name, _ in desk.asked} == {"gw0"}


def test_an_interrupted_wait_gets_no_stale_response(desk: Desk) -> None:
    line = desk.line()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("the item's time is over")

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(5):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(TimeoutError):
                line.ask(ResultOf(KEY))
            # It overtakes the question that nobody has answered yet, and its answer comes before the stale one.
            assert line.ask(Abandon(KEY)) is None
            assert line.ask(StartTrial(KEY)) == StartTrialResponse(should_run=False, results={})
            desk.given_up.clear()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_invalid_request_gets_a_sentence(desk: Desk) -> None:
    desk.given_up.add(KEY)
    assert desk.line().ask(ResultOf(KEY)) == ErrorResponse("given up")


def test_a_closed_controller_ends_all_waits(desk: Desk) -> None:
    line = desk.line()
    ended: list[str] = []

    def wait() -> None:
        with pytest.raises(ConnectionLost) as cut:
            line.ask(ResultOf(KEY))
        ended.append(str(cut.value))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.1)
    desk.board.close()
    waiting.join(timeout=20)
    assert ended == ["the controller has ended this session, or is gone"]
    with pytest.raises(ConnectionLost):
        desk.line()
    desk.board.close()


def test_an_unknown_key_is_rejected(desk: Desk) -> None:
    address, _ = desk.board.address
    with pytest.raises(ConnectionLost, match="cannot be reached"):
        RpcClient(address, "00" * 32, "gw0")
    assert desk.line().ask(StartTrial(OTHER)) == StartTrialResponse(should_run=True, results={})


def test_the_server_closes_during_a_handshake(desk: Desk) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(desk.board.address[0])
        closing = threading.Thread(target=desk.board.close, daemon=True)
        closing.start()
        closing.join(60)
        assert not closing.is_alive()


def test_any_failure_of_the_controller_is_a_response() -> None:
    def fail(_worker: str, request: Request) -> Response:
        raise KeyError(request)

    for at_once in (lambda *_: None, fail):
        board = RpcServer(fail, at_once=at_once)
        answer = RpcClient(*board.address, "gw0").ask(ResultOf(KEY))
        assert isinstance(answer, ErrorResponse)
        assert "the controller cannot respond to ResultOf: KeyError" in answer.why
        board.close()


def test_silent_clients_keep_nobody_waiting(desk: Desk) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(desk.board.address[0])
        assert desk.line().ask(StartTrial(KEY)) == StartTrialResponse(should_run=False, results={})
