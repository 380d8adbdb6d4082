"""An SEU's assessment: exact sums over compared days, gates, significance."""

import json
import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.kpi.enpi.enpi_result import (
    DayPair,
    EnpiResult,
    EnpiRule,
    day_pairs,
    enpi_for,
    exact_kwh,
    period_uncertainty_kwh,
    sum_kwh,
)
from data_quality.contracts.baselines.baseline import BandTerms, BaselineStatus, BaselineVersion
from data_quality.contracts.time import parse_period
from tests.reports.plant import plant_baseline

QUARTER = parse_period("2025-Q1", "Europe/Berlin")


def version(status: BaselineStatus = BaselineStatus.APPROVED) -> BaselineVersion:
    return BaselineVersion(
        baseline_id="plant/moulding/enb",
        version=1,
        status=status,
        mlflow_run_id="r",
        model_checksum="0" * 64,
        fitted_by="ben",
        fitted_at_utc=datetime(2025, 1, 2, tzinfo=UTC),
        baseline=plant_baseline("moulding"),
    )


def pairs(actual: str = "97", expected: str = "100", *, days: int = 90, missing: int = 0) -> list[DayPair]:
    """Equal days from 1 January on; the first `missing` have a hole."""
    first = QUARTER.start
    return [
        DayPair(
            local_date=first + timedelta(days=index),
            actual_kwh=Decimal(actual) if index >= missing else Decimal(1),
            expected_kwh=Decimal(expected),
            coverage=1.0 if index >= missing else 0.99,
        )
        for index in range(days)
    ]


def assess(days: list[DayPair], **options: object) -> EnpiResult:
    chosen = {"version": version(), **options}
    return enpi_for(days, seu_id="moulding", period=QUARTER, **chosen)


def test_the_quarter_is_the_sum_of_its_days() -> None:
    result = assess(pairs())
    assert (result.actual_kwh, result.expected_kwh) == (Decimal(8730), Decimal(9000))
    assert (result.delta_kwh, result.savings_kwh) == (Decimal(-270), Decimal(270))
    assert result.enpi == Decimal("0.97")
    assert result.deviation_percent == Decimal(-3)
    assert (result.status, result.performance) == ("compliant", "on_target")
    assert [month.days for month in result.months] == [31, 28, 31]
    assert sum(month.actual_kwh for month in result.months) == result.actual_kwh


def test_a_day_with_a_hole_is_no_saving() -> None:
    result = assess(pairs("100", "100", missing=5))
    assert result.compared_days == 85
    assert result.deviation_percent == 0
    assert result.metered_kwh == Decimal(8505)


def test_the_guard_against_holes_can_fail() -> None:
    result = assess(pairs("100", "100", missing=5), rule=EnpiRule(min_day_coverage=0.9))
    assert result.deviation_percent is not None
    assert result.deviation_percent < -5


@pytest.mark.parametrize(
    ("days", "chosen", "reason"),
    [
        (pairs(), None, "no_baseline"),
        (pairs(), version(BaselineStatus.PROVISIONAL), "provisional"),
        (pairs(days=80), version(), "coverage"),
        (pairs(missing=10), version(), "coverage"),
        (pairs("1", "0"), version(), "expected"),
    ],
)
def test_what_cannot_be_judged_says_why(days: list[DayPair], chosen: BaselineVersion | None, reason: str) -> None:
    result = assess(days, version=chosen)
    assert (result.status, result.performance, result.reason) == ("not_assessable", "not_assessable", reason)
    assert result.significant is None


def test_a_superseded_baseline_still_judges_what_it_was_approved_for() -> None:
    assert assess(pairs(), version=version(BaselineStatus.SUPERSEDED)).status == "compliant"


def test_exactly_nine_days_in_ten_are_enough() -> None:
    assert assess(pairs(missing=9)).reason == ""


def test_a_difference_is_significant_above_the_models_uncertainty() -> None:
    used = version()
    limit = period_uncertainty_kwh(used, Decimal(9000), pairs(), confidence=0.9)
    assert limit is not None
    # k(90 days, 2.9569 months) 1.10529, t(0.95, 364) 1.6490, CV 0.0192, mean 100, n/n' = 1.1739, n' = 311.78, m = 90
    assert limit == pytest.approx(
        1.10529 * 1.64905 * 0.0192 * 100 * math.sqrt(1.173913 * (1 + 2 / 311.777) * 90), rel=1e-4
    )
    below = Decimal(repr(limit * 0.99 / 90)).quantize(Decimal("1e-9"))
    above = Decimal(repr(limit * 1.01 / 90)).quantize(Decimal("1e-9"))
    assert assess(pairs(str(100 - below))).significant is False
    assert assess(pairs(str(100 - above))).significant is True


def test_the_band_is_that_of_exact_algebra_where_the_baseline_kept_its_terms() -> None:
    # One feature that is 2 on each of 90 days: x = (90, 180), x'Cx = 90·180·0.0001·2 + 180²·0.0001, noise 90.
    terms = BandTerms(spread=((0.0, 0.0001), (0.0001, 0.0001)), variance=4.0, rho1=0.0, dof=363)
    plain = version()
    used = plain.model_copy(update={"baseline": plain.baseline.model_copy(update={"band": terms})})
    assert len(used.baseline.feature_order) == 1
    days = [replace(pair, features=(2.0,)) for pair in pairs()]
    form = period_uncertainty_kwh(plain, Decimal(9000), days, confidence=0.9)
    found = period_uncertainty_kwh(used, Decimal(9000), days, confidence=0.9)
    assert found == pytest.approx(1.64906 * math.sqrt(4.0 * (3.24 + 3.24 + 90)), rel=1e-5)
    assert form is not None
    assert found < form
    loud = terms.model_copy(update={"variance": 6.7})
    limited = used.model_copy(update={"baseline": plain.baseline.model_copy(update={"band": loud})})
    assert period_uncertainty_kwh(limited, Decimal(9000), days, confidence=0.9) == pytest.approx(1.1 * form)
    unknown = [*days[1:], replace(days[0], features=())]
    assert period_uncertainty_kwh(used, Decimal(9000), unknown, confidence=0.9) == form


def test_noise_that_alternates_is_not_credited() -> None:
    plain = version()
    statistics = plain.baseline.statistics
    widths = []
    for rho in (-0.4, 0.0, 0.4):
        changed = plain.baseline.model_copy(update={"statistics": statistics.model_copy(update={"rho1": rho})})
        used = plain.model_copy(update={"baseline": changed})
        widths.append(period_uncertainty_kwh(used, Decimal(9000), pairs(), confidence=0.9))
    assert widths[0] == widths[1]
    assert widths[1] < widths[2]  # type: ignore[operator]


def test_extrapolation_and_estimates_reach_the_result() -> None:
    days = pairs()
    marked = DayPair(**{**_fields(days[0]), "is_extrapolated": True, "estimated_share": 0.9, "is_synthetic": True})
    result = assess([marked, *days[1:]])
    assert "extrapolation" in result.review_flags
    assert result.estimated_share == pytest.approx(0.01)
    assert result.is_synthetic


def test_json_shows_unrounded_floats() -> None:
    shown = json.loads(assess(pairs()).model_dump_json())
    assert shown["enpi"] == 0.97
    assert shown["months"][0]["actual_kwh"] == 3007.0
    wanted = {"actual_kwh", "expected_kwh", "enpi", "deviation_percent", "status", "performance", "significant"}
    assert wanted | {"review_flags", "months"} <= set(shown)


def test_frames_become_pairs_with_exact_energies() -> None:
    days = pl.DataFrame(
        {
            "local_date": [date(2025, 1, 2), date(2025, 1, 1)],
            "energy_kwh": [0.1 + 0.2, None],
            "coverage": [1.0, 0.0],
            "estimated_share": [0.25, None],
            "is_synthetic": [True, False],
        }
    )
    expected = pl.DataFrame(
        {"local_date": [date(2025, 1, 2)], "expected_kwh": [0.3], "is_extrapolated": [True]},
    )
    first, second = day_pairs(days, expected)
    assert first == DayPair(date(2025, 1, 1), None, None, 0.0)
    assert (second.actual_kwh, second.expected_kwh) == (Decimal("0.3"), Decimal("0.3"))
    assert second.is_extrapolated
    assert second.is_synthetic


@given(st.lists(st.integers(0, 10**15), max_size=40))
def test_sums_are_exact_in_any_order(quanta: list[int]) -> None:
    values = [Decimal(each).scaleb(-9) for each in quanta]
    assert sum_kwh(values) == sum_kwh(reversed(values)) == Decimal(sum(quanta)).scaleb(-9)


@given(st.integers(-(10**14), 10**14))
def test_a_stored_double_is_read_back_exactly(quanta: int) -> None:
    assert exact_kwh(quanta / 10**9) == Decimal(quanta).scaleb(-9)
    assert exact_kwh(Decimal(quanta).scaleb(-9)) == Decimal(quanta).scaleb(-9)


def _fields(pair: DayPair) -> dict[str, object]:
    return {name: getattr(pair, name) for name in DayPair.__slots__}


def test_of_two_projects_at_one_meter_or_one_above_the_other_the_earlier_claims_what_both_save() -> None:
    from assets.kpi.claims.mv_savings import shared_savings
    from data_quality.contracts.site_file.site import Site

    def codes(meter: str, starts: str, **more: str) -> list[list[str]]:
        shared = {"boundary": "b", "option": "B", "reporting_end": "2027-01-01"}
        one = shared | {"project_id": "one", "name": "One", "meters": ["main"], "installation_start": "2025-01-01",
                        "installation_end": "2025-01-10"}  # fmt: skip
        two = shared | {"project_id": "two", "name": "Two", "meters": [meter], "installation_start": starts,
                        "installation_end": starts, "reporting_end": "2030-01-01"} | more  # fmt: skip
        site = Site.model_validate(
            {"site_id": "s", "name": "S", "time_zone": "UTC", "currency": "EUR", "country": "DE",
             "meters": [{"meter_id": "main"}, {"meter_id": "fans", "parent": "main"}, {"meter_id": "other"}],
             "projects": [one, two]}
        )  # fmt: skip
        return [[found.code for found in shared_savings(site, each)] for each in site.projects]

    both = [["holds_other_saving"], ["claimed_elsewhere"]]
    assert codes("main", "2025-06-01") == codes("fans", "2025-06-01") == both
    assert codes("other", "2025-06-01") == codes("main", "2027-01-01") == [[], []]
    assert codes("main", "2025-06-01", interactive_effects="adjusted") == [["holds_other_saving"], []]
