"""Options, ini keys and `[tool.selfopt]` become one frozen `Settings`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pytest_selfopt.economy.tiers import models_of_tier
from pytest_selfopt.errors import SettingsError, SpecError
from pytest_selfopt.loop.actions import Switches
from pytest_selfopt.loop.bars import Bars, Compare
from pytest_selfopt.loop.limits import Claim, Limits, Profile
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.models.read_config import implied_model, read_models, read_providers
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.config import read_config as read_nats
from pytest_selfopt.runners.temporal.config import TemporalConfig
from pytest_selfopt.runners.temporal.config import read_config as read_temporal
from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.spec import NAME, Spec, parse_spec
from pytest_selfopt.specs.variants import VARIANTS, Variant, variant_named
from pytest_selfopt.swarm.swarm import MOST_IN_FLIGHT, USUAL_IN_FLIGHT, Swarm, as_model, parse_swarm_name
from pytest_selfopt.tables import Table

DEFAULT_MODEL = "embedded/smollm2-135m"
ENGINES = ("nats", "temporal")
"""What carries calls to workers elsewhere."""

RUNNERS = ("local", *ENGINES)
"""Those that are built in; a project may have its own."""
CONFIG_FILE = "selfopt.toml"
NO_BARS = Bars()


class Mode(StrEnum):
    """What a session does with its benchmarks."""

    PLAIN = "plain"
    """Each case once on the routed baseline; nothing is written."""
    CYCLE = "cycle"
    """One turn of the loop."""
    GATE = "gate"
    """What is in force is measured against the bars of a build; nothing is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSettings:
    """What is configured for one phase: where its baseline starts, and the limits of its gates."""

    baseline: Spec
    limits: Limits
    bars: Bars = NO_BARS
    fallback: str | None = None
    """The model that stands in when the baseline's is not up to the phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that was configured, checked.

    `max_candidates` bounds how many candidates one cycle compares with the baseline; `seed` orders the specs
    within a case (None: drawn by the session and recorded).
    """

    mode: Mode
    rootdir: Path
    state_dir: Path
    routing_path: Path
    place: str
    """Where the settings stand, for sentences such as "configure it in …"."""
    providers: Mapping[str, ProviderConfig]
    models: Mapping[str, ModelConfig]
    tiers: Mapping[str, tuple[str, ...]]
    """Lists of models that somebody has named."""
    swarm_judge: str | None
    """The model that makes one answer of free texts; None: the first of a swarm's members."""
    swarm_in_flight: int
    """How many calls of a swarm are under way at a time."""
    phases: Mapping[str, PhaseSettings]
    default_limits: Limits
    default_bars: Bars
    default_model: str
    space: SearchSpace
    variants: Mapping[str, str]
    """Variants of the project's own, by name: where each can be imported from."""
    max_candidates: int
    seed: int | None
    forced_baseline: Spec | None
    forced_model: str | None
    """The model to ask in every phase, whatever the routing configuration says; None leaves it to that."""
    warmup: bool | None
    """Whether to warm up whatever the routing configuration says; None leaves it to that."""
    max_calls: int | None
    max_cost_usd: float | None
    resume: bool
    switches: Switches
    """Which automatic actions are on."""
    only_proves: bool
    """Whether nothing is searched: what is on trial is measured beside its absence."""
    proves_at_once: bool
    """Whether what a cycle puts on trial is proven right after it."""
    race: bool
    """Whether candidates that cannot win any more are stopped early."""
    runner: str
    """Where calls are made: "local", in this process, through an engine, or by a runner of the project's own."""
    nats: NatsConfig
    temporal: TemporalConfig

    def phase(self, name: str) -> PhaseSettings:
        """The settings of a phase; one that is not configured starts from the default model's native API."""
        settings = self.phases.get(name) or PhaseSettings(
            baseline=Spec(model=self.default_model, phase=name, variant="native_api"),
            limits=self.default_limits,
            bars=self.default_bars,
        )
        if self.forced_baseline is not None and self.forced_baseline.phase == name:
            return replace(settings, baseline=self.forced_baseline)
        return settings

    def variant(self, name: str) -> Variant:
        """A manner of asking.

        Raises:
            SpecError: when there is none of that name, or it cannot be imported.
        """
        return variant_named(name, self.variants)

    def model(self, name: str) -> ModelConfig:
        """The configuration of a model.

        Raises:
            SettingsError: when it is not configured.
        """
        swarm = self.swarm(name)
        if swarm is not None:
            return as_model(swarm)
        model = self.models.get(name) or implied_model(name, self.providers)
        if model is None:
            raise SettingsError(
                f"unknown model {name!r}; known are {', '.join(sorted(self.models))}. "
                f"Configure it under {self.place} models.{json.dumps(name)}, or name it PROVIDER/MODEL, "
                f"the provider being one of {', '.join(one for one in self.providers if one != 'embedded')}"
            )
        return model

    def swarm(self, name: str) -> Swarm | None:
        """The swarm that a name such as `swarm:10@tier1` means; None when it is the name of no swarm.

        Raises:
            SettingsError: when it cannot be read, or nobody is in its tier.
        """
        found = parse_swarm_name(name)
        if found is None:
            return None
        topology, tier = found
        members = tuple(model.id for model in self.tier(tier))
        return Swarm(
            id=name,
            topology=topology,
            members=members,
            judge=self.swarm_judge or members[0],
            in_flight=self.swarm_in_flight,
        )

    def tier(self, name: str) -> tuple[ModelConfig, ...]:
        """The models of a tier: those of a list of that name, or those whose prices are in it.

        Raises:
            SettingsError: when there is no such tier, or nobody in it.
        """
        named = {tier: [self.model(one) for one in models] for tier, models in self.tiers.items()}
        return models_of_tier(name, self.models.values(), named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the command line says; None where it says nothing."""

    baseline: str | None = None
    state_dir: str | None = None
    max_candidates: int | None = None
    seed: int | None = None
    warmup: bool | None = None
    max_calls: int | None = None
    max_cost_usd: float | None = None
    resume: bool = False
    race: bool = True
    profile: str | None = None
    promote: bool = True
    enforce: bool = True
    only_prove: bool = False
    prove_at_once: bool = True
    model: str | None = None
    runner: str | None = None


def load_settings(rootdir: Path, mode: Mode, overrides: Overrides) -> Settings:
    """Read the settings in `selfopt.toml`, or pyproject.toml `[tool.selfopt]`; the command line's word is above them.

    Raises:
        SettingsError: naming file, table, key and value.
    """
    table = _table(rootdir)
    limits = _limits(table.table("gates"), _usual_limits(table, overrides))
    bars = _bars(table.table("gate"), NO_BARS)
    providers = read_providers(table.table("providers"))
    models = read_models(table.table("models"), providers)
    default_model = table.text("model", DEFAULT_MODEL) or DEFAULT_MODEL
    state_dir = table.text("state_dir", ".selfopt") or ".selfopt"
    runner = table.text("runner", "local") or "local"
    candidates = table.integer("candidates", 3, least=1, most=50)
    max_calls, max_cost = _budget(table.table("budget"))
    variants = _variants(table.table("variants"))
    judge, in_flight = _swarm(table.table("swarm"))
    switches, at_once = _actions(table.table("actions"), overrides)
    settings = Settings(
        mode=mode,
        rootdir=rootdir,
        state_dir=rootdir / (overrides.state_dir or state_dir),
        routing_path=rootdir / (table.text("routing", "routing_config.json") or "routing_config.json"),
        place=table.place,
        providers=providers,
        models=models,
        tiers=_tiers(table.table("tiers")),
        swarm_judge=judge,
        swarm_in_flight=in_flight,
        phases=_phases(table.table("phases"), limits, bars, default_model),
        default_limits=limits,
        default_bars=bars,
        default_model=default_model,
        space=_space(table.table("search"), tuple(variants)),
        variants=variants,
        max_candidates=overrides.max_candidates or candidates,
        seed=overrides.seed,
        forced_baseline=_forced(overrides.baseline, tuple(variants)),
        forced_model=overrides.model,
        warmup=overrides.warmup,
        max_calls=overrides.max_calls or max_calls,
        max_cost_usd=max_cost if overrides.max_cost_usd is None else overrides.max_cost_usd,
        resume=overrides.resume,
        switches=switches,
        only_proves=overrides.only_prove,
        proves_at_once=at_once and overrides.prove_at_once and not overrides.only_prove,
        race=overrides.race and limits.profile is Profile.CALIBRATED,
        runner=overrides.runner or runner,
        nats=read_nats(table.table("nats")),
        temporal=read_temporal(table.table("temporal")),
    )
    table.finish()
    return settings


def _usual_limits(table: Table, overrides: Overrides) -> Limits:
    profile = table.text("profile", choices=[str(one) for one in Profile])
    return Limits(profile=Profile(overrides.profile or profile or Profile.CALIBRATED))


def _table(rootdir: Path) -> Table:
    own, project = rootdir / CONFIG_FILE, rootdir / "pyproject.toml"
    tool = _document(project).get("tool", {})
    in_project = tool.get("selfopt") if isinstance(tool, dict) else None
    if not own.exists():
        return Table({} if in_project is None else in_project, "pyproject.toml [tool.selfopt]")
    if in_project is not None:
        raise SettingsError(f"settings stand in both {CONFIG_FILE} and pyproject.toml [tool.selfopt]; keep one of them")
    return Table(_document(own), CONFIG_FILE)


def _document(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise SettingsError(f"cannot read {path.name}: {problem}") from None


def _budget(table: Table) -> tuple[int | None, float | None]:
    calls = table.integer("max_calls", 0, least=1, most=10**9) if table.has("max_calls") else None
    cost = table.number("max_cost", None, least=0, most=1e6)
    table.finish()
    return calls, cost


def _tiers(table: Table) -> dict[str, tuple[str, ...]]:
    found = {name: table.texts(name, ()) for name in table.names()}
    for name, models in found.items():
        if not models:
            table.refuse(name, "names no model")
    return found


def _swarm(table: Table) -> tuple[str | None, int]:
    judge = table.text("judge")
    in_flight = table.integer("max_concurrency", USUAL_IN_FLIGHT, least=1, most=MOST_IN_FLIGHT)
    table.finish()
    return judge, in_flight


def _actions(table: Table, overrides: Overrides) -> tuple[Switches, bool]:
    """Which automatic actions are on, and whether what they put on trial is proven at once."""

    def on(key: str) -> bool:
        return table.flag(key) is not False

    found = Switches(
        promote=on("promote") and overrides.promote,
        warm_up=on("warm_up") and overrides.enforce,
        fall_back=on("fall_back") and overrides.enforce,
        retry=on("retry") and overrides.enforce,
        longer_timeout=on("longer_timeout") and overrides.enforce,
    )
    at_once = on("prove")
    table.finish()
    return found, at_once


def _phases(table: Table, limits: Limits, bars: Bars, default_model: str) -> dict[str, PhaseSettings]:
    found: dict[str, PhaseSettings] = {}
    for name, entry in table.tables().items():
        usual = f"{default_model}/{name}/native_api/t60/r1/i0"
        text = entry.text("baseline", usual) or usual
        try:
            baseline = parse_spec(text)
        except SpecError as problem:
            raise SettingsError(f"{entry.place}: baseline: {problem}") from None
        if baseline.phase != name:
            entry.refuse("baseline", f"{text!r} is a spec of phase {baseline.phase!r}, not of {name!r}")
        found[name] = PhaseSettings(
            baseline=baseline,
            limits=_limits(entry.table("gates"), limits),
            bars=_bars(entry.table("gate"), bars),
            fallback=entry.text("fallback"),
        )
        entry.finish()
    return found


def _limits(table: Table, usual: Limits) -> Limits:
    def share(key: str, default: float) -> float:
        value = table.number(key, default, least=0, most=1)
        assert value is not None
        return value

    limits = replace(
        usual,
        min_samples=table.integer("min_samples", usual.min_samples, least=3, most=100),
        variance=share("variance", usual.variance),
        restraint=share("restraint", usual.restraint),
        extended_phase_min_accuracy=share("extended_phase_min_accuracy", usual.extended_phase_min_accuracy),
        comparable=share("comparable", usual.comparable),
        errors=share("errors", usual.errors),
        latency=table.number("latency", usual.latency, least=0, most=86_400),
        cost=table.number("cost", usual.cost, least=0, most=1e9),
        veto=table.integer("veto", usual.veto, least=0, most=1_000_000),
        claim=Claim(table.text("claim", str(usual.claim), choices=[str(one) for one in Claim]) or usual.claim),
    )
    table.finish()
    return limits


def _bars(table: Table, usual: Bars) -> Bars:
    bars = Bars(
        min_accuracy=table.number("min_accuracy", usual.min_accuracy, least=0, most=1),
        min_restraint=table.number("min_restraint", usual.min_restraint, least=0, most=1),
        max_p95_latency=table.number("max_p95_latency", usual.max_p95_latency, least=0, most=86_400),
        max_cost=table.number("max_cost", usual.max_cost, least=0, most=1e9),
        passes=table.integer("passes", usual.passes, least=1, most=100),
        compare=Compare(table.text("compare", str(usual.compare), choices=[str(one) for one in Compare]) or ""),
    )
    table.finish()
    return bars


def _variants(table: Table) -> dict[str, str]:
    """Variants of the project's own; they are imported when they are used, from beside the tests."""
    found: dict[str, str] = {}
    for name in table.names():
        where = table.text(name) or ""
        if name in VARIANTS:
            table.refuse(name, "is the name of a built-in variant")
        if re.fullmatch(NAME, name) is None:
            table.refuse(name, "is no name: lower-case letters, digits and _ only, beginning with a letter")
        if ":" not in where:
            table.refuse(name, f'{where!r} is not where it can be imported from; expected "module:NAME"')
        found[name] = where
    return found


def _space(table: Table, own: tuple[str, ...]) -> SearchSpace:
    usual = SearchSpace()
    usual = replace(usual, variants=(*usual.variants, *own))
    space = SearchSpace(
        variants=table.texts("variants", usual.variants),
        models=table.texts("models", usual.models),
        timeouts_s=table.numbers("timeouts", usual.timeouts_s),
        retries=tuple(int(value) for value in table.numbers("retries", usual.retries)),
        isolation=table.flags("isolation", usual.isolation),
        warmup=table.flags("warmup", usual.warmup),
    )
    for name in space.variants:
        if name not in usual.variants:
            table.refuse("variants", f"{name!r} is none of {', '.join(usual.variants)}")
    table.finish()
    return space


def _forced(text: str | None, own: tuple[str, ...]) -> Spec | None:
    if text is None:
        return None
    try:
        spec = parse_spec(text)
    except SpecError as problem:
        raise SettingsError(f"--selfopt-baseline: {problem}") from None
    known = (*VARIANTS, *own)
    if spec.variant not in known:
        raise SettingsError(f"--selfopt-baseline: unknown variant {spec.variant!r}; known are {', '.join(known)}")
    return spec
