"""Reading limits and thresholds from the configuration tables `gates` and `gate`."""

from __future__ import annotations

from dataclasses import replace

from pytest_selfopt.config_table import Table
from pytest_selfopt.loop.build_gate import Compare, GateThresholds
from pytest_selfopt.loop.thresholds import Claim, Limits


def read_limits(table: Table, usual: Limits) -> Limits:
    """Read the limits of gates; missing ones are the usual ones.

    Raises:
        SettingsError: naming the place of a wrong value.
    """

    def share(key: str, default: float) -> float:
        return table.number(key, default, least=0, most=1)

    limits = replace(
        usual,
        min_samples=table.integer("min_samples", usual.min_samples, least=3, most=100),
        variance=share("variance", usual.variance),
        together=share("together", usual.together),
        restraint=share("restraint", usual.restraint),
        extended_phase_min_accuracy=share("extended_phase_min_accuracy", usual.extended_phase_min_accuracy),
        comparable=share("comparable", usual.comparable),
        independent=share("independent", usual.independent),
        errors=share("errors", usual.errors),
        latency=table.number("latency", usual.latency, least=0, most=86_400),
        cost=table.number("cost", usual.cost, least=0, most=1e9),
        cost_ratio=table.number("cost_ratio", usual.cost_ratio, least=0, most=1e9),
        veto=table.integer("veto", usual.veto, least=0, most=1_000_000),
        claim=Claim(table.text("claim", str(usual.claim), choices=list(map(str, Claim))) or usual.claim),
    )
    table.finish()
    return limits


def read_bars(table: Table, usual: GateThresholds) -> GateThresholds:
    """Read the thresholds of a build; missing ones are the usual ones.

    Raises:
        SettingsError: naming the place of a wrong value.
    """
    bars = GateThresholds(
        min_accuracy=table.number("min_accuracy", usual.min_accuracy, least=0, most=1),
        min_restraint=table.number("min_restraint", usual.min_restraint, least=0, most=1),
        max_p95_latency=table.number("max_p95_latency", usual.max_p95_latency, least=0, most=86_400),
        max_cost=table.number("max_cost", usual.max_cost, least=0, most=1e9),
        passes=table.integer("passes", usual.passes, least=1, most=100),
        compare=Compare(table.text("compare", str(usual.compare), choices=list(map(str, Compare))) or ""),
    )
    table.finish()
    return bars
