"""Every figure that the API prints has an id that `trace` takes."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from assets.stores.erasure.files import rebuilt_paths
from assets.stores.published.requested_figures import FILE, FOLDER, KEPT_FOR, RequestedFigures
from data_quality.contracts.people import Person, Role
from data_quality.contracts.reporting.figure import Figure, Trace
from data_quality.contracts.time import FixedClock, SystemClock
from orchestration.views.series_ids import SERIES, interval_figure
from tests.e2e.conftest import call_here
from tests.reports import plant
from tests.web.marts_world import LOST, THEO, VERA, Asking
from tests.web.openapi_golden import present
from tests.web.test_parameters import BASES
from tests.web.why_world import LATER

pytestmark = pytest.mark.slow
EMS = "/api/v1/ems"
WHOLE = Person(person_id="w", name="W", roles=(Role.VIEWER, Role.AUDITOR, Role.ANALYST, Role.ENGINEER, Role.OPERATOR))
# More digits than Python reads as a whole number, and no number of a row.
NO_ROWS = ("9" * 5000, "x", "", "-1")
# Numbers that say how much: what a report would print, by the names that answers have for them.
MEASURE = re.compile(
    r"value|(actual|expected)_consumption|deviation_(kwh|percent)|enpi|(energy_)?cost|(?!.*_per_)(.*_)?(kwh|kgco2e|kw)"
)


def doors() -> Iterator[tuple[str, dict[str, str]]]:
    """GET addresses of the API without a place in their path, and a question each."""
    for path, methods in present()["paths"].items():
        if "get" in methods and path.startswith("/api/v1/") and "{" not in path:
            yield path, BASES.get(path, {})


def bare_numbers(said: Any, ids: dict[str, str], at: str = "", *, has_ids: bool = False) -> Iterator[str]:
    """Places of numbers that have no id: neither their own, nor one among the `figures` of what they are in, nor one
    among those of the answer.
    """
    if isinstance(said, list):
        for row, each in enumerate(said):
            yield from bare_numbers(each, ids, f"{at}/{row}")
    elif isinstance(said, dict):
        has_ids = has_ids or bool(said.get("figure_id")) or any((said.get("figures") or {}).values())
        for name, each in said.items():
            place = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
            if isinstance(each, int | float) and not isinstance(each, bool):
                if MEASURE.fullmatch(name) and not has_ids and place not in ids:
                    yield re.sub(r"/\d+", "[]", place)
            else:
                yield from bare_numbers(each, ids, place, has_ids=has_ids)


def ids_in(said: Any) -> Iterator[str]:
    if isinstance(said, list):
        for each in said:
            yield from ids_in(each)
    elif isinstance(said, dict):
        for name, each in said.items():
            if name in ("figure_id", "compared_figure_id") and each:
                yield each
            elif name in ("figures", "figure_ids") and isinstance(each, dict):
                yield from (one for one in _leaves(each) if one)
            else:
                yield from ids_in(each)


def _leaves(said: dict[str, Any]) -> Iterator[str]:
    for each in said.values():
        if isinstance(each, dict):
            yield from _leaves(each)
        elif isinstance(each, str):
            yield each


def test_every_figure_of_the_api_has_an_id_that_the_api_traces(seen: Asking) -> None:
    bare, ids, seen = dict[str, list[str]](), dict[str, list[str]](), Asking(seen.project, seen.clock, WHOLE)
    for path, question in doors():
        answer = seen.get(path, (), **question)
        if answer.status != 200 or not answer.body.startswith(b"{"):
            continue
        name = path.removeprefix(f"{EMS}/").removeprefix("/api/v1/")
        bare[name] = sorted(set(bare_numbers(answer.said, answer.said.get("figure_ids", {}))))
        ids[name] = list(dict.fromkeys(ids_in(answer.said)))
    assert {name: places for name, places in bare.items() if places} == {}
    assert {"kpis", "running", "why", "analytics/consumption", "analytics/enpi", "series", "quality"} <= {
        n for n, each in ids.items() if each
    }
    for name, each in ids.items():
        # Some of each: a trace is recomputed from the readings.
        for figure_id in each[:: max(len(each) // 3, 1)]:
            found = seen.get(f"{EMS}/figures/{figure_id}")
            assert found.status == 200, (name, found.text)
            assert found.said["is_equal"] is True, (name, found.text)
            assert found.said["figure"]["figure_id"] == figure_id


def test_an_asked_figure_is_kept_for_its_time_and_by_what_it_says(seen: Asking) -> None:
    asked = {"site": "plant", "range": "2025-03", "scope": "seu:hvac", "kpi": "consumption_kwh"}
    [row] = seen.json("/kpis", **asked)["rows"]
    why = seen.json("/why", site="plant", scope="seu:hvac", kpi="consumption_kwh", period="2025-03")
    later = Asking(seen.project, FixedClock(LATER + timedelta(minutes=20)), VERA)
    # The same readings say the same number: asked again it is the same figure.
    assert later.json("/kpis", **asked)["rows"][0]["figure_id"] == row["figure_id"]
    assert why["figure"]["value"] == row["value"]
    # A command goes by the clock on the wall.
    today = Asking(seen.project, FixedClock(SystemClock().now_utc()), VERA).json("/kpis", **asked)["rows"][0][
        "figure_id"
    ]
    assert today == row["figure_id"]
    shown = Asking(seen.project, FixedClock(SystemClock().now_utc()), VERA)
    why = shown.json("/why", site="plant", scope="seu:hvac", kpi="consumption_kwh", period="2025-03")
    for figure_id in (row["figure_id"], why["figure"]["figure_id"]):
        code, told, said = call_here("trace", figure_id, "--rows", "--project", str(seen.project.project.root))
        assert code == 0, said
        assert told["is_equal"] is True
        assert told["figure"]["value"] == row["value"]
        assert len(told["rows"]) > 2900
    after = Asking(seen.project, FixedClock(SystemClock().now_utc() + KEPT_FOR + timedelta(days=1)), VERA)
    gone = after.get(f"{EMS}/figures/{row['figure_id']}")
    assert (gone.status, gone.said["code"]) == (404, "no_figure")


def test_who_may_not_see_a_scope_may_not_trace_its_id(seen: Asking) -> None:
    [row] = seen.json("/kpis", site="plant", range="2025-03", scope="seu:hvac", kpi="cost")["rows"]
    theirs = Asking(seen.project, seen.clock, THEO)
    refused = theirs.get(f"{EMS}/figures/{row['figure_id']}")
    assert (refused.status, refused.said["code"]) == (404, "no_figure")
    [own] = theirs.json("/kpis", site="plant", range="2025-03", scope="tenant:hall", kpi="consumption_kwh")["rows"]
    found = theirs.json(f"/figures/{own['figure_id']}")
    assert found["is_equal"] is True
    assert {each["of"] for each in found["uncertainty"]["not_included"]} == {""}


def test_a_broken_file_of_requested_figures_takes_no_number_away(acted: Asking) -> None:
    asked = {"site": "plant", "range": "2025-03", "scope": "seu:hvac", "kpi": "cost"}
    file = acted.project.project.data_dir / FOLDER / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"no database at all" * 100)
    [row] = acted.json("/kpis", **asked)["rows"]
    assert row["value"] > 0
    assert row["figure_id"]
    assert row["why"]
    assert RequestedFigures(acted.project.project.data_dir).figure("0" * 16, now_utc=LATER) is None


def test_a_number_that_changes_has_another_id_and_the_former_is_traced_as_it_was(acted: Asking) -> None:
    asked = {"site": "plant", "range": "2025-03", "scope": "seu:hvac", "kpi": "consumption_kwh"}
    [before] = acted.json("/kpis", **asked)["rows"]
    rows = plant.plant_rows(date(2025, 1, 1), date(2025, 4, 1), skip=LOST)
    changed = rows.filter(rows["meter_id"] == "hvac").tail(96).with_columns(value=9.0, is_correction=True)
    acted.clock.advance(timedelta(hours=1))
    plant.write(acted.project.lake, changed, acted.clock, "late.csv")
    found = acted.json(f"/figures/{before['figure_id']}")
    # As known when it was printed; what changed since is told beside it.
    assert found["is_equal"] is True
    versions = acted.json(f"/figures/{before['figure_id']}/versions")
    assert [each["kind"] for each in versions["changes"]] == ["lake"]
    # Of an erased meter's readings nothing stays behind that was made of them.
    project = acted.project.project
    assert project.data_dir / FOLDER in rebuilt_paths(project, "plant")


def test_a_number_of_an_answer_is_traced_by_who_may_ask_for_it_and_by_nobody_else(seen: Asking) -> None:
    engineer = Asking(seen.project, FixedClock(SystemClock().now_utc()), WHOLE)
    said = engineer.json("/meters/balance", site="plant", period="2025-03")
    place, figure_id = next((place, each) for place, each in said["figure_ids"].items() if place.endswith("_kwh"))
    told = engineer.json(f"/figures/{figure_id}")
    assert (told["figure"]["path"], told["is_equal"], told["inputs"]) == (place, True, [])
    assert told["parameters"]["command"] == "meterloom meters balance --site plant --period 2025-03"
    # The same number by the command, and its id by the other door.
    code, told, fault = call_here("trace", figure_id, "--project", str(seen.project.project.root))
    assert (code, told["figure"]["path"]) == (0, place), fault
    words = ("meters", "balance", "--site", "plant", "--period", "2025-03", "--project", str(seen.project.project.root))
    assert call_here(*words)[1]["figure_ids"] == said["figure_ids"]
    unknown = [f"{figure_id.partition('-')[0]}-{each}" for each in (len(said["figure_ids"]), *NO_ROWS)]
    elsewhere = WHOLE.model_copy(update={"sites": ("other",)})
    # Of their site an answer for who sees all has what is of no single site too.
    theirs = WHOLE.model_copy(update={"sites": ("plant",)})
    without = WHOLE.model_copy(update={"roles": (Role.TENANT,)})
    people = [(each, figure_id) for each in (THEO, elsewhere, theirs, without)]
    for person, asked in (*people, *((WHOLE, each) for each in unknown)):
        refused = Asking(seen.project, engineer.clock, person).get(f"{EMS}/figures/{asked}")
        assert (refused.status, refused.said["code"]) == (404, "no_figure"), (person, refused.text)


@pytest.mark.parametrize(("grain", "quarters"), [("quarter", 1), ("hour", 4), ("day", 96), ("month", 2688)])
def test_each_point_of_a_series_is_a_figure_of_its_readings(seen: Asking, grain: str, quarters: int) -> None:
    seen = Asking(seen.project, FixedClock(SystemClock().now_utc()), VERA)
    asked = {"site": "plant", "scope": "site:plant", "range": "2025-Q1", "grain": grain, "compare": "previous"}
    asked = asked if grain == "month" else {**asked, "range": "2025-03"}
    rows = [each for each in seen.json("/series", **asked)["rows"] if each["value"] is not None]
    assert all(each["figure_id"] for each in rows)
    assert all(bool(each["compared_figure_id"]) == (each["compared"] is not None) for each in rows)
    assert len({each["figure_id"] for each in rows}) == len(rows)
    whole = next(each for each in reversed(rows) if each["coverage"] == 1)
    for figure_id, value in ((whole["figure_id"], whole["value"]), (whole["compared_figure_id"], whole["compared"])):
        if value is None:
            continue
        told = seen.json(f"/figures/{figure_id}")
        assert (told["is_equal"], told["figure"]["value"], told["recomputed"]) == (True, value, value)
        assert (told["figure"]["figure_id"], told["figure"]["unit"]) == (figure_id, "kwh")
        assert seen.json(f"/figures/{figure_id}/versions")["changes"] == []
    assert seen.json(f"/figures/{whole['figure_id']}/rows")["total"] == quarters
    # The same question is the same number, and its id is that of the command too.
    assert [each["figure_id"] for each in seen.json("/series", **asked)["rows"] if each["figure_id"]] == [
        each["figure_id"] for each in rows
    ]
    code, told, fault = call_here("trace", whole["figure_id"], "--project", str(seen.project.project.root))
    assert (code, told["is_equal"], told["figure"]["value"]) == (0, True, whole["value"]), fault
    # Beyond its last row there is nothing, nor without one.
    kept_id, _, row = whole["figure_id"].partition("-")
    for unknown in (kept_id, f"{row}-{kept_id}", *(f"{kept_id}-{each}" for each in (len(rows), *NO_ROWS, f"0{row}"))):
        refused = seen.get(f"{EMS}/figures/{unknown}")
        assert (refused.status, refused.said["code"]) == (404, "no_figure"), unknown


def test_the_day_that_begins_inside_of_an_hour_has_the_rest_of_the_hour() -> None:
    midnight = datetime(2025, 3, 1, 18, 30, tzinfo=UTC)
    rows = ";".join(f"{at.timestamp():.0f} 1.5" for at in (midnight - timedelta(minutes=30), midnight))
    parameters = {"site": "plant", "scope": "site:plant", "grain": "hour", "time_zone": "Asia/Kolkata", "rows": rows}
    trace = Trace(computation=SERIES, code_sha256="", parameters=parameters, as_of_utc=LATER, inputs=())
    series = Figure(
        figure_id="0" * 16, path="", label="", kpi="", scope="site:plant", start=midnight.date(), end=midnight.date(),
        value=None, unit="kwh", trace=trace,
    )  # fmt: skip
    parts = [part for row in "01" if (part := interval_figure(series, row)) is not None]
    assert [(str(each.start), each.trace.parameters["hour_start_utc"]) for each in parts] == [
        ("2025-03-01", "2025-03-01T18:00Z"), ("2025-03-02", "2025-03-01T18:00Z"),
    ]  # fmt: skip


def test_points_of_a_series_are_traced_by_who_sees_its_scope_and_by_nobody_else(seen: Asking) -> None:
    whole = {"site": "plant", "scope": "site:plant", "range": "2025-03", "grain": "day"}
    hall = {**whole, "scope": "tenant:hall"}
    theirs, plant_only = Asking(seen.project, seen.clock, THEO), WHOLE.model_copy(update={"sites": ("plant",)})
    [own, *_], [all_of_it, *_] = theirs.json("/series", **hall)["rows"], seen.json("/series", **whole)["rows"]
    assert theirs.json(f"/figures/{own['figure_id']}")["is_equal"] is True
    assert Asking(seen.project, seen.clock, plant_only).json(f"/figures/{all_of_it['figure_id']}")["is_equal"] is True
    admin = WHOLE.model_copy(update={"roles": (Role.ADMIN,)})
    for person, status in ((THEO, 404), (limited("other"), 404), (admin, 403)):
        refused = Asking(seen.project, seen.clock, person).get(f"{EMS}/figures/{all_of_it['figure_id']}")
        assert refused.status == status, refused.text


def limited(*sites: str, roles: tuple[Role, ...] = WHOLE.roles) -> Person:
    """Somebody who sees these sites alone."""
    return WHOLE.model_copy(update={"sites": sites, "roles": roles})


def test_who_sees_some_sites_is_given_ids_of_what_is_theirs_and_reads_these_alone(acted: Asking) -> None:
    (sites := acted.project.project.sites_dir).joinpath("other.yaml").write_text(
        (sites / "plant.yaml").read_text().replace('"site_id": "plant"', '"site_id": "other"')
    )
    now, unseen = FixedClock(SystemClock().now_utc()), (404, "no_figure")

    def figure_of(person: Person, **query: str) -> str:
        said = Asking(acted.project, now, person).json("/meters/balance", period="2025-03", **query)
        return str(next(each for place, each in said["figure_ids"].items() if place.endswith("_kwh")))

    def recompute(person: Person, figure_id: str) -> tuple[int, Any]:
        found = Asking(acted.project, now, person).get(f"{EMS}/figures/{figure_id}")
        return found.status, found.said.get("is_equal", found.said.get("code"))

    of_plant, of_all = figure_of(limited("plant"), site="plant"), figure_of(WHOLE, site="plant")
    # The same answer told to who sees all is another: it may hold what is of no single site.
    assert of_plant != of_all
    assert figure_of(limited("plant", "other"), site="plant") == of_plant == figure_of(limited("plant"))
    who = {
        "theirs": limited("plant"), "more sites": limited("other", "plant"), "every site": WHOLE,
        "another site": limited("other"), "right revoked": limited("plant", roles=(Role.TENANT,)), "a tenant": THEO,
        "a site that is gone": limited("gone"),
    }  # fmt: skip
    seen = {name: (200, True) if name in ("theirs", "more sites", "every site") else unseen for name in who}
    assert {name: recompute(each, of_plant) for name, each in who.items()} == seen
    of_every = {name: (200, True) if name == "every site" else unseen for name in who}
    assert {name: recompute(each, of_all) for name, each in who.items()} == of_every
    # Of a question that names no site: all that were seen when it was asked.
    kept, (answer_id, _, row) = RequestedFigures(acted.project.project.data_dir), of_plant.partition("-")
    answer = kept.figure(answer_id, now_utc=now.now_utc())
    assert answer is not None
    both = answer.trace.model_copy(update={"parameters": {**answer.trace.parameters, "sites": '["other", "plant"]'}})
    kept.keep([answer.model_copy(update={"figure_id": "f" * 16, "trace": both})], now_utc=now.now_utc())
    assert recompute(limited("plant"), f"{'f' * 16}-{row}") == unseen
    assert recompute(limited("plant", "other"), f"{'f' * 16}-{row}") == (200, True)
    # Of a site that is gone nobody is told anything.
    (sites / "plant.yaml").unlink()
    assert {name: recompute(each, of_plant) for name, each in who.items()} == dict.fromkeys(who, unseen)
    assert recompute(WHOLE, of_all) == unseen
