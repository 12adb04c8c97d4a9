"""The xdist plugin: a server for workers, and a controller once a worker has collected a benchmark.

Distributed sessions without benchmarks pay for the server only.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_selfopt.session.xdist.rpc import INPUT, Request, Response, RpcServer
from pytest_selfopt.session.xdist.scheduler import OrderedScheduler

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from pytest_selfopt.session.xdist.controller import XdistController


_REFUSED = "selfopt_refused"
"""The name under which a worker reports why it could not collect, such as a path that does not exist."""


class XdistPlugin:
    """The plugin that gives workers the server's address, and xdist's events to the controller, if any."""

    def __init__(self, config: pytest.Config, key: pytest.StashKey[XdistController], no_benchmarks: str) -> None:
        """Put the controller under `key` into the stash once it is made.

        In a session that judges, `no_benchmarks` is the error if there are no benchmarks; it is empty in others.

        Raises:
            pytest.UsageError: if the session is distributed in a way that allows no measurement.
        """
        if no_benchmarks:
            _refuse(config)
        self._config = config
        self._key = key
        self._no_benchmarks = no_benchmarks
        self._lock = threading.Lock()
        self._controller: XdistController | None = None
        self._session: pytest.Session | None = None
        self._scheduler: OrderedScheduler | None = None
        self._collecting: set[str] = set()
        """The workers that have not reported their collection yet."""
        self._has_collection = False
        """Whether any worker has reported its collection."""
        self._is_collected = False
        """Whether all workers have collected once; later ones replace workers that crashed."""
        self._interrupted = False
        """Whether a worker's session ended before all its items were collected, as by Ctrl-C or `pytest.exit`."""
        self._server = RpcServer(self._answer, at_once=self._answer_at_once)

    def _answer_at_once(self, worker: str, request: Request) -> Response:
        return self._controller.answer_at_once(worker, request) if self._controller is not None else None

    def _answer(self, worker: str, request: Request) -> Response:
        with self._lock:
            if self._controller is None:
                from pytest_selfopt.session.xdist.controller import XdistController

                self._controller = XdistController(self._config, disconnect=self._server.close, items_of=self._items_of)
        return self._controller.answer(worker, request)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep the session, which knows whether anything has failed."""
        self._session = session

    @pytest.hookimpl
    def pytest_xdist_make_scheduler(self, config: pytest.Config) -> OrderedScheduler | None:
        """Make a scheduler that keeps the order of a cycle's passes."""
        if self._no_benchmarks:
            self._scheduler = OrderedScheduler(config)
        return self._scheduler

    def _items_of(self, worker: str) -> list[str]:
        return self._scheduler.items_of(worker) if self._scheduler is not None else []

    @pytest.hookimpl
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Give a worker the server's address."""
        node.workerinput[INPUT] = self._server.address
        self._collecting.add(node.gateway.id)

    @pytest.hookimpl
    def pytest_xdist_node_collection_finished(self, node: WorkerController) -> None:
        """Start to make calls once all workers have collected."""
        self._collecting.discard(node.gateway.id)
        self._has_collection = True
        controller = self._controller
        if controller is not None and self._key not in self._config.stash:
            # The hooks are registered here, on the main thread: the controller was made on a worker's thread.
            self._config.stash[self._key] = controller
            controller.register_hooks()
        if controller is not None:
            controller.refuse_problems()
        self._start_if_collected()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Let the controller know that all items were run: its own hooks are registered within this loop."""
        ended = yield
        if self._key in self._config.stash:
            self._config.stash[self._key].end_loop()
        return ended

    @pytest.hookimpl
    def pytest_testnodedown(self, node: WorkerController) -> None:
        """Stop waiting for a worker that is gone.

        Raises:
            pytest.UsageError: if it could not collect what was asked for.
        """
        refused = getattr(node, "workeroutput", {}).get(_REFUSED)
        if refused:
            raise pytest.UsageError(refused)
        if node.gateway.id in self._collecting:
            self._collecting.discard(node.gateway.id)
            # A worker that crashed has no output, and is replaced.
            self._interrupted = self._interrupted or hasattr(node, "workeroutput")
            self._start_if_collected()

    def _start_if_collected(self) -> None:
        failed = self._session is not None and self._session.testsfailed > 0
        if self._collecting:
            return
        if failed and not self._config.option.continue_on_collection_errors:
            self._interrupt()
            return
        if self._interrupted or not self._has_collection:
            return
        self._is_collected = True
        if self._key in self._config.stash:
            self._config.stash[self._key].start()
        elif self._no_benchmarks and not failed:
            raise pytest.UsageError(self._no_benchmarks)

    def _interrupt(self) -> None:
        """End a session that judges as pytest ends one without workers, where xdist would run the other items."""
        if self._is_collected or not self._no_benchmarks or self._session is None:
            return
        raise self._session.Interrupted(_errors(self._session.testsfailed))

    def pytest_unconfigure(self) -> None:
        """Close the server."""
        self._server.close()


def note_refusal(config: pytest.Config, problem: pytest.UsageError) -> None:
    """Report, in a worker, why it could not collect; xdist tells its controller nothing of it."""
    vars(config)["workeroutput"][_REFUSED] = str(problem)


def _errors(number: int) -> str:
    """Say how many files could not be collected, as pytest does."""
    if number == 1:
        return "1 error during collection"
    return f"{number} errors during collection"


def _refuse(config: pytest.Config) -> None:
    """Refuse distributions that run items several times, or on other machines."""
    if config.getoption("dist") == "each":
        raise pytest.UsageError(
            "a cycle or gate cannot be measured under --dist each, which runs every item in every worker; "
            "use -n with load, worksteal, loadscope, loadfile or loadgroup"
        )
    remote = [place for place in map(str, config.getoption("tx")) if not place.rpartition("*")[2].startswith("popen")]
    if remote:
        raise pytest.UsageError(f"a cycle or gate runs its items on this machine, and --tx {remote[0]} is not local")
