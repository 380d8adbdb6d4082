"""Five types of baseline that never mix: projects, monitoring, and a recomputation in shadow."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from assets.kpi.claims.mv_savings import plan_of, project_of, project_savings, project_use, savings_of
from assets.kpi.enpi.daily import ALLOWED, require_type
from assets.kpi.enpi.enpi_result import DayPair
from assets.stores.ledgers.baselines import ShadowStore, baseline_id_of
from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineType, BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.time import FixedClock, Period, parse_period
from ml.baselines.lifecycle.monitor_site import monitor_rows, monitored, refit_site
from ml.baselines.lifecycle.monitoring import (
    REFIT_DAYS,
    TRAIN_DAYS,
    compare,
    fit_monitoring,
    refit_due,
    training_window,
)
from ml.baselines.lifecycle.shadow_fits import compared, shadow, shadow_site
from ml.baselines.savings.project_baseline import fit_project
from ml.tracking import MlflowTracker
from orchestration.web.warm import read_project_days
from reports.assess import baselines_in_force
from reports.recompute.project import result
from tests.life.world import ANNA, NOW, SPLIT, ZONE, Works, works_site

DRIVE = "works/drive/mv_project"


def fitted_project(works: Works, tracker: MlflowTracker) -> BaselineVersion:
    made = fit_project(
        works.site,
        works.site.projects[0],
        lake=works.lake,
        store=works.store,
        tracker=tracker,
        clock=works.clock,
        fitted_by="ben",
    )
    assert isinstance(made, BaselineVersion)
    return made


def test_a_project_is_fitted_before_the_measure_and_claims_its_saving_once_approved(
    works: Works, tracker: MlflowTracker
) -> None:
    version, project = fitted_project(works, tracker), works.site.projects[0]
    assert (version.baseline_id, version.status) == (DRIVE, BaselineStatus.PROVISIONAL)
    assert (version.baseline.train_start, version.baseline.train_end) == (date(2024, 1, 1), SPLIT)
    query = {"lake": works.lake, "now_utc": NOW}
    before = project_savings(works.site, project, version, **query)  # type: ignore[arg-type]
    assert not isinstance(before, Finding)
    assert before.claimed_kwh is None
    assert before.findings[0].code == "provisional"
    approved = works.store.approve(DRIVE, 1, ANNA, "a whole year", {}, works.clock)
    found = project_savings(works.site, project, approved, **query)  # type: ignore[arg-type]
    assert not isinstance(found, Finding)
    assert found.uncertainty_kwh is not None
    assert abs(float(found.savings_kwh) - 0.1 * float(found.expected_kwh)) < found.uncertainty_kwh
    assert found.claimed_kwh == found.savings_kwh == -found.delta_kwh
    assert (found.kind, found.option, found.compared_days) == ("avoided_energy", "B", 365)


def test_the_pages_begin_with_the_days_of_projects(works: Works, tracker: MlflowTracker) -> None:
    version, now_utc = fitted_project(works, tracker), works.clock.now_utc()
    read = works.lake.store.cache.place("use_days")
    before = read.made
    read_project_days(works.sources(), [works.site], works.store, now_utc)
    begun = read.made
    assert begun > before
    found = result(works.sources(), works.site, works.site.projects[0], version, parse_period("2025", ZONE), now_utc)
    assert not isinstance(found, Finding)
    assert read.made == begun


def test_a_significant_increase_of_use_claims_nothing(works: Works, tracker: MlflowTracker) -> None:
    version, project = fitted_project(works, tracker), works.site.projects[0]
    approved = version.model_copy(update={"status": BaselineStatus.APPROVED})
    days = [date(2025, 1, 1) + timedelta(days=each) for each in range(31)]
    pairs = [DayPair(day, Decimal(300), Decimal(200), coverage=1.0) for day in days]
    month = Period(label="", start=days[0], end=date(2025, 2, 1), time_zone=works.site.time_zone)
    found = savings_of(project, approved, pairs, period=month)
    assert not isinstance(found, Finding)
    assert (found.savings_kwh, found.is_significant, found.claimed_kwh) == (-3100, True, None)


def test_a_reporting_period_that_is_not_over_says_so_and_one_that_has_not_begun_has_no_number(
    works: Works, tracker: MlflowTracker
) -> None:
    version, project = fitted_project(works, tracker), works.site.projects[0]
    half = project_savings(works.site, project, version, lake=works.lake, now_utc=datetime(2025, 7, 1, 12, tzinfo=UTC))
    assert not isinstance(half, Finding)
    assert (half.days, half.end) == (181, date(2025, 7, 1))
    assert "period_not_over" in {each.code for each in half.findings}
    early = project_savings(works.site, project, version, lake=works.lake, now_utc=datetime(2024, 7, 1, tzinfo=UTC))
    assert isinstance(early, Finding)
    assert early.code == "nothing_reported"
    blind = project.model_copy(update={"reporting_start": date(2026, 1, 1), "reporting_end": date(2026, 1, 4)})
    nothing = project_savings(works.site, blind, version, lake=works.lake, now_utc=NOW)
    assert isinstance(nothing, Finding)
    assert nothing.code == "no_comparison"


def test_the_plan_has_every_field_and_names_what_is_missing(works: Works, tracker: MlflowTracker) -> None:
    project = works.site.projects[0]
    plan = plan_of(works.site, project, fitted_project(works, tracker).baseline)
    assert plan["responsible"] == ["ben"]
    assert plan["missing"] == [
        "static_factors", "accuracy_profile", "non_routine_procedure", "price_basis", "report_format",
        "interactive_effects",
    ]  # fmt: skip
    least = plan["minimum_detectable_percent"]
    assert isinstance(least, float)
    assert 0.0 < least < 2.0
    assert plan_of(works.site, project, None)["minimum_detectable_percent"] is None


def test_a_project_on_a_use_takes_its_meters_and_drivers(still: Works) -> None:
    project = still.site.projects[0].model_copy(update={"seu": "line", "meters": (), "drivers": ()})
    use = project_use(still.site, project)
    assert (use.seu_id, use.meters) == ("drive", ("m1",))
    with pytest.raises(BadInput, match="it has drive"):
        project_of(still.site, "led")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"option": "A"}, "option A stipulates"),
        ({"option": "D"}, "calibrated simulation"),
        ({"option": "E"}, "pattern"),
        ({"seu": "line"}, "and not both"),
        ({"meters": ()}, "and not both"),
        ({"baseline_start": date(2024, 1, 1)}, "go together"),
        ({"baseline_start": date(2024, 6, 1), "baseline_end": date(2025, 2, 1)}, "before the installation"),
        ({"installation_end": date(2024, 12, 1)}, "ends before it starts"),
        ({"reporting_start": date(2024, 12, 31)}, "must follow the installation"),
        ({"reporting_end": date(2025, 1, 1)}, "must follow the installation"),
    ],
)
def test_a_project_that_cannot_be_verified_is_refused_with_the_reason(changes: dict[str, object], message: str) -> None:
    good = works_site().projects[0].model_dump()
    with pytest.raises(ValueError, match=message):
        MvProject.model_validate({**good, **changes})


def test_a_project_names_only_what_the_site_has() -> None:
    project = works_site().projects[0]
    for changes, message in (
        ({"meters": ("m9",)}, "meter 'm9'"),
        ({"drivers": ("d9",)}, "driver 'd9'"),
        ({"project_id": "line"}, "id appears twice"),
        ({"seu": "x", "meters": (), "drivers": ()}, "SEU 'x'"),
    ):
        with pytest.raises(ValueError, match=message):
            works_site(projects=(project.model_copy(update=changes),))


@pytest.mark.parametrize("kind", list(BaselineType))
def test_each_type_is_read_by_its_own_use_and_by_no_other(still: Works, kind: BaselineType) -> None:
    version = still.versions["line"]
    other = version.model_copy(update={"baseline": version.baseline.model_copy(update={"baseline_type": kind})})
    for use, allowed in ALLOWED.items():
        if kind in allowed:
            assert require_type(other, use) is other
        else:
            with pytest.raises(BadInput, match=f"{use} reads only"):
                require_type(other, use)
    assert baseline_id_of("works", "line", kind) == f"works/line/{kind.value}"


def test_savings_of_a_project_refuse_an_energy_baseline(still: Works) -> None:
    with pytest.raises(BadInput, match="savings reads only mv_project"):
        project_savings(still.site, still.site.projects[0], still.versions["line"], lake=still.lake, now_utc=NOW)


def test_monitoring_is_refitted_weekly_on_90_days_and_never_reaches_a_report(
    works: Works, tracker: MlflowTracker
) -> None:
    site = works.site.model_copy(update={"seus": works.site.seus[:1]})
    clock = FixedClock(datetime(2026, 1, 1, 0, 30, tzinfo=UTC))
    query = {"lake": works.lake, "store": works.store, "tracker": tracker, "fitted_by": "meterloom"}
    first = refit_site(site, clock=clock, **query)  # type: ignore[arg-type]
    (version,) = first.fitted
    baseline = version.baseline
    assert (version.baseline_id, baseline.target_unit) == ("works/line/monitoring", "kw")
    assert (baseline.train_end - baseline.train_start).days == TRAIN_DAYS
    assert baseline.statistics.n == TRAIN_DAYS * 96 + 4
    second = refit_site(site, clock=clock, **query)  # type: ignore[arg-type]
    assert (second.fitted, second.kept) == ((), ("line",))
    assert refit_due(version, baseline.train_end + timedelta(days=REFIT_DAYS))
    assert not refit_due(version, baseline.train_end + timedelta(days=REFIT_DAYS - 1))
    assert baselines_in_force(works.site, works.store)["line"].baseline.baseline_type is BaselineType.ENB
    rows = monitored(site, site.seus[0], version, lake=works.lake, now_utc=clock.now_utc())
    assert rows.height == 7 * 96
    share = float(rows["residual_kw"].abs().mean() / rows["actual_kw"].mean())  # type: ignore[operator]
    assert share < 0.03
    assert rows["is_alert"].mean() < 0.05


def test_a_stuck_valve_shows_as_alerts_at_quarter_hours_and_at_minutes(works: Works) -> None:
    seu = works.site.seus[0]
    start, end = training_window(date(2025, 12, 1))
    made = fit_monitoring(
        monitor_rows(works.lake, works.site, seu, start, end),
        site=works.site, seu=seu, start=start, end=end, lake_digest="d",
    )  # fmt: skip
    assert not isinstance(made, Finding)
    version = works.versions["line"].model_copy(update={"baseline": made})
    rows = monitor_rows(works.lake, works.site, seu, date(2025, 12, 1), date(2025, 12, 2))
    quiet = compare(version, rows)
    loud = compare(version, rows.with_columns(pl.col("actual_kw") * 1.5))
    assert quiet["is_alert"].sum() == 0
    assert loud["is_alert"].sum() == 96
    minutes = rows.select(pl.all().repeat_by(15).explode()).with_columns(hours=pl.lit(1 / 60))
    by_minute = compare(version, minutes)
    assert by_minute.height == 24 * 60
    assert by_minute["expected_kw"].to_list() == [value for value in quiet["expected_kw"] for _ in range(15)]
    unknown = compare(version, rows.with_columns(product_a=pl.lit(None, dtype=pl.Float64)))
    assert unknown["expected_kw"].null_count() == 96
    assert unknown["is_alert"].sum() == 0


def test_too_few_days_and_a_flat_load_have_no_monitoring_baseline(still: Works) -> None:
    seu = still.site.seus[0]
    rows = monitor_rows(still.lake, still.site, seu, date(2025, 11, 1), date(2025, 12, 1))
    query = {"site": still.site, "seu": seu, "start": date(2025, 11, 1), "end": date(2025, 12, 1), "lake_digest": "d"}
    few = fit_monitoring(rows.filter(pl.col("local_date") < date(2025, 11, 20)), **query)  # type: ignore[arg-type]
    flat = fit_monitoring(rows.with_columns(actual_kw=pl.lit(5.0)), **query)  # type: ignore[arg-type]
    assert [each.code for each in (few, flat) if isinstance(each, Finding)] == ["too_few_days", "flat_load"]


def test_a_shadow_recomputation_of_the_same_data_is_equal_and_is_kept(works: Works) -> None:
    found = shadow_site(works.site, lake=works.lake, store=works.store)
    assert [(each.baseline_id, each.is_equal, each.is_same_data) for each in found] == [
        ("works/line/enb", True, True),
        ("works/packing/enb", True, True),
    ]
    assert found[0].largest_difference == 0.0
    assert set(found[0].libraries) == {"numpy", "scipy", "statsmodels", "polars"}
    kept = ShadowStore(works.lake.store)
    sha256 = kept.add(found[0], "ben", works.clock)
    assert len(sha256) == 64
    assert kept.of("works/line/enb", 1) == [found[0]]
    assert kept.of("works/line/enb", 1, as_of_utc=NOW) == []
    assert works.store.get("works/line/enb", 1) == works.versions["line"]


def test_a_shadow_names_other_numbers_other_terms_and_other_data(works: Works) -> None:
    version = works.versions["line"]
    then = version.baseline
    moved = tuple(
        each.model_copy(update={"value": each.value * 1.001}) if each.name == "product_a" else each
        for each in then.coefficients
    )
    differs = compared(version, then.model_copy(update={"coefficients": moved}))
    assert (differs.is_equal, differs.largest_difference) == (False, pytest.approx(0.001))
    fewer = then.model_copy(update={"coefficients": then.coefficients[:2], "feature_order": then.feature_order[:1]})
    other = compared(version, fewer)
    assert ([each.code for each in other.findings], other.largest_difference) == (["other_terms"], None)
    renamed = works_site(seus=(), projects=())
    assert [each.code for each in shadow(renamed, version, lake=works.lake).findings] == ["not_recomputable"]
    drivers = works.site.seus[0].model_copy(update={"drivers": works.site.seus[0].drivers[:1]})
    site = works.site.model_copy(update={"seus": (drivers, works.site.seus[1])})
    changed = shadow(site, version, lake=works.lake)
    assert ([each.code for each in changed.findings], changed.is_same_data) == (["other_data"], False)
