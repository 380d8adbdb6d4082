"""Every number's reason: the address explains the same number, recomputed equal; and whose it is."""

import csv
import html
import io
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import polars as pl
import pytest

from assets.stores.published.report_ledger import ReportStore
from assets.stores.warehouse.marts import MartReader
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.time import Period, parse_period
from reports.assess import Asking as Given
from reports.figure_book import FigureBook
from reports.figures.answer import figures_of
from reports.figures.kpi_list import Grain, add_rows, kpi_rows
from reports.figures.trace import WalkedFigures
from reports.pages.address import TAKES, Address, read_address, read_why, why_of
from reports.recompute.figure import prefetch, recompute
from tests.e2e.conftest import call_here
from tests.test_layers import ROOT
from tests.web.marts_world import Asking
from tests.web.why_world import LATER, posted, tenant

HERE = Address(path="/energy", site="plant", locale="de")
MONTH = {"site": "plant", "scope": "site:plant", "kpi": "cost", "period": "2025-02"}


def given(seen: Asking) -> Given:
    project = seen.project
    marts_dir = project.project.marts_dir
    return Given(
        site=project.site("plant"),
        sources=project.sources(),
        marts_dir=marts_dir,
        read=MartReader(marts_dir),
        as_of_utc=LATER,
    )


def rows_as_figures(known: Given, period: Period, grain: Grain) -> FigureBook:
    book = FigureBook(report_id="page", revision=0, as_of_utc=LATER, is_synthetic=False)
    rows = kpi_rows(known.site, period, grain, known.read)
    add_rows(book, known.site, rows, sources=known.sources, is_traced=False)
    return book


def answered(href: str, known: Given) -> tuple[Figure, WalkedFigures]:
    path, query = urlsplit(href).path, parse_qsl(urlsplit(href).query)
    assert path == "/why"
    address = read_address(path, query, takes=TAKES)
    assert address.locale == "de"
    figure, book = figures_of(read_why(address, site=address.site, scope=address.scope), known)
    reports = ReportStore(known.sources.lake.store)
    return figure, WalkedFigures(reports, {each.figure_id: each for each in book.figures()})


@pytest.mark.parametrize(
    ("period", "grain"), [("2025-Q1", "month"), ("2025-03-03/2025-03-05", "day"), ("2025-03-30", "hour")]
)
def test_every_number_of_the_marts_is_explained_by_its_address(seen: Asking, period: str, grain: Grain) -> None:
    known = given(seen)
    book = rows_as_figures(known, parse_period(period, known.site.time_zone), grain)
    assert len(book.figures()) > 100
    asked = [(shown, answered(why_of(shown, HERE), known)[0]) for shown in book.figures()]
    prefetch([found for _, found in asked], sources=known.sources, lookup=lambda _: None)
    kept: dict[str, object] = {}
    wrong = [
        (shown.path, shown.value, found.value)
        for shown, found in asked
        if not shown.value == found.value == recompute(found, sources=known.sources, lookup=lambda _: None, kept=kept)  # type: ignore[arg-type]
    ]
    assert wrong == []


def test_sums_and_comparisons_are_explained_by_their_addresses(seen: Asking) -> None:
    known = given(seen)
    book = rows_as_figures(known, parse_period("2025-01-01/2025-02-01", known.site.time_zone), "day")

    def week(first: int) -> Figure:
        days = [book.at(f"plant/site:plant/day/2025-01-{day:02}/consumption_kwh") for day in range(first, first + 7)]
        parts = [("part", day) for day in days]
        return book.derive(f"week/{first}", "sum", parts, label="week", kpi="consumption_kwh", unit="kwh")

    this, last = week(20), week(13)
    for name in ("difference", "deviation_percent", "ratio", "product", "percent_of"):
        made = book.derive(name, name, [("this", this), ("last", last)], label=name, kpi=name, unit="kwh")
        href = why_of(made, HERE, book.by_id)
        found, hand = answered(href, known)
        assert found.value == made.value
        assert recompute(found, sources=known.sources, lookup=hand.figure) == made.value
    found, _ = answered(why_of(this, HERE, book.by_id), known)
    assert found.value == this.value
    # What no address can say leads to the figure itself, which may be stored.
    assert why_of(made, HERE) == f"/why?locale=de&figure={made.figure_id}"
    # Days that are not all there, sums of sums, and others of other scopes and grains.
    holes = [("part", book.at(f"plant/site:plant/day/2025-01-{day:02}/consumption_kwh")) for day in (3, 4, 9, 11, 12)]
    some = book.derive("some", "sum", holes, label="some", kpi="consumption_kwh", unit="kwh")
    months = rows_as_figures(known, parse_period("2025-02", known.site.time_zone), "month")
    month = months.at("plant/tenant:hall/month/2025-02-01/consumption_kwh")
    uses = [("part", book.at(f"plant/meter:{name}/day/2025-01-03/consumption_kwh")) for name in ("hvac", "moulding")]
    every = {each.figure_id: each for each in (*book.figures(), *months.figures())}
    odd = [
        book.derive("odd", "sum", [("part", this), ("part", last)], label="odd", kpi="consumption_kwh", unit="kwh"),
        book.derive("share", "percent_of", [("one", month), ("all", some)], label="share", kpi="share", unit="percent"),
        book.derive("uses", "sum", uses, label="uses", kpi="consumption_kwh", unit="kwh"),
        book.derive("band", "root_sum_of_squares", uses, label="band", kpi="consumption_kwh", unit="kwh"),
        some,
    ]
    for each in odd:
        found, hand = answered(why_of(each, HERE, (every | {e.figure_id: e for e in book.figures()}).get), known)
        assert found.value == each.value, each.path
        assert recompute(found, sources=known.sources, lookup=hand.figure) == each.value


def test_a_page_says_equal_and_where_each_reading_stands(seen: Asking) -> None:
    page = seen.get("/why", [("accept", "text/html")], **MONTH)
    assert page.status == 200, page.text
    assert "Recomputed EQUAL" in page.text
    assert "plant.csv:" in page.text
    # The title says what and when; the value and whose it is stand behind it.
    assert "<h1><bdi>Energy cost, February 2025</bdi></h1>" in page.text
    assert re.search(r'<p class="age">[\d.,]+ € · [^·]+ · as known at ', page.text)
    assert "keep" not in page.text.lower().replace("keeps", "")
    data = seen.json("/why", **MONTH)
    assert data["is_equal"] is True
    assert (data["difference"], data["changes"]) == (0.0, [])


def test_a_day_without_any_reading_has_a_page_too(seen: Asking) -> None:
    # The supply's lost day (marts_world.py): it has no hours.
    lost = MONTH | {"period": "2025-03-04/2025-03-05"}
    page = seen.get("/why", [("accept", "text/html")], **lost)
    assert (page.status, "Recomputed EQUAL" in page.text) == (200, True)


def test_a_page_shows_a_hundred_readings_and_the_csv_has_all_of_them(seen: Asking) -> None:
    page = seen.get("/why", [("accept", "text/html")], **MONTH)
    total = int(re.search(r"([\d,]+) readings", page.text)[1].replace(",", ""))
    german = seen.get("/why", [("accept", "text/html")], **MONTH, locale="de").text
    values = re.findall(r'data-of="Wert">([^<]*)<', german)
    assert [each for each in values if not re.fullmatch(r"\d{1,3}(\.\d{3})*(,\d+)?", each)] == []
    assert page.text.count("plant.csv:") == 100 < total
    cells = [re.sub(r"<[^>]+>", "", each) for each in re.findall(r"<td.*?</td>", page.text, re.DOTALL)]
    assert [each for each in cells if re.search(r"\d{4}-\d\d-\d\d", each)] == []
    [path] = re.findall(r'href="(/why/readings\.csv[^"]*)"', page.text)
    query = dict(parse_qsl(urlsplit(path.replace("&amp;", "&")).query))
    assert query == MONTH
    lines = list(csv.DictReader(io.StringIO(seen.get("/why/readings.csv", **query).text)))
    assert len(lines) == total
    assert {line["source"] for line in lines} == {"plant.csv"}
    later = seen.get("/why", [("accept", "text/html")], **MONTH, page="2")
    # As the page says the hundred and first: where it stands in the file.
    assert f"plant.csv:{lines[100]['line']}<" in later.text.replace("\n", "")


# A process like that of the pages: small, and with nothing of the tests in it.
APART = """
import asyncio, sys
from datetime import datetime
from assets.readings.readers.child import apart
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from data_quality.contracts.work.offload import offload_to
from orchestration.open_project import OpenProject
from orchestration.web.app import make_app
from tests.web.asking import send
project = OpenProject(sys.argv[1])
offload_to(apart)
project.offload_to(apart)
person = Person(person_id="vera", name="Vera", roles=(Role.VIEWER,))
clock = FixedClock(datetime.fromisoformat(sys.argv[2]))
app = make_app(project, clock=clock, signed_in=lambda _: (person, "token"))
for address in sys.argv[3:]:
    print(asyncio.run(send(app, "GET", address)).text)
print([name for name in ("duckdb", "scipy", "holidays", "dbt") if name in sys.modules])
"""


def test_the_sql_runs_beside_the_process_of_the_pages_and_says_the_same(seen: Asking, plant_folder: Path) -> None:
    running = {"site": "plant", "of": "running", "kpi": "cost", "at": "2025-03-17T14:30Z"}
    band = {"site": "plant", "scope": "seu:hvac", "kpi": "uncertainty_kwh", "period": "2025-Q1", "of": "assessment"}
    asked = [f"/api/v1/ems/why?{urlencode(each)}" for each in (MONTH, running, band)]
    command = [sys.executable, "-c", APART, str(plant_folder), LATER.isoformat(), *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    *said, is_loaded = done.stdout.splitlines()
    assert [json.loads(each) for each in said] == [seen.json("/why", **each) for each in (MONTH, running, band)]
    assert json.loads(said[-1])["figure"]["value"] is not None
    assert is_loaded == "[]"


def test_a_mart_that_differs_is_told_and_never_hidden(acted: Asking) -> None:
    [path] = (acted.project.project.marts_dir / "mart_site__kpi_values").glob("site=plant/2025.parquet")
    rows = pl.read_parquet(path)
    wrong = (pl.col("kpi") == "cost") & (pl.col("grain") == "month") & (pl.col("scope") == "site:plant")
    more = pl.when(wrong).then(pl.col("exact") + 1).otherwise(pl.col("exact")).cast(rows.schema["exact"])
    rows.with_columns(exact=more).write_parquet(path)
    page = acted.get("/why", [("accept", "text/html")], **MONTH)
    assert "NOT EQUAL" in page.text
    data = acted.json("/why", **MONTH)
    assert (data["is_equal"], data["difference"]) == (False, -1.0)


def test_a_kept_number_says_what_the_command_says(acted: Asking) -> None:
    kept = posted(acted, "/why/keep", form=MONTH)
    assert kept.status == 303, kept.text
    figure_id = kept.headers["location"].removeprefix("/why?figure=")
    assert posted(acted, "/why/keep", form=MONTH).headers["location"] == kept.headers["location"]
    page = acted.get("/why", [("accept", "text/html")], figure=figure_id)
    assert "Recomputed EQUAL" in page.text
    assert "Keep this number" not in page.text
    told = acted.json(f"/figures/{figure_id}")
    code, said, _ = call_here("trace", figure_id, "--rows", "--versions", "--project", str(acted.project.root))
    assert code == 0
    assert told == {name: said[name] for name in told}
    assert acted.json(f"/figures/{figure_id}/versions")["changes"] == said["changes"]
    rows, cursor = [], "0"
    while cursor is not None:
        part = acted.json(f"/figures/{figure_id}/rows", limit="1000", cursor=cursor)
        rows, cursor = rows + part["rows"], part["cursor"]
    assert rows == said["rows"]
    assert part["total"] == len(rows)
    # Who may not see the site's number hears of no such figure.
    stranger = tenant(acted)
    gone = stranger.get("/api/v1/ems/figures/0123456789abcdef").said
    assert gone["status"] == 404
    mine = stranger.get(f"/api/v1/ems/figures/{figure_id}").said
    assert {**mine, "instance": ""} == {
        **gone, "instance": "", "detail": gone["detail"].replace("0123456789abcdef", figure_id),
    }  # fmt: skip


def test_a_tenant_sees_the_reason_of_their_own_numbers_alone(seen: Asking) -> None:
    theo = tenant(seen)
    asked = {"site": "plant", "kpi": "consumption_kwh", "period": "2025-02"}
    assert theo.json("/why", **asked, scope="tenant:hall")["is_equal"] is True
    for scope in ("tenant:press", "site:plant", "meter:main", "tenant:hal"):
        assert theo.get("/api/v1/ems/why", **asked, scope=scope).status == 404
    mine, whole = (f"consumption_kwh@{scope}@2025-02-01/2025-03-01" for scope in ("tenant:hall", "site:plant"))
    # Their share of the whole is theirs, with what the whole used and without its readings.
    share = theo.get("/why", [("accept", "text/html")], site="plant", of=f"percent_of({mine},{whole})")
    assert "Recomputed EQUAL" in share.text
    assert ">moulding<" in share.text
    assert ">main<" not in share.text
    assert theo.json("/why", site="plant", of=f"sum({mine})")["is_equal"] is True
    others = (
        f"difference({mine},{whole})", f"percent_of({whole},{mine})", f"percent_of({mine},{whole.replace('_kwh', '')})",
        f"percent_of({mine},{whole}@hour)", f"percent_of({mine},cost@site:plant@2025-02)", whole,
        f"percent_of({mine},sum({whole},consumption_kwh@tenant:press@2025-02))", f"sum({mine},{mine}@@other)",
    )  # fmt: skip
    for of in others:
        assert theo.get("/api/v1/ems/why", site="plant", of=of).status == 404, of


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"kpi": ""}, 400, "name a number"),
        ({"kpi": "kosten"}, 404, "the marts have no kosten"),
        ({"scope": "site:plnt"}, 404, ""),
        ({"period": "2025-13"}, 400, "cannot read period"),
        ({"period": "2025-02-02/2025-02-01"}, 400, "ends before"),
        ({"period": "2031"}, 404, "the marts have no cost"),
        ({"of": "guess"}, 400, "of is one of"),
        ({"of": "difference"}, 400, "of is one of"),
        ({"of": "difference(cost@site:plant@2025-02)"}, 400, "made of two parts"),
        ({"of": "sum(cost@site:plant@2025-02"}, 400, "no closing bracket"),
        ({"of": "sum(cost@site:plant@2025-02))"}, 400, "after its end"),
        ({"of": "sum()@"}, 400, "expected a term"),
        ({"of": "mean(cost@site:plant@2025-02)"}, 400, "expected a term"),
        ({"of": "sum(sum(sum(sum(sum(sum(sum(sum(a@b@c))))))))"}, 400, "nested too deeply"),
        ({"of": "cost@site:plant"}, 400, "a term is"),
        ({"of": "cost@site:plant@2025-02@mean"}, 400, "a term is"),
        ({"of": "sum(" + ",".join(["a@b@c"] * 201) + ")"}, 400, "at most"),
        ({"of": "sum(" + "x" * 4000 + "@"}, 400, "longer than"),
        ({"of": "cost@site:plant@2025-13"}, 400, "cannot read period"),
        ({"of": "cost@site:plant@2025-Q1@month"}, 404, "3 numbers, not one"),
        ({"of": "sum(cost@site:plant@2025-02,consumption_kwh@site:plant@2025-02)"}, 404, "is no number"),
        ({"of": "difference(cost@site:plant@2025-02,cost@site:plant@2025-02)"}, 200, "EQUAL"),
        ({"of": "sum(cost@site:plant@2025-01-01/2025-05-01@month)"}, 404, "not every month"),
        ({"of": "actual_kwh@site:plant@2025-02@assessment"}, 404, "has no SEU"),
        ({"of": "luck@seu:hvac@2025-02@assessment"}, 404, "no number"),
        ({"of": "savings_kwh@project:leaks@2025-02@project"}, 404, "no project"),
        ({"of": "cost@site:plant@2025-02@@nowhere"}, 404, "unknown site"),
        ({"grain": "day"}, 400, "has no grain"),
        ({"point": "line/kw"}, 404, "has no point"),
        ({"of": "assessment", "scope": "seu:hvac", "kpi": "enpi", "confidence": "2"}, 400, "confidence"),
        ({"of": "assessment", "scope": "seu:hvac", "kpi": "luck"}, 404, "has no number 'luck'"),
        ({"of": "assessment", "scope": "seu:hvac", "kpi": "enpi", "baseline": "plant/hvac/enb@9"}, 404, ""),
        ({"of": "assessment", "scope": "seu:hvac", "kpi": "enpi", "baseline": "x/y@1"}, 404, "no version"),
        ({"of": "running", "period": "", "kpi": "luck"}, 404, "no running figure"),
        ({"at": "noon"}, 400, ""),
        ({"as_of": "2031-01-01T00:00:00Z"}, 400, "yet to come"),
        ({"page": "0"}, 400, "page is"),
        ({"page": "٣"}, 400, "page is"),
        ({"figure": "nothing"}, 404, "no figure 'nothing'"),
        ({"figure": "<script>"}, 404, ""),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(seen: Asking, changes: dict[str, str], status: int, said: str) -> None:
    query = {name: value for name, value in {**MONTH, **changes}.items() if value}
    page = seen.get("/why", [("accept", "text/html")], **query)
    assert page.status == status, page.text
    assert said in page.text.replace("&#39;", "'")
    assert "<script>" not in page.text


@pytest.mark.parametrize("kpi", ["consumption_kwh", "cost"])
@pytest.mark.parametrize("period", ["2025-02", "2025-02-03"])
def test_the_reason_of_an_hour_lists_the_readings_of_that_hour(seen: Asking, kpi: str, period: str) -> None:
    # A day of the site begins at 23:00 of the day before.
    for at in ("2025-02-03T11:00Z", "2025-02-02T23:00Z"):
        asked = {"site": "plant", "scope": "site:plant", "kpi": kpi, "period": period, "at": at}
        rows = list(csv.DictReader(io.StringIO(seen.get("/why/readings.csv", **asked).text)))
        assert {row["meter"] for row in rows} == {"main"}
        hour = at.removesuffix(":00Z")
        assert [row["start_utc"][:16] for row in rows] == [f"{hour}:{minute:02}" for minute in (0, 15, 30, 45)]
        page = seen.get("/why", [("accept", "text/html")], **asked).text
        assert re.search(r"\b4 readings\b", page)
        figure = seen.json("/why", **asked)["figure"]
        if kpi == "consumption_kwh":
            assert sum(float(row["value"]) for row in rows) == pytest.approx(figure["value"])


def test_the_running_month_is_explained(seen: Asking) -> None:
    at = f"{datetime(2025, 3, 17, 14, 30, tzinfo=UTC):%Y-%m-%dT%H:%MZ}"
    data = seen.json("/why", site="plant", of="running", kpi="cost", at=at)
    assert data["is_equal"] is True
    code, said, _ = call_here("running", "--site", "plant", "--at", at, "--project", str(seen.project.root))
    assert code == 0
    assert said["month_to_date"]["cost"] == data["figure"]["value"]


def test_pages_write_nothing(seen: Asking, plant_folder: Path) -> None:
    before = (plant_folder / "var" / "store.db").read_bytes()
    seen.get("/why", [("accept", "text/html")], **MONTH)
    seen.get("/enpi/plant/hvac", [("accept", "text/html")])
    assert (plant_folder / "var" / "store.db").read_bytes() == before


@pytest.mark.parametrize(
    ("asked", "labels", "columns"),
    [
        ({"kpi": "cost", "period": "2025-02"}, [f"2025-02-{day:02}" for day in range(1, 29)], 3),
        ({"kpi": "consumption_kwh", "period": "2025-02"}, [f"2025-02-{day:02}" for day in range(1, 29)], 1),
    ],
)
def test_a_sum_over_time_shows_its_days_and_each_leads_to_its_reason(
    seen: Asking, asked: dict[str, str], labels: list[str], columns: int
) -> None:
    page = seen.get("/why", **(MONTH | asked)).text
    assert "By day" in page
    [table] = re.findall(r'<table id="table-parts-table"[^>]*>.*?</table>', page, re.S)
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.S)[1:]
    cells = [re.findall(r'<a class="num"[^>]* href="([^"]+)">([^<]*)</a>', row) for row in rows]
    assert [next(label for label in labels if label in row) for row in rows] == labels
    assert {len(each) for each in cells} == {columns}
    for href, shown in cells[13]:
        # Words of the headline: what a cell shows is what its reason says.
        assert shown in seen.get(html.unescape(href)).text
    days = sum(float(shown.replace(",", "")) for ((_, shown), *_) in cells)
    [whole] = re.findall(r"Recomputed EQUAL from the readings: ([0-9,.]+)", page)
    assert days == pytest.approx(float(whole.replace(",", "")), rel=1e-3)


@pytest.mark.parametrize(
    "asked", [{"kpi": "peak_15min_kw"}, {"period": "2025-02-03"}, {"period": "2025-02-03", "at": "2025-02-03T11:00Z"}]
)
def test_what_is_no_sum_over_time_shows_no_parts(seen: Asking, asked: dict[str, str]) -> None:
    page = seen.get("/why", **(MONTH | asked)).text
    assert "Recomputed EQUAL" in page
    assert "By day" not in page


def test_a_day_shows_its_hours_and_an_hour_its_quarter_hours(seen: Asking) -> None:
    asked = MONTH | {"kpi": "consumption_kwh", "period": "2025-02-03"}
    for more, count, title in (({}, 24, "By hour"), ({"at": "2025-02-03T11:00Z"}, 4, "By quarter hour")):
        page = seen.get("/why", **asked, **more).text
        assert title in page
        [table] = re.findall(r'<table id="table-parts-table"[^>]*>.*?</table>', page, re.S)
        rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.S)[1:]
        assert len(rows) == count
        values = [float(re.sub(r"<[^>]+>", " ", row).split()[-1].replace(",", "")) for row in rows]
        whole = seen.json("/why", **asked, **more)["figure"]["value"]
        assert sum(values) == pytest.approx(whole, rel=1e-3)


def test_a_file_of_the_lineage_shows_its_readings_alone(seen: Asking) -> None:
    page = seen.get("/why", [("accept", "text/html")], **MONTH)
    # Drawn for wide screens and for phones.
    [href, again] = re.findall(r'<a href="(/why[^"]*file=plant\.csv[^"]*)"', page.text)
    assert href == again
    chosen = seen.get(html.unescape(href), [("accept", "text/html")])
    assert "readings of plant.csv" in re.sub(r"<[^>]+>", "", chosen.text)
    assert chosen.text.count("plant.csv:") == 100
    assert chosen.text.count('class="node on"') == 2 * 4
    assert seen.get("/why", **MONTH, file="other.csv").status == 404


def test_a_number_names_its_formula_in_the_reader_s_language(seen: Asking) -> None:
    text = html.unescape(
        seen.get("/why", [("accept", "text/html")], **(MONTH | {"kpi": "consumption_kwh"}), locale="de").text
    )
    assert "Σ E(q, m) über Viertelstunden q und Teile m, nach Vorzeichen und Anteil" in text
