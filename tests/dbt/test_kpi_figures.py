"""KPI rows become figures: each has an id, a finding or a value, and a trace that makes it again from the lake."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets.kpi.from_readings import EXPECTED
from assets.kpi.running_cost.month_to_date import running_figures
from assets.stores.warehouse.marts import read_mart
from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.time import parse_period
from reports.figures.kpi_list import Grain, kpi_list
from reports.figures.portfolio import kpi_portfolio
from reports.figures.running import running_list
from reports.recompute.figure import recompute
from reports.recompute.figure_sources import Sources
from tests.dbt.conftest import World
from tests.definitions import DEFINITIONS
from tests.kpi.seeded import PUMPING_KWH
from tests.reports.plant import plant_baseline

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class OneBaseline:
    """A registry of one version, which expects the same of pumping every day."""

    def get(self, baseline_id: str, version: int) -> BaselineVersion:
        plain = plant_baseline("moulding")
        always = plain.coefficients[0].model_copy(update={"value": PUMPING_KWH})
        return BaselineVersion(
            baseline_id=baseline_id,
            version=version,
            status=BaselineStatus.APPROVED,
            mlflow_run_id="r",
            model_checksum="0" * 64,
            fitted_by="ben",
            fitted_at_utc=datetime(2025, 1, 2, tzinfo=UTC),
            baseline=plain.model_copy(
                update={"seu_id": "pumping", "feature_order": (), "coefficients": (always,), "driver_ranges": {}}
            ),
        )


def sources(world: World) -> Sources:
    found = Sources(lake=world.lake, sites=world.sites, definitions=DEFINITIONS)
    found.baselines = OneBaseline()
    return found


def figures(world: World, grain: Grain, period: str, scope: str | None = None) -> tuple[Figure, ...]:
    site = world.sites["plant"]
    span = parse_period(period, site.time_zone)
    content = kpi_list(
        site,
        span,
        grain=grain,
        sources=sources(world),
        marts_dir=world.duckdb.marts_dir,
        as_of_utc=NOW,
        scope=scope,
    )
    return content.figures


@pytest.mark.parametrize(
    ("grain", "period", "scope"),
    [
        ("year", "2025", "site:plant"),
        ("month", "2025-03", "tenant:ann"),
        ("day", "2025-04-01", "seu:moulding"),
        ("hour", "2025-04-01", "zone:common"),
        ("month", "2025-10", "meter:water"),
    ],
)
def test_a_kpi_is_made_again_from_its_trace(world: World, grain: Grain, period: str, scope: str) -> None:
    asked, found = sources(world), figures(world, grain, period, scope)
    kept = {figure.figure_id: figure for figure in found}
    # What is expected of moulding is made up.
    every = [figure for figure in found if figure.kpi not in EXPECTED]
    for figure in every[:: max(1, len(every) // 12)]:
        assert recompute(figure, sources=asked, lookup=kept.get) == figure.value, (figure.kpi, figure.scope)
        assert (figure.value is None) <= (figure.status not in ("ok", "missing"))
        assert figure.coverage is None or 0 <= figure.coverage <= 1
    assert len(kept) == len(found)


def test_a_scope_brings_its_carriers_and_products_and_an_unknown_one_is_refused(world: World) -> None:
    assert {figure.scope for figure in figures(world, "year", "2025", "seu:moulding")} == {
        "seu:moulding",
        "seu:moulding/parts",
    }
    with pytest.raises(BadInput, match="scope 'tenant:nobody' has no KPI by year in 2025; there are building:common"):
        figures(world, "year", "2025", "tenant:nobody")


def test_twelve_months_belong_to_the_last_of_them_which_lies_wholly_in_the_period(world: World) -> None:
    found = figures(world, "month", "2025-03-01/2025-04-02", "site:plant")
    twelve = [each for each in found if each.kpi.startswith("eui_rolling12")]
    assert {f"{each.end}" for each in twelve} == {"2025-04-01"}
    assert all(each.coverage is not None and each.coverage < 1 / 6 for each in twelve)
    with pytest.raises(BadInput, match="make a whole month"):
        figures(world, "month", "2025-03-29/2025-04-02")


def test_a_portfolio_figure_is_the_sum_of_its_sites_figures(world: World) -> None:
    span = parse_period("2025", "UTC")
    given = {"sources": sources(world), "marts_dir": world.duckdb.marts_dir, "as_of_utc": NOW}
    content = kpi_portfolio(span, grain="year", **given)  # type: ignore[arg-type]
    kept = {figure.figure_id: figure for figure in content.figures}
    sums = [figure for figure in content.figures if figure.scope.startswith("portfolio")]
    assert {(figure.kpi, figure.unit) for figure in sums} >= {
        ("cost", "EUR"),
        ("cost", "INR"),
        ("consumption_m3", "m3"),
    }
    for figure in sums:
        assert recompute(figure, sources=sources(world), lookup=kept.get) == figure.value, figure.path
    shares = [figure for figure in content.figures if figure.scope == "portfolio" and figure.kpi == "self_sufficiency"]
    assert [(figure.value is None, figure.status) for figure in shares] == [(True, "gap")]
    area = next(figure for figure in sums if figure.kpi == "eui_kwh_per_m2")
    assert (area.value, area.status) == (None, "eui_partial_year")


def test_the_hours_of_the_portfolio_are_those_of_utc_and_sums_of_its_sites(world: World) -> None:
    span = parse_period("2025-04-01/2025-04-02", "UTC")
    content = kpi_portfolio(
        span, grain="hour", sources=sources(world), marts_dir=world.duckdb.marts_dir, as_of_utc=NOW, scope="portfolio"
    )
    kept = {figure.figure_id: figure for figure in content.figures}
    hours = [figure for figure in content.figures if figure.scope == "portfolio" and figure.kpi == "consumption_kwh"]
    assert len(hours) == 24
    assert sum(figure.value is not None for figure in hours) > 12
    for figure in hours[:6]:
        assert recompute(figure, sources=sources(world), lookup=kept.get) == figure.value, figure.path


def test_every_hour_of_all_sites_is_of_sites_and_of_nothing_inside_of_them(world: World) -> None:
    span = parse_period("2025-04-01/2025-04-02", "UTC")
    content = kpi_portfolio(span, grain="hour", sources=sources(world), marts_dir=world.duckdb.marts_dir, as_of_utc=NOW)
    scopes = {figure.scope for figure in content.figures}
    assert "portfolio" in scopes
    assert {scope.partition("/")[0].partition(":")[0] for scope in scopes} == {"portfolio", "site"}


def test_the_difference_to_a_baseline_stands_among_the_kpis_with_what_expects(world: World) -> None:
    every = figures(world, "year", "2025", "seu:pumping")
    found = {figure.kpi: figure for figure in every if figure.kpi in EXPECTED}
    assert set(found) == set(EXPECTED)
    delta, saved, percent = (found[kpi] for kpi in ("delta_kwh", "savings_kwh", "delta_percent"))
    assert delta.status == ("no_compared_day" if delta.value is None else "partial_comparison")
    # Of a year of which so little can be compared nobody claims a saving.
    assert (saved.value, saved.status) == (None, "coverage")
    assert percent.unit == "percent"
    assert {"baseline", "adjustments"} <= {given.role for given in delta.trace.inputs}
    for figure in found.values():
        assert recompute(figure, sources=sources(world), lookup=lambda _: None) == figure.value, figure.kpi


def test_running_figures_are_made_again_from_their_traces(world: World) -> None:
    site, asked = world.sites["plant"], sources(world)
    quarters = read_mart(world.duckdb.marts_dir, "mart_site__quarter_hour_running", site_id="plant")
    ahead = read_mart(world.duckdb.marts_dir, "mart_site__day_projection", site_id="plant")
    for at in (datetime(2025, 4, 2, 12, 7, tzinfo=UTC), datetime(2025, 10, 28, 3, tzinfo=UTC)):
        found = running_figures("plant", quarters, ahead, at_utc=at)
        content = running_list(site, found, sources=asked, as_of_utc=NOW, is_synthetic=False)
        for figure in content.figures:
            assert recompute(figure, sources=sources(world), lookup=lambda _: None) == figure.value, figure.kpi
        known = {figure.kpi for figure in content.figures if figure.value is not None}
        assert known >= {"import_kwh", "cost", "energy_cost", "other_cost", "emission_kgco2e"}


def test_marts_that_are_not_there_are_said_so(world: World, tmp_path: Path) -> None:
    site = world.sites["plant"]
    with pytest.raises(BadInput, match="is not published yet"):
        kpi_list(
            site,
            parse_period("2025", site.time_zone),
            grain="year",
            sources=sources(world),
            marts_dir=tmp_path,
            as_of_utc=NOW,
        )
