"""No word of a report is outside the catalogues: in a language made of the English keys none is left unmarked."""

import ast
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import openpyxl
import pypdf
import pytest

from data_quality.contracts.finding import Finding
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Numeral, Sentence, Stored
from data_quality.contracts.time import parse_period
from reports.content.findings_table import finding_sentence
from reports.content.template_report import template_report
from reports.content.templates import load_template, packs_of, read_template
from reports.datasets.dataset_registry import MEASURES
from reports.make_group_report import group_report, group_report_input
from reports.pages.page import Item
from reports.recompute.figure_sources import Sources
from reports.render.render_pdf import render_pdf
from reports.render.render_xlsx import render_xlsx
from reports.report_content import ReportContent
from reports.texts.locales import chosen, page_word, unit_text, word
from tests.reports import plant, year_world
from tests.reports.pseudo_language import CODE, names_in, pseudo_language, pseudo_templates, shown_in, unwrapped
from tests.reports.test_group_report import GROUP
from tests.reports.test_template_reports import REPORTS
from tests.reports.year_world import Year

PACKS = sorted(packs_of())
ASKED = (("enpi_quarter", "2025-Q1", None), *REPORTS, *((name, "2025", None) for name in PACKS))
# Of one line of the plant's bill, its supplier, who approved, and the id of a driver.
PEOPLES = frozenset({"energy", "peak", "rest", "night", "Stadtwerke", "anna", "pieces"})


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    made = year_world.make_year(tmp_path_factory.mktemp("pseudo"))
    year_world.add_bill(made, "2025-02")
    year_world.add_bill(made, "2025-03", extra=Decimal("100.00"))
    year_world.publish(made, year_world.event(12), year_world.event(20, meter="main", kwh=-5.0, cost=-1.05))
    yield made
    year_world.close(made)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Templates with texts of the pseudo-language, which is one of the languages while they are used."""
    with pseudo_language(tmp_path_factory.mktemp("languages")):
        yield pseudo_templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture(scope="module")
def sources(year: Year) -> Sources:
    """One for all: what a language changes is no figure."""
    return year.sources()


@pytest.fixture(scope="module")
def contents(year: Year, sources: Sources, templates: dict[str, Path]) -> dict[str, ReportContent]:
    return {
        name: template_report(
            read_template(templates[name]), replace(year.given(period, seu=seu, sources=sources), language=CODE)
        )
        for name, period, seu in ASKED
    }


def names_of(content: ReportContent, *others: Organisation) -> frozenset[str]:
    """Names that people gave, and the identifiers of a pack."""
    ids = " ".join(f"{each.id} {each.framework}" for each in content.data)
    return names_in(year_world.year_site(), *others) | PEOPLES | frozenset(re.findall(r"[^\W\d_]{2,}", ids))


@pytest.mark.parametrize("name", [name for name, *_ in ASKED])
def test_no_word_of_a_report_is_outside_the_catalogues(contents: dict[str, ReportContent], name: str) -> None:
    assert unwrapped(shown_in(contents[name]), names_of(contents[name])) == {}


def test_no_unit_of_a_measure_is_outside_the_catalogues(templates: dict[str, Path]) -> None:
    units = {measure.unit for measures in MEASURES.values() for measure in measures.values()}
    assert "years" in units
    # Between units of a quotient there is no space.
    shown = [word(unit_text(unit), CODE).replace("/", " ") for unit in units]
    assert unwrapped(shown, frozenset({"currency"})) == {}


def test_no_word_of_a_list_of_templates_is_outside_the_catalogues(templates: dict[str, Path]) -> None:
    known = [read_template(path) for path in templates.values()]
    assert len(known) > len(ASKED)
    assert unwrapped([chosen(text, CODE) for each in known for text in (each.titles, each.descriptions)]) == {}


@pytest.mark.parametrize("name", PACKS)
def test_no_word_of_a_pack_of_a_group_is_outside_the_catalogues(
    year: Year, sources: Sources, templates: dict[str, Path], name: str
) -> None:
    template, period = read_template(templates[name]), parse_period("2025", plant.ZONE)
    known_at = year.world.reports.store.known_at(year.world.clock)
    given, members = group_report_input(template, GROUP, period, sources=sources, known_at_utc=known_at, language=CODE)
    content = group_report(template, given, members)
    assert unwrapped(shown_in(content), names_of(content, GROUP)) == {}


@pytest.mark.parametrize("name", ["enpi_quarter", "ghg_inventory", PACKS[0]])
def test_no_word_around_a_report_on_paper_or_in_a_workbook_is_outside_the_catalogues(
    contents: dict[str, ReportContent], name: str
) -> None:
    content = contents[name]
    names = names_of(content) | {CODE, "Meterloom", "trace"}
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(content)))
    # Codes, units, paths and the names of a model's statistics are the machine's.
    machine = {
        code for each in content.figures for code in (each.trace.computation, each.status, each.unit, *each.findings)
    }
    machine |= {", ".join(each.findings) for each in content.figures}
    machine |= {each.path for each in content.figures} | {
        each.label for each in content.figures if each.path.startswith("baseline/")
    }
    cells = [
        cell.value
        for sheet in book.worksheets
        for row in sheet.iter_rows()
        for cell in row
        if isinstance(cell.value, str) and not cell.value.startswith("=") and cell.value not in machine
    ]
    assert unwrapped([*book.sheetnames, *cells], names) == {}
    first = pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages[0].extract_text()
    lines = [first.splitlines()[at] for at in (0, 1, 2, -1)]
    assert unwrapped(lines, names) == {}


def test_a_word_that_no_catalogue_gave_is_found() -> None:
    assert unwrapped(["Totalø: 5 kWh of site:plant"]) == {"of": "Totalø: 5 kWh of site:plant"}
    assert unwrapped(["Anna approved 3 of them"], frozenset({"Anna"})) != {}
    assert unwrapped(["meter/main 2025-Q1, 3 MWh"]) == {}


def test_a_finding_is_said_in_german_with_german_numbers_and_days() -> None:
    told = Sentence(
        "Only {0} of the reporting period has energy and drivers; the rest is in no sum.", Numeral(f"{0.875:.1%}")
    )
    found = Finding(code="x", message=told, facts={"coverage": 0.875, "days": 12})
    assert finding_sentence(found, locale="de") == (
        "Nur 87,5\u00a0% des Berichtszeitraums hat Energie und Einflussgrößen; der Rest ist in keiner Summe. "
        "(Abdeckung 0,875, Tage 12)"
    )
    assert finding_sentence(found) == f"{told} (coverage 0.875, days 12)"
    day = Sentence("The reporting period goes on to {0}.", date(2026, 3, 5))
    assert page_word(day, "de") == "Der Berichtszeitraum geht bis 5. März 2026."
    assert page_word(day, "en") == day == "The reporting period goes on to 2026-03-05."


@pytest.mark.parametrize(
    ("stored", "german"),
    [
        ("Temperature enters as outdoor_degc.", "Die Temperatur geht ein als outdoor_degc."),
        (
            "The baseline period ends on 2025-03-05, after 2025-02-01.",
            "Der Zeitraum der Ausgangsbasis endet am 5. März 2025, nach dem 1. Februar 2025.",
        ),
        ("3 of 400 days are left out: under 95% of their readings, or a driver unknown.", None),
        ("What people wrote", "What people wrote"),
    ],
)
def test_a_sentence_of_the_store_is_said_by_its_pattern(stored: str, german: str | None) -> None:
    said = page_word(Sentence("{0}, baseline: {1}", "Fans", Stored(stored)), "de")
    assert said.startswith("Fans, Ausgangsbasis: ")
    if german is not None:
        assert said == f"Fans, Ausgangsbasis: {german}"
    assert ("Temperature" in said, "days are" in said) == (False, False)
    assert page_word(Sentence("{0}, baseline: {1}", "Fans", Stored(stored)), "en") == f"Fans, baseline: {stored}"


@pytest.mark.parametrize(
    ("stored", "german"),
    [
        (
            "Monday 30 November 2026, a public holiday: 1,206.6 kWh, 1.96 kWh less than the Monday before.",
            "Montag, 30. November 2026, ein Feiertag: 1.206,6 kWh, 1,96 kWh weniger als am Montag davor.",
        ),
        ("-34 kWh: all else", "−34 kWh: alles Übrige"),
        (
            "+1.5 kWh: warmer by 2.1 K (5.0 °C, the week before 2.9 °C)",
            "+1,5 kWh: wärmer um 2,1 K (5,0 °C, in der Woche davor 2,9 °C)",
        ),
        (
            "+0.7 kWh: the Monday before was lower than its pattern",
            "+0,7 kWh: der Montag davor lag unter seinem Muster",
        ),
        ("battery is assumed to be half full: nothing says its state", None),
        ("No model led before; ensemble has NRMSE 0.0730 in the backtest.", None),
    ],
)
def test_a_reason_of_a_forecast_or_plan_is_said_in_each_language(stored: str, german: str | None) -> None:
    kept = Item(text=Stored(stored)).text
    said = page_word(kept, "de")
    assert said == (german or said)
    for locale in ("de", "ar"):
        assert not {" the ", " than ", " has ", " is "} & {f" {each} " for each in page_word(kept, locale).split()}
    assert page_word(kept, "en").replace("−", "-").replace("y, 30", "y 30") == stored


EVIDENCE = [
    "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    for path in sorted(Path("assets/bills/dispute").glob("[cs]*.py"))
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(statement, ast.stmt) and not hasattr(statement, "body") and not isinstance(statement, ast.Raise)
    for node in ast.walk(statement)
    if isinstance(node, ast.JoinedStr) and len(node.values) > 1
]


def test_no_word_of_the_evidence_of_a_bill_is_outside_the_catalogues(templates: dict[str, Path]) -> None:
    assert len(EVIDENCE) > 40
    # Each text of the room that has places, with a number in each.
    assert unwrapped([page_word(Stored(each), CODE) for each in EVIDENCE]) == {}


@pytest.fixture(scope="module")
def german(year: Year, sources: Sources) -> dict[str, ReportContent]:
    """Packs in German."""
    given = replace(year.given("2025", sources=sources), language="de")
    return {name: template_report(load_template(name), given, revision=1) for name in PACKS}


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_holds_the_same_figures_and_digests_in_both_languages(
    year: Year, sources: Sources, german: dict[str, ReportContent], name: str
) -> None:
    english = template_report(load_template(name), year.given("2025", sources=sources), revision=1)
    # The language is part of a report's name, and so of its figures' ids: where they stand and come from is the same.
    told = [
        [
            (each.path, each.value, each.unit, each.status, each.trace.computation, digests(each))
            for each in content.figures
        ]
        for content in (english, german[name])
    ]
    assert len(told[0]) > 20
    assert told[0] == told[1]
    assert any(found for *_, found in told[0])
    one, other = (
        [(each.key, each.source, each.unit, each.required) for each in content.data]
        for content in (english, german[name])
    )
    assert one == other
    assert {each.label for each in english.data}.isdisjoint({each.label for each in german[name].data})


def digests(figure: Figure) -> list[tuple[str, str, str]]:
    """Inputs of a figure beside other figures, with their hashes."""
    return [(each.kind, each.id, each.sha256) for each in figure.trace.inputs if each.kind != "figure"]


@pytest.mark.parametrize("name", PACKS)
def test_no_word_of_a_german_pack_is_clipped_on_paper(german: dict[str, ReportContent], name: str) -> None:
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(render_pdf(german[name]))).pages]
    text, solid = " ".join(" ".join(pages).split()), "".join("".join(pages).split())
    for table in german[name].tables():
        said = [table.title, table.note, *(each.title for each in table.columns)]
        for words in [*said, *(cell.text for row in table.rows for cell in row.cells)]:
            assert [each for each in words.split() if each not in text and each not in solid] == [], table.key
