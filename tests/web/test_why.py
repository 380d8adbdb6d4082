"""Every number's reason: the address explains the same number, made again equal; and whose it is."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest

from assets.stores.published.report_ledger import ReportStore
from assets.stores.warehouse.mart_reader import mart_reader
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.time import Period, parse_period
from reports.again.figure_again import announce, recompute
from reports.asked.why_asked import Asking as Given
from reports.asked.why_asked import InHand, figures_of
from reports.content.lists.kpi_list import Grain, add_rows, kpi_rows
from reports.figures import FigureBook
from reports.pages.address import Address, read_address
from reports.pages.why_links import TAKES, read_why, why_of
from tests.e2e.conftest import call_here
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
        read=mart_reader(marts_dir),
        baselines=project.baselines,
        as_of_utc=LATER,
    )


def rows_as_figures(known: Given, period: Period, grain: Grain) -> FigureBook:
    book = FigureBook(report_id="page", revision=0, as_of_utc=LATER, is_synthetic=False)
    rows = kpi_rows(known.site, period, grain, known.read)
    add_rows(book, known.site, rows, sources=known.sources, is_traced=False)
    return book


def answered(href: str, known: Given) -> tuple[Figure, InHand]:
    path, query = urlsplit(href).path, parse_qsl(urlsplit(href).query)
    assert path == "/why"
    address = read_address(path, query, takes=TAKES)
    assert address.locale == "de"
    figure, book = figures_of(read_why(address, site=address.site, scope=address.scope), known)
    reports = ReportStore(known.sources.lake.store)
    return figure, InHand(reports, {each.figure_id: each for each in book.figures()})


@pytest.mark.parametrize(
    ("period", "grain"), [("2025-Q1", "month"), ("2025-03-03/2025-03-05", "day"), ("2025-03-30", "hour")]
)
def test_every_number_of_the_marts_is_explained_by_its_address(seen: Asking, period: str, grain: Grain) -> None:
    known = given(seen)
    book = rows_as_figures(known, parse_period(period, known.site.time_zone), grain)
    assert len(book.figures()) > 100
    asked = [(shown, answered(why_of(shown, HERE), known)[0]) for shown in book.figures()]
    announce([found for _, found in asked], sources=known.sources, lookup=lambda _: None)
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
    for name in ("difference", "deviation_percent", "ratio", "percent_of"):
        made = book.derive(name, name, [("this", this), ("last", last)], label=name, kpi=name, unit="kwh")
        href = why_of(made, HERE, book.by_id)
        found, hand = answered(href, known)
        assert found.value == made.value
        assert recompute(found, sources=known.sources, lookup=hand.figure) == made.value
    found, _ = answered(why_of(this, HERE, book.by_id), known)
    assert found.value == this.value
    # What no address can say leads to the figure itself, which may be stored.
    assert why_of(made, HERE) == f"/why?locale=de&figure={made.figure_id}"
    several = book.derive("odd", "sum", [("part", this), ("part", last)], label="odd", kpi="x", unit="kwh")
    assert "figure=" in why_of(several, HERE, book.by_id)


def test_a_page_says_equal_and_where_each_reading_stands(seen: Asking) -> None:
    page = seen.get("/why", [("accept", "text/html")], **MONTH)
    assert page.status == 200, page.text
    assert "Recomputed EQUAL" in page.text
    assert "plant.csv:" in page.text
    assert "keep" not in page.text.lower().replace("keeps", "")
    data = seen.json("/why", **MONTH)
    assert data["is_equal"] is True
    assert (data["difference"], data["changes"]) == (0.0, [])


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
    comparison = {"of": "difference", "against": "2025-01", "against_scope": "site:plant"}
    assert theo.get("/api/v1/ems/why", **asked, **comparison, scope="tenant:hall").status == 404


def test_what_was_known_then_comes_from_the_readings(seen: Asking) -> None:
    then = seen.json("/why", **MONTH, as_of=f"{LATER:%Y-%m-%dT%H:%M:%SZ}")
    assert then["figure"]["value"] == seen.json("/why", **MONTH)["figure"]["value"]
    before = seen.json("/why", **MONTH, as_of="2025-01-15T12:00:00Z")
    assert (before["figure"]["value"], before["figure"]["status"]) == (None, "no_readings")


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
        ({"of": "difference"}, 400, "name the other"),
        ({"of": "sum", "grain": "hour"}, 400, "days or months"),
        ({"of": "sum", "grain": "day", "each": "mean"}, 400, "each is sum or max"),
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
