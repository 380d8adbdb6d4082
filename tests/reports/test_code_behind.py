"""The code behind a figure is found from the code: whoever changes a helper changes the digest of what rests on it."""

from typing import Any

import pytest

from reports import code_behind
from reports.code_behind import digest_behind, imports_of, modules_behind, reached_by
from reports.computations import COMBINATIONS, LEAVES, code_sha256
from reports.sources import Sources

# What was once listed by hand: a derived list has each, and what nobody had thought of.
KNOWN = {
    "scope_kpi": (
         "assets.kpi.from_readings",  "assets.kpi.facts",
        "assets.sites.scopes", "assets.tariffs.periods", "assets.carbon.factor_choice.meter_factors", "assets.carbon.factor_choice.factor_view",
        "assets.kpi.expected", "assets.kpi.adjust",
    ),
    "running_figure": (
        "assets.kpi.running", "assets.kpi.from_readings", "assets.kpi.demand_window", "assets.kpi.supply_terms",
        "assets.bills.engine.interval_cost", "assets.carbon.factor_choice.meter_factors", "assets.carbon.factor_choice.factor_view",
    ),
    "seu_assessment": (
        "assets.kpi.adjust", "assets.kpi.daily", "assets.kpi.expected", "assets.kpi.enpi", "assets.kpi.uncertainty",
    ),
    "detectable_saving": ("assets.kpi.uncertainty",),
    "bill_number": ("reports.bill_again", "assets.bills.stored"),
    "footprint_number": (
        "reports.footprint_again", "assets.carbon.inventory.energies", "assets.carbon.inventory.site_footprint", "assets.carbon.factor_choice.factor_view",
    ),
    "hours_number": (
        "reports.hours_again", "assets.carbon.by_hour.site_match", "assets.carbon.by_hour.hourly_scope2", "assets.carbon.inventory.site_footprint",
        "assets.carbon.factor_choice.factor_view",
    ),
    "project_number": (
        "reports.project_again", "assets.kpi.project", "assets.kpi.adjust", "assets.kpi.daily", "assets.kpi.expected",
        "assets.kpi.enpi", "assets.kpi.uncertainty",
    ),
}  # fmt: skip


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
    head = "from assets.kpi import (\n    enpi,\n    adjust as other,\n)\n"
    text = f"{head}\ndef late():\n    from assets.kpi.daily import seu_days  # why\n"
    monkeypatch.setattr(code_behind, "source_of", lambda _: text)
    assert imports_of.__wrapped__("any") == ("assets.kpi.enpi", "assets.kpi.adjust", "assets.kpi.daily")
