"""What a distributed session begins with: a line to call, and a controller once a worker has met a benchmark.

Sessions without benchmarks are distributed, too, and pay for nothing but the line.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from pytest_selfopt.session.xdist.rpc import INPUT, Request, Response, RpcServer
from pytest_selfopt.session.xdist.scheduler import OrderedScheduler

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from pytest_selfopt.session.xdist.controller import XdistController


class XdistPlugin:
    """Tells workers where to call, and xdist's news to the controller, if there is one."""

    def __init__(self, config: pytest.Config, key: pytest.StashKey[XdistController], nothing: str) -> None:
        """Put the controller under `key` into the stash once it is there.

        Of a session that judges, `nothing` says why it cannot go on when there is none; it is empty for others.

        Raises:
            pytest.UsageError: when the session is distributed in a way in which nothing can be measured.
        """
        if nothing:
            _refuse(config)
        self._config = config
        self._key = key
        self._nothing = nothing
        self._turn = threading.Lock()
        self._controller: XdistController | None = None
        self._session: pytest.Session | None = None
        self._scheduler: OrderedScheduler | None = None
        self._collecting: set[str] = set()
        """The workers that are still to tell what they have collected."""
        self._switchboard = RpcServer(self._answer, at_once=self._at_once)

    def _at_once(self, worker: str, question: Request) -> Response:
        return self._controller.answer_at_once(worker, question) if self._controller is not None else None

    def _answer(self, worker: str, question: Request) -> Response:
        with self._turn:
            if self._controller is None:
                from pytest_selfopt.session.xdist.controller import XdistController

                self._controller = XdistController(
                    self._config, hang_up=self._switchboard.close, given_to=self._given_to
                )
        return self._controller.answer(worker, question)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep the session, which knows whether anything has failed."""
        self._session = session

    @pytest.hookimpl
    def pytest_xdist_make_scheduler(self, config: pytest.Config) -> OrderedScheduler | None:
        """Keep the order of a cycle's passes."""
        if self._nothing:
            self._scheduler = OrderedScheduler(config)
        return self._scheduler

    def _given_to(self, worker: str) -> list[str]:
        return self._scheduler.given_to(worker) if self._scheduler is not None else []

    @pytest.hookimpl
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell a worker where to call."""
        node.workerinput[INPUT] = self._switchboard.number
        self._collecting.add(node.gateway.id)

    @pytest.hookimpl
    def pytest_xdist_node_collection_finished(self, node: WorkerController) -> None:
        """Begin to make calls once all workers have collected."""
        self._collecting.discard(node.gateway.id)
        controller = self._controller
        if controller is not None and self._key not in self._config.stash:
            # Its hooks are registered here, on the main thread: it was made on the one that answers a worker.
            self._config.stash[self._key] = controller
            controller.register_hooks()
        if controller is not None:
            controller.refuse_problems()
        self._go_on()

    @pytest.hookimpl
    def pytest_testnodedown(self, node: WorkerController) -> None:
        """Stop waiting for a worker that is gone."""
        if node.gateway.id in self._collecting:
            self._collecting.discard(node.gateway.id)
            self._go_on()

    def _go_on(self) -> None:
        failed = self._session is not None and self._session.testsfailed > 0
        if self._collecting or (failed and not self._config.option.continue_on_collection_errors):
            return
        if self._key in self._config.stash:
            self._config.stash[self._key].start()
        elif self._nothing and not failed:
            raise pytest.UsageError(self._nothing)

    def pytest_unconfigure(self) -> None:
        """Hang up."""
        self._switchboard.close()


def _refuse(config: pytest.Config) -> None:
    """Refuse what would ask everything several times or from far away."""
    if config.getoption("dist") == "each":
        raise pytest.UsageError(
            "--selfopt-cycle cannot be measured under --dist each, which runs every item in every worker; "
            "use -n with load, worksteal, loadscope, loadfile or loadgroup"
        )
    far = [place for place in map(str, config.getoption("tx")) if not place.rpartition("*")[2].startswith("popen")]
    if far:
        raise pytest.UsageError(f"--selfopt-cycle runs its items on this machine, and --tx {far[0]} is not local")
