"""Outages: connections refused in a row end a session's calls early, and a phase without any answer decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pytest_selfopt import clock
from pytest_selfopt.console.quantities import counted
from pytest_selfopt.console.verdict_text import NOTHING_DECIDED
from pytest_selfopt.loop.wording import in_brackets
from pytest_selfopt.models.connection_failures import is_unreached
from pytest_selfopt.redaction.addresses import shown_address
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.trial import SILENT, CallError, CallResult, ErrorKind, Outcome, Trial

MOST_UNREACHED = 20
"""Calls in a row that reach no server, after which no more are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The calls of an outage: `silent` of `calls` gave no answer, of these `kinds`, the last ones in a row.

    `specs` are those that were asked in vain, `message` is that of one of the errors; `is_early` if more calls were
    planned.
    """

    calls: int
    silent: int
    kinds: tuple[tuple[ErrorKind, int], ...]
    specs: tuple[str, ...]
    message: str
    is_early: bool = False

    def sentence(self, address_of: Callable[[str], str]) -> str:
        """Say what happened, that it decided nothing, and what to do; `address_of` gives the server of a spec."""
        places = " and ".join(dict.fromkeys(filter(None, map(address_of, self.specs))))
        kinds = [kind for kind, _ in self.kinds]
        what, advice = f"gave no answer{in_brackets(dict(self.kinds))} at {places}: {self.message}", "mend that"
        if kinds == [ErrorKind.CONNECTION]:
            what, advice = f"refused at {places} ({self.message.removeprefix('cannot connect: ')})", "start it"
        elif kinds == [ErrorKind.AUTH]:
            advice = "correct the key"
        of_all = f"{self.silent:,} of {counted(self.calls, 'call')}"
        if self.silent < self.calls:
            of_all = f"the last {self.silent:,} of {counted(self.calls, 'call')}"
        if self.is_early:
            what += ", so that no more were made"
        return f"{of_all} {what}; {NOTHING_DECIDED}; {advice} and run again"


def address_of(settings: Settings, spec: str) -> str:
    """Return the address of a spec's server, or the name of its model where there is none."""
    model = settings.model(parse_spec(spec).model)
    return shown_address(model.provider.base_url) or model.id


class OutageWatch:
    """Counts calls in a row that reached no server, on one thread; any may read the `outage`."""

    def __init__(self, most: int | None = MOST_UNREACHED) -> None:
        """Allow so `most` calls in a row; None for any number, as in a plain session."""
        self.outage: Outage | None = None
        """The outage, once there is one."""
        self._most = most
        self._calls = 0
        self._row: list[tuple[str, str]] = []
        """Spec and message of each call since the last that reached a server."""

    def add(self, spec: str, result: CallResult) -> bool:
        """Count the result of a trial's call; return whether it makes an outage of those before."""
        if self._most is None or self.outage is not None or result.cancelled:
            return False
        self._calls += 1
        if result.error is None or not is_unreached(result.error):
            self._row.clear()
            return False
        self._row.append((spec, result.error.message))
        if len(self._row) < self._most:
            return False
        self.outage = Outage(
            calls=self._calls,
            silent=len(self._row),
            kinds=((ErrorKind.CONNECTION, len(self._row)),),
            specs=tuple(dict.fromkeys(spec for spec, _ in self._row)),
            message=self._row[-1][1],
            is_early=True,
        )
        return True


def unmade() -> CallResult:
    """Return the result of a call that an outage has kept from being made."""
    error = CallError(kind=ErrorKind.CANCELLED, message="not made, because the calls before found no server")
    now = clock.now()
    return CallResult(error=error, started=now, ended=now, answers=0)


def silence_of(trials: Iterable[Trial]) -> Outage | None:
    """Return the outage of trials of which none had a server that answered; None if one had, or there are none."""
    kinds: Counter[ErrorKind] = Counter()
    specs: dict[str, None] = {}
    message = ""
    for trial in trials:
        kind = trial.error_kind
        if trial.outcome is not Outcome.ERROR or kind not in SILENT:
            return None
        kinds[kind] += 1
        specs[trial.spec] = None
        message = message or trial.reason.removeprefix(f"{kind}: ")
    if not kinds:
        return None
    calls = kinds.total()
    return Outage(calls=calls, silent=calls, kinds=tuple(kinds.most_common()), specs=tuple(specs), message=message)
