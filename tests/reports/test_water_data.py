"""Water of packs: by meters of the site, with the floor area whose water is known, and an organisation's sum of it."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assets.stores.published.report_ledger import ReportStore
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.disclosure import Datum
from data_quality.contracts.site_file.meter import Meter
from reports.content.template_report import template_report
from reports.content.templates import load_template
from reports.datasets.base import ReportInput
from reports.figures.trace import WalkedFigures, source_readings
from reports.make_group_report import group_report, group_report_input
from reports.recompute.figure import recompute
from reports.recompute.figure_sources import Sources
from reports.report_content import ReportContent
from reports.texts.locales import page_word
from tests.definitions import DEFINITIONS
from tests.reports.monthly_world import open_lake, site_of
from tests.reports.peers_world import YEAR, write_year

CITY = Meter.model_validate(
    {"meter_id": "city", "carrier": "water", "registers": [{"register_id": "import", "unit": "m3"}]}
)
SASB, HOURS = "sasb_if_re", 366 * 24
ORGANISATION: dict[str, Any] = {
    "organisation": "g",
    "name": "G",
    "currency": "EUR",
    "approaches": [{"approach": "equity_share"}],
    "entities": [{"entity": "own", "name": "Own"}],
    "sites": [
        {"site": "wet", "entity": "own", "share_percent": 50},
        {"site": "half", "entity": "own"},
        {"site": "dry", "entity": "own"},
    ],
}


class Three:
    """`wet` takes 2 m³ an hour all year, of `half` 1 m³ was read in half of it, of `most` in 350 days; `dry` has no
    meter of water.
    """

    def __init__(self, folder: Path) -> None:
        self.lake, self.store, self.clock = open_lake(folder)
        for name in ("wet", "half", "most", "dry"):
            write_year(self.lake, self.clock, name, 10.0)
        write_year(self.lake, self.clock, "wet", 2.0, meter="city", unit="m3")
        write_year(self.lake, self.clock, "half", 1.0, meter="city", unit="m3", days=183)
        write_year(self.lake, self.clock, "most", 1.0, meter="city", unit="m3", days=350)
        power = Meter(meter_id="power")
        meters = {"wet": [power, CITY], "half": [power, CITY], "most": [power, CITY], "dry": [power]}
        self.sites = {name: site_of(name, each, floor_area_m2=1000.0) for name, each in meters.items()}

    def sources(self) -> Sources:
        return Sources(lake=self.lake, sites=self.sites, definitions=DEFINITIONS)

    def content(self, subject: str, pack: str = SASB) -> ReportContent:
        sources, as_of_utc = self.sources(), self.store.known_at(self.clock)
        template = load_template(pack)
        if subject in self.sites:
            site = self.sites[subject]
            given = ReportInput(site=site, period=YEAR, as_of_utc=as_of_utc, sources=sources, versions={})
            return template_report(template, given)
        organisation = Organisation.model_validate(ORGANISATION)
        group, members = group_report_input(template, organisation, YEAR, sources=sources, known_at_utc=as_of_utc)
        return group_report(template, group, members)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    made = Three(tmp_path_factory.mktemp("water"))
    yield made
    made.store.close()


def by_key(content: ReportContent) -> dict[str, Datum]:
    return {each.key: each for each in content.data}


TOTAL, KNOWN, AREA = "IF-RE-140a.2/total", "IF-RE-140a.1/known", "IF-RE-140a.2/by_area"


@pytest.mark.parametrize(
    ("subject", "total", "known", "by_area"),
    [
        ("wet", Decimal(2 * HOURS), Decimal(100), Decimal(2 * HOURS) / 1000),
        # Half a year was read: that is no year's water, and of no floor area it is known.
        ("half", None, Decimal(0), None),
        ("dry", None, Decimal(0), None),
        # A number of all but half of December would be read as the year's.
        ("most", None, Decimal(0), None),
        # Half of `wet` alone: of 2,500 m² that are the organisation's 500 are known.
        ("g", Decimal(HOURS), Decimal(20), Decimal(2 * HOURS) / 1000),
    ],
)
def test_water_is_that_of_meters_and_by_floor_area_only_where_it_is_known(
    three: Three, subject: str, total: Decimal | None, known: Decimal, by_area: Decimal | None
) -> None:
    content = three.content(subject)
    data, by_id = by_key(content), {each.figure_id: each for each in content.figures}
    assert [data[key].value for key in (TOTAL, KNOWN, AREA)] == [total, known, by_area]
    sources = three.sources()
    for key in (TOTAL, KNOWN, AREA):
        if data[key].source == "figure":
            figure = by_id[data[key].figure_id]
            assert str(recompute(figure, sources=sources, lookup=by_id.get)) == str(figure.value), key


def test_what_is_not_known_says_why(three: Three) -> None:
    assert by_key(three.content("dry"))[TOTAL].reason == "No meter of the site counts water."
    assert by_key(three.content("most"))[TOTAL].reason == "Less than 99 % of the period's water was read."
    said = {each.code: each.message for each in three.content("half").findings}
    assert said["area_without_water"] == "The water of the floor area is not known as a whole: 50% was read."
    assert "area_without_water" not in {each.code for each in three.content("dry").findings}
    assert any(each.message.startswith("half: The water") for each in three.content("g").findings)
    # An organisation has no gap where one of its sites is read: who has no meter is said beside the sum.
    [dry] = [each for each in three.content("g").findings if each.code == "no_water_meter"]
    assert (dry.message, dry.scope) == ("dry: No meter of the site counts water.", "site:dry")
    assert page_word(dry.message, "de") == "dry: Kein Zähler des Standorts zählt Wasser."
    assert page_word(dry.message, "ar") != dry.message


def test_packs_say_the_same_water_and_its_trace_leads_to_the_meter(three: Three) -> None:
    content = three.content("wet")
    total = by_key(content)[TOTAL]
    assert by_key(three.content("wet", "tcfd"))["MT-a 32/water"].value == total.value
    assert by_key(three.content("wet", "vision_2050plus"))["V-2.1/water"].value == total.value
    held = WalkedFigures(ReportStore(three.store), {each.figure_id: each for each in content.figures})
    for key in (TOTAL, KNOWN):
        figure = held.figure(by_key(content)[key].figure_id)
        assert figure is not None
        rows = source_readings(figure, reports=held, sources=three.sources())
        assert "city" in set(rows["meter_id"])


def test_readings_of_sites_whose_meters_are_called_alike_are_all_behind_their_sum(three: Three) -> None:
    counts = {}
    for subject in ("wet", "half", "dry", "g"):
        content = three.content(subject)
        held = WalkedFigures(ReportStore(three.store), {each.figure_id: each for each in content.figures})
        figure = held.figure(by_key(content)[KNOWN].figure_id)
        assert figure is not None
        counts[subject] = source_readings(figure, reports=held, sources=three.sources()).height
    assert counts["g"] == counts["wet"] + counts["half"] + counts["dry"] > 0
