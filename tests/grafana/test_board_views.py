"""Views of boards on real PostgreSQL: they say what ledgers say, a level is Python's to the last digit, and their role
reads them and can do nothing else.
"""

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from assets.kpi.enpi.enpi_result import deviation_percent, status
from assets.stores.boards.board_views import ROLE, make_views, owner_of, renew_views, role_statements, view_statements
from assets.stores.ledgers.baselines import BaselineStore, baseline_id_of
from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.ledgers.plans import PlanStore
from assets.stores.transactions import Store, open_store
from assets.stores.warehouse.warehouse import WarehouseTarget, mark_built
from data_quality.contracts.baselines.baseline import BaselineType, StatusRule
from data_quality.contracts.control.forecast import SHADOW, Forecast, ForecastRow
from data_quality.contracts.control.forecast_score import ForecastScore
from data_quality.contracts.database import DatabaseSettings, with_options
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from reports.grafana.boards import board_json, boards
from reports.pages.energy_uses import formula_of
from tests.controls.planning.examples import plan
from tests.grafana.asked import BUILT, UNBUILT, OpenBoard
from tests.kpi.seeded import plant
from tests.ml.cases import baseline

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PASSWORD = "a password of the test alone"
WITHOUT_MARTS = {
    "board_site", "board_use", "board_baseline", "board_forecast", "board_score", "board_plan", "board_plan_step",
    "board_plan_state", "board_command", "board_event",
}  # fmt: skip


@pytest.fixture
def url(postgres_url: str) -> str:
    """A fresh database, as the settings name it."""
    return DatabaseSettings(url=postgres_url).of("warehouse")


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[Store]:
    """The store of that database, in its own schema."""
    opened = open_store(DatabaseSettings(url=postgres_url).of("store", driver="psycopg"))
    yield opened
    opened.close()


@pytest.fixture
def reader(url: str, ledger: Store) -> Iterator[str]:
    """The URL of the role of the boards, after the database's owner said its statements, twice as people do."""
    make_views(url, [plant()])
    with psycopg.connect(url, autocommit=True) as connection:
        for each in [*role_statements(*owner_of(url))] * 2:
            connection.execute(each.encode())
        connection.execute(f"alter role {ROLE} password '{PASSWORD}'".encode())
    base, _, rest = url.partition("//")
    yield f"{base}//{ROLE}:{PASSWORD.replace(' ', '%20')}@{rest.partition('@')[2] or rest}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"drop owned by {ROLE}".encode())
        # A role is the server's, and another database of it may have boards too.
        with suppress(psycopg.errors.DependentObjectsStillExist):
            connection.execute(f"drop role {ROLE}".encode())


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_level_is_that_of_python_at_and_around_each_bound(url: str) -> None:
    make_views(url, [])
    draw, cases = random.Random(1), list[tuple[Decimal, Decimal, StatusRule]]()
    for _ in range(2500):
        rule = StatusRule(
            policy=draw.choice(["signed", "symmetric", "target"]),
            warn_percent=draw.choice([0.0, 2.5, 3.0, 3.1]),
            crit_percent=draw.choice([3.1, 5.0, 7.7]),
            target_percent=draw.choice([0.0, 1.5, 2.2]),
        )
        expected = Decimal(draw.randrange(1, 10**9)) / 1000
        bounds = (rule.warn_percent, -rule.warn_percent, rule.crit_percent, -rule.crit_percent, -rule.target_percent)
        at = expected * (100 + Decimal(draw.choice(bounds))) / 100
        # As stored: whole billionths of a kWh, on the bound, one beside it, and anywhere.
        on = at.quantize(Decimal("1e-9"))
        step = Decimal("1e-9")
        cases += [(each, expected, rule) for each in (on, on + step, on - step, Decimal(draw.randrange(10**9)) / 1000)]
    assert len(cases) == 10_000
    asked = "select boards.enpi_status(%s, %s, %s, %s, %s, %s)"
    found = []
    with psycopg.connect(url) as connection, connection.pipeline():
        cursors = [
            connection.execute(asked, [actual, expected, rule.policy, *map(_exact, _levels(rule))])
            for actual, expected, rule in cases
        ]
        found = [cursor.fetchall()[0][0] for cursor in cursors]
    wanted = [status(deviation_percent(actual, expected), rule) for actual, expected, rule in cases]
    off = [(case, ours, theirs) for case, ours, theirs in zip(cases, wanted, found, strict=True) if ours != theirs]
    assert off == []
    assert set(wanted) == {"compliant", "warning", "critical"}


def _levels(rule: StatusRule) -> tuple[float, float, float]:
    return rule.warn_percent, rule.crit_percent, rule.target_percent


def _exact(value: float) -> Decimal:
    return Decimal(value)


def test_the_life_of_a_baseline_is_that_of_its_ledger(url: str, ledger: Store) -> None:
    store, anna = BaselineStore(ledger), Person(person_id="anna", name="Anna", roles=(Role.APPROVER,))
    line = baseline_id_of("plant", "line", BaselineType.ENB)
    fitted = [{"intercept": 549.8554, "pieces": 0.040019312}, {"intercept": -3.25, "pieces": -1e-7}, {"pieces": 2.0},
              {"intercept": 1234567.89}, {"pieces": 3.0}]  # fmt: skip
    for number, terms in enumerate(fitted, start=1):
        store.add(baseline(terms), f"run{number}", str(number), "ben", FixedClock(NOW + timedelta(hours=number)))
    for number in (1, 2):
        store.approve(line, number, anna, "looked at", {}, FixedClock(NOW + timedelta(days=number)))
    store.reject(line, 3, anna, "no autumn", FixedClock(NOW + timedelta(days=4)))
    make_views(url, [])
    asked = "select version, status, formula, decided_by, r2, rmse_kwh, cvrmse_percent, train_start, train_end, days "
    found = rows(url, f"{asked} from boards.board_baseline where baseline_id = '{line}' order by version")
    known = store.line(line)
    assert [row[1] for row in found] == ["superseded", "approved", "rejected", "provisional", "provisional"]
    for row, each in zip(found, known, strict=True):
        fit = each.baseline
        decided = each.approved_by or each.rejected_by
        assert row[:2] == (each.version, each.status.value)
        assert row[3:] == (
            decided, fit.statistics.r2, fit.statistics.rmse_dof, 100 * fit.statistics.cvrmse_g14, fit.train_start,
            fit.train_end, fit.statistics.n,
        )  # fmt: skip
    # The page's own line, but that it writes very small and large numbers by a power of ten.
    assert [row[2] for row in found[:1] + found[2:3]] == [formula_of(each) for each in (known[0], known[2])]


def test_forecasts_and_scores_are_those_of_the_ledger_and_a_challenger_is_not_drawn(url: str, ledger: Store) -> None:
    store = ForecastStore(ledger)
    for number, labels in enumerate([{}, {}, {SHADOW: "challenger"}]):
        store.add(_forecast(number, labels), FixedClock(NOW + timedelta(hours=number)))
    first, again = _score(coverage=0.5), _score(coverage=0.8)
    for each in (first, again, _score(coverage=0.1, is_shadow=True)):
        store.add_scores([each], FixedClock(NOW))
    make_views(url, [])
    found = rows(url, "select issued_at_utc, time_utc, p10, p50, p90, unit from boards.board_forecast order by 1, 2")
    latest = store.latest("plant", "meter:main")
    assert latest is not None
    assert [row[1:] for row in found if row[0] == latest.issued_at_utc] == [
        (each.time_utc, each.p10, each.p50, each.p90, "kwh") for each in latest.rows
    ]
    assert len({row[0] for row in found}) == 2
    asked = "select local_day, lead, n, coverage, crps, pinball, nrmse, bias, skill from boards.board_score"
    [row] = rows(url, f"{asked} where not is_shadow")
    assert row == (again.local_day, again.lead, 6, 0.8, again.crps, 1.0, None, None, again.skill)


def _forecast(number: int, labels: dict[str, str]) -> Forecast:
    at = NOW + timedelta(hours=number)
    steps = [ForecastRow(time_utc=at + timedelta(hours=h), p10=h, p50=h + number, p90=h + 5.0) for h in range(3)]
    return Forecast(
        forecast_id=str(number), site_id="plant", target="meter:main", issued_at_utc=at, available_at_utc=at,
        model_name="m", model_version="1", input_digest="d", is_synthetic=True, rows=tuple(steps), labels=labels,
    )  # fmt: skip


def _score(**more: Any) -> ForecastScore:
    given = {"is_shadow": False, "n": 6, "pinball": 1.0, "crps": 3.0, "nrmse": None, "bias": None, "floor_crps": 4.0}
    place = {"site_id": "plant", "target": "meter:main", "local_day": date(2025, 3, 1), "lead": "h00"}
    return ForecastScore(**(place | given | more), model_name="m", model_version="1", is_synthetic=True)


def test_each_step_of_a_plan_stands_with_each_figure_of_each_device(url: str, ledger: Store) -> None:
    made = PlanStore(ledger).add_with_commands(plan(), [], FixedClock(NOW)).plan
    make_views(url, [])
    found = {(row[0], row[1], row[2]): row[3] for row in rows(
        url, "select start_utc, device_id, figure, value from boards.board_plan_step"
    )}  # fmt: skip
    wanted: dict[tuple[datetime, str, str], float] = {}
    for step in made.steps:
        grid = {"import_kw": step.import_kw, "export_kw": step.export_kw}
        for device, figures in {**step.devices, "grid": grid}.items():
            wanted |= {(step.start_utc, device, name): value for name, value in figures.items()}
    assert found == wanted
    asked = "select version, cost, unplanned_cost, gap, status, start_utc, end_utc, steps from boards.board_plan"
    assert rows(url, asked) == [
        (made.version, made.paid, made.no_battery_cost, made.gap, made.status, made.request.start_utc,
         made.steps[-1].end_utc, len(made.steps))
    ]  # fmt: skip
    states = rows(url, "select start_utc, state from boards.board_plan_state where device_id = 'battery' order by 1")
    assert states == [(step.start_utc, _state(step.devices["battery"])) for step in made.steps]


def _state(figures: dict[str, float]) -> str:
    charge, discharge = figures["battery_charge_kw"], figures["battery_discharge_kw"]
    return "charges" if charge > 0.0005 else "discharges" if discharge > 0.0005 else "idle"


def test_the_role_of_the_boards_reads_views_and_can_do_nothing_else(reader: str, url: str) -> None:
    assert rows(reader, "select site_id, time_zone from boards.board_site") == [("plant", "Europe/Berlin")]
    assert rows(reader, "show statement_timeout") == [("5s",)]
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'meterloom'"
        ).fetchall()
    assert len(tables) > 50
    refused = [f"select 1 from {name}" for (name,) in tables]
    refused += ["create table boards.mine (a int)", "create schema mine", "create view boards.mine as select 1"]
    refused += [f"delete from {name}" for (name,) in tables]
    refused += ["drop view boards.board_site", "comment on schema boards is ''"]
    for read_only in ("on", "off"):
        with psycopg.connect(reader, autocommit=True) as connection:
            # What it may not do does not hang on a setting that it can change itself.
            connection.execute(f"set default_transaction_read_only = {read_only}".encode())
            for each in refused:
                with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                    connection.execute(each.encode())


def test_a_view_that_comes_later_can_be_read_too_and_one_that_went_comes_again(reader: str, url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("drop view boards.board_site cascade")
    renew_views(url, [plant(site_id="other", time_zone="Asia/Kathmandu")])
    assert rows(reader, "select site_id, time_zone from boards.board_site") == [("other", "Asia/Kathmandu")]


def test_views_wait_for_the_first_build_and_nothing_is_made_unasked(url: str, ledger: Store) -> None:
    renew_views(url, [plant()])
    assert rows(url, "select to_regnamespace('boards')::text") == [(None,)]
    stands = make_views(url, [plant()])
    assert {name for name, is_there in stands.items() if is_there} == WITHOUT_MARTS
    assert stands == make_views(url, [plant()])
    # Nothing was made twice: whoever reads a view meanwhile is not thrown out.
    before = rows(url, "select oid from pg_class where relname = 'board_site'")
    renew_views(url, [plant()])
    assert rows(url, "select oid from pg_class where relname = 'board_site'") == before


def test_a_board_says_of_its_own_site_whether_the_figures_are_built(url: str, ledger: Store, tmp_path: Path) -> None:
    target, sites = WarehouseTarget(duckdb_file=tmp_path / "none", postgres_url=url), ("works", "yard")

    def standings() -> list[str]:
        renew_views(url, [plant(site_id=each) for each in sites])
        found = []
        for each in sites:
            board = board_json(boards()[0], plant(site_id=each), web_url="https://energy.example")
            [row] = OpenBoard(board, url, NOW, NOW).panel("Standing of the figures")
            found.append(row["Figures of months"])
        return found

    mark_built(target, ["kpi", "kpi|works", "enpi", "enpi|works", "kpi|yard", "enpi|yard"], "of the old SQL")
    make_views(url, [plant(site_id=each) for each in sites])
    assert standings() == [BUILT] * 2
    # As a build of one site under other SQL marks: first nothing is built, then that site is.
    mark_built(target, ["kpi"], "")
    assert standings() == [UNBUILT.format("kpi", each) for each in sites]
    mark_built(target, ["kpi", "kpi|works"], "of the new SQL")
    mark_built(target, ["enpi"], "")
    assert standings() == [UNBUILT.format("enpi", "works"), UNBUILT.format("enpi, kpi", "yard")]
    mark_built(target, ["enpi", "enpi|works"], "of the new SQL")
    assert standings() == [BUILT, UNBUILT.format("enpi, kpi", "yard")]


def test_texts_of_site_files_arrive_as_they_are(url: str) -> None:
    name = "O'Neill; drop schema boards cascade; -- \" \\ 100 % ü"
    make_views(url, [plant(name=name)])
    assert rows(url, "select name from boards.board_site") == [(name,)]
    assert all(each.startswith(("create", "-- ")) for each in view_statements([plant(name=name)]))


def test_a_build_does_not_stop_where_it_may_not_make_views(url: str, caplog: pytest.LogCaptureFixture) -> None:
    make_views(url, [plant()])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create role lesser nologin")
    try:
        renew_views(with_options(url, "-c role=lesser"), [plant(name="Another")])
        assert "the views of schema boards" in caplog.text
        assert rows(url, "select name from boards.board_site") == [(plant().name,)]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("drop schema boards cascade")
        with pytest.raises(Unreachable, match="let the database's owner do it: CREATE SCHEMA boards"):
            make_views(with_options(url, "-c role=lesser"), [plant()])
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("drop role lesser")
