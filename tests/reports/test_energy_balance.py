"""Electricity by origin: renewable is what the sun made and was used on site, and what contracts call so."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from data_quality.contracts.time import local_midnight_utc
from reports.datasets.base import Item
from reports.datasets.dataset_registry import make_datasets
from reports.datasets.template_queries import TemplateQueries
from reports.figure_book import FigureBook
from reports.recompute.figure import recompute
from tests.reports import plant, year_world
from tests.reports.year_world import Year

JULY = date(2025, 7, 1)
CONTRACTS = [
    {"share": 0.5, "valid_from": date(2025, 1, 1), "valid_to": JULY, "source": "test"},
    {"share": 0.8, "valid_from": JULY, "valid_to": date(2026, 1, 1), "source": "test"},
]
SUN = [{"meter": "compressor_1", "register_id": "import"}]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    made = year_world.make_year(tmp_path_factory.mktemp("balance"))
    yield made
    year_world.close(made)


def measures(year: Year, names: Sequence[str], **premises: Any) -> list[Decimal | None]:
    """Measures of 2025 for the plant with these premises; each is recomputed from its trace."""
    here = replace(year, site=year_world.year_site(premises={**year.site.premises.model_dump(), **premises}))
    given = here.given("2025")
    book = FigureBook(report_id="t", revision=0, as_of_utc=given.as_of_utc, is_synthetic=False)
    ask = TemplateQueries(given, make_datasets(given, ["energy_balance"]), book)
    item = Item("", "", f"site:{here.site.site_id}", given.period)
    found = [ask.measure("energy_balance", name, item) for name in names]
    by_id = {each.figure_id: each for each in book.figures()}
    for figure in found:
        assert recompute(figure, sources=here.sources(), lookup=by_id.get) == figure.value, figure.path
    return [each.value for each in found]


def bought_kwh(year: Year, first: date, after: date) -> float:
    """The main meter's readings over local days, summed apart from all KPIs."""
    start, end = (local_midnight_utc(day, plant.ZONE) for day in (first, after))
    return float(year.world.lake.current("plant", start_utc=start, end_utc=end, meters=["main"])["value"].sum())


def test_renewable_electricity_is_what_contracts_call_so_each_at_its_days(year: Year) -> None:
    names = ("renewable_kwh", "electricity_kwh", "other_kwh", "renewable_percent")
    renewable, whole, other, percent = map(float, filter(None, measures(year, names, renewable_contracts=CONTRACTS)))
    halves = bought_kwh(year, date(2025, 1, 1), JULY), bought_kwh(year, JULY, date(2026, 1, 1))
    assert renewable == pytest.approx(0.5 * halves[0] + 0.8 * halves[1])
    assert whole == pytest.approx(sum(halves))
    assert (other, percent) == pytest.approx((whole - renewable, 100 * renewable / whole))


def test_a_site_that_declares_no_origin_has_no_renewable_share_that_is_known(year: Year) -> None:
    renewable, percent, whole = measures(year, ("renewable_kwh", "renewable_percent", "electricity_kwh"))
    assert (renewable, percent) == (None, None)
    assert whole is not None


def test_panels_whose_feed_in_nobody_meters_leave_the_renewable_part_unknown(year: Year) -> None:
    names = ("renewable_kwh", "contracted_kwh", "generation_kwh")
    renewable, contracted, made = measures(year, names, renewable_contracts=CONTRACTS, generation=SUN)
    assert renewable is None
    assert None not in (contracted, made)
