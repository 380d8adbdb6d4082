"""KPI rows become figures: each has an id, a finding or a value, and a trace that makes it again from the lake."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from data_quality.contracts.baseline import BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.figure import Figure
from data_quality.contracts.time import parse_period
from reports.content.kpi_list import Grain, kpi_list
from reports.content.kpi_portfolio import kpi_portfolio
from reports.recompute import recompute
from reports.sources import Sources
from tests.dbt.conftest import World

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class NoBaselines:
    """A registry without any."""

    def get(self, baseline_id: str, version: int) -> BaselineVersion:
        raise BadInput(f"no baseline {baseline_id}", reason="no_baseline")


def sources(world: World) -> Sources:
    return Sources(lake=world.lake, sites=world.sites, baselines=NoBaselines())


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
    for figure in found[:: max(1, len(found) // 12)]:
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
    with pytest.raises(BadInput, match="a portfolio has no hours"):
        kpi_portfolio(span, grain="hour", **given)  # type: ignore[arg-type]


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
