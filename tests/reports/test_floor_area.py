"""Floor area counts as known where all that its site buys was read; of an organisation it is weighed by share."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from data_quality.contracts.organisation import Organisation
from data_quality.contracts.time import Period, parse_period
from reports.datasets.base import Item
from reports.datasets.floor_area import FloorAreaData
from reports.recompute.figure import recompute
from tests.reports import plant, year_world
from tests.reports.test_group_report import FIELDS, GROUP, content_of
from tests.reports.year_world import Year


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    made = year_world.make_year(tmp_path_factory.mktemp("area"))
    yield made
    year_world.close(made)


def known(year: Year, period: str) -> tuple[Decimal | None, list[str]]:
    """The plant's floor area that counts as known, and what is said of it."""
    data, span = FloorAreaData(year.given("2025")), parse_period(period, plant.ZONE)
    span = Period(label="", start=span.start, end=span.end, time_zone=plant.ZONE)
    found = data.leaf("known_m2", Item("", "", "site:plant", span))
    return found.value, [each.message for each in data.findings(span)]


def test_a_year_of_which_two_days_were_not_read_counts_as_known(year: Year) -> None:
    assert known(year, "2025") == (Decimal(4200), [])


def test_a_month_of_which_two_days_were_not_read_is_not_known_and_the_carrier_is_named(year: Year) -> None:
    [message] = known(year, "2025-05")[1]
    assert known(year, "2025-05")[0] == 0
    assert message.endswith("not all was read of electricity (94% of it).")


def test_the_share_of_a_group_is_made_of_its_sites_and_each_figure_again_from_its_trace(year: Year) -> None:
    content = content_of(year, GROUP, "sasb_if_re")
    [share] = [each for each in content.data if each.key == "IF-RE-130a.1"]
    # 105 days at 60 %, and 178 days at 100 % of which two were not read: 98.9 % is less than what counts as known.
    assert float(str(share.value)) == pytest.approx(100 * 0.6 * 105 / (0.6 * 105 + 178))
    by_id = {each.figure_id: each for each in content.figures}
    figure = by_id[share.figure_id]
    assert recompute(figure, sources=year.sources(), lookup=by_id.get) == figure.value


def test_a_site_whose_floor_area_is_of_another_kind_is_named(year: Year) -> None:
    assert year.site.floor_area_definition is not None
    other = "NLA" if year.site.floor_area_definition != "NLA" else "GIA"
    for wanted, said in ((other, 1), (year.site.floor_area_definition, 0), (None, 0)):
        group = Organisation.model_validate(FIELDS | {"floor_area": wanted})
        found = [
            each for each in content_of(year, group, "sasb_if_re").findings if each.code == "floor_area_definition"
        ]
        assert len(found) == said, wanted
