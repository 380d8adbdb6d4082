"""A trace recomputes with the site file that it names, not with today's."""

import dataclasses

from reports.lifecycle.revise import store_revision
from reports.recompute.figure import recompute
from tests.reports.conftest import MakeWorld, World


def doubled(used: World) -> World:
    """The same world after somebody doubled every price in the site file."""
    tariffs = [
        tariff.model_copy(
            update={
                "periods": tuple(
                    period.model_copy(update={"price_per_kwh": 2 * period.price_per_kwh}) for period in tariff.periods
                )
            }
        )
        for tariff in used.site.tariffs
    ]
    return dataclasses.replace(used, site=used.site.model_copy(update={"tariffs": tuple(tariffs)}))


def test_a_changed_tariff_changes_no_printed_cost(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock, site=used.site)
    cost = next(
        figure for figure in content.figures if figure.kpi == "cost" and figure.trace.computation == "scope_kpi"
    )
    later = doubled(used)
    assert recompute(cost, sources=later.sources(), lookup=used.reports.figure) == cost.value


def test_without_the_kept_version_the_difference_would_show(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock)
    cost = next(
        figure for figure in content.figures if figure.kpi == "cost" and figure.trace.computation == "scope_kpi"
    )
    assert cost.value is not None
    assert recompute(cost, sources=doubled(used).sources(), lookup=used.reports.figure) == 2 * cost.value


def test_the_same_site_is_kept_once(world: MakeWorld) -> None:
    used = world()
    for _ in range(2):
        store_revision(used.build, used.reports, used.clock, site=used.site)
    sources = doubled(used).sources()
    assert sources.with_site_version("plant", "0" * 64).site("plant") == sources.site("plant")
