"""The code behind a figure is found from the code: whoever changes a helper changes the digest of what rests on it."""

from typing import Any

import pytest

from reports.again import code_behind
from reports.again.code_behind import digest_behind, imports_of, modules_behind, reached_by
from reports.again.computations import COMBINATIONS, LEAVES, code_sha256
from reports.again.figure_sources import Sources

# What was once listed by hand: a derived list has each, and what nobody had thought of.
KNOWN = {
    "scope_kpi": (
        "assets.kpi.from_readings",
        "assets.kpi.facts",
        "assets.sites.scopes",
        "assets.tariffs.periods",
        "assets.carbon.factor_choice.meter_factors",
        "assets.carbon.factor_choice.factor_view",
        "assets.kpi.enpi_of_use.expected_energy",
        "assets.kpi.enpi_of_use.adjust",
    ),
    "running_figure": (
        "assets.kpi.running_cost.interval_costs",
        "assets.kpi.from_readings",
        "assets.kpi.running_cost.demand_window",
        "assets.kpi.running_cost.supply_terms",
        "assets.bills.engine.interval_cost",
        "assets.carbon.factor_choice.meter_factors",
        "assets.carbon.factor_choice.factor_view",
    ),
    "seu_assessment": (
        "assets.kpi.enpi_of_use.adjust",
        "assets.kpi.enpi_of_use.daily",
        "assets.kpi.enpi_of_use.expected_energy",
        "assets.kpi.enpi_of_use.enpi_result",
        "assets.kpi.enpi_of_use.savings_band",
    ),
    "detectable_saving": ("assets.kpi.enpi_of_use.savings_band",),
    "bill_number": ("reports.again.bill_again", "assets.bills.stored"),
    "footprint_number": (
        "reports.again.footprint_again",
        "assets.carbon.inventory.energies",
        "assets.carbon.inventory.site_footprint",
        "assets.carbon.factor_choice.factor_view",
    ),
    "hours_number": (
        "reports.again.hours_again",
        "assets.carbon.by_hour.site_match",
        "assets.carbon.by_hour.hourly_scope2",
        "assets.carbon.inventory.site_footprint",
        "assets.carbon.factor_choice.factor_view",
    ),
    "project_number": (
        "reports.again.project_again",
        "assets.kpi.claims.mv_savings",
        "assets.kpi.enpi_of_use.adjust",
        "assets.kpi.enpi_of_use.daily",
        "assets.kpi.enpi_of_use.expected_energy",
        "assets.kpi.enpi_of_use.enpi_result",
        "assets.kpi.enpi_of_use.savings_band",
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_every_module_behind_a_number_is_found(name: str) -> None:
    assert set(KNOWN[name]) <= names_behind(LEAVES[name], Sources)


def names_behind(function: Any, reader: type) -> frozenset[str]:
    """Modules whose whole source is behind a function."""
    return modules_behind(reached_by(function, reader)[1])


def test_a_sum_rests_on_its_own_function_and_a_kpi_on_the_calendar() -> None:
    assert names_behind(COMBINATIONS["sum"], Sources) == frozenset()
    assert "assets.sites.calendar" in names_behind(LEAVES["scope_kpi"], Sources)


def test_a_changed_module_changes_what_rests_on_it_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: digest_behind(function, Sources) for name, function in {**COMBINATIONS, **LEAVES}.items()}
    assert before == {name: code_sha256(name) for name in before}
    kept = code_behind.source_of

    def changed(name: str) -> str:
        return kept(name) + ("# another\n" if name == "assets.tariffs.periods" else "")

    monkeypatch.setattr(code_behind, "source_of", changed)
    after = {name: digest_behind(function, Sources) for name, function in {**COMBINATIONS, **LEAVES}.items()}
    moved = {name for name in before if before[name] != after[name]}
    assert {"scope_kpi", "running_figure"} <= moved
    assert not moved & {"sum", "ratio", "batch_count", "baseline_number", "detectable_saving", "nothing"}


def test_imports_are_read_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    head = "from assets.kpi.enpi_of_use import (\n    enpi_result,\n    adjust as other,\n)\n"
    text = f"{head}\ndef late():\n    from assets.kpi.enpi_of_use.daily import seu_days  # why\n"
    monkeypatch.setattr(code_behind, "source_of", lambda _: text)
    assert imports_of.__wrapped__("any") == (
        "assets.kpi.enpi_of_use.enpi_result",
        "assets.kpi.enpi_of_use.adjust",
        "assets.kpi.enpi_of_use.daily",
    )
