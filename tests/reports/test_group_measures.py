"""Measures and projects of an organisation: each site's own figures by its share, recomputed from their traces."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assets.stores.ledgers.recommendations import Recommendations
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.recommendation import Recommendation, recommendation_id_of
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.time import parse_period
from reports.content.templates import load_template
from reports.figure_book import FigureBook
from reports.make_group_report import group_report, group_report_input
from reports.recompute.figure import recompute
from reports.recompute.figure_sources import Sources
from reports.report_content import ReportContent
from tests.reports.monthly_world import open_lake, site_of, sources_of, write_months
from tests.reports.test_project_report import ADJUSTMENTS, make_mv

YEAR, START, END = parse_period("2024", "UTC"), date(2024, 1, 1), date(2025, 1, 1)
STATED: dict[str, Any] = {
    "measure_costs": [
        {
            "cost_id": "timer", "kind": "base_load", "money": 450.0, "currency": "EUR", "source": "Offer",
            "stated_on": "2024-01-01", "lifetime_years": 8,
        }
    ],
    "discount_rate": {"percent": 6.5, "source": "Board", "stated_on": "2024-01-01"},
}  # fmt: skip
NUMBERS = {"savings_kwh": ("1000", "kwh"), "savings_money": ("200", "EUR"), "savings_kgco2e": ("400", "kgco2e"),
           "cost_money": ("450", "EUR")}  # fmt: skip


class Three:
    """`here` and `there` with one measure each, twice as large there; `new` without one."""

    def __init__(self, folder: Path) -> None:
        self.lake, self.store, self.clock = open_lake(folder)
        names = ("here", "there", "new")
        for name in names:
            write_months(self.lake, self.clock, name, 2024, {"power": 1000})
        self.sites = {name: site_of(name, [Meter(meter_id="power")], **STATED) for name in names}
        for name, times in (("here", 1), ("there", 2)):
            self.advise(name, times)

    def advise(self, site_id: str, times: int) -> None:
        book = FigureBook(report_id=f"advice/{site_id}", revision=0, as_of_utc=self.clock.now_utc(), is_synthetic=False)
        figures = tuple(
            book.add(
                f"base_load/meter:power/{end}{name}", Decimal(value) * times, label=name, kpi=f"advice_{name}",
                scope="meter:power", start=START, end=END, unit=unit, computation="advice_number", inputs=(),
                parameters={},
            )
            for name, (value, unit) in NUMBERS.items()
            for end in ("", "low_", "high_")
        )  # fmt: skip
        kwh, money, kg, cost = (Decimal(value) * times for value, _ in NUMBERS.values())
        made = Recommendation(
            recommendation_id=recommendation_id_of(site_id, "base_load", "meter:power", START, END), site_id=site_id,
            kind="base_load", scope="meter:power", start=START, end=END, savings_kwh=kwh, interval_kwh=(kwh, kwh),
            savings_money=money, interval_money=(money, money), currency="EUR", savings_kgco2e=kg,
            interval_kgco2e=(kg, kg), cost_money=cost, cost_source="Offer", payback_months=None, interval_months=None,
            difficulty=1, confidence=0.9, workflow="recommendation_accepted", sentences=(), figures=figures,
        )  # fmt: skip
        Recommendations(self.store).add([made], self.clock)

    def sources(self) -> Sources:
        return sources_of(self.lake, *self.sites.values())

    def content(self, pack: str, **there: object) -> ReportContent:
        known_at = self.store.known_at(self.clock)
        return group_content(pack, group_of("here", {"site": "there", "share_percent": 50, **there}, "new"),
                             self.sources(), known_at)  # fmt: skip


def group_of(*sites: str | dict[str, Any]) -> Organisation:
    named = [each if isinstance(each, dict) else {"site": each} for each in sites]
    return Organisation.model_validate({
        "organisation": "g", "name": "G", "currency": "EUR", "approaches": [{"approach": "equity_share"}],
        "entities": [{"entity": "own", "name": "Own"}], "sites": [{"entity": "own", **each} for each in named],
    })  # fmt: skip


def group_content(
    pack: str, organisation: Organisation, sources: Sources, known_at: Any, period: Any = YEAR
) -> ReportContent:
    given, members = group_report_input(
        load_template(pack), organisation, period, sources=sources, known_at_utc=known_at
    )
    return group_report(load_template(pack), given, members)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    made = Three(tmp_path_factory.mktemp("measures"))
    yield made
    made.store.close()


def values(content: ReportContent) -> dict[str, Decimal | str | None]:
    return {f"{each.key} {each.item}".strip(): each.value for each in content.data}


def test_measures_of_a_group_are_share_times_those_of_its_sites(three: Three) -> None:
    content = three.content("executive_roi")
    told = values(content)
    # All of `here`, and half of twice as much: 450 + 450, 200 + 200, 1,000 + 1,000.
    assert (told["RI-2.1"], told["RI-2.2"], told["RI-2.3"]) == (Decimal(900), Decimal(400), Decimal(2))
    assert told["RI-2.5"] == Decimal("2.25")
    # 200 a year for eight years at 6.5 % are worth 1,217.75 today, less 450; of each site as much.
    singles = [value for key, value in told.items() if key.startswith("RI-3.1 ")]
    assert [round(Decimal(str(each)), 2) for each in singles] == [Decimal("767.75")] * 2
    assert round(Decimal(str(told["RI-2.6"])), 2) == Decimal("1535.50")
    by_id, sources = {each.figure_id: each for each in content.figures}, three.sources()
    mine = [each for each in content.data if each.source == "figure" and each.id.startswith(("RI-2", "RI-3"))]
    assert len(mine) > 15
    for each in mine:
        again = recompute(by_id[each.figure_id], sources=sources, lookup=by_id.get)
        assert str(again) == str(by_id[each.figure_id].value), each.key
    # A lifetime is that of the one site whose measure it is, and has no share; all together have none.
    [road_map] = [each for each in content.tables() if each.key == "measures"]
    at = [each.title for each in road_map.columns].index("Lifetime")
    assert [row.cells[at].text for row in road_map.rows] == ["8", "8", "–"]
    assert any(each.code == "no_measures" and each.message.startswith("new: ") for each in content.findings)


def test_a_site_that_was_sold_within_the_year_has_nothing_left_to_do(three: Three) -> None:
    told = values(three.content("executive_roi", valid_to="2024-07-01"))
    assert (told["RI-2.1"], told["RI-2.3"]) == (Decimal(450), Decimal(1))


def test_emissions_that_measures_would_avoid_are_told_in_the_questionnaire(three: Three) -> None:
    told = values(three.content("cdp_2025"))
    assert told["7.55.1/ahead"] == Decimal("0.8")
    assert told["7.55.2/cost"] == Decimal(900)
    singles = [value for key, value in told.items() if key.startswith("7.55.1/single ")]
    assert singles == [Decimal("0.4"), Decimal("0.4")]


def test_a_verified_saving_of_a_group_is_that_of_the_site_by_its_share(tmp_path: Path) -> None:
    made = make_mv(tmp_path, ADJUSTMENTS)
    works = made.works
    sources = sources_of(works.lake, works.site)
    known_at, period = works.lake.store.known_at(works.clock), parse_period("2025", works.site.time_zone)
    site_id = works.site.site_id
    found = []
    for share in (100, 40):
        organisation = group_of({"site": site_id, "share_percent": share})
        content = group_content("gri_2016", organisation, sources, known_at, period)
        [datum] = [each for each in content.data if each.key == "302-4-a"]
        found.append(datum)
        if datum.value is not None:
            by_id = {each.figure_id: each for each in content.figures}
            figure = by_id[datum.figure_id]
            assert recompute(figure, sources=sources, lookup=by_id.get) == figure.value
    whole, part = found
    assert (whole.source, part.source) == ("figure", "figure")
    assert part.value == Decimal(str(whole.value)) * Decimal("0.4")
    # Another site may call its project alike: the saving of this one stays its own.
    other = works.site.model_copy(update={"site_id": "other", "name": "Other"})
    both = sources_of(works.lake, works.site, other)
    content = group_content("gri_2016", group_of(site_id, "other"), both, known_at, period)
    told = {each.item.split(":")[0]: each.value for each in content.data if each.key == "302-4-a"}
    assert told == {works.site.name: whole.value, "Other": None}
    works.lake.store.close()
