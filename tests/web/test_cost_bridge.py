"""Cost bridge: the steps add up to the change, and what cannot be split is shown as one step."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock, Period, span
from orchestration.open_project import OpenProject
from orchestration.warehouse.fresh import freshen_marts
from orchestration.web.boards.board_figures import Show
from orchestration.web.boards.cost_change import why_it_changed
from orchestration.web.boards.site_now import SiteNow
from orchestration.web.boards.span_tiles import by_area
from orchestration.web.request_context import Context
from reports.pages.address import Address
from reports.pages.widgets import cost_bridge
from reports.pages.widgets.cost_bridge import CostBridge
from reports.texts.locales import named
from tests.reports import plant
from tests.reports.conftest import make_world

OLGA = Person(person_id="olga", name="Olga", roles=(Role.OPERATOR,))
YEARS = ((date(2024, 2, 1), date(2024, 3, 1)), (date(2025, 2, 1), date(2025, 3, 1)))
SPLIT = ("Price", "Production and weather", "Energy performance", "Other use")
FEBRUARY = Period(label="2025-02", start=YEARS[1][0], end=YEARS[1][1], time_zone=plant.ZONE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    """The plant with a February of two years."""
    folder, site = tmp_path_factory.mktemp("bridge"), plant.plant_site()
    (folder / "sites").mkdir()
    (folder / "meterloom.yaml").write_text("{}\n")
    (folder / "sites" / "plant.yaml").write_text(site.model_dump_json(exclude_defaults=True))
    rows = pl.concat([plant.plant_rows(*span) for span in YEARS])
    make_world(folder / "var", site=site, rows=rows).lake.store.close()
    found = OpenProject(str(folder))
    freshen_marts(found, clock=FixedClock(plant.NOON), doing=lambda *_, **__: None)
    yield found
    found.close()


def bridge_of(project: OpenProject, period: Period, **changes: object) -> CostBridge:
    ctx = Context(project, OLGA, Address(path="/board/exec", site="plant"), FixedClock(plant.NOON))
    site = project.site("plant").model_copy(update=changes)
    return why_it_changed([SiteNow(Show(ctx, site, project.sources()))], period)


def test_the_steps_add_up_to_the_change_and_start_at_the_cost_before(project: OpenProject) -> None:
    found = bridge_of(project, FEBRUARY)
    assert [name for name, _ in found.steps] == [*SPLIT]
    assert found.before is not None
    assert found.now is not None
    assert found.change is not None
    values = [found.before.figure.value, *(step.figure.value for _, step in found.steps)]
    total = sum((each or Decimal(0) for each in values), start=Decimal(0))
    assert total == pytest.approx(found.now.figure.value, abs=Decimal("1e-15"))
    assert all("/why?" in step.why for _, step in found.steps)
    widget = cost_bridge.view(found)
    assert widget.chart is not None
    assert widget.chart.x == (named("Feb 2024"), *SPLIT, named("Feb 2025"))


def test_without_a_baseline_all_energy_is_one_step(project: OpenProject) -> None:
    found = bridge_of(project, FEBRUARY, seus=())
    assert [name for name, _ in found.steps] == ["Price", "Quantity"]


def test_a_month_whose_year_before_was_not_read_has_no_bridge(project: OpenProject) -> None:
    march = Period(label="2025-03", start=date(2025, 3, 1), end=date(2025, 4, 1), time_zone=plant.ZONE)
    assert bridge_of(project, march).steps == ()
    assert cost_bridge.view(bridge_of(project, march)).state == "not_set_up"


@pytest.mark.parametrize(("year", "end"), [(2024, date(2025, 1, 1)), (2025, date(2025, 3, 1))])
def test_energy_by_area_ends_with_the_year_that_is_shown(project: OpenProject, year: int, end: date) -> None:
    ctx = Context(project, OLGA, Address(path="/board/exec", site="plant"), FixedClock(plant.NOON))
    now = SiteNow(Show(ctx, project.site("plant"), project.sources()))
    found = by_area(now, "site:plant", span(date(year, 1, 1), date(year + 1, 1, 1), plant.ZONE)).now
    assert found is not None
    assert found.figure.end == end
