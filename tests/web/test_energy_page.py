"""The energy page says what the marts and the readings say, in every state that a project can be in."""

import csv
import gzip
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from assets.stores.lake.lake import Lake
from assets.stores.warehouse.marts import read_mart, write_mart
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock, parse_period
from orchestration.open_project import OpenProject
from orchestration.web.pages.energy_pages import TAKES, energy_input
from orchestration.web.request_context import Context
from reports.figure_book import FigureBook
from reports.figures.kpi_list import OF_DAYS, add_rows, kpi_rows, span_rows
from reports.pages.address import read_address
from reports.pages.chart import Chart, chart_data, chart_table
from reports.pages.energy import EnergyInput, defused, energy_csv, energy_page
from reports.recompute.computations import kpi_of_trace
from reports.recompute.recomputed_kpis import kpi_row, prefetch_kpis
from reports.texts.locales import page_word
from tests.reports import plant
from tests.web.marts_world import THEO, VERA, Asking, copy_of, make_project, plant_of_the_web

pytestmark = pytest.mark.slow
GRAINS = ("quarter", "hour", "day", "month")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    made = make_project(tmp_path_factory.mktemp("energy") / "project", plant_of_the_web())
    yield made
    made.close()


@pytest.fixture
def vera(project: OpenProject) -> Asking:
    return Asking(project, FixedClock(plant.NOON), VERA)


def given(project: OpenProject, person: Person = VERA, now_utc: datetime = plant.NOON, **query: str) -> EnergyInput:
    address = read_address("/energy", list(query.items()), takes=TAKES)
    return energy_input(Context(project=project, person=person, address=address, clock=FixedClock(now_utc)))


def charts_of(found: EnergyInput) -> list[Chart]:
    blocks = [block for part in energy_page(found).parts for block in part.blocks]
    cards = [each.chart for block in blocks if block.kind == "cards" for each in block.widgets]
    return [each for each in (*blocks, *cards) if isinstance(each, Chart)]


def chart_of(found: EnergyInput) -> Chart:
    return charts_of(found)[0]


def problem_text(found: EnergyInput) -> str:
    return " ".join(each.text for each in found.problem)


@pytest.mark.parametrize("scope", ["site:plant", "seu:compressors", "meter:hvac", "tenant:hall"])
def test_hours_days_and_months_are_the_rows_of_the_marts_and_quarters_add_up_to_them(
    project: OpenProject, scope: str
) -> None:
    sums = {}
    for grain in GRAINS:
        period = "2025-03" if grain != "month" else "2025-Q1"
        found = given(project, scope=scope, period=period, grain=grain)
        sums[grain] = {at: value for at, value, *_ in found.points}
        if grain == "quarter":
            continue
        site = project.site("plant")
        rows = kpi_rows(
            site, parse_period(period, site.time_zone), grain, partial(read_mart, project.project.marts_dir)
        )
        rows = rows.filter((pl.col("scope") == scope) & (pl.col("kpi") == "consumption_kwh"))
        assert rows["exact"].to_list() == [each.value for each in found.points if each.figure_id], grain
    by_hour: dict[datetime, Decimal] = {}
    for at, value in sums["quarter"].items():
        if value is not None:
            hour = at.replace(minute=0)
            by_hour[hour] = by_hour.get(hour, Decimal(0)) + value
    assert by_hour == {at: value for at, value in sums["hour"].items() if value is not None}
    assert len(sums["quarter"]) == 31 * 96 - 4


def test_the_whole_period_is_made_again_from_the_readings_whatever_its_days(project: OpenProject) -> None:
    """`span_rows` says of any days what the SQL says of their readings."""
    site, sources = project.site("plant"), project.sources()
    read = partial(read_mart, project.project.marts_dir)
    book = FigureBook(
        report_id="t", revision=0, as_of_utc=project.reports.store.known_at(FixedClock(plant.NOON)), is_synthetic=False
    )
    for text in ("2025-02", "2025-03-28/2025-04-01", "2025-01-10/2025-03-05", "2025-02-10/2025-02-13"):
        for scope in ("site:plant", "tenant:press", "meter:hvac"):
            rows = span_rows(site, scope, parse_period(text, site.time_zone), read, kpis=tuple(OF_DAYS))
            add_rows(book, site, rows, sources=sources)
    assert len(book.figures()) > 40
    asked = [kpi_of_trace(figure.trace) for figure in book.figures()]
    for basis, each in asked:
        prefetch_kpis(sources, basis, [each])
    for figure, question in zip(book.figures(), asked, strict=True):
        again = kpi_row(sources, *question)
        assert again is not None
        assert again.value == figure.value, figure.path
        assert again.coverage == pytest.approx(figure.coverage, abs=1e-9), figure.path


def test_page_chart_table_and_csv_say_the_same(project: OpenProject, vera: Asking) -> None:
    query = {"site": "plant", "scope": "meter:hvac", "period": "2025-02-10/2025-02-13", "grain": "hour"}
    found = given(project, **query, compare="previous")
    chart = chart_of(found)
    table, data = chart_table(chart), chart_data(chart, str)
    lines = list(csv.DictReader(io.StringIO(vera.get("/energy.csv", **query, compare="previous").text)))
    assert len(data["at_s"]) == len(table.rows) == len(lines) == 72
    used, before = (row["values"] for row in data["rows"])
    for at, value, other, row, line in zip(data["at_s"], used, before, table.rows, lines, strict=True):
        assert datetime.fromisoformat(line["start_utc"]).timestamp() == at
        assert (float(line["kwh"]) if line["kwh"] else None) == value
        assert (float(line["compared_kwh"]) if line["compared_kwh"] else None) == other
        # What was not read is a gap, a dash and an empty cell; never a zero.
        assert (row.cells[1].text == "–") == (value is None) == (line["kwh"] == "")
    assert sum(value is None for value in used) == 24
    page = energy_page(found)
    assert all(page.whys[row.cells[1].figure_id] for row in table.rows if row.cells[1].figure_id)


def test_the_uses_of_a_site_and_the_remainder_add_up_to_it_in_chart_table_and_csv(project: OpenProject) -> None:
    found = given(project, scope="site:plant", period="2025-03", grain="day")
    chart, lines = chart_of(found), list(csv.DictReader(io.StringIO(energy_csv(found))))
    assert chart.kind == "stack"
    assert [each.scope for each in found.uses] == ["seu:compressors", "seu:hvac", "seu:moulding", ""]
    assert (chart.rows[0].style, chart.rows[-1].energy) == ("none", "other")
    for at, point in enumerate(found.points):
        parts = [use.values[at] for use in found.uses]
        if None not in parts:
            assert sum(parts) == point.value
        for use, row in zip(found.uses, chart.rows[1:], strict=True):
            value, name = use.values[at], use.scope or "not metered"
            assert (None if value is None else float(value)) == row.values[at]
            assert lines[at][f"kwh {name}"] == ("" if value is None else f"{value:f}")
    # A part has no uses of its own.
    assert given(project, scope="seu:hvac", period="2025-03", grain="day").uses == ()


def test_every_number_has_a_reason_that_opens_and_is_equal(project: OpenProject, vera: Asking) -> None:
    found = given(project, scope="seu:hvac", period="2025-02-10/2025-02-14", grain="day", compare="previous")
    page = energy_page(found)
    cards = [each for part in page.parts for block in part.blocks if block.kind == "cards" for each in block.widgets]
    numbers = [number for each in cards if each.value is not None for number in (each.value, *each.numbers)]
    labels = ["Compared with", "Change"]
    assert [[each.label for each in card.numbers] for card in cards if card.value is not None] == [labels] * 4
    for number in numbers:
        answer = vera.get(number.why.replace("/why", "/api/v1/ems/why", 1)).said
        assert answer["is_equal"] is True, number
        [mine] = [each for each in found.totals.values() if each.figure_id == number.figure_id]
        assert mine.value is not None
        assert answer["figure"]["value"] == float(mine.value), number
    for point in found.points:
        assert "/why?" in point.why


def test_a_typical_day_is_the_mean_of_hours_read_in_full_by_work_days_and_weekends(project: OpenProject) -> None:
    found = given(project, period="2025-03-22/2025-03-27", grain="hour")
    [chart] = [each for each in charts_of(found) if each.key == "typical"]
    assert [row.label for row in chart.rows] == ["Monday to Friday", "Saturday and Sunday"]
    for row, days in zip(chart.rows, ((24, 25, 26), (22, 23)), strict=True):
        read = [each for each in found.points if each.start_utc.hour == 9 and each.start_utc.day in days]
        whole = [float(each.value) for each in read if each.value is not None and each.coverage == 1]
        assert whole
        assert row.values[chart.x.index("10:00")] == pytest.approx(sum(whole) / len(whole))
    # By days the same hours are read.
    by_day = given(project, period="2025-03-22/2025-03-27", grain="day")
    assert (by_day.typical, by_day.heat) == (found.typical, found.heat)
    assert given(project, period="2025-03-24", grain="hour").typical == ({}, {})


def test_an_unfinished_period_is_compared_by_its_whole_days(project: OpenProject) -> None:
    """The readings end with March: a period into April is held against as many days as it has."""
    found = given(project, period="2025-03-29/2025-04-05", grain="day", compare="previous")
    assert found.notes["change/consumption_kwh"] == "3,844.7 kWh in the 3 days with readings"
    compared = found.totals["compared/consumption_kwh"]
    assert compared.end - compared.start == timedelta(days=3)
    # Days that have not begun are not in the chart; one that has and is not read is a gap.
    assert [each.start_utc.date() for each in found.points][-1] == date(2025, 4, 1)
    assert found.points[-1].value is None


def test_year_before_means_the_same_weekdays(project: OpenProject) -> None:
    found = given(project, period="2025-03-24/2025-03-31", grain="day", compare="year")
    assert found.against is not None
    assert found.against.start.weekday() == date(2025, 3, 24).weekday()
    assert all(each.before is None for each in found.points)
    assert "compared" not in found.totals


def test_days_of_92_quarter_hours_have_92_points_and_25_hours_their_second_pass(project: OpenProject) -> None:
    day = given(project, period="2025-03-30", grain="quarter")
    assert len(day.points) == 92
    table = chart_table(chart_of(day))
    assert [row.cells[0].text for row in table.rows][7:9] == ["30 Mar 2025 01:45", "30 Mar 2025 03:00"]
    assert all(each.why for each in day.points)
    heat = charts_of(given(project, period="2025-03-29/2025-04-01", grain="hour"))[1]
    [skipped] = [each for each in heat.rows if each.label == "02:00"]
    assert skipped.values[1] is None
    assert skipped.values[0] is not None


def test_the_default_is_the_newest_week_with_readings(project: OpenProject) -> None:
    found = given(project, now_utc=datetime(2026, 11, 22, tzinfo=UTC))
    assert (found.period.start, found.period.end) == (date(2025, 3, 25), date(2025, 4, 1))
    assert "2025-03-25" in energy_page(found).title or "25" in energy_page(found).title
    recent = given(project)
    assert (recent.period.start, recent.period.end) == (date(2025, 3, 27), date(2025, 4, 3))
    assert found.age == "Data to 31 March 2025"
    assert (found.made.startswith("calculated "), found.made.endswith("(Europe/Berlin)")) == (True, True)


def test_nothing_in_the_period_names_the_nearest_month_with_readings(project: OpenProject) -> None:
    for period, nearest in (("2024-06", "2025-01"), ("2025-09", "2025-03")):
        found = given(project, period=period, now_utc=datetime(2026, 1, 1, tzinfo=UTC))
        assert "No data for this scope" in problem_text(found)
        assert found.points == ()
        [(text, href)] = found.links
        assert text.endswith(nearest)
        assert f"period={nearest}" in href


def test_too_many_intervals_for_a_chart_lead_to_longer_ones(project: OpenProject) -> None:
    found = given(project, period="2025-Q1", grain="quarter")
    assert "90 days are more than a chart by 15 min holds: 31 at most" in problem_text(found)
    assert [text for text, _ in found.links] == ["By day", "By month", "By year"]


def test_a_scope_of_shares_has_days_and_says_that_it_has_no_hours(project: OpenProject) -> None:
    for grain in ("quarter", "hour"):
        found = given(project, scope="tenant:press", period="2025-03-10", grain=grain)
        assert "has no hours of its own" in problem_text(found), grain
    assert given(project, scope="tenant:press", period="2025-03-10").points[0].value is not None


@pytest.mark.parametrize("beside", [(), (Role.ADMIN,)], ids=str)
def test_a_tenant_sees_own_parts_and_nothing_of_the_rest(project: OpenProject, beside: tuple[Role, ...]) -> None:
    # An admin lets people in, and sees no energy by it.
    theo = Asking(project, FixedClock(plant.NOON), THEO.model_copy(update={"roles": (Role.TENANT, *beside)}))
    page = theo.get("/energy", period="2025-03")
    assert page.status == 200
    assert "tenant:hall" in page.text
    # A name of the site file is text, whatever stands in it.
    assert "Hall &lt;b&gt;&amp; sons&lt;/b&gt;" in page.text
    for other in ("site:plant", "meter:main", "tenant:press", "seu:hvac"):
        assert other not in page.text
        hidden = theo.get("/energy", scope=other)
        assert hidden.status == theo.get("/energy.csv", scope=other).status == 404
        assert "compressors" not in hidden.text


def test_an_unknown_scope_is_404_and_says_what_may_be_meant(vera: Asking) -> None:
    found = vera.get("/energy", [("accept", "application/json")], scope="seu:compresors")
    assert found.status == 404
    assert "seu:compressors" in found.text


def test_bad_questions_are_refused_before_anything_is_read(vera: Asking) -> None:
    for query in ("period=2025-13", "period=1000/3000", "grain=second", "period=2025-03&period=2025-04", "x=1"):
        assert vera.get(f"/energy?{query}").status in (400, 422), query
    assert vera.get("/energy?as_of=2025-03-30T02:30:00").status in (400, 422)


def test_partial_readings_are_told_with_their_share(project: OpenProject) -> None:
    page = energy_page(given(project, scope="meter:hvac", period="2025-02", grain="day"))
    texts = [
        row.cells[-1].text for row in chart_table(chart_of(given(project, scope="meter:hvac", period="2025-02"))).rows
    ]
    assert any("no readings" in text or "0.0% read" in text for text in texts)
    cards = [each for part in page.parts for b in part.blocks if b.kind == "cards" for each in b.widgets]
    [used] = [each.value for each in cards if each.title == "Used"]
    assert "% of readings" in used.note
    assert "\N{NO-BREAK SPACE}% der Messwerte" in page_word(used.note, "de")


def test_without_marts_and_without_readings_the_page_says_what_to_do(tmp_path: Path) -> None:
    project = make_project(tmp_path / "a", plant_of_the_web(), has_marts=False)
    found = given(project, period="2025-03", grain="day")
    assert "There are readings, and nothing is calculated of them yet." in problem_text(found)
    assert found.age == "no data yet"
    project.close()
    bare = make_project(tmp_path / "b", plant_of_the_web(), has_marts=False, has_readings=False)
    for grain in ("quarter", "day"):
        assert "No readings of site plant yet." in problem_text(given(bare, period="2025-03-10", grain=grain))
    bare.close()


def test_late_readings_name_the_months_whose_marts_are_stale(project: OpenProject, tmp_path: Path) -> None:
    project = copy_of(project, tmp_path / "p")
    assert given(project, period="2025-02").findings == ()
    rows = plant.plant_rows(date(2025, 2, 3), date(2025, 2, 4), seed=99)
    plant.write(Lake(project.project.lake_dir, project.store), rows, FixedClock(plant.NOON + timedelta(hours=1)))
    [finding] = given(project, period="2025-02", grain="day").findings
    assert (finding.code, "February 2025" in finding.message) == ("stale_marts", True)
    assert "Februar 2025" in page_word(finding.message, "de")
    assert given(project, period="2025-03", grain="day").findings == ()
    project.close()


def test_answers_are_tagged_and_a_known_one_is_not_sent_again(project: OpenProject, tmp_path: Path) -> None:
    project = copy_of(project, tmp_path / "p")
    vera = Asking(project, FixedClock(plant.NOON), VERA)
    query = {"period": "2025-02", "grain": "day"}
    first = vera.get("/energy.csv", **query)
    tag = first.headers["etag"]
    packed = vera.get("/energy.csv", [("accept-encoding", "gzip, br")], **query)
    assert (packed.headers["content-encoding"], packed.headers["etag"]) == ("gzip", tag)
    assert (gzip.decompress(packed.body), "content-encoding" in first.headers) == (first.body, False)
    again = vera.get("/energy.csv", [("if-none-match", f'"other", {tag}')], **query)
    assert (again.status, again.body) == (304, b"")
    # Somebody of other rights has another answer, whatever tag they bring.
    theo = Asking(project, FixedClock(plant.NOON), THEO)
    other = theo.get("/energy.csv", [("if-none-match", tag)], **query)
    assert (other.status, other.headers["etag"] == tag) == (200, False)
    # A reading that the marts do not hold yet changes nothing that is said: made anew, it has the same tag.
    rows = plant.plant_rows(date(2025, 2, 3), date(2025, 2, 4), seed=99)
    plant.write(Lake(project.project.lake_dir, project.store), rows, FixedClock(plant.NOON + timedelta(hours=1)))
    assert vera.get("/energy.csv", [("if-none-match", tag)], **query).status == 304
    name, marts = "mart_site__kpi_values", project.project.marts_dir
    frame = read_mart(marts, name, site_id="plant", years={2025}).with_columns(pl.col("exact") * 2)
    write_mart(frame, marts, name, years={"plant": [2025]})
    changed = vera.get("/energy.csv", [("if-none-match", tag)], **query)
    assert (changed.status, changed.headers["etag"] == tag) == (200, False)
    project.close()


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_a_csv_is_a_formula(text: str) -> None:
    assert defused(text).startswith("'")
    assert defused("plain") == "plain"


def test_an_admin_has_no_energy_data(project: OpenProject) -> None:
    admin = Person(person_id="ada", name="Ada", roles=(Role.ADMIN,))
    assert Asking(project, FixedClock(plant.NOON), admin).get("/energy").status == 403


def test_csv_of_every_grain_holds_every_point(project: OpenProject) -> None:
    for grain in GRAINS:
        found = given(project, period="2025-03", grain=grain)
        lines = list(csv.DictReader(io.StringIO(energy_csv(found))))
        assert [line["kwh"] for line in lines] == ["" if e.value is None else f"{e.value:f}" for e in found.points]
