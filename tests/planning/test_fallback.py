"""The fallback of a phase, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.planning.fallback import fallback_for, replaced_fallback, require_fallback
from pytest_selfopt.routing.config import RoutingConfig
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.settings import Mode, Overrides, load_settings
from pytest_selfopt.specs.spec import Spec


@pytest.mark.parametrize(
    ("source", "refused"), [("selfopt-cycle", False), ("harness_feedback", False), ("by hand", True), (None, True)]
)
def test_only_the_loop_replaces_a_configured_fallback(tmp_path: Path, source: str | None, *, refused: bool) -> None:
    (tmp_path / "selfopt.toml").write_text(
        'model = "b"\n[models.a]\nprovider = "ollama"\n[models.b]\nprovider = "ollama"\n'
        '[phases.atomic]\nfallback = "a"\n'
    )
    settings = load_settings(tmp_path, Mode.CYCLE, Overrides())
    rule = Rule(model="a", phase="atomic", allow=False, fallback_model="b", source=source, cycle=3)
    routing = RoutingConfig(rules=(rule,))
    suite = Suite(name="s", path=tmp_path, cases=())
    baseline = Spec(model="b", phase="atomic", variant="native_api")
    if refused:
        with pytest.raises(SettingsError, match="'a' cannot replace b: "):
            require_fallback(baseline, suite, settings, routing)
        return
    require_fallback(baseline, suite, settings, routing)
    assert fallback_for("b", "atomic", settings, routing, None) is None
    assert "itself replaced by b in cycle 3" in replaced_fallback("b", "atomic", settings, routing)
    assert fallback_for("c", "atomic", settings, routing, None) == "a"
