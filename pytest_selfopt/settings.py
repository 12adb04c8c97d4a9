"""Options, ini keys and `[tool.selfopt]` become one frozen `Settings`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from pytest_selfopt import clock
from pytest_selfopt.config_table import Table
from pytest_selfopt.economy.best import BEST, best_by_price
from pytest_selfopt.economy.prices import NO_PRICES, PriceFile, read_prices
from pytest_selfopt.economy.spending import read_spending, read_tiers
from pytest_selfopt.economy.tiers import BANDS, models_of_tier, tier_name
from pytest_selfopt.errors import SettingsError, SpecError
from pytest_selfopt.loop.actions import Switches
from pytest_selfopt.loop.build_gate import GateThresholds
from pytest_selfopt.loop.read_thresholds import read_bars, read_limits
from pytest_selfopt.loop.thresholds import DecisionRule, Limits
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.models.read_config import implied_model, read_models, read_providers
from pytest_selfopt.project_files import ProjectFiles, locate_project_files, read_settings_table
from pytest_selfopt.runners.engines import ENGINES
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.config import read_config as read_nats
from pytest_selfopt.runners.temporal.config import TemporalConfig
from pytest_selfopt.runners.temporal.config import read_config as read_temporal
from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.spec import MOST_TOKENS, NAME, Spec, parse_spec
from pytest_selfopt.specs.variants import VARIANTS, Variant, variant_named
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.swarm.swarm import Swarm, SwarmSettings, as_model, parse_swarm_name, read_swarms

DEFAULT_MODEL = "embedded/smollm2-135m"
RUNNERS = ("local", *ENGINES)
"""The built-in runners; a project may have its own."""
NO_BARS = GateThresholds()


class Mode(StrEnum):
    """The mode in which a session runs its benchmarks."""

    PLAIN = "plain"
    """Run each case once on the routed baseline; write nothing."""
    CYCLE = "cycle"
    """Run one turn of the loop."""
    GATE = "gate"
    """Compare the spec in force with the thresholds of a build; write nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSettings:
    """The settings of one phase: its first baseline, and the limits of its gates."""

    baseline: Spec
    limits: Limits
    bars: GateThresholds = NO_BARS
    fallback: str | None = None
    """The fallback for a phase that the baseline's model cannot handle."""


@dataclass(frozen=True, kw_only=True)
class Settings(ProjectFiles):
    """The complete, validated configuration.

    `max_candidates` bounds how many candidates one cycle compares with the baseline; `seed` orders the specs
    within a case (None: drawn by the session and recorded).
    """

    mode: Mode
    place: str
    """The place of the settings, for messages such as "configure it in …"."""
    providers: Mapping[str, ProviderConfig]
    models: Mapping[str, ModelConfig]
    tiers: Mapping[str, tuple[str, ...]]
    """Named lists of models."""
    swarms: SwarmSettings
    prices: PriceFile
    """Prices for models without configured prices."""
    phases: Mapping[str, PhaseSettings]
    default_limits: Limits
    default_bars: GateThresholds
    default_model: str
    space: SearchSpace
    variants: Mapping[str, str]
    """The import paths of the project's variants, by name."""
    max_candidates: int
    seed: int | None
    forced_baseline: Spec | None
    forced_model: str | None
    """The model for every phase; None follows the routing configuration."""
    warmup: bool | None
    """Whether to warm up; None follows the routing configuration."""
    max_calls: int | None
    max_cost_usd: float | None
    warn_usd: float
    """The cost in USD above which the user is warned before a cycle begins."""
    resume: bool
    switches: Switches
    """The switches of automatic actions."""
    only_proves: bool
    """Whether a cycle tries no candidates and only compares rules on trial with their absence."""
    proves_at_once: bool
    """Whether rules put on trial are proven right after the cycle."""
    race: bool
    """Whether candidates that can no longer win are stopped early."""
    reports: bool
    """Whether a cycle writes report pages."""
    runner: str
    """The runner that makes calls: "local" (this process), an engine, or the project's own runner."""
    nats: NatsConfig
    temporal: TemporalConfig
    unused_settings: tuple[Path, ...] = ()
    """The settings that are found from elsewhere, such as the working directory, and are not used."""

    def phase(self, name: str) -> PhaseSettings:
        """Return the settings of a phase; an unconfigured one starts from the default model's native API."""
        settings = self.phases.get(name) or PhaseSettings(
            baseline=Spec(model=self.default_model, phase=name, variant="native_api"),
            limits=self.default_limits,
            bars=self.default_bars,
        )
        if self.forced_baseline is not None and self.forced_baseline.phase == name:
            return replace(settings, baseline=self.forced_baseline)
        return settings

    def variant(self, name: str) -> Variant:
        """Return a variant by name.

        Raises:
            SpecError: if the variant does not exist or cannot be imported.
        """
        return variant_named(name, self.variants)

    def model(self, name: str) -> ModelConfig:
        """Return the configuration of a model.

        Raises:
            SettingsError: if the model is not configured.
        """
        swarm = self.swarm(name)
        if swarm is not None:
            return as_model(swarm)
        model = self.models.get(name)
        if model is not None:
            return model
        implied = implied_model(name, self.providers)
        if implied is None:
            providers = ", ".join(provider for provider in self.providers if provider != "embedded")
            raise SettingsError(
                f"unknown model {name!r}{_nearest(name, sorted(self.models))} "
                f"Configure it under {self.place} models.{json.dumps(name)}, or name it PROVIDER/MODEL, "
                f"where PROVIDER is one of {providers}"
            )
        return self.prices.priced(implied)

    def swarm(self, name: str) -> Swarm | None:
        """Return the swarm with a name such as `swarm:10@tier1`; None if the name is not a swarm's.

        Raises:
            SettingsError: if the name is invalid or its tier is empty.
        """
        parsed = parse_swarm_name(name)
        if parsed is None:
            return None
        topology, tier = parsed
        return self.swarms.swarm(name, topology, [model.id for model in self.tier(tier)])

    # Kept, because swarms look their tier up for each call.
    @cached_property
    def _best(self) -> tuple[ModelConfig, ...]:
        today = datetime.fromtimestamp(clock.now(), UTC).date().isoformat()
        return best_by_price(self.prices, self.providers, self.model, today=today)

    def tier_name(self, asked: str) -> str:
        """Return the name of the tier that is meant: TIER1 and BEST_8 are tier1 and best8."""
        given = [model.tier for model in self.models.values() if model.tier is not None]
        return tier_name(asked, [*self.tiers, *BANDS, BEST, *given])

    def tier(self, name: str) -> tuple[ModelConfig, ...]:
        """Return the models of a tier: those of the list with that name, or those in its price range.

        Raises:
            SettingsError: if the tier is unknown or empty.
        """
        name = self.tier_name(name)
        if name == BEST and name not in self.tiers and self._best:
            return self._best
        # Only the requested tier: other lists may contain unknown models.
        named = {tier: list(map(self.model, models)) for tier, models in self.tiers.items() if tier == name}
        named = {**{tier: [] for tier in self.tiers}, **named}
        return models_of_tier(name, self.models.values(), named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """The values of command-line options; None if not given."""

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
    exhaustive: bool = False
    promote: bool = True
    enforce: bool = True
    only_prove: bool = False
    prove_at_once: bool = True
    model: str | None = None
    runner: str | None = None
    reports: bool = True


def load_settings(folder: Path, mode: Mode, overrides: Overrides) -> Settings:
    """Read the settings in `selfopt.toml`, or pyproject.toml `[tool.selfopt]`; command-line options override them.

    Raises:
        SettingsError: naming file, table, key and value.
    """
    table = read_settings_table(folder)
    settings = _read(table, folder, mode, overrides)
    table.finish()
    return settings


def _read(table: Table, folder: Path, mode: Mode, overrides: Overrides) -> Settings:
    limits = read_limits(table.table("gates"), _usual_limits(table, overrides))
    bars = read_bars(table.table("gate"), NO_BARS)
    providers = read_providers(table.table("providers"))
    prices = _prices(table, folder)
    models = {name: prices.priced(model) for name, model in read_models(table.table("models"), providers).items()}
    default_model = table.text("model", DEFAULT_MODEL) or DEFAULT_MODEL
    files = locate_project_files(table, folder, overrides.state_dir)
    runner = table.text("runner", "local") or "local"
    candidates = table.integer("candidates", 3, least=1, most=50)
    spending = read_spending(table.table("budget"))
    variants = _variants(table.table("variants"))
    switches, at_once = _actions(table.table("actions"), overrides)
    return Settings(
        mode=mode,
        folder=folder,
        settings_path=files.settings_path,
        state_dir=files.state_dir,
        routing_path=files.routing_path,
        place=table.place,
        providers=providers,
        models=models,
        tiers=read_tiers(table.table("tiers")),
        swarms=read_swarms(table.table("swarm")),
        prices=prices,
        phases=_phases(table.table("phases"), limits, bars, default_model),
        default_limits=limits,
        default_bars=bars,
        default_model=default_model,
        space=_space(table.table("search"), tuple(variants), exhaustive=overrides.exhaustive),
        variants=variants,
        max_candidates=overrides.max_candidates or candidates,
        seed=overrides.seed,
        forced_baseline=_forced(overrides.baseline, tuple(variants)),
        forced_model=overrides.model,
        warmup=overrides.warmup,
        max_calls=overrides.max_calls or spending.max_calls,
        max_cost_usd=spending.max_cost_usd if overrides.max_cost_usd is None else overrides.max_cost_usd,
        warn_usd=spending.warn_usd,
        resume=overrides.resume,
        switches=switches,
        only_proves=overrides.only_prove,
        proves_at_once=at_once and overrides.prove_at_once and not overrides.only_prove,
        race=overrides.race and limits.profile is DecisionRule.CALIBRATED,
        reports=overrides.reports and table.flag("reports", default=True),
        runner=overrides.runner or runner,
        nats=read_nats(table.table("nats")),
        temporal=read_temporal(table.table("temporal")),
    )


def _nearest(name: str, known: Sequence[str]) -> str:
    hint = did_you_mean(name, known)
    if hint.endswith("?"):
        return hint
    return f"{hint}."


def _usual_limits(table: Table, overrides: Overrides) -> Limits:
    profile = table.text("profile", str(DecisionRule.CALIBRATED), choices=list(map(str, DecisionRule)))
    return Limits(
        profile=DecisionRule(overrides.profile or profile or DecisionRule.CALIBRATED),
        cost_ratio=table.number("max_cost_ratio", None, least=0, most=1e9),
    )


def _prices(table: Table, folder: Path) -> PriceFile:
    name = table.text("prices")
    if name is None:
        return NO_PRICES
    try:
        return read_prices((folder / name).read_text(encoding="utf-8-sig"), name)
    except (OSError, ValueError) as problem:
        table.refuse("prices", f"cannot read {name!r}: {problem}")


def _actions(table: Table, overrides: Overrides) -> tuple[Switches, bool]:
    """Read the switches of automatic actions, and whether their rules are proven at once."""

    def on(key: str) -> bool:
        return table.flag(key, default=True)

    switches = Switches(
        promote=on("promote") and overrides.promote,
        warm_up=on("warm_up") and overrides.enforce,
        fall_back=on("fall_back") and overrides.enforce,
        retry=on("retry") and overrides.enforce,
        longer_timeout=on("longer_timeout") and overrides.enforce,
        more_tokens=on("more_tokens") and overrides.enforce,
    )
    at_once = on("prove")
    table.finish()
    return switches, at_once


def _phases(table: Table, limits: Limits, bars: GateThresholds, default_model: str) -> dict[str, PhaseSettings]:
    phases: dict[str, PhaseSettings] = {}
    for name, entry in table.tables().items():
        usual = f"{default_model}/{name}/native_api/t60/r1/i0"
        text = entry.text("baseline", usual) or usual
        try:
            baseline = parse_spec(text)
        except SpecError as problem:
            raise SettingsError(f"{entry.place}: baseline: {problem}") from None
        if baseline.phase != name:
            entry.refuse("baseline", f"{text!r} is a spec of phase {baseline.phase!r}, not of {name!r}")
        phases[name] = PhaseSettings(
            baseline=baseline,
            limits=read_limits(entry.table("gates"), limits),
            bars=read_bars(entry.table("gate"), bars),
            fallback=entry.text("fallback"),
        )
        entry.finish()
    return phases


def _variants(table: Table) -> dict[str, str]:
    """Read the import paths of the project's variants; they are imported on use, also from next to the tests."""
    variants: dict[str, str] = {}
    for name in table.names():
        where = table.text(name) or ""
        if name in VARIANTS:
            table.refuse(name, "is the name of a built-in variant")
        if re.fullmatch(NAME, name) is None:
            table.refuse(name, "is not a valid name: lower-case letters, digits and _ only, beginning with a letter")
        if ":" not in where:
            table.refuse(name, f'{where!r} is not an import path; expected "module:NAME"')
        variants[name] = where
    return variants


def _space(table: Table, own: tuple[str, ...], *, exhaustive: bool) -> SearchSpace:
    usual = SearchSpace()
    usual = replace(usual, variants=(*usual.variants, *own))
    space = SearchSpace(
        variants=table.texts("variants", usual.variants),
        models=table.texts("models", usual.models),
        timeouts_s=table.numbers("timeouts", usual.timeouts_s),
        retries=tuple(int(value) for value in table.numbers("retries", usual.retries)),
        isolation=table.flags("isolation", usual.isolation),
        warmup=table.flags("warmup", usual.warmup),
        max_tokens=tuple(int(value) for value in table.numbers("max_tokens", usual.max_tokens)),
        exhaustive=table.flag("exhaustive", default=False) or exhaustive,
    )
    for name in space.variants:
        if name not in usual.variants:
            table.refuse("variants", f"{name!r} is not one of {', '.join(usual.variants)}")
    for limit in space.max_tokens:
        if not 1 <= limit <= MOST_TOKENS:
            table.refuse("max_tokens", f"{limit} must be 1 to {MOST_TOKENS:,}")
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
        raise SettingsError(f"--selfopt-baseline: unknown variant {spec.variant!r}; available: {', '.join(known)}")
    return spec
