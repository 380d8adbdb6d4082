"""The four scenarios of the EnPI guide and the content of its six endpoints, with the resolutions' corrections."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from assets.kpi.enpi.alerts import QuarterStatus, alerts_of
from assets.kpi.enpi.enpi_result import (
    DayPair,
    EnpiResult,
    Performance,
    Status,
    enpi_for,
    performance,
    review_flags,
    status,
)
from assets.kpi.enpi.use_register import seu_lines, sources_of
from assets.stores.published.report_ledger import ReportStore
from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineType, StatusRule
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.time import Period, parse_period
from tests.life.world import ANNA, SPLIT, ZONE, Works, works_site


def pairs(period: Period, percent_of_expected: str) -> list[DayPair]:
    """Every day expects 500 kWh and uses that many percent of it."""
    actual = Decimal(5) * Decimal(percent_of_expected)
    return [
        DayPair(period.start + timedelta(days=day), actual, Decimal(500), coverage=1.0) for day in range(period.days)
    ]


def assess(still: Works, label: str, percent_of_expected: str) -> EnpiResult:
    period = parse_period(label, ZONE)
    return enpi_for(pairs(period, percent_of_expected), seu_id="line", version=still.versions["line"], period=period)


@pytest.mark.parametrize(
    ("percent", "deviation", "expected_status", "expected_performance"),
    [("100", 0, "compliant", "on_target"), ("95", -5, "compliant", "improved"), ("110", 10, "critical", "degraded")],
)
def test_scenarios_1_to_3_a_year_that_matches_saves_or_degrades(
    still: Works, percent: str, deviation: int, expected_status: Status, expected_performance: Performance
) -> None:
    found = assess(still, "2025", percent)
    assert found.deviation_percent == deviation
    assert (found.status, found.performance) == (expected_status, expected_performance)
    assert found.enpi == Decimal(percent) / 100
    assert sum(month.actual_kwh for month in found.months) == found.actual_kwh
    assert sum(month.expected_kwh for month in found.months) == found.expected_kwh


def test_scenario_4_quarters_are_judged_one_by_one_and_the_third_alarms_at_once(still: Works) -> None:
    rows = []
    for quarter, percent in zip(range(1, 5), ("102", "104", "108", "103"), strict=True):
        found = assess(still, f"2025-Q{quarter}", percent)
        rows.append(
            QuarterStatus(
                label=f"2025-Q{quarter}",
                start=found.start,
                end=found.end,
                baseline_id=found.baseline_id,
                baseline_version=found.baseline_version,
                actual_kwh=found.actual_kwh,
                expected_kwh=found.expected_kwh,
                enpi=found.enpi,
                deviation_percent=found.deviation_percent,
                status=found.status,
            )
        )
    assert [row.status for row in rows] == ["compliant", "warning", "critical", "compliant"]
    assert [(alert.kind, alert.quarter) for alert in alerts_of("line", rows)] == [("critical", "2025-Q3")]


@pytest.mark.parametrize(
    ("deviation", "wanted"),
    [
        (0, "compliant"), (2, "compliant"), (3, "compliant"), (3.0000001, "warning"), (4, "warning"), (5, "warning"),
        (5.0000001, "critical"), (5.098, "critical"), (5.51, "critical"), (7.5, "critical"), (8, "critical"),
        (10, "critical"), (-3.2, "compliant"), (-5, "compliant"), (-20, "compliant"), (None, "not_assessable"),
    ],
)  # fmt: skip
def test_the_signed_rule_judges_unrounded_values_with_inclusive_bounds(deviation: float | None, wanted: Status) -> None:
    assert status(deviation) == wanted


def test_a_drop_is_improved_and_a_large_one_is_reviewed_without_changing_its_status() -> None:
    assert (performance(-5), performance(-3.2), performance(-3), performance(3.1)) == (
        "improved", "improved", "on_target", "degraded",
    )  # fmt: skip
    flags = {"is_extrapolated": False, "coverage": 1.0}
    assert review_flags(-20, **flags) == ("implausible_saving",)  # type: ignore[arg-type]
    assert review_flags(-15, **flags) == ()  # type: ignore[arg-type]
    every = review_flags(-16, is_extrapolated=True, coverage=0.89, is_static_factor_changed=True)
    assert every == ("implausible_saving", "extrapolation", "coverage", "baseline_review_due")


def test_the_symmetric_rule_stays_available_by_name_and_alarms_on_a_drop() -> None:
    symmetric = StatusRule(policy="symmetric")
    assert (status(-5, symmetric), status(-5.5, symmetric)) == ("warning", "critical")


def test_training_names_coefficients_statistics_unit_and_period(still: Works) -> None:
    made = still.versions["line"].baseline
    terms = {term.name: term for term in made.coefficients}
    assert made.target_unit == "kwh/day"
    assert (made.statistics.n, made.train_start, made.train_end) == (366, date(2024, 1, 1), SPLIT)
    assert terms["product_a"].ci_low < 0.08 < terms["product_a"].ci_high
    assert list(terms) == ["intercept", *made.feature_order]
    assert made.statistics.r2 > 0.9


def test_a_report_of_a_quarter_and_of_the_year_adds_up_and_finds_the_factors(still: Works) -> None:
    whole = parse_period("2025", ZONE)
    line = still.request("line")
    year = line.assess(whole, confidence=0.99)
    quarters = [line.assess(parse_period(f"2025-Q{q}", ZONE), confidence=0.99) for q in range(1, 5)]
    assert sum(each.actual_kwh for each in quarters) == year.actual_kwh
    assert sum(each.expected_kwh for each in quarters) == year.expected_kwh
    assert [each.status for each in quarters] == ["compliant", "warning", "critical", "compliant"]
    for found, wanted in zip(quarters, (2.0, 4.0, 8.0, 1.0), strict=True):
        assert found.uncertainty_kwh is not None
        truth = float(found.expected_kwh) * wanted / 100
        assert abs(float(found.delta_kwh) - truth) < found.uncertainty_kwh


def test_the_trend_gives_every_quarter_of_three_years_by_every_version(works: Works) -> None:
    second = works.fit("line", date(2024, 4, 1), date(2025, 4, 1))
    works.store.add(second, "run", "9" * 64, "ben", works.clock)
    line, end = works.request("line"), date(2026, 1, 1)
    rows = line.trend(works.store.versions("works", "line"), end)
    labels = [f"{year}-Q{quarter}" for year in (2024, 2025) for quarter in range(1, 5)]
    assert [row.label for row in rows] == labels
    assert all(abs(row.deviation_percent or 9) < 1 for row in rows[:4])
    assert [row.status for row in rows[4:]] == ["compliant", "warning", "critical", "compliant"]
    works.store.approve("works/line/enb", 2, ANNA, "newer", {}, works.clock)
    both = line.trend(works.store.versions("works", "line"), end)
    assert [(row.baseline_version, row.label) for row in both] == [(v, label) for v in (1, 2) for label in labels]


def test_uses_are_listed_by_source_with_baseline_and_last_report(works: Works) -> None:
    monitoring = works.versions["line"].baseline.model_copy(update={"baseline_type": BaselineType.MONITORING})
    works.store.add(monitoring, "run", "4" * 64, "meterloom", works.clock)
    known = {"baselines": works.store, "reports": ReportStore(works.lake.store)}
    found = seu_lines({"works": works.site}, **known)  # type: ignore[arg-type]
    assert [(each.id, each.baseline, each.last_report) for each in found] == [
        ("line", "works/line/enb v1 approved", None),
        ("packing", "works/packing/enb v1 approved", None),
    ]
    assert found[1].static_factors == {"shifts": "3"}
    assert seu_lines({"works": works.site}, source=Carrier.NATURAL_GAS, **known) == []  # type: ignore[arg-type]
    idle = works_site(seus=(works.site.seus[0].model_copy(update={"is_active": False}),), projects=())
    assert seu_lines({"works": idle}, is_active=True, **known) == []  # type: ignore[arg-type]
    assert sources_of([works.site]) == ["electricity"]


@pytest.mark.parametrize("kind", [each for each in BaselineType if each is not BaselineType.ENB])
def test_an_enpi_reads_no_other_type_of_baseline(still: Works, kind: BaselineType) -> None:
    version = still.versions["line"]
    other = version.model_copy(update={"baseline": version.baseline.model_copy(update={"baseline_type": kind})})
    with pytest.raises(BadInput, match="enpi reads only enb"):
        enpi_for([], seu_id="line", version=other, period=parse_period("2025", ZONE))


def test_a_provisional_fit_and_a_model_that_expects_nothing_are_not_assessed(still: Works) -> None:
    period = parse_period("2025-Q1", ZONE)
    version = still.versions["line"].model_copy(update={"status": BaselineStatus.PROVISIONAL})
    found = enpi_for(pairs(period, "110"), seu_id="line", version=version, period=period)
    assert (found.status, found.reason) == ("not_assessable", "provisional")
    nothing = [DayPair(pair.local_date, pair.actual_kwh, Decimal(-1), 1.0) for pair in pairs(period, "110")]
    found = enpi_for(nothing, seu_id="line", version=still.versions["line"], period=period)
    assert (found.status, found.reason, found.enpi) == ("not_assessable", "expected", None)
