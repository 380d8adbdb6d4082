"""Findings of a pack are named: simulated sites, no floor area, no rate; long words are printed whole."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pypdf
import pytest

from assets.sites.load_sites import load_site
from assets.stores.lake.lake import Lake
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.disclosure import MOST_LETTERS, DisclosureAnswer
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock, parse_period
from reports.content.templates import load_template, read_template
from reports.datasets.enpi_findings import SYNTHETIC
from reports.make_group_report import group_report, group_report_input
from reports.render.render_pdf import render_pdf
from reports.report_content import ReportContent
from tests.reports import plant
from tests.reports.monthly_world import open_lake, site_of, sources_of, write_months
from tests.reports.small_packs import pack_text

YEAR = parse_period("2024", "UTC")
MONEY = pack_text("money", "id: M-1, labels: Cost of electricity, value: site.cost, answered_in: EUR")
FIELDS: dict[str, Any] = {
    "organisation": "g", "name": "G", "currency": "EUR", "approaches": [{"approach": "equity_share"}],
    "entities": [{"entity": "own", "name": "Own"}],
    "sites": [{"site": "here", "entity": "own"}, {"site": "there", "entity": "own", "share_percent": 50}],
}  # fmt: skip


@dataclass
class Pair:
    """Two sites of a group, `here` and `there`, a meter each."""

    lake: Lake
    store: Store
    clock: FixedClock

    def content(
        self, template: ReportTemplate, *, answers: tuple[DisclosureAnswer, ...] = (), language: str = "",
        there: dict[str, Any] | None = None, **fields: Any,
    ) -> ReportContent:  # fmt: skip
        """A pack of the group, with other fields of its file, or of the site `there`."""
        tariffs = plant.plant_site().tariffs
        known: list[Site] = [
            site_of("here", [Meter(meter_id="power")], tariffs=tariffs),
            site_of("there", [Meter(meter_id="power")], tariffs=tariffs, **(there or {})),
        ]
        given, members = group_report_input(
            template, Organisation.model_validate(FIELDS | fields), YEAR, sources=sources_of(self.lake, *known),
            known_at_utc=self.store.known_at(self.clock), answers=answers, language=language,
        )  # fmt: skip
        return group_report(template, given, members)


def pair_of(folder: Path, *, simulated: bool = False) -> Pair:
    lake, store, clock = open_lake(folder)
    write_months(lake, clock, "here", 2024, {"power": 1000})
    write_months(lake, clock, "there", 2024, {"power": 500}, simulated=simulated)
    return Pair(lake, store, clock)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = pair_of(tmp_path_factory.mktemp("pair"))
    yield made
    made.store.close()


def text_of(content: ReportContent) -> str:
    pages = pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


@pytest.mark.parametrize("simulated", [True, False])
def test_one_simulated_site_makes_a_draft_of_the_whole_group_s_pack(tmp_path: Path, *, simulated: bool) -> None:
    two = pair_of(tmp_path, simulated=simulated)
    content = two.content(load_template("gri_2016"))
    assert content.is_synthetic is simulated
    assert [each.severity for each in content.findings if each.code == SYNTHETIC.code] == ["blocking"] * simulated
    first = pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages[0].extract_text()
    assert ("simulated" in first) is simulated
    two.store.close()


def test_without_a_floor_area_what_is_divided_by_it_is_a_gap_and_never_a_number(pair: Pair) -> None:
    whole = {each.key: each for each in pair.content(load_template("gri_2016")).data}
    content = pair.content(load_template("gri_2016"), there={"floor_area_m2": None})
    data = {each.key: each for each in content.data}
    for key in ("302-3-a", "302-3-b"):
        assert (whole[key].source, data[key].source, data[key].value) == ("figure", "missing", None), key
        assert data[key].reason
    [finding] = [each for each in content.findings if each.code == "disclosure_gap"]
    assert (finding.severity, content.status) == ("blocking", "draft")


def test_a_floor_area_of_zero_is_refused_by_file_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "site_id: a\nname: A\ntime_zone: UTC\ncurrency: EUR\ncountry: DE\nfloor_area_m2: 0\nmeters: [{meter_id: m}]\n"
    )
    with pytest.raises(BadInput, match="floor_area_m2") as fault:
        load_site(path)
    assert (Path(fault.value.file).name, fault.value.line) == ("a.yaml", 6)


def test_money_of_two_currencies_needs_a_stated_rate(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "money.yaml").write_text(MONEY)
    template, dollars = read_template(tmp_path / "money.yaml"), {"currency": "USD"}
    with pytest.raises(BadInput, match="'g' states no rate of USD in EUR on 2024-01-01") as fault:
        pair.content(template, there=dollars)
    assert "`rates`" in fault.value.mend
    rates = [{"currency": "USD", "rate": "0.92", "source": "annual mean"}]
    [same], [other] = pair.content(template).data, pair.content(template, there=dollars, rates=rates).data
    # Twice as much here as there, of which the half counts: a fifth of all is in dollars.
    assert float(other.value or 0) == pytest.approx(float(same.value or 0) * (0.8 + 0.2 * 0.92))


@pytest.mark.parametrize("words", ["نحن نقيس كل شهر ", "Measured each month "])
def test_the_longest_answer_is_printed_to_its_last_word_in_either_direction(pair: Pair, words: str) -> None:
    last = "الأخير" if words[0] > "z" else "finally"
    text = words * ((MOST_LETTERS - len(last)) // len(words)) + last
    said = DisclosureAnswer(
        pack="gri_2016", id="302-1-f", site="g", year=2024, text=text, author="ben", at=date(2025, 1, 9)
    )
    content = pair.content(load_template("gri_2016"), answers=(said,))
    [datum] = [each for each in content.data if each.key == "302-1-f"]
    assert (datum.source, datum.value) == ("organisation", text)
    # A letter of Arabic may be drawn by another sign, or two by one: what is compared is how much more is printed.
    without = pair.content(load_template("gri_2016"))
    more = len(text_of(content)) - len(text_of(without))
    assert 0.8 * len(text) < more < 1.2 * len(text)
