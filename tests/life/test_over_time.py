"""Alerts, reasons for a review, what-if and product mix."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.kpi.enpi.alerts import (
    QuarterStatus,
    ReviewRule,
    alerts_of,
    review_findings,
    static_changes,
    unanswered_changes,
    years_after,
)
from assets.kpi.enpi.enpi_result import DayPair
from assets.kpi.enpi.product_mix import at_reference_mix, parse_mix, product_drivers
from assets.kpi.enpi.what_if import parse_change, what_if
from assets.stores.ledgers.adjustments import AdjustmentStore
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Driver
from data_quality.contracts.time import Period, parse_period, whole_quarters
from tests.life.test_adjustments import adjustment
from tests.life.world import ANNA, BEN, NOW, ZONE, Works

YEAR = parse_period("2025", ZONE)


def quarter(label: str, percent: float, *, status: str = "", version: int = 1) -> QuarterStatus:
    year, number = int(label[:4]), int(label[-1])
    start = date(year, 3 * number - 2, 1)
    end = date(year + 1, 1, 1) if number == 4 else date(year, 3 * number + 1, 1)
    judged = status or ("critical" if percent > 5 else "warning" if percent > 3 else "compliant")
    return QuarterStatus(
        label=label,
        start=start,
        end=end,
        baseline_id="works/line/enb",
        baseline_version=version,
        actual_kwh=Decimal(100),
        expected_kwh=Decimal(100),
        enpi=Decimal(1),
        deviation_percent=Decimal(str(percent)),
        status=judged,  # type: ignore[arg-type]
    )


def test_two_critical_quarters_in_a_row_escalate_once_and_a_third_again() -> None:
    rows = [quarter(f"2025-Q{number}", size) for number, size in zip(range(1, 5), (6, 7, 8, 2), strict=True)]
    assert [(each.kind, each.quarter, each.quarters) for each in alerts_of("line", rows)] == [
        ("critical", "2025-Q1", 1),
        ("critical", "2025-Q2", 1),
        ("escalation", "2025-Q2", 2),
        ("critical", "2025-Q3", 1),
        ("escalation", "2025-Q3", 3),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [quarter("2024-Q4", 6), quarter("2025-Q2", 6)],
        [quarter("2024-Q4", 6), quarter("2025-Q1", 4), quarter("2025-Q2", 6)],
        [quarter("2024-Q4", 6), quarter("2025-Q1", 6, version=2)],
        [quarter("2024-Q4", 6), quarter("2025-Q1", 9, status="not_assessable")],
    ],
)
def test_a_gap_a_better_quarter_or_another_version_ends_a_run(rows: list[QuarterStatus]) -> None:
    assert "escalation" not in {each.kind for each in alerts_of("line", rows)}


def test_the_quarter_before_counts_towards_an_escalation_and_is_not_told_again(still: Works) -> None:
    packing = still.request("packing")
    found = packing.alerts(parse_period("2025-Q3", ZONE))
    assert [(each.kind, each.quarter, each.since) for each in found] == [
        ("critical", "2025-Q3", "2025-Q2"),
        ("escalation", "2025-Q3", "2025-Q2"),
    ]
    assert packing.alerts(parse_period("2025-03", ZONE)) == ()


def test_only_whole_quarters_are_quarters() -> None:
    period = Period(label="", start=date(2024, 11, 15), end=date(2026, 2, 1), time_zone=ZONE)
    assert [each.label for each in whole_quarters(period)] == ["2025-Q1", "2025-Q2", "2025-Q3", "2025-Q4"]
    assert [each.label for each in whole_quarters(parse_period("2025-Q4", ZONE))] == ["2025-Q4"]


def test_a_static_factor_that_changed_is_flagged_until_an_adjustment_answers_it(works: Works) -> None:
    quarter_2, quarter_1 = parse_period("2025-Q2", ZONE), parse_period("2025-Q1", ZONE)

    def flags(period: Period) -> tuple[str, ...]:
        return works.request("packing").assess(period).review_flags

    assert "baseline_review_due" in flags(quarter_2)
    assert "baseline_review_due" not in flags(quarter_1)
    ledger = AdjustmentStore(works.lake.store)
    answer = adjustment(baseline_id="works/packing/enb", end=date(2026, 1, 1))
    record = ledger.propose(answer, BEN, works.clock)
    assert "baseline_review_due" in flags(quarter_2)
    ledger.approve(record.adjustment_id, ANNA, "seen", works.clock)
    works.clock.advance(timedelta(minutes=1))
    assert "baseline_review_due" not in flags(quarter_2)


def test_a_change_inside_of_the_training_can_be_answered_by_no_adjustment(still: Works) -> None:
    packing = still.site.seus[1]
    baseline = still.versions["packing"].baseline.model_copy(update={"train_end": date(2025, 7, 1)})
    answer = adjustment(start=date(2025, 3, 1), end=date(2026, 1, 1))
    open_changes = unanswered_changes(packing, baseline, [answer], start=date(2025, 7, 1), end=date(2026, 1, 1))
    assert [(each.name, each.before, each.after) for each in open_changes] == [("shifts", "2", "3")]
    assert static_changes(packing, since=date(2025, 4, 2), until=date(2026, 1, 1)) == []


def days_outside(count: int) -> list[DayPair]:
    return [
        DayPair(date(2025, 1, 1) + timedelta(days=day), Decimal(1), Decimal(1), 1.0, is_extrapolated=day < count)
        for day in range(365)
    ]


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"pairs": days_outside(30)}, []),
        ({"pairs": days_outside(31)}, ["drivers_outside_range"]),
        ({"quarters": [quarter("2025-Q1", 6), quarter("2025-Q2", 4)]}, []),
        ({"quarters": [quarter("2025-Q1", 6), quarter("2025-Q2", 6)]}, ["quarters_beyond_limit"]),
        ({"today": date(2027, 12, 31)}, []),
        ({"today": date(2028, 1, 1)}, ["baseline_too_old"]),
    ],
)
def test_each_reason_for_a_review_is_a_finding_of_its_own(
    still: Works, changes: dict[str, object], codes: list[str]
) -> None:
    requests: dict[str, object] = {"today": date(2026, 1, 5), "changes": [], "pairs": [], "quarters": [], **changes}
    found = review_findings(still.versions["line"], **requests)  # type: ignore[arg-type]
    assert [each.code for each in found] == codes
    assert not any(each.is_blocking for each in found)


def test_a_review_of_the_packing_line_names_the_shift_and_the_two_quarters(still: Works) -> None:
    found = replace(still.request("packing"), as_of_utc=NOW + timedelta(hours=1)).review()
    assert [each.code for each in found] == ["static_factor_changed", "quarters_beyond_limit"]
    assert "2025-Q2 to 2025-Q3" in found[1].message
    strict = ReviewRule(max_age_years=1)
    aged = replace(still.request("line"), as_of_utc=NOW + timedelta(hours=1)).review(strict)
    assert [each.code for each in aged] == ["baseline_too_old"]
    assert years_after(date(2024, 2, 29), 1) == date(2025, 3, 1)


def test_ten_percent_more_parts_change_energy_by_the_coefficient_and_its_interval(still: Works) -> None:
    baseline = still.versions["line"].baseline
    days = still.sources().days(still.site, "line", YEAR, still.clock.now_utc())
    found = what_if(baseline, days, [parse_change("product_a=+10%")])
    term = next(each for each in baseline.coefficients if each.name == "product_a")
    more = 0.1 * float(days["product_a"].sum())
    assert found.change_kwh == pytest.approx(term.value * more)
    assert found.interval_kwh == pytest.approx((term.ci_low * more, term.ci_high * more))
    assert found.interval_kwh[0] < 0.08 * more < found.interval_kwh[1]
    assert (found.days, found.confidence) == (365, 0.9)
    assert found.is_extrapolated
    assert found.extrapolated_days < 365


def test_a_warmer_year_is_asked_through_degree_days_and_less_production_has_a_negative_change(still: Works) -> None:
    baseline = still.versions["line"].baseline
    days = still.sources().days(still.site, "line", YEAR, still.clock.now_utc())
    warmer = what_if(baseline, days, [parse_change("outdoor_degc=+2")])
    assert warmer.change_kwh < 0
    assert warmer.interval_kwh[0] < warmer.change_kwh < warmer.interval_kwh[1]
    fixed = what_if(baseline, days, [parse_change("product_a=1000")])
    assert not fixed.is_extrapolated
    both = what_if(baseline, days, [parse_change("product_a=-5%"), parse_change("outdoor_degc=+2")])
    one = what_if(baseline, days, [parse_change("product_a=-5%")])
    assert both.change_kwh == pytest.approx(one.change_kwh + warmer.change_kwh)
    widths = [each.interval_kwh[1] - each.interval_kwh[0] for each in (both, one, warmer)]
    assert widths[0] == pytest.approx(widths[1] + widths[2])


@pytest.mark.parametrize("text", ["product_a", "product_a=10%", "=+5", "product_a=+x", "product_a=+1e400", "A=1"])
def test_a_change_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="cannot read"):
        parse_change(text)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [(["staff=+1"], "unknown_driver"), (["product_a=+1", "product_a=+2"], "bad_change")],
)
def test_a_what_if_about_other_drivers_is_refused(still: Works, changes: list[str], reason: str) -> None:
    days = still.sources().days(still.site, "line", YEAR, still.clock.now_utc())
    with pytest.raises(BadInput) as caught:
        what_if(still.versions["line"].baseline, days, [parse_change(each) for each in changes])
    assert caught.value.reason == reason
    unknown = days.with_columns(product_a=pl.lit(None, dtype=pl.Float64))
    with pytest.raises(BadInput, match="no day of the period"):
        what_if(still.versions["line"].baseline, unknown, [])


@given(st.floats(min_value=-50, max_value=50).map(lambda value: round(value, 3)))
def test_the_interval_of_a_what_if_holds_its_change(still_days: tuple[Works, pl.DataFrame], percent: float) -> None:
    works, days = still_days
    found = what_if(works.versions["line"].baseline, days, [parse_change(f"product_a={percent:+.3f}%")])
    assert found.interval_kwh[0] <= found.change_kwh <= found.interval_kwh[1]
    assert (found.change_kwh > 0) == (percent > 0) or percent == 0


@pytest.fixture(scope="module")
def still_days(still: Works) -> tuple[Works, pl.DataFrame]:
    """The works and a month of its line."""
    return still, still.sources().days(still.site, "line", parse_period("2025-05", ZONE), still.clock.now_utc())


def test_another_mix_of_products_is_told_apart_from_waste(still: Works) -> None:
    baseline, site = still.versions["packing"].baseline, still.site
    days = still.sources().days(site, "packing", parse_period("2025-Q1", ZONE), still.clock.now_utc())
    products = product_drivers(baseline, site)
    assert products == ["product_a", "product_b"]
    more_b = at_reference_mix(baseline, days, products=products, shares=parse_mix("product_a=1,product_b=1"))
    actual = more_b.actual_shares
    assert actual["product_a"] > 0.5
    assert sum(actual.values()) == pytest.approx(1.0)
    total = float(days["product_a"].sum() + days["product_b"].sum())
    # B takes 0.15 kWh more a piece than A: the reference mix has more of it.
    truth = 0.15 * (actual["product_b"] - 0.5) * total
    assert more_b.mix_effect_kwh == pytest.approx(truth, rel=0.05)
    assert more_b.actual_at_reference_mix_kwh == pytest.approx(more_b.actual_kwh - more_b.mix_effect_kwh)
    assert more_b.enpi_at_reference_mix == pytest.approx(1.0, abs=0.01)
    same = at_reference_mix(baseline, days, products=products, shares=actual)
    assert abs(same.mix_effect_kwh) < 0.01 * same.expected_kwh


@pytest.mark.parametrize("text", ["", "product_a", "product_a=1", "product_a=1,product_a=2", "a=-1,b=2", "a=0,b=0"])
def test_a_mix_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="mix"):
        parse_mix(text)


def test_a_mix_needs_two_products_in_one_unit_and_their_names(still: Works) -> None:
    site = still.site
    days = still.sources().days(site, "packing", parse_period("2025-01", ZONE), still.clock.now_utc())
    packing = still.versions["packing"].baseline
    with pytest.raises(BadInput, match="a mix needs two"):
        product_drivers(still.versions["line"].baseline, site)
    tonnes = site.model_copy(
        update={"drivers": (site.drivers[0], Driver(driver_id="product_b", unit="m3", aggregation="sum"))}
    )
    with pytest.raises(BadInput, match="different units"):
        product_drivers(packing, tonnes)
    with pytest.raises(BadInput, match="the baseline's products are"):
        at_reference_mix(packing, days, products=["product_a", "product_b"], shares={"product_a": 1.0})
    empty = days.with_columns(energy_kwh=pl.lit(None, dtype=pl.Float64))
    with pytest.raises(BadInput, match="no day of the period"):
        at_reference_mix(
            packing, empty, products=["product_a", "product_b"], shares=parse_mix("product_a=1,product_b=1")
        )
