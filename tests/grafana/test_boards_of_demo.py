"""The demo on real PostgreSQL: each query of each board runs as the role of the boards, and what it shows is what the
API says to the same question.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import psycopg
import pytest

from assets.stores.boards.board_views import ROLE
from assets.stores.file_hashes import landing_files
from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.ledgers.plans import PlanStore
from assets.stores.warehouse.marts import read_mart
from controls.ledger.modes import mode_history
from controls.simulator.simulated_files import write_site
from data_quality.contracts.control.forecast_score import ForecastScore
from data_quality.contracts.time import SystemClock
from orchestration.demonstration.demo_dates import factory_span
from orchestration.demonstration.demo_dispatch import dispatch_live
from orchestration.demonstration.demo_job import QUICK_HISTORY_DAYS, fit_and_approve, make_demo_project
from orchestration.demonstration.demo_tower import ingest_files
from orchestration.month_keys import month_ranges
from orchestration.open_project import OpenProject
from orchestration.runner import open_runner
from orchestration.sensors.lake_changes import touched_months
from orchestration.supervised.deliveries import deliver_home
from orchestration.warehouse.local_build import build_site_marts
from orchestration.web.app import make_app
from orchestration.web.own_origin import own_hosts
from orchestration.web.people.sign_in import SignIn
from reports.grafana.boards import board_json, boards, uid_of
from tests.e2e.conftest import call_here
from tests.grafana.asked import BUILT, UNBUILT, OpenBoard, board_in
from tests.grafana.opened import IS_HERE, NONE_HERE, a_grafana, numbers_of
from tests.real.test_postgres_line import variables
from tests.web.asking import HOST, Browser
from tests.web.served import Served, Ticks

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.filterwarnings("ignore")]
UNTIL = date(2025, 11, 28)
PASSWORD = "a password of the test alone"


class World(NamedTuple):
    """The demo's project on PostgreSQL with its boards. url: of the role of the boards; api: who may see all."""

    project: OpenProject
    out: Path
    url: str
    owner: str
    api: Browser

    def shown(self, uid: str, **chosen: str) -> OpenBoard:
        """A board over all that the demo has, with the first choices where none are named."""
        # The factory's data end with UNTIL; the home's, which is planned for, always with this hour.
        start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime.now(tz=UTC) + timedelta(days=7)
        return OpenBoard(board_in(self.out, uid), self.url, start, end, dict(chosen)).choose_first()

    def answer(self, path: str, **question: str) -> Any:
        """Answer of the API."""
        answer = self.api.ask(f"/api/v1/ems{path}?{urlencode(question)}", headers=[("accept", "application/json")])
        assert answer.status == 200, answer.text
        return answer.said


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[str]:
    name = "boards_of_demo"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    base, _, query = postgres_server.partition("?")
    yield base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        with suppress(psycopg.errors.DependentObjectsStillExist):
            connection.execute(f"DROP ROLE IF EXISTS {ROLE}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[World]:
    folder, out = tmp_path_factory.mktemp("boards") / "demo", tmp_path_factory.mktemp("out")
    with variables(METERLOOM_DATABASE__URL=database):
        run_demo_of_two(folder)
        code, answer, error = call_here("grafana", "export", "--to", str(out), "--project", str(folder))
        assert code == 0, error
        assert all(answer["views"].values()), answer["views"]
        with psycopg.connect(database, autocommit=True) as connection:
            for each in (out / "sql" / "role.sql").read_text().split(";\n\n"):
                connection.execute(each.encode())
            connection.execute(f"alter role {ROLE} password '{PASSWORD}'".encode())
        project = OpenProject(str(folder))
        ForecastStore(project.store).add_scores(scores(), SystemClock())
        base, _, rest = database.partition("//")
        reader = f"{base}//{ROLE}:{PASSWORD.replace(' ', '%20')}@{rest.partition('@')[2] or rest}"
        yield World(project, out, reader, database, signed_in(project, folder))
        project.close()


def run_demo_of_two(folder: Path) -> None:
    """The demo without its tower and its reports: factory with baselines, home with forecasts, plan and commands."""
    project, clock = make_demo_project(folder, until=UNTIL), SystemClock()
    start, end = factory_span(UNTIL)
    landing = project.project.landing_dir
    write_site(landing / "factory", project.site("factory"), start=start, end=end)
    deliver_home(project.project, project.site("home"), now_utc=clock.now_utc(), days=QUICK_HISTORY_DAYS)
    with open_runner(project.project) as runner:
        runner.know_sites(sorted(project.sites))
        for site_id in ("factory", "home"):
            ingest_files(runner, site_id, landing_files(landing / site_id))
        runner.build_marts(month_ranges(touched_months(project, after_id=0)[0]))
        fit_and_approve(project, runner, clock)
        runner.run("forecast", partition="home")
        assert dispatch_live(project, runner, clock, lambda _: None)
    project.close()


def signed_in(project: OpenProject, folder: Path) -> Browser:
    """Somebody who sees all sites and may read everything."""
    clock, ticks = SystemClock(), Ticks()
    sign_in = SignIn(project, clock, monotonic=ticks)
    app = make_app(project, clock=clock, sign_in=sign_in, hosts=own_hosts(f"http://{HOST}"))
    return Served(folder, project, app, sign_in, clock, ticks).browser("carla")  # type: ignore[arg-type]


def scores() -> list[ForecastScore]:
    """Scores of issued forecasts of some days, of the leading model and a challenger."""
    return [
        ForecastScore(
            site_id="home", target="meter:house", local_day=date(2025, 11, day), lead=lead, model_name="m",
            model_version="1", is_shadow=shadow, is_synthetic=True, n=6 + day, coverage=0.1 * day,
            pinball=(2 if shadow else 0.5) / day, crps=1.0 / day, nrmse=0.3 / day, bias=0.01 * day, floor_crps=2.0,
        )
        for day in (2, 5, 7) for lead in ("h00", "h06", "d1") for shadow in (False, True)
    ]  # fmt: skip


def test_the_boards_are_those_that_the_sites_have_something_for(world: World) -> None:
    found = sorted(path.stem for path in (world.out / "boards").glob("*.json"))
    assert found == [
        "ml-analytics-home", "ml-control-home", "ml-enpi-factory", "ml-enpi-tower", "ml-overview-home",
        "ml-prediction-home",
    ]  # fmt: skip


@pytest.mark.parametrize(("board", "site_id"), [
    ("enpi", "factory"), ("overview", "home"), ("prediction", "home"), ("control", "home"), ("analytics", "home"),
])  # fmt: skip
def test_each_query_gives_rows_of_the_kind_that_its_panel_draws(world: World, board: str, site_id: str) -> None:
    shown = world.shown(f"ml-{board}-{site_id}")
    for panel in shown.asking:
        found = shown.panel(panel["title"])
        assert found, panel["title"]
        known = [value for row in found for value in row.values() if value is not None]
        assert known, panel["title"]
        numbers = [value for value in known if isinstance(value, int | float)]
        if panel["targets"][0]["format"] == "time_series":
            assert all(isinstance(row["time"], datetime) and row["time"].tzinfo for row in found), panel["title"]
            assert set(found[0]) - {"time"}
        if panel["type"] in ("timeseries", "barchart", "stat", "gauge"):
            assert numbers, panel["title"]
        if panel["type"] == "state-timeline":
            assert {type(row["State"]) for row in found} == {str}
            assert all(isinstance(row["time"], datetime) for row in found)
        # A decimal would reach Grafana as a text.
        assert all(isinstance(value, str | int | float | bool | datetime | date) for value in known), panel["title"]
    for mark in shown.board["annotations"]["list"]:
        assert shown.dicts(mark["target"]["rawSql"])


def test_a_site_without_readings_and_baselines_opens_too(world: World) -> None:
    shown = world.shown("ml-enpi-tower")
    assert shown.chosen["version"] == ""
    for panel in shown.asking:
        shown.panel(panel["title"])
    assert shown.panel("What is shown")[0]["Baseline"] is None
    assert shown.panel("Quarters") == []
    assert shown.panel("Standing of the figures") == [{"Figures of months": UNBUILT.format("enpi, kpi", "tower")}]


@pytest.mark.parametrize("seu", ["compressors", "production_line"])
def test_quarters_of_a_use_are_those_of_the_api(world: World, seu: str) -> None:
    shown = world.shown("ml-enpi-factory", seu=seu)
    quarters, bars = shown.panel("Quarters"), shown.panel("Expected and actual energy by quarter")
    index = shown.panel("Index over the quarters, 100 at the baseline")
    assert len(quarters) >= 4
    assert len(quarters) == len(bars) == len(index)
    standing = []
    for row, bar, point in zip(quarters, bars, index, strict=True):
        said = world.answer("/enpi", site="factory", seu=seu, period=row["Quarter"])
        assert row["Quarter"] == bar["Quarter"]
        assert (row["Actual"], row["Expected"]) == (bar["Actual"], bar["Expected"])
        assert (row["Actual"], row["Expected"]) == (said["actual_kwh"], said["expected_kwh"])
        assert row["Difference"] == pytest.approx(said["deviation_percent"], rel=1e-12)
        assert point["value"] == pytest.approx(100 * said["enpi"], rel=1e-12)
        assert point["metric"] == f"version {said['baseline_version']}"
        assert (
            point["time"].astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None).isoformat()[:10] == said["start"]
        )
        assert (row["Standing"], row["Why not assessable"]) == (said["status"], said["reason"])
        assert (row["Days compared"], row["Days"]) == (said["compared_days"], said["days"])
        if said["status"] != "not_assessable":
            standing.append((f"{row['Quarter']}: {said['status']}", row["Difference"]))
    [newest] = shown.panel("Standing of the newest quarter")
    assert (newest["metric"], newest["value"]) == standing[-1]


def test_the_baseline_is_that_of_the_api(world: World) -> None:
    shown, line = world.shown("ml-enpi-factory", seu="compressors"), "factory/compressors/enb"
    known = {
        str(each["version"]): each
        for each in world.answer("/baselines", site="factory")["baselines"]
        if each["id"] == line
    }
    assert set(shown.choices("version")) == set(known)
    chosen = known[shown.chosen["version"]]
    fit = world.project.baselines.get(line, chosen["version"]).baseline
    [row], [words] = shown.panel("The formula of the baseline"), shown.panel("What is shown")
    numbers = (row["R²"], row["Error of a day (RMSE)"], row["CV(RMSE)"], row["Days learned from"])
    stats = fit.statistics
    assert numbers == (stats.r2, stats.rmse_dof, 100 * stats.cvrmse_g14, stats.n)
    assert (row["Status"], row["From"]) == (chosen["status"], fit.train_start)
    assert (words["Decided by"], row["Decided by"]) == (chosen["approved_by"],) * 2
    assert words["Learned from"] == f"{fit.train_start} to {fit.train_end - timedelta(days=1)}"
    [trained] = shown.panel("Energy of the training period")
    said = world.answer("/enpi", site="factory", seu="compressors", period=f"{fit.train_start}/{fit.train_end}")
    assert trained["Actual energy of the training period"] == pytest.approx(said["metered_kwh"], rel=1e-12)


def test_energy_and_cost_by_month_are_the_kpis_of_the_api(world: World) -> None:
    shown = world.shown("ml-analytics-home")
    for title, name, kpi in (
        ("Energy by month", "Energy", "consumption_kwh"),
        ("Cost by month", "Energy cost", "cost"),
    ):
        found = {row["Month"]: row[name] for row in shown.panel(title)}
        assert found == kpis(world, kpi, "month")
        assert len(found) in (2, 3)


def kpis(world: World, kpi: str, grain: str) -> dict[str, float | None]:
    """KPI of the whole home from the API, by day or month."""
    today = datetime.now(tz=ZoneInfo("Europe/Prague")).date()
    said = world.answer(
        "/kpis",
        site="home",
        scope="site:home",
        kpi=kpi,
        grain=grain,
        range=f"{first_of(today, -3)}/{first_of(today, 1)}",
    )
    length = {"day": 10, "month": 7}[grain]
    return {row["start"][:length]: row["value"] for row in said["rows"]}


def first_of(day: date, months: int) -> date:
    """The first of the month so many months away."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def test_generation_and_its_own_use_are_the_kpis_of_the_api(world: World) -> None:
    shown = world.shown("ml-overview-home")
    assert {row["Day"]: row["Generation"] for row in shown.panel("Own generation by day")} == kpis(
        world, "generation_kwh", "day"
    )
    [used] = shown.panel("Own generation used on the spot")
    # A running month is known from 99 % of its minutes on: on its last evening it has a share, before that it has none.
    for column, grain in (("Newest day", "day"), ("Newest month", "month")):
        known = [each for _, each in sorted(kpis(world, "self_consumption_rate", grain).items()) if each is not None]
        assert used[column] == (known[-1] if known else None)
    assert used["Newest day"] is not None


def test_import_and_export_are_those_of_the_api_by_the_quarter_hour(world: World) -> None:
    shown, zone = world.shown("ml-overview-home"), ZoneInfo("Europe/Prague")
    by_day: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in shown.panel("Import and export"):
        by_day[str(row["time"].astimezone(zone).date())].append(row)
    exported = kpis(world, "export_kwh", "day")
    today = datetime.now(tz=zone).date()
    for day in (str(today - timedelta(days=ago)) for ago in (3, 10, 30)):
        said = world.answer("/series", site="home", scope="site:home", range=day, grain="quarter")["rows"]
        assert [(row["time"], row["Import"]) for row in by_day[day]] == instants(said)
        assert sum(row["Export"] for row in by_day[day]) == pytest.approx(exported[day], abs=1e-9)


def instants(said: list[dict[str, Any]]) -> list[tuple[datetime, float | None]]:
    """Items of a series as the instants and values that they say."""
    return [(datetime.fromisoformat(each["start_utc"]), each["value"]) for each in said]


@pytest.mark.parametrize(
    ("day", "slots"), [(date(2025, 3, 30), 92), (date(2025, 10, 26), 100), (date(2025, 11, 5), 96)]
)
def test_a_day_of_23_or_25_hours_has_its_92_or_100_quarter_hours(world: World, day: date, slots: int) -> None:
    [overview] = [each for each in boards() if each.board == "overview"]
    site = world.project.site("factory")
    board = board_json(overview, site, web_url="http://localhost")
    assert board["uid"] == uid_of(overview, "factory")
    zone = ZoneInfo(site.time_zone)
    start, end = (datetime(each.year, each.month, each.day, tzinfo=zone) for each in (day, day + timedelta(days=1)))
    shown = OpenBoard(board, world.url, start.astimezone(UTC), end.astimezone(UTC) - timedelta(seconds=1))
    said = world.answer("/series", site="factory", scope="site:factory", range=str(day), grain="quarter")["rows"]
    found = shown.panel("Import and export")
    assert len(found) == slots
    assert [(row["time"], row["Import"]) for row in found] == instants(said)


def test_what_is_planned_is_what_the_newest_plan_holds(world: World) -> None:
    plan = PlanStore(world.project.store).latest("home")
    assert plan is not None
    start, end = plan.request.start_utc, plan.steps[-1].end_utc
    overview = OpenBoard(board_in(world.out, "ml-overview-home"), world.url, start, end)
    control = OpenBoard(board_in(world.out, "ml-control-home"), world.url, start, end)
    [cost] = overview.panel("Cost of the newest plan")
    assert cost == {
        "As planned": plan.paid,
        "With nothing planned": plan.no_battery_cost,
        "Less by the plan": pytest.approx(plan.no_battery_cost - plan.paid),
    }
    timeline = overview.panel("What the newest plan wants of each device")
    assert {row["metric"] for row in timeline} == set(plan.steps[0].devices)
    assert {row["time"] for row in timeline} == {step.start_utc for step in plan.steps}
    assert {row["State"] for row in timeline} <= {"idle", "charges", "discharges", "heats", "curtails"}
    wanted = {
        (step.start_utc, device): sum(-kw if "discharge" in name else kw for name, kw in figures.items()
                                      if name in POWERS)
        for step in plan.steps for device, figures in step.devices.items() if POWERS & figures.keys()
    }  # fmt: skip
    powers = {(row["time"], row["metric"]): row["value"] for row in control.panel("Planned power of battery and car")}
    assert powers == pytest.approx(wanted)
    stored = {
        (row["time"], row["metric"]): row["value"] for row in control.panel("Planned energy of battery, car and tank")
    }
    assert stored == {
        (step.end_utc, device): value
        for step in plan.steps for device, figures in step.devices.items() for name, value in figures.items()
        if name in ("soc_end_kwh", "ev_stored_kwh", "tank_end_kwh")
    }  # fmt: skip


POWERS = {"battery_charge_kw", "battery_discharge_kw", "ev_kw", "ev_discharge_kw"}


def test_a_forecast_is_drawn_as_it_was_issued_beside_what_the_api_says_was_metered(world: World) -> None:
    for target in ("meter:house", "meter:pv"):
        forecast = ForecastStore(world.project.store).latest("home", target)
        assert forecast is not None
        start, end = forecast.issued_at_utc - timedelta(days=2), forecast.rows[-1].time_utc
        shown = OpenBoard(board_in(world.out, "ml-prediction-home"), world.url, start, end, {"target": target})
        found = shown.panel("Forecast and what came")
        drawn = [(row["time"], row["P10"], row["P50"], row["P90"]) for row in found if row["P50"] is not None]
        assert drawn == [(each.time_utc, each.p10, each.p50, each.p90) for each in forecast.rows]
        metered = {row["time"]: row["Metered"] for row in found if row["Metered"] is not None}
        # Of generation marts hold days alone: nothing is drawn, and no zero.
        assert (metered == {}) == (target == "meter:pv")
    shown = world.shown("ml-prediction-home", target="meter:house")
    metered = {
        row["time"]: row["Metered"] for row in shown.panel("Forecast and what came") if row["Metered"] is not None
    }
    today = datetime.now(tz=ZoneInfo("Europe/Prague")).date()
    span = f"{today - timedelta(days=20)}/{today}"
    said = world.answer("/series", site="home", scope="meter:house", range=span, grain="hour")["rows"]
    whole = {datetime.fromisoformat(each["start_utc"]): each["value"] for each in said if each["coverage"] == 1}
    assert len(whole) > 400
    assert {at: metered.get(at) for at in whole} == whole


def test_scores_are_means_over_the_days_of_what_led(world: World) -> None:
    shown, analytics = world.shown("ml-prediction-home", target="meter:house"), world.shown("ml-analytics-home")
    known = [each for each in ForecastStore(world.project.store).scores("home", "meter:house") if not each.is_shadow]
    leads = ["h00", "h06", "d1"]
    by_lead = {lead: [each for each in known if each.lead == lead] for lead in leads}
    errors = {lead: sum(each.nrmse or 0 for each in those) / len(those) for lead, those in by_lead.items()}
    inside = {
        lead: sum(each.coverage * each.n for each in those) / sum(each.n for each in those)
        for lead, those in by_lead.items()
    }
    found = shown.panel("Error by hours ahead")
    assert [row["Ahead"] for row in found] == leads
    assert {row["Ahead"]: row["Error"] for row in found} == pytest.approx(errors)
    assert {row["Ahead"]: row["Inside"] for row in shown.panel("Hours inside the band")} == pytest.approx(inside)
    table = {row["Ahead"]: row for row in analytics.panel("Error of forecasts by target and hours ahead")}
    assert {lead: row["Error"] for lead, row in table.items()} == pytest.approx(errors)
    skill = [row["value"] for row in analytics.panel("Skill of the leading models")]
    assert skill == pytest.approx([each.skill for each in by_lead["d1"]])
    bias = [row["value"] for row in analytics.panel("Bias of the leading models")]
    assert bias == pytest.approx([each.bias for each in by_lead["d1"]])


def test_commands_and_their_proof_are_those_of_the_api(world: World) -> None:
    said = world.answer("/dispatch/ledger", site="home")["commands"]
    moments = [datetime.fromisoformat(each["valid_from"]) for each in said]
    shown = OpenBoard(board_in(world.out, "ml-control-home"), world.url, min(moments), max(moments))
    counted: dict[tuple[str, str, str], int] = defaultdict(int)
    for each in said:
        counted[each["device"], each["capability"], each["state"]] += 1
    found = {
        (row["Device"], row["Set-point"], row["State"]): row["Commands"] for row in shown.panel("Commands by state")
    }
    assert found == counted
    acted = [each for each in said if each["state"] != "PROPOSED"]
    assert acted
    unproven = [each for each in acted if not any(proof["is_proof"] and proof["by"] for proof in each["evidence"])]
    [stat] = shown.panel("Commands that are not proven")
    assert stat["Not proven"] == len(unproven)
    points = {(row["time"], row["metric"]): row["value"] for row in shown.panel("Set-points")}
    assert points == {
        (datetime.fromisoformat(each["valid_from"]), f"{each['device']} {each['capability']}"): each["value"]
        for each in said if each["unit"] == "kw" and each["state"] != "SUPERSEDED"
    }  # fmt: skip
    history = mode_history(world.project.store, "home")
    modes = shown.dicts("select * from boards.board_event where site_id = 'home' and kind = 'mode' order by at_utc")
    assert [(row["what"], row["person_id"]) for row in modes] == [(each["mode"], each["person_id"]) for each in history]


def test_temperatures_outside_are_those_that_degree_days_are_of(world: World) -> None:
    mart = read_mart(world.project.project.marts_dir, "mart_site__degree_days", site_id="home")
    shown, zone = world.shown("ml-prediction-home"), ZoneInfo("Europe/Prague")
    found = {row["time"].astimezone(zone).date(): row["value"] for row in shown.panel("Temperature outside")}
    assert found == {row["local_date"]: pytest.approx(float(row["mean_degc"])) for row in mart.iter_rows(named=True)
                     if row["mean_degc"] is not None}  # fmt: skip


def test_each_page_that_a_panel_leads_to_opens(world: World) -> None:
    base = world.project.project.settings.server.web_url
    for path in sorted((world.out / "boards").glob("*.json")):
        shown = world.shown(path.stem)
        for panel in shown.board["panels"]:
            link = panel["links"][0]["url"].removeprefix(base).replace("${seu}", shown.chosen.get("seu", ""))
            answer = world.api.ask(link, headers=[("accept", "text/html")])
            assert answer.status == 200, (panel["title"], link, answer.status)


@pytest.mark.skipif(not IS_HERE, reason=NONE_HERE)
def test_grafana_answers_each_panel_as_asked_here_and_opens_each_board_without_a_failed_panel(
    world: World, tmp_path: Path
) -> None:
    with a_grafana(world.out, tmp_path, PASSWORD) as grafana:
        for path in sorted((world.out / "boards").glob("*.json")):
            shown = world.shown(path.stem)
            assert grafana.board(path.stem)["title"] == shown.board["title"]
            for panel in shown.asking:
                # Its own macros in place of ours: what it makes of them is what the other tests stand on.
                told = grafana.answer(panel["targets"][0], shown)
                ours = shown.panel(panel["title"])
                assert told == numbers_of(ours, panel["targets"][0]["format"]), (path.stem, panel["title"])
            for mark in shown.board["annotations"]["list"]:
                assert grafana.answer({**mark["target"], "datasource": mark["datasource"]}, shown) is not None
        assert grafana.red_corners(world.out) == []


def test_a_build_that_makes_the_marts_anew_brings_the_views_back_and_says_which_sites_wait(world: World) -> None:
    shown, other = world.shown("ml-enpi-factory"), world.shown("ml-overview-home")
    before, energy = shown.panel("Quarters"), other.panel("Own generation by day")
    assert shown.panel("Standing of the figures") == other.panel("Standing of the figures")
    assert shown.panel("Standing of the figures") == [{"Figures of months": BUILT}]
    assert energy
    with psycopg.connect(world.owner, autocommit=True) as connection:
        # As after a change of the SQL: every table of both stages is made anew.
        connection.execute("delete from lake.built")
    project = OpenProject(str(world.project.project.root))
    for stage in ("kpi", "enpi"):
        months = ("2024-01-01|factory", "2025-11-01|factory")
        assert list(build_site_marts(project, stage, [months], clock=SystemClock()))
        with psycopg.connect(world.owner) as connection:
            stands = connection.execute("select count(*) from pg_views where schemaname = 'boards'").fetchall()
        assert stands == [(17,)]
    assert shown.panel("Quarters") == before
    assert shown.panel("Standing of the figures") == [{"Figures of months": BUILT}]
    # Nothing is drawn of a site whose own build is to come, and its board says so, and what to do.
    assert other.panel("Own generation by day") == []
    assert other.panel("Standing of the figures") == [{"Figures of months": UNBUILT.format("kpi", "home")}]
    months = [each for each in month_ranges(touched_months(project, after_id=0)[0]) if each[0].endswith("|home")]
    assert list(build_site_marts(project, "kpi", months, clock=SystemClock()))
    project.close()
    assert other.panel("Own generation by day") == energy
    assert other.panel("Standing of the figures") == [{"Figures of months": BUILT}]
