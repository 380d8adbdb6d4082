"""The EnPI pages: one use as pictures, every number what the command says and explained by its address."""

import csv
import html
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest

from assets.sites import view
from assets.stores.lake.lake_files import LakeFile, history_in
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import parse_period
from orchestration.web.queries import asking
from orchestration.web.request_context import Context
from reports.figures.use_data import UseData, UseDays, use_data
from reports.pages.address import Address
from reports.pages.energy_uses import day_charts
from reports.pages.page import Widget
from reports.pages.use_page import use_page
from reports.recompute.figure_sources import seu_of
from reports.texts.locales import page_word
from tests.e2e.conftest import call_here
from tests.web.marts_world import Asking
from tests.web.why_world import tenant

PAGE = [("accept", "text/html")]
HERE = Address(path="/enpi/plant/hvac", site="plant")


def use_of(seen: Asking, seu: str = "hvac", baseline: str = "") -> UseData:
    ctx = Context(project=seen.project, person=seen.person, address=HERE, clock=seen.clock)
    given = asking(ctx)
    return use_data(given, seu, parse_period("2025", given.site.time_zone), baseline=baseline)


def test_a_use_is_what_the_command_says(seen: Asking) -> None:
    [quarter] = use_of(seen).quarters
    code, said, _ = call_here(
        "enpi", "--site", "plant", "--seu", "hvac", "--period", "2025-Q1", "--project", str(seen.project.root)
    )
    assert code == 0
    shown = {name: float(quarter.figures[name].value or 0) for name in quarter.figures}
    for name in ("actual_kwh", "expected_kwh", "deviation_percent", "uncertainty_kwh"):
        assert shown[name] == said[name]
    assert quarter.result.status == said["status"]
    assert shown["enpi_index"] == pytest.approx(100 * said["enpi"], rel=1e-15)


def test_the_page_of_a_use_reads_it_from_the_disk_once(seen: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def counted(files: Sequence[LakeFile], **given: Any) -> pl.DataFrame:
        looks.append(len(files))
        return history_in(files, **given)

    monkeypatch.setattr(view, "history_in", counted)
    assert use_of(seen).quarters
    assert len(looks) == 1


def test_days_of_a_project_that_is_called_as_a_use_are_of_its_own_meters(seen: Asking) -> None:
    ctx = Context(project=seen.project, person=seen.person, address=HERE, clock=seen.clock)
    given, span = asking(ctx), parse_period("2025-Q1", "Europe/Berlin")
    use = seu_of(given.site, "hvac")
    other = next(each for each in given.site.meters if each.meter_id not in use.meters)
    alike = use.model_copy(update={"meters": (other.meter_id,)})
    days = [given.sources.use_days(given.site, each, span, given.as_of_utc) for each in (use, alike)]
    assert days[0]["energy_kwh"].sum() != days[1]["energy_kwh"].sum()
    assert days[0].equals(given.sources.days(given.site, "hvac", span, given.as_of_utc))


def test_every_number_of_the_page_is_explained_and_equal(seen: Asking) -> None:
    page = use_page(use_of(seen), HERE)
    assert len(page.whys) >= 10
    figures = [each.value for each in cards_of(use_of(seen)).values() if each.value is not None]
    assert len(figures) == 4
    for href in dict.fromkeys([*page.whys.values(), *(each.why for each in figures)]):
        query = dict(parse_qsl(urlsplit(href).query))
        found = seen.json("/why", **query)
        assert found["is_equal"] is True, href
        assert found["figure"]["kpi"] == query["kpi"]


def test_days_are_drawn_as_they_add_up_to_the_quarter(seen: Asking) -> None:
    found = use_of(seen)
    [quarter] = found.quarters
    charts = {
        chart.kind: chart for chart in day_charts(found.days, [("2025-02-01", "Leak"), ("2031-01-01", "x")], "en")
    }
    assert list(charts) == ["band", "cumulative", "scatter"]
    actual, expected = charts["band"].rows
    sums = {name: float(quarter.figures[name].value or 0) for name in ("actual_kwh", "expected_kwh")}
    compared = [(a, e) for a, e in zip(actual.values, expected.values, strict=True) if None not in (a, e)]
    assert len(compared) == quarter.result.compared_days
    assert sum(a for a, _ in compared) == pytest.approx(sums["actual_kwh"])
    assert sum(e for _, e in compared) == pytest.approx(sums["expected_kwh"])
    [saved] = charts["cumulative"].rows
    assert saved.values[-1] == pytest.approx(sums["expected_kwh"] - sums["actual_kwh"])
    assert saved.high[-1] - saved.values[-1] == pytest.approx(
        float(quarter.figures["uncertainty_kwh"].value or 0), abs=1e-3
    )
    assert charts["cumulative"].events == ((31, "Leak"),)
    driver, *rows = charts["scatter"].rows
    assert (driver.unit, len(driver.values), [row.role for row in rows]) == ("degc", 90, ["compared", "measured"])
    # Only a day with a driver can be expected.
    assert [value is None for value in driver.values] == [value is None for value in expected.values]


def test_what_the_model_was_fitted_on_stands_before_the_span_in_the_scatter(seen: Asking) -> None:
    days = use_of(seen).days
    before = [each._replace(day=each.day - timedelta(days=365)) for each in days.actual]
    training = days._replace(actual=before)
    scatter = day_charts(days, (), "en", training=training)[-1]
    driver, trained, _, actual = scatter.rows
    assert [row.role for row in scatter.rows[1:]] == ["third", "compared", "measured"]
    assert (scatter.x[0], len(scatter.x)) == (str(before[0].day), 2 * len(days.actual))
    # No day is a point of both, and each has its own driver.
    assert not [1 for one, other in zip(trained.values, actual.values, strict=True) if None not in (one, other)]
    assert driver.values[: len(before)] == driver.values[len(before) :]
    # Days of the training that are days of the span are drawn once.
    assert [row.role for row in day_charts(days, (), "en", training=days)[-1].rows[1:]] == ["compared", "measured"]


def cards_of(found: UseData, address: Address = HERE) -> dict[str, Widget]:
    """The cards of the page by key, in reading order."""
    blocks = use_page(found, address).parts[0].blocks
    return {each.key: each for block in blocks if block.kind == "cards" for each in block.widgets}


def test_the_page_says_figures_first_and_then_their_evidence(seen: Asking) -> None:
    found = use_of(seen)
    cards = cards_of(found)
    assert list(cards) == [
        "enpi", "actual_kwh", "expected_kwh", "savings_kwh", "performance", "model", "savings", "driver", "events",
        "quarters", "index",
    ]  # fmt: skip
    html_page = seen.get("/enpi/plant/hvac", PAGE, period="2025").text
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", html_page)))
    for words in (
        "electricity, ", "Version 1 at the conditions of", "above 3 % a warning", "E = ", "R² adjusted", "CV(RMSE)",
        "Version 1 approved", "approved by anna, ", "quarter of 2025",
    ):  # fmt: skip
        assert words in text, words


def test_no_year_behind_the_newest_readings_is_offered(seen: Asking) -> None:
    page = html.unescape(seen.get(HERE.path, PAGE, period="2025").text)
    assert set(re.findall(r'/enpi/plant/hvac[^"]*period=(\d{4})"', page)) == {"2024", "2025"}


def test_months_add_up_to_the_figures_of_the_span(seen: Asking) -> None:
    found = use_of(seen)
    assert found.whole is not None
    for name in ("actual_kwh", "expected_kwh"):
        whole = found.whole.figures[name].value
        assert sum(each.figures[name].value or 0 for each in found.months) == whole
    chart = cards_of(found)["performance"].chart
    assert chart is not None
    below = next(row for row in chart.rows if row.lane)
    actual, expected = (row for row in chart.rows if row.label in ("Actual", "Expected"))
    for at, value in enumerate(below.values):
        assert value == pytest.approx((actual.values[at] or 0) - (expected.values[at] or 0))


def test_days_stand_in_place_of_months_where_they_are_asked(seen: Asking) -> None:
    chart = cards_of(use_of(seen), HERE.model_copy(update={"grain": "day"}))["performance"].chart
    assert chart is not None
    assert (chart.kind, chart.key) == ("band", "days")


def test_a_span_without_a_saving_to_claim_draws_none(seen: Asking) -> None:
    found = use_of(seen)
    assert found.whole is not None
    none = found.whole.figures["savings_kwh"].model_copy(update={"value": None, "status": "not_significant"})
    whole = replace(found.whole, figures={**found.whole.figures, "savings_kwh": none})
    card = cards_of(replace(found, whole=whole))["savings_kwh"]
    assert (card.state, card.reason) == ("none", "not significant")


def test_the_list_says_how_each_use_stands(seen: Asking) -> None:
    page = seen.get("/enpi", PAGE).text
    newest = use_of(seen).newest
    assert newest is not None
    assert newest.period.label == "2025-Q1"
    # In its card, as a sentence, and in its row.
    uses = len(seen.project.site("plant").seus)
    assert page.count("against expected in Q1 2025: ") == len(re.findall(r'<td[^>]*><span class="chip">', page)) == uses
    assert page.count("Q1 2025") == 2 * uses
    assert "2025-Q1" not in page
    assert "/enpi/plant/hvac" in page


def test_the_table_as_csv_is_unrounded(seen: Asking) -> None:
    answer = seen.get("/enpi/plant/hvac/quarters.csv", period="2025")
    assert answer.headers["content-type"].startswith("text/csv")
    [row] = csv.DictReader(io.StringIO(answer.text))
    [quarter] = use_of(seen).quarters
    assert {name: row[name] for name in quarter.figures} == {
        name: str(figure.value) for name, figure in quarter.figures.items()
    }
    assert (row["baseline_version"], row["status"]) == ("1", quarter.result.status)


def test_levels_of_the_site_file_are_those_of_the_page(seen: Asking) -> None:
    found = use_of(seen)
    site = found.site
    rule = found.seu.status_rule.model_copy(update={"warn_percent": 0.0, "crit_percent": 0.0, "policy": "symmetric"})
    strict = replace(
        found,
        seu=found.seu.model_copy(update={"status_rule": rule}),
    )
    assert "above 0 % a warning, above 0 % critical (absolute deviation)" in use_page(strict, HERE).model_dump_json()
    assert site.site_id == "plant"


@pytest.mark.parametrize(("locale", "says"), [("de", "(Abweichung mit Vorzeichen)"), ("ar", "(الانحراف بإشارته)")])
def test_the_rule_by_the_sign_of_the_deviation_is_no_signature(seen: Asking, locale: str, says: str) -> None:
    shown = seen.get("/enpi/plant/hvac", PAGE, site="plant", period="2025", locale=locale).text
    assert says in shown
    assert page_word("signed", locale) not in shown


def test_without_a_baseline_the_page_says_who_makes_one(seen: Asking) -> None:
    nothing = {"version": None, "whole": None, "newest": None, "months": (), "quarters": (), "trend": {}, "before": {}}
    found = replace(use_of(seen), **nothing, days=UseDays(), training=UseDays())
    text = use_page(found, HERE).model_dump_json()
    assert "No quarter can be assessed" in text
    assert "No version of the baseline is approved." in text
    text = use_page(replace(found, versions=()), HERE).model_dump_json()
    assert "There is no baseline yet. Analysts fit one; another person approves it." in text


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/enpi/plant/nothing", {}, 404),
        ("/enpi/nowhere/hvac", {}, 404),
        ("/enpi/plant/hvac", {"period": "2025-13"}, 400),
        ("/enpi/plant/hvac", {"period": "1800-01-01/2025-01-01"}, 400),
        ("/enpi/plant/hvac", {"baseline": "9"}, 404),
        ("/enpi/plant/hvac", {"baseline": "<b>"}, 404),
        ("/enpi/plant/hvac", {"hide": "1"}, 400),
        ("/enpi/plant/hvac", {"as_of": "2031-01-01T00:00:00Z"}, 400),
        ("/enpi", {"site": "nowhere"}, 404),
    ],
)
def test_wrong_questions(seen: Asking, path: str, query: dict[str, str], status: int) -> None:
    assert seen.get(path, PAGE, **query).status == status


def test_a_tenant_has_no_energy_uses(seen: Asking) -> None:
    assert tenant(seen).get("/enpi/plant/hvac", PAGE).status == 403


def test_before_the_approval_nothing_is_assessed(seen: Asking) -> None:
    early = seen.get("/enpi/plant/hvac", PAGE, as_of="2025-01-15T00:00:00Z", period="2025")
    assert early.status == 200
    assert "No quarter can be assessed" in early.text


def test_three_years_of_an_index_are_two_clicks_from_the_board_of_proof(seen: Asking) -> None:
    auditor = Asking(seen.project, seen.clock, Person(person_id="otto", name="Otto", roles=(Role.AUDITOR,)))

    def links(address: str) -> set[str]:
        page = auditor.get(address, PAGE)
        assert page.status == 200, address
        return {html.unescape(each) for each in re.findall(r'<a [^>]*href="([^"]+)"', page.text)}

    first = next(each for each in links("/board/audit") if urlsplit(each).path == "/enpi")
    second = next(each for each in links(first) if urlsplit(each).path == "/enpi/plant/hvac")
    page = auditor.get(second, PAGE).text
    assert "Index over three years" in page
    assert 'id="chart-index"' in page
    assert "Version 1 approved" in page
    assert "approved by anna, " in page
