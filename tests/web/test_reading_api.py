"""The reading API says what the command line says: the same keys, the same unrounded numbers, page by page."""

import csv
import io
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from orchestration.open_project import OpenProject
from orchestration.web.cache import PARQUET
from tests.reports import plant
from tests.web.marts_world import THEO, VERA, Asking, make_project, plant_of_the_web

pytestmark = pytest.mark.slow
# What a kept figure has, and a question of the API has its reason for.
KEPT = ("figure_id", "why")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    made = make_project(tmp_path_factory.mktemp("api") / "project", plant_of_the_web())
    yield made
    made.close()


@pytest.fixture
def vera(project: OpenProject) -> Asking:
    return Asking(project, FixedClock(plant.NOON), VERA)


def without_ids(said: dict[str, Any]) -> dict[str, Any]:
    """An answer without the ids of its numbers, which are of the question too."""
    return {name: value for name, value in said.items() if not name.startswith("figure_ids")}


def command(project: OpenProject, *words: str) -> Any:
    """The JSON of a command of this project, without the ids of its numbers."""
    before = dict(os.environ)
    try:
        asked = [*words, "--project", str(project.project.root), "--json"]
        result = CliRunner().invoke(build_app((words[0],)), asked, catch_exceptions=False)
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert result.exit_code == 0, result.stderr
    return without_ids(json.loads(result.stdout))


def bare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in KEPT} for row in rows]


@pytest.mark.parametrize(
    ("grain", "period"),
    [("year", "2025"), ("month", "2025-Q1"), ("day", "2025-03-24/2025-04-01"), ("hour", "2025-03-30")],
)
def test_every_kpi_of_every_scope_is_that_of_the_command(
    project: OpenProject, vera: Asking, grain: str, period: str
) -> None:
    told = command(project, "kpis", "--site", "plant", "--period", period, "--grain", grain)["rows"]
    rows, cursor = list[dict[str, Any]](), ""
    while True:
        more = {"cursor": cursor} if cursor else {}
        found = vera.json("/kpis", site="plant", range=period, grain=grain, limit="97", **more)
        rows += found["rows"]
        cursor = found["next"]
        if not cursor:
            break
    assert found["total"] == len(rows) == len(told) > 50
    assert bare(rows) == bare(told)
    assert all(row["why"].startswith("/why?") or row["finding"] for row in rows)


def test_running_figures_are_those_of_the_command(project: OpenProject, vera: Asking) -> None:
    for at in ("", "2025-03-17T14:30:00+01:00"):
        told = command(project, "running", "--site", "plant", *(["--at", at] if at else []))
        found = vera.json("/running", site="plant", **({"at": at} if at else {}))
        assert set(found.pop("why")) >= set(told.pop("figures"))
        found.pop("figures")
        assert found == told


def test_quality_is_that_of_the_command(project: OpenProject, vera: Asking) -> None:
    told = command(project, "quality", "--site", "plant", "--from", "2025-02-01", "--to", "2025-03-01")
    found = vera.json("/quality", site="plant", range="2025-02")
    assert vera.json("/quality", **{"site": "plant", "from": "2025-02-01", "to": "2025-03-01"}) == found
    assert found.pop("figure_ids_until_utc")
    assert {place.rpartition("/")[2] for place in found.pop("figure_ids")} == {"value"}
    assert found == told


def test_series_are_the_points_of_the_page_and_its_csv(vera: Asking) -> None:
    query = {"site": "plant", "scope": "meter:hvac", "period": "2025-03-29/2025-04-01", "compare": "previous"}
    for grain, count in (("quarter", 284), ("hour", 71), ("day", 3)):
        found = vera.json("/series", **query, grain=grain)
        assert (found["total"], found["unit"], found["time_zone"]) == (count, "kwh", "Europe/Berlin")
        lines = list(csv.DictReader(io.StringIO(vera.get("/energy.csv", **query, grain=grain).text)))
        for row, line in zip(found["rows"], lines, strict=True):
            assert row["start"] == line["start"]
            assert row["value"] == (float(line["kwh"]) if line["kwh"] else None)
            assert row["compared"] == (float(line["compared_kwh"]) if line["compared_kwh"] else None)


def test_a_series_of_few_points_keeps_its_lowest_and_highest(vera: Asking) -> None:
    query = {"site": "plant", "scope": "meter:hvac", "range": "2025-03", "grain": "hour"}
    every = vera.json("/series", **query)["rows"]
    # An id is of a point of the series that is shown.
    bare = [{**each, "figure_id": ""} for each in every]
    for most in ("2", "40", "101"):
        few = vera.json("/series", **query, points=most)["rows"]
        assert 2 <= len(few) <= int(most)
        assert [each for each in bare if each in [{**one, "figure_id": ""} for one in few]] == [
            {**each, "figure_id": ""} for each in few
        ]
        values, known = ([row["value"] for row in rows if row["value"] is not None] for rows in (few, every))
        assert (min(values), max(values)) == (min(known), max(known))
    assert vera.json("/series", **query, points="50000")["rows"] == every
    assert vera.get("/api/v1/ems/series", **query, points="0").status == 400


def test_a_series_too_long_names_the_grain_that_is_not(vera: Asking) -> None:
    found = vera.get("/api/v1/ems/series", site="plant", range="2016/2026", grain="quarter")
    assert found.status == 400
    found = vera.get("/api/v1/ems/series", site="plant", range="2018-01-01/2025-01-01", grain="quarter")
    assert (found.status, found.said["code"]) == (422, "too_many_points")
    assert "ask by day" in found.said["mend"]


def test_analytics_are_kpi_rows_with_the_time_that_they_are_compared_with(vera: Asking) -> None:
    query = {"site": "plant", "granularity": "month"}
    march = vera.json("/analytics/consumption", **query, range="2025-03", breakdown="seu", compareWith="previous")
    assert {row["scope"] for row in march["rows"]} == {"seu:compressors", "seu:hvac", "seu:moulding"}
    kpis = {
        row["scope"]: row for row in vera.json("/kpis", site="plant", range="2025-03", kpi="consumption_kwh")["rows"]
    }
    for row in march["rows"]:
        assert row["value"] == kpis[row["scope"]]["value"]
    by_day = {**query, "granularity": "day", "range": "2025-03-10/2025-03-12", "compareWith": "previous"}
    days = vera.json("/analytics/cost", **by_day)["rows"]
    former = vera.json("/analytics/cost", **{**by_day, "range": "2025-03-08/2025-03-10", "compareWith": "previous"})
    assert [row["compared"] for row in days] == [row["value"] for row in former["rows"]]
    assert vera.json("/analytics/carbon", site="plant", range="2025-03")["rows"][0]["unit"] == "kgco2e"
    refused = vera.get("/api/v1/ems/analytics/cost", site="plant", range="2025-03", compareWith="baseline")
    assert refused.status == 400


def test_savings_name_the_baseline_that_expects(project: OpenProject, vera: Asking) -> None:
    rows = vera.json("/analytics/savings", site="plant", range="2025-Q1", granularity="month")["rows"]
    assert rows
    told = {
        (row["scope"], row["start"]): row
        for row in command(project, "kpis", "--site", "plant", "--period", "2025-Q1")["rows"]
        if row["kpi"] == "savings_kwh"
    }
    for row in rows:
        assert (row["value"], row["finding"]) == (
            told[row["scope"], row["start"]]["value"],
            told[row["scope"], row["start"]]["finding"],
        )
        assert row["baseline"] in (f"plant/{row['scope'].removeprefix('seu:')}", row["baseline"])
        assert row["baseline_version"] >= 1
        assert row["baseline_type"]


def test_sites_scopes_and_the_catalogue(vera: Asking) -> None:
    [site] = vera.json("/sites")["rows"]
    assert (site["site"], site["readings_to"], site["stale_months"]) == ("plant", "2025-03-31T22:00:00Z", [])
    scopes = vera.json("/scopes", site="plant")["rows"]
    assert vera.json("/sites/plant")["scopes"] == scopes
    assert scopes[0]["scope"] == "site:plant"
    [press] = [each for each in scopes if each["scope"] == "tenant:press"]
    assert press["is_allocated"] is True
    assert vera.get("/api/v1/ems/sites/elsewhere").status == 404
    catalogue = vera.json("/kpis/catalogue")["rows"]
    assert next(each for each in catalogue if each["kpi"] == "cost")["grains"] == ["hour", "day", "month", "year"]


def test_a_tenant_is_told_own_numbers_and_of_nobody_else(project: OpenProject) -> None:
    theo = Asking(project, FixedClock(plant.NOON), THEO)
    assert {row["scope"] for row in theo.json("/kpis", range="2025-03")["rows"]} == {"tenant:hall"}
    assert [each["scope"] for each in theo.json("/scopes")["rows"]] == ["tenant:hall"]
    whole = theo.json("/analytics/consumption", range="2025-03", breakdown="tenant")["rows"]
    assert [row["scope"] for row in whole] == ["tenant:hall"]
    for path in (
        "/kpis?range=2025-03&scope=site:plant", "/kpis?range=2025-03&tenant=press", "/kpis?range=2025-03&portfolio=all",
        "/series?range=2025-03&scope=meter:main", "/running", "/analytics/cost?range=2025-03&scope=seu:hvac",
        "/sites/other",
    ):  # fmt: skip
        assert theo.get(f"/api/v1/ems{path}").status == 404, path
    assert theo.get("/api/v1/ems/quality").status == 403
    assert theo.get("/api/v1/ems/analytics/savings?range=2025-03").status == 403


def test_csv_is_asked_for_by_accept_and_holds_every_row(vera: Asking) -> None:
    query = {"site": "plant", "range": "2025-Q1"}
    answer = vera.get("/api/v1/ems/kpis", [("accept", "text/csv")], **query)
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(lines) == vera.json("/kpis", **query)["total"]
    assert answer.headers["etag"] != vera.get("/api/v1/ems/kpis", **query).headers["etag"]


def test_parquet_is_asked_for_by_accept_and_holds_the_same(vera: Asking) -> None:
    query = {"site": "plant", "scope": "meter:hvac", "range": "2025-03", "grain": "hour"}
    answer = vera.get("/api/v1/ems/series", [("accept", PARQUET)], **query)
    assert answer.headers["content-type"] == PARQUET
    rows, told = pl.read_parquet(answer.body), vera.json("/series", **query)["rows"]
    assert rows["start"].to_list() == [each["start"] for each in told]
    assert [None if each is None else float(each) for each in rows["value"]] == [each["value"] for each in told]


def test_pages_never_shift_and_a_strange_cursor_is_refused(vera: Asking) -> None:
    first = vera.json("/kpis", site="plant", range="2025-Q1", limit="5")
    again = vera.json("/kpis", site="plant", range="2025-Q1", limit="5", cursor=first["next"])
    assert bare(again["rows"]) != bare(first["rows"])
    for cursor in ("x", "5", "NS4w", "é", "MTAwLjAwMDA"):
        assert vera.get("/api/v1/ems/kpis", site="plant", range="2025-Q1", cursor=cursor).status == 400, cursor
    for limit in ("0", "1001", "-1", "1e2", "²", "1_0", "٣"):
        assert vera.get("/api/v1/ems/kpis", site="plant", range="2025-Q1", limit=limit).status == 400, limit


def test_what_no_mart_can_say_is_refused_in_words(vera: Asking) -> None:
    assert vera.get("/api/v1/ems/kpis", site="plant", range="2025-03", grain="quarter").status == 400
    assert vera.get("/api/v1/ems/kpis", site="plant").status == 400
    assert vera.get("/api/v1/ems/kpis", site="plant", range="2024-03").status == 422
    assert vera.get("/api/v1/ems/kpis", site="plant", range="2025-03", scope="meter:x").status == 404


def test_a_portfolio_is_for_who_sees_every_site(project: OpenProject, vera: Asking) -> None:
    told = command(project, "kpis", "--portfolio", "--period", "2025-Q1")["rows"]
    assert bare(vera.json("/kpis", portfolio="all", range="2025-Q1", limit="1000")["rows"]) == bare(told)
    one = Person(person_id="one", name="One", roles=(Role.VIEWER,), sites=("plant",))
    found = Asking(project, FixedClock(datetime(2026, 1, 1, tzinfo=UTC)), one)
    assert found.get("/api/v1/ems/kpis", portfolio="all", range="2025-Q1").status == 404
