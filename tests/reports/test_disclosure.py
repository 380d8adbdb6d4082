"""Packs of data points: every datum is a traced figure, an answer of somebody, a gap, or does not apply."""

import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pypdf
import pytest

from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import People, Person, Role
from data_quality.contracts.reporting.disclosure import DisclosureAnswer, completeness_of, gaps_of
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.time import parse_period
from data_quality.contracts.yaml_file import BadConfiguration
from reports.content.caveats import SENTENCES
from reports.content.disclosure_answers import DISCLOSURE_FILE, read_answers, with_answer
from reports.content.register import register_text
from reports.content.template_report import template_report
from reports.content.templates import load_edition, load_template, packs_of, read_template
from reports.datasets.base import ReportInput
from reports.recompute.figure import prefetch, recompute
from reports.render.render_json import render_json
from reports.render.render_pdf import render_pdf
from reports.render.render_xlsx import render_xlsx
from reports.report_content import Paragraph, ReportContent
from reports.texts.locales import word
from reports.writer import words
from tests.house.measures import ROOMS, ROOT, tracked
from tests.reports import year_world
from tests.reports.monthly_world import factor, open_lake, site_of, sources_of, write_months
from tests.reports.small_packs import HOUSE, pack_text
from tests.reports.year_world import Year

PACKS = sorted(packs_of())
PHRASES = ROOT / "tests" / "golden" / "phrases_of_standards.txt"
SCHEMA = ROOT / "docs" / "ems" / "report_template.schema.json"
PEOPLE = People(
    people=(
        Person(person_id="ben", name="Ben Analyst", roles=(Role.ANALYST,)),
        Person(person_id="dirk", name="Dirk", roles=(Role.PUBLISHER,)),
    )
)
TENTH = pack_text(
    "tenth",
    'id: H-1, labels: Electricity, value: "footprint.energy_kwh[carrier:electricity]", unit: MWh',
    "id: H-2, labels: By carrier, kind: table, each: carrier, value: footprint.energy_kwh, unit: GJ",
    "id: H-3, labels: Fuel of vehicles, unit: GJ",
    "id: H-4, labels: Method, kind: text",
    "id: H-5, labels: Boundary, kind: choice, choices: [control, share], required: false",
    framework=f"{HOUSE}, until: 2026-01-01, checked: {{on: 2026-01-05, source: our list}}",
)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    made = year_world.make_year(tmp_path_factory.mktemp("year"))
    yield made
    year_world.close(made)


@pytest.fixture(scope="module")
def tenth(tmp_path_factory: pytest.TempPathFactory) -> ReportTemplate:
    path = tmp_path_factory.mktemp("tenth") / "tenth.yaml"
    path.write_text(TENTH)
    return read_template(path)


def answer(point: str, **fields: object) -> DisclosureAnswer:
    """Ben's answer to a data point of the tenth pack for the plant in 2025."""
    usual = {"pack": "tenth", "site": "plant", "year": 2025, "author": "ben", "at": date(2026, 1, 9)}
    return DisclosureAnswer.model_validate({**usual, "id": point, **fields})


def sources_of_data(content: ReportContent) -> dict[str, str]:
    return {each.key: each.source for each in content.data}


@pytest.mark.parametrize("name", PACKS)
def test_every_figure_of_a_pack_is_made_again_from_its_trace(year: Year, name: str) -> None:
    content = template_report(load_template(name), year.given("2025"))
    by_id, kept = {each.figure_id: each for each in content.figures}, dict[str, Decimal | None]()
    fresh = year.sources()
    mine = [each for each in content.data if each.source == "figure"]
    assert mine
    prefetch((by_id[each.figure_id] for each in mine), sources=fresh, lookup=by_id.get)
    for each in mine:
        figure = by_id[each.figure_id]
        assert recompute(figure, sources=fresh, lookup=by_id.get, kept=kept) == figure.value, each.key
        assert each.kind == "text" or each.value == figure.value
    # Nothing else is missing than what the gaps say.
    assert {each.id for each in gaps_of(content.data)} == {e.key for e in content.data if e.source == "missing"}


@pytest.mark.parametrize("name", PACKS)
def test_every_data_point_of_a_pack_has_german_words_and_a_unit(name: str) -> None:
    for point in load_template(name).points:
        assert point.labels["de"] != point.labels["en"], point.key
        assert point.answer_unit or point.kind in {"text", "choice"}, point.key


def hashes_of(text: str) -> set[str]:
    """Hashes of every five words in a row, in small letters."""
    words = re.findall(r"\w+", text.lower())
    return {hashlib.sha256(" ".join(words[at : at + 5]).encode()).hexdigest() for at in range(len(words) - 4)}


@pytest.mark.parametrize("name", PACKS)
def test_no_label_of_a_pack_is_the_text_of_a_standard(name: str) -> None:
    forbidden = set(PHRASES.read_text().split())
    for point in load_template(name).points:
        assert not hashes_of(point.labels["en"]) & forbidden, point.key
    # The list itself finds a sentence that it was made of, whose hash alone is kept.
    assert hashes_of("total fuel consumption within the organization") & forbidden


def test_factors_of_a_scope_are_those_of_its_own_energy(year: Year) -> None:
    data = {each.key: each.value for each in year.report("gri_2016", "2025").data}
    assert data["305-1-e"] == "gas-1; gas-2"
    grid = str(data["305-2-e"]).split("; ")
    assert grid
    assert not {"gas-1", "gas-2"} & set(grid)


@pytest.mark.parametrize("gas_kwh", [None, 0.0])
def test_scope_1_that_no_meter_measures_is_a_gap_and_a_measured_zero_a_figure(
    tmp_path: Path, gas_kwh: float | None
) -> None:
    power, gas = Meter(meter_id="power"), Meter(meter_id="gas", carrier=Carrier.NATURAL_GAS)
    site = site_of("works", [power] if gas_kwh is None else [power, gas],
                   [factor(each.value, each, 0.2, "test") for each in (power.carrier, gas.carrier)])  # fmt: skip
    lake, store, clock = open_lake(tmp_path)
    write_months(lake, clock, "works", 2024, {"power": 100.0} | ({} if gas_kwh is None else {"gas": gas_kwh}))
    given = ReportInput(site=site, period=parse_period("2024", "UTC"), as_of_utc=store.known_at(clock),
                        sources=sources_of(lake, site), versions={})  # fmt: skip
    point = {"pack": "gri_2016", "id": "305-1-a/metered", "site": "works", "year": 2024}
    nothing_burns = answer("", **point, not_applicable="Nothing is burnt")
    pack, code = load_template("gri_2016"), ["not_counted_fuel"] if gas_kwh is None else []
    found, stated = (template_report(pack, replace(given, answers=each)) for each in ([], [nothing_burns]))
    inventory = template_report(load_template("ghg_inventory"), given)
    store.close()
    sources = [sources_of_data(each)["305-1-a/metered"] for each in (found, stated)]
    assert sources == (["missing", "not_applicable"] if code else ["figure", "figure"])
    for content in (found, inventory):
        assert [each.code for each in content.findings if each.code == "not_counted_fuel"] == code
    [printed] = [each for each in inventory.figures if each.path == "footprint/site:works/2024/scope1_kgco2e"]
    # The zero stays in the site's sum, and goes on to it with its code.
    [whole] = [each for each in inventory.figures if each.path == "footprint/site:works/2024/total_location_kgco2e"]
    assert [(each.value, [*each.findings]) for each in (printed, whole)] == [(0, code), (240, code)]


def test_no_pack_has_a_name_in_python() -> None:
    names = re.compile("|".join(map(re.escape, PACKS)))
    files = [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in ROOMS]
    assert [path.name for path in files if names.search(path.read_text(encoding="utf-8"))] == []


def test_a_pack_of_yaml_alone_is_printed_in_every_format(year: Year, tenth: ReportTemplate) -> None:
    given = replace(year.given("2025"), answers=[answer("H-3", value="12.50", unit="GJ"), answer("H-4", text="Bills")])
    content = template_report(tenth, given, revision=1)
    assert sources_of_data(content) == {
        "H-1": "figure", "H-2": "figure", "H-3": "organisation", "H-4": "organisation", "H-5": "missing",
    }  # fmt: skip
    assert completeness_of(content.data).model_dump() == {
        "required": 4, "figure": 2, "organisation": 2, "missing": 0, "not_applicable": 0,
    }  # fmt: skip
    assert not any(each.code == "disclosure_gap" for each in content.findings)
    pages = pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert "of 4 required data points 2 are figures" in text
    assert "compared with our list on 5 January 2026" in text
    assert "12.50" in text
    assert {"Data", "Gaps"} <= set(openpyxl.load_workbook(io.BytesIO(render_xlsx(content))).sheetnames)
    told = json.loads(render_json(content))["data"]
    assert [each["id"] for each in told] == ["H-1", "H-2", "H-2", "H-3", "H-4", "H-5"]


def test_a_required_gap_makes_a_draft_and_names_who_adds_what_until_when(year: Year, tenth: ReportTemplate) -> None:
    content = template_report(tenth, year.given("2025"))
    assert content.status == "draft"
    [finding] = [each for each in content.findings if each.code == "disclosure_gap"]
    assert finding.message == "Required data points are missing: H-3, H-4."
    first = gaps_of(content.data)[0]
    assert (first.id, first.who, first.by) == ("H-3", "Energy manager", date(2026, 4, 1))


def test_the_answer_of_the_year_before_is_offered_and_never_taken(year: Year, tenth: ReportTemplate) -> None:
    before = answer("H-3", value="11", unit="GJ", year=2024)
    content = template_report(tenth, replace(year.given("2025"), answers=[before]))
    assert sources_of_data(content)["H-3"] == "missing"
    assert gaps_of(content.data)[0].offered == "11 GJ"


def test_an_answer_beside_a_figure_is_not_used_and_that_is_said(year: Year, tenth: ReportTemplate) -> None:
    plain = template_report(tenth, year.given("2025"))
    content = template_report(tenth, replace(year.given("2025"), answers=[answer("H-1", value="1", unit="MWh")]))
    assert content.data[0].value == plain.data[0].value
    assert [each.message for each in content.findings if each.code == "answer_beside_figure"] == [
        "Answers that are not used, since readings give the figure: H-1."
    ]


def test_what_does_not_apply_has_its_reason_and_is_no_gap(year: Year, tenth: ReportTemplate) -> None:
    given = replace(year.given("2025"), answers=[answer("H-3", not_applicable="No vehicles")])
    content = template_report(tenth, given)
    assert sources_of_data(content)["H-3"] == "not_applicable"
    assert "H-3" not in {each.id for each in gaps_of(content.data)}


def test_another_language_has_the_same_figures(year: Year) -> None:
    template, given = load_template(PACKS[0]), year.given("2025")
    english, german = (template_report(template, replace(given, language=each)) for each in ("", "de"))
    assert german.report_id == english.report_id.replace("/2025", "/de/2025")
    assert [(each.path, each.value, each.trace) for each in german.figures if not each.trace.inputs] == [
        (each.path, each.value, each.trace) for each in english.figures if not each.trace.inputs
    ]
    assert [each.value for each in german.figures] == [each.value for each in english.figures]
    labels = {point.key: point.labels["de"] for point in template.points}
    assert all(each.label == labels[each.key] for each in german.data)


@pytest.mark.parametrize(
    ("was", "now", "line", "words"),
    [
        ("site: plant", "site: plnat", 5, "unknown site 'plnat'; did you mean 'plant'?"),
        ("unit: GJ", "unit: kWh", 8, "H-3 is answered in GJ, got 'kWh'"),
        ("id: H-3", "id: H-33", 4, "unknown data point 'H-33'"),
        ("pack: tenth", "pack: tent", 3, "unknown pack 'tent'"),
        ("author: ben", "author: dirk", 9, "dirk has not the role 'analyst'"),
        ("author: ben", "author: eve", 9, "unknown person 'eve'"),
        ("value: 12.5\n    unit: GJ", "text: much", 7, "H-3 is a number in GJ, not words"),
        ("year: 2025", "year: 2027", 3, "before the year 2027 began"),
        ("year: 2025", "year: 25", 6, "1990"),
        ("at: 2026-01-09", "at: 2026-01-09\n    evidence: ../secret", 11, "expected a file below the project's folder"),
        ("value: 12.5\n    unit: GJ", f"text: {'a' * 10_000}", 7, "2000"),
        ("value: 12.5\n    unit: GJ", "text: <b>much</b>", 7, "holds markup"),
        ("value: 12.5\n    unit: GJ", 'text: "a\\u202eb"', 7, "turns letters around"),
        ("value: 12.5", "value: .nan", 7, "finite"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_by_line_and_key(
    tmp_path: Path, tenth: ReportTemplate, was: str, now: str, line: int, words: str
) -> None:
    good = """# Ours
answers:
  - pack: tenth
    id: H-3
    site: plant
    year: 2025
    value: 12.5
    unit: GJ
    author: ben
    at: 2026-01-09
"""
    path = tmp_path / DISCLOSURE_FILE
    path.write_text(good)
    known: dict[str, Any] = {"sites": ["plant"], "people": PEOPLE}
    assert read_answers(tmp_path, {"tenth": tenth}, **known)[0].value == Decimal("12.5")
    path.write_text(good.replace(was, now))
    with pytest.raises(BadConfiguration) as fault:
        read_answers(tmp_path, {"tenth": tenth}, **known)
    assert words in str(fault.value)
    assert fault.value.line == line


def test_evidence_that_changed_since_the_answer_is_refused(tmp_path: Path, tenth: ReportTemplate) -> None:
    (tmp_path / "fuel.txt").write_text("12.5 GJ")
    digest = hashlib.sha256(b"12.5 GJ").hexdigest()
    made = answer("H-3", value="12.5", unit="GJ", evidence="fuel.txt", evidence_sha256=digest)
    path = tmp_path / DISCLOSURE_FILE
    path.write_text(with_answer(tmp_path, answer("H-4", text="Bills")))
    path.write_text(with_answer(tmp_path, made))
    assert read_answers(tmp_path, {"tenth": tenth}, sites=["plant"], people=PEOPLE)[1] == made
    (tmp_path / "fuel.txt").write_text("13 GJ")
    with pytest.raises(BadConfiguration, match="no longer the file"):
        read_answers(tmp_path, {"tenth": tenth}, sites=["plant"], people=PEOPLE)


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("id: H-2", "id: H-1", "appears twice"),
        ("footprint.energy_kwh, unit: GJ", "footprint.enrgy_kwh, unit: GJ", "did you mean 'footprint.energy_kwh'?"),
        ("until: 2026-01-01", "until: 2019-01-01", "before it applies"),
        ("kind: choice, ", "", "`choices` go with the kind choice"),
        ("labels: Fuel of vehicles, unit: GJ", "labels: Fuel", "say the unit"),
        ("periods: [year]", "periods: [month]", "whole years"),
        ("labels: Method, kind: text", "labels: Method, kind: words", "'figure'"),
    ],
)
def test_a_bad_pack_is_refused_with_its_line(tmp_path: Path, was: str, now: str, words: str) -> None:
    path = tmp_path / "tenth.yaml"
    path.write_text(TENTH.replace(was, now))
    with pytest.raises(BadConfiguration, match=re.escape(words)) as fault:
        read_template(path)
    assert fault.value.line > 0


def test_a_broken_report_that_is_no_pack_stops_no_pack(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "mine.yaml").write_text("template: mine\nversion: none\n")
    (tmp_path / "templates" / "tenth.yaml").write_text(TENTH)
    assert set(packs_of(tmp_path)) == {*PACKS, "tenth"}


def test_a_period_outside_of_an_edition_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "tenth.yaml").write_text(TENTH)
    later = TENTH.replace("template: tenth", "template: eleventh").replace('edition: "1"', 'edition: "2"')
    later = later.replace(
        "applies_from: 2020-01-01, until: 2026-01-01", "applies_from: 2026-01-01, early_from: 2025-01-01"
    )
    (folder / "eleventh.yaml").write_text(later)
    in_2025, in_2026, in_2024 = (parse_period(str(each), "UTC") for each in (2025, 2026, 2024))
    with pytest.raises(BadInput, match="not for 2026") as fault:
        load_edition("tenth", tmp_path, period=in_2026)
    assert fault.value.mend == "report eleventh is for it"
    with pytest.raises(BadInput) as fault:
        load_edition("eleventh", tmp_path, period=in_2025)
    assert fault.value.mend == "report tenth is for it"
    assert load_edition("tenth", tmp_path, period=in_2025, edition="2").template == "eleventh"
    with pytest.raises(BadInput, match="not for 2024"):
        load_edition("tenth", tmp_path, period=in_2024, edition="2")
    with pytest.raises(BadInput, match="House has no edition '3'"):
        load_edition("tenth", tmp_path, period=in_2025, edition="3")


def test_the_period_chooses_the_edition_and_the_next_one_may_be_used_early_by_name() -> None:
    in_2024, in_2025, in_2027 = (parse_period(str(each), "UTC") for each in (2024, 2025, 2027))
    with pytest.raises(BadInput) as fault:
        load_edition("gri_2016", period=in_2027)
    assert fault.value.mend == "report gri_2025 is for it"
    assert load_edition("gri_2016", period=in_2025, edition="2025").template == "gri_2025"
    for period, edition in ((in_2025, ""), (in_2024, "2025")):
        with pytest.raises(BadInput, match="from 2027-01-01 on"):
            load_edition("gri_2025", period=period, edition=edition)


ELEVENTH = TENTH.replace("template: tenth", "template: eleventh").replace('edition: "1"', 'edition: "2"').replace(
    "applies_from: 2020-01-01, until: 2026-01-01",
    "applies_from: 2026-01-01, early_from: 2025-01-01, bridge: {pack: tenth, pairs: [{was: [H-1], now: [N-1]}, "
    "{was: [H-3], notes: Asked no more}, {now: [N-4, N-5]}]}",
).replace("id: H-", "id: N-").replace("key: all", "key: every")  # fmt: skip


@pytest.fixture(scope="module")
def editions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("editions")
    (folder / "templates").mkdir()
    for name, text in (("tenth", TENTH), ("eleventh", ELEVENTH)):
        (folder / "templates" / f"{name}.yaml").write_text(text)
    return folder


def bridge_rows(content: ReportContent) -> list[tuple[str, ...]]:
    [table] = [each for each in content.tables() if each.key == "bridge"]
    return [tuple(cell.text for cell in row.cells) for row in table.rows]


def test_two_editions_of_yaml_alone_stand_side_by_side_with_their_bridge(year: Year, editions: Path) -> None:
    both = load_edition("tenth_to_eleventh", editions, period=parse_period("2025", "UTC"))
    given = replace(
        year.given("2025"),
        answers=[answer("H-3", value="7", unit="GJ"), answer("N-3", value="8", unit="GJ", pack="eleventh")],
    )
    content = template_report(both, given)
    found = {each.key: each for each in content.data}
    assert (found["H-3"].value, found["N-3"].value) == (7, 8)
    assert found["H-1"].value == found["N-1"].value
    electricity, gone, method, boundary = bridge_rows(content)
    assert (electricity[0], electricity[3]) == ("H-1 Electricity", "N-1 Electricity")
    assert electricity[1:3] == electricity[4:6]
    assert electricity[2] == "MWh"
    assert (gone[:3], gone[3], gone[6]) == (("H-3 Fuel of vehicles", "7", "GJ"), "", "Asked no more")
    assert [row[3] for row in (method, boundary)] == ["N-4 Method", "N-5 Boundary"]
    # Alone neither has a bridge to show.
    alone = template_report(load_template("eleventh", editions), given)
    assert not [each for each in alone.tables() if each.key == "bridge"]


@pytest.mark.parametrize(
    ("name", "edit", "words"),
    [
        ("eleventh_to_tenth", ("", ""), "tenth has no bridge from eleventh"),
        ("tenth_to_eleventh", ("was: [H-3]", "was: [H-33]"), "'H-33' is no data point of tenth"),
        ("tenth_to_eleventh", ("now: [N-1]", "now: [N-11]"), "'N-11' is no data point of this pack"),
        ("tenth_to_twelfth", ("", ""), "unknown report 'tenth_to_twelfth'"),
    ],
)
def test_a_bridge_that_names_what_is_not_there_is_refused(
    tmp_path: Path, name: str, edit: tuple[str, str], words: str
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "tenth.yaml").write_text(TENTH)
    (tmp_path / "templates" / "eleventh.yaml").write_text(ELEVENTH.replace(*edit))
    with pytest.raises(BadInput, match=re.escape(words)):
        load_template(name, tmp_path)


def test_the_shipped_editions_ask_the_same_measure_once_and_every_figure_is_made_again(year: Year) -> None:
    bridged = [each for each in packs_of().values() if each.framework and each.framework.bridge]
    assert bridged
    for later in bridged:
        assert later.framework is not None
        assert later.framework.bridge is not None
        both = load_template(f"{later.framework.bridge.pack}_to_{later.template}")
        assert len(both.points) == len(later.points) + len(load_template(later.framework.bridge.pack).points)
        content = template_report(both, year.given("2025"))
        by_id, fresh = {each.figure_id: each for each in content.figures}, year.sources()
        shared = [row for row in bridge_rows(content) if row[1] and row[1] == row[4] and row[2] == row[5] != ""]
        assert len(shared) >= 3
        for each in (one for one in content.data if one.source == "figure"):
            figure = by_id[each.figure_id]
            assert recompute(figure, sources=fresh, lookup=by_id.get) == figure.value, each.key
        assert "Bridge" in openpyxl.load_workbook(io.BytesIO(render_xlsx(content))).sheetnames


@pytest.mark.parametrize(("language", "words"), [("", "no legal certificate"), ("de", "kein amtlicher Energieausweis")])
def test_every_page_of_a_building_s_energy_summary_says_that_it_is_no_certificate(
    year: Year, language: str, words: str
) -> None:
    content = template_report(load_template("energy_summary"), replace(year.given("2025"), language=language))
    pages = pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages
    assert len(pages) > 1
    assert [words in " ".join(page.extract_text().split()) for page in pages] == [True] * len(pages)


def test_the_shipped_schema_is_that_of_the_templates() -> None:
    assert json.loads(SCHEMA.read_text()) == ReportTemplate.model_json_schema()


@pytest.mark.parametrize("pack", PACKS)
def test_what_no_public_source_shows_is_named_by_identifiers_of_the_pack(pack: str) -> None:
    framework = (template := load_template(pack)).framework
    assert framework is not None
    without = framework.checked.without if framework.checked is not None else ()
    assert set(without) <= {each.id for each in template.points}


def test_a_report_warns_of_identifiers_that_its_source_does_not_show(year: Year) -> None:
    content = template_report(load_template("cdp_2023"), year.given("2025"))
    [told] = [each for each in content.findings if each.code == "identifiers_unchecked"]
    assert told.message == "Identifiers of CDP 2023 that no public source shows: C8.2b, C8.2d, C8.2g."
    checked = template_report(load_template("gri_2025"), year.given("2025"))
    assert "identifiers_unchecked" not in {each.code for each in checked.findings}


def test_a_pack_of_own_identifiers_is_not_warned_of(year: Year) -> None:
    content = template_report(load_template("executive_roi"), year.given("2025"))
    assert "identifiers_unchecked" not in {each.code for each in content.findings}
    front = [each.text for each in content.sections[0].blocks if isinstance(each, Paragraph)]
    assert any(each.endswith("Its identifiers are its own.") for each in front)


def test_values_and_statuses_of_the_register_stand_whole_and_in_the_reader_s_language(year: Year) -> None:
    content = template_report(load_template("cdp_2023"), replace(year.given("2025"), language="de"))
    pages = pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages
    words_of = set(" ".join(page.extract_text() for page in pages).split())
    values = [register_text(each.value) for each in content.figures if each.value is not None]
    assert len(values) > 50
    assert [each for each in values if each not in words_of] == []


@pytest.mark.parametrize("language", ["de", "ar"])
def test_every_reason_beside_a_figure_has_its_word(language: str) -> None:
    assert [code for code in SENTENCES if word(words(code), language) == words(code)] == []
