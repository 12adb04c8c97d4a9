"""A swarm: a topology over the models of a tier, which can be asked like one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_selfopt.config_table import Table
from pytest_selfopt.economy.spending import SWARM as PREFIX
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.swarm.pattern import Topology, parse_pattern

USUAL_IN_FLIGHT = 8
MOST_IN_FLIGHT = 64
"""How many calls of one swarm may be under way at a time."""

MOST_IN_ALL = 512
"""How many calls of all swarms together."""


_PROVIDER = ProviderConfig(name="swarm", wire="openai")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """Which models answer in which pattern.

    The k-th call of a stage goes to the k-th of the `members`, from the first again after the last. Where words have to
    be made one of and no two of them agree, the `judge` is asked. At most `in_flight` calls are under way at a time.
    """

    id: str
    topology: Topology
    members: tuple[str, ...]
    judge: str
    in_flight: int = USUAL_IN_FLIGHT

    def member(self, place: int) -> str:
        """The model that makes the call at a place of a stage."""
        return self.members[place % len(self.members)]

    @property
    def models(self) -> tuple[str, ...]:
        """Everybody who may be asked."""
        return tuple(dict.fromkeys((*self.members, self.judge)))

    @property
    def served_as(self) -> str:
        """What answers come under: a swarm with other members is another one."""
        return f"{self.topology.code} of {', '.join(self.members)}, judged by {self.judge}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmSettings:
    """What holds for all swarms: how many calls of one are under way at a time, and who judges free texts.

    Without a `judge` the first of a swarm's members does.
    """

    in_flight: int = USUAL_IN_FLIGHT
    judge: str | None = None

    def swarm(self, name: str, topology: Topology, members: Sequence[str]) -> Swarm:
        """The swarm of a name."""
        return Swarm(
            id=name,
            topology=topology,
            members=tuple(members),
            judge=self.judge or members[0],
            in_flight=self.in_flight,
        )


def read_swarms(table: Table) -> SwarmSettings:
    """What `[tool.selfopt.swarm]` says.

    Raises:
        SettingsError: naming the place of a wrong value.
    """
    settings = SwarmSettings(
        in_flight=table.integer("max_concurrency", USUAL_IN_FLIGHT, least=1, most=MOST_IN_FLIGHT),
        judge=table.text("judge"),
    )
    if settings.judge is not None and settings.judge.startswith(PREFIX):
        table.refuse("judge", f"{settings.judge!r} is a swarm; expected a model")
    table.finish()
    return settings


def as_model(swarm: Swarm) -> ModelConfig:
    """A swarm as a model among others; what it costs is what its members do."""
    together = max(1, swarm.in_flight // swarm.topology.widest)
    return ModelConfig(id=swarm.id, provider=_PROVIDER, name=swarm.id, max_concurrency=together, members=swarm.models)


def swarm_name(topology: Topology, tier: str) -> str:
    """The name by which a swarm over a tier is asked like a model, such as `swarm:10@tier1`."""
    return f"{PREFIX}{topology.code.removeprefix(':')}@{tier}"


def parse_swarm_name(name: str) -> tuple[Topology, str] | None:
    """The topology and the tier in a model's name; None when it is no name of a swarm.

    Raises:
        SettingsError: when it looks like one and cannot be read.
    """
    if not name.startswith(PREFIX):
        return None
    code, at, tier = name.removeprefix(PREFIX).partition("@")
    if not at or not tier:
        raise SettingsError(f"{name!r} names no tier; expected swarm:PATTERN@TIER, such as swarm:10@tier1")
    return parse_pattern(code), tier
