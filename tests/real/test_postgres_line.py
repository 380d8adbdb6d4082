"""The whole line on one empty PostgreSQL database: the demo's home, from meter file to a proven command.

The same home runs on files beside it, from the same meter files: every figure of both must be the same.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from data_quality.contracts.settings import Project, load_project
from data_quality.contracts.time import SystemClock
from tests.e2e.conftest import call_here
from tests.e2e.dagster_ui import Dagster, everything_up
from tests.real.same_figures import Compared, compare, figures_of

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]
CANARY = "canary-5f1d-of-the-database"
HISTORY_DAYS = 36


@dataclass
class Line:
    """A project on PostgreSQL, compared with its twin on files after the same jobs; then everything is up."""

    server: Project
    url: str
    compared: Compared
    dagster: Dagster
    arguments: str


@pytest.fixture(scope="module")
def empty_database(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database, with a password in it."""
    import psycopg

    name = "the_whole_line"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    base, _, query = postgres_server.partition("?")
    url = base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    # The packaged server asks for none; a server that does keeps its own.
    yield url.replace(":@", f":{CANARY}@", 1)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def variables(**values: str) -> Iterator[None]:
    """Environment variables for a block; whatever it sets besides goes with them."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# Commands whose quarter hour ended, or whose plan was replaced, before they were sent.
MISSED = {"EXPIRED", "SUPERSEDED"}
PROVEN = {"VERIFIED", "COMPLETED"}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, empty_database: str) -> Iterator[Line]:
    """Run the jobs of the line on both, then `meterloom up` on PostgreSQL as the README says."""
    from controls.simulator.worlds.anchor import ANCHOR
    from orchestration.demonstration.demo_job import make_demo_project
    from orchestration.supervised.deliveries import deliver_home

    root = tmp_path_factory.mktemp("line")
    files = make_demo_project(root / "files", until=ANCHOR)
    for other in ("factory", "tower"):
        (root / "files" / "sites" / f"{other}.yaml").unlink()
    deliver_home(files.project, files.site("home"), now_utc=SystemClock().now_utc(), days=HISTORY_DAYS)
    files.close()
    shutil.copytree(root / "files", root / "server")
    with variables():
        _work(root / "files", is_whole=False)
    with variables(METERLOOM_DATABASE__URL=empty_database):
        _work(root / "server", is_whole=True)
        server = load_project(root / "server", os.environ)
        # Before the daemon takes newer readings of the home into one of them.
        compared = compare(load_project(root / "files", {}), server, before=date.max)
        with everything_up(root / "server") as dagster:
            arguments = [_arguments(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
            yield Line(server, empty_database, compared, dagster, "\n".join(arguments))


def _work(folder: Path, *, is_whole: bool) -> None:
    """Ingest, marts and the reports of last month; where the whole line is wanted also models and a raised mode."""
    from assets.stores.file_hashes import landing_files
    from orchestration.demonstration.demo_dispatch import raise_mode
    from orchestration.demonstration.demo_tower import ingest_files
    from orchestration.month_keys import month_ranges
    from orchestration.resources import ProjectResource
    from orchestration.runner import open_runner
    from orchestration.sensors.lake_changes import touched_months

    project = ProjectResource(root=str(folder))
    with open_runner(project.project) as runner:
        runner.know_sites(["home"])
        ingest_files(runner, "home", landing_files(folder / "landing" / "home"))
        runner.build_marts(month_ranges(touched_months(project, after_id=0)[0]))
        last_month = (datetime.now(tz=UTC).date().replace(day=1) - timedelta(days=1)).replace(day=1)
        runner.run("month_reports", partition=f"{last_month}|home")
        if is_whole:
            runner.run("forecast", partition="home")
            raise_mode(project, SystemClock())
    project.close()
    month = ("--site", "home", "--period", f"{last_month:%Y-%m}", "--project", str(folder))
    code, _, error = call_here("report", "executive_summary", *month)
    assert code == 0, error


def _arguments(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:  # it ended meanwhile
        return ""


def test_each_part_has_a_schema_of_its_own_and_public_stays_empty(line: Line) -> None:
    import psycopg

    with psycopg.connect(line.url) as connection:
        rows = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_schema not in ('pg_catalog', 'information_schema')"
        ).fetchall()
    tables = {(schema, table) for schema, table in rows}
    assert {schema for schema, table in tables if table == "alembic_version"} == {"meterloom", "dagster", "mlflow"}
    assert {("meterloom", "commands"), ("dagster", "runs"), ("mlflow", "experiments"), ("lake", "readings")} <= tables
    assert "public" not in {schema for schema, _ in tables}


def test_every_figure_is_that_of_the_same_line_on_files(line: Line) -> None:
    found = line.compared
    assert found.differ == []
    assert found.figures > 30
    assert found.numbers > 1000
    assert found.worst <= 1e-9, found.worst_at


def test_a_printed_figure_is_traced_to_its_last_digit(line: Line) -> None:
    printed = figures_of(line.server)
    figure = next(each for each in printed.values() if each["unit"] == "kwh" and each["value"])
    with variables(METERLOOM_DATABASE__URL=line.url):
        code, traced, error = call_here("trace", figure["figure_id"], "--project", str(line.server.root))
    assert code == 0, error
    assert traced["is_equal"]


def test_a_run_that_the_webserver_is_asked_for_succeeds(line: Line) -> None:
    run_id = line.dagster.launch("plan", {"dagster/partition": "home"})
    assert line.dagster.wait(lambda run: run["runId"] == run_id, within_s=180)["status"] == "SUCCESS"


def test_the_daemon_dispatches_and_the_devices_prove_it(line: Line) -> None:
    from assets.stores.transactions import open_store
    from orchestration.views.ledger_view import commands_of_store

    sensed = line.dagster.wait(lambda run: run["tags"].get("dagster/sensor_name") == "dispatch_slots", within_s=240)
    assert sensed["status"] == "SUCCESS"
    # A run asked for in the last seconds of a quarter hour finds its commands over: the next one sends the next ones.
    until, store = time.monotonic() + 240, open_store(line.server.store_url)
    while time.monotonic() < until:
        sent = [each for each in commands_of_store(store, "home") if each["state"] not in {"PROPOSED", *MISSED}]
        if sent and {each["state"] for each in sent} <= PROVEN:
            break
        time.sleep(2)
    store.close()
    assert {each["device"] for each in sent} == {"battery", "pv", "ev_charger", "hot_water"}
    assert {each["state"] for each in sent} <= PROVEN


def test_models_are_registered(line: Line) -> None:
    from ml.tracking import MlflowTracker

    tracker = MlflowTracker(line.server.mlflow_uri, line.server.mlflow_artifacts_dir)
    assert tracker.names()


def test_the_password_is_in_no_argument_and_no_file(line: Line) -> None:
    from orchestration.warehouse.dbt import STATE_DIR

    assert "mlflow server" in line.arguments
    if CANARY not in line.url:
        pytest.skip("this server has a password of its own")
    assert CANARY not in line.arguments
    kept = [path for root in (line.server.root, STATE_DIR / "postgres") for path in root.rglob("*") if path.is_file()]
    assert {"dagster.yaml", "daemon.log", "mlflow.log", "agent-home.log"} <= {path.name for path in kept}
    assert [path for path in kept if CANARY.encode() in path.read_bytes()] == []


def test_doctor_says_which_database_and_which_schemas(line: Line) -> None:
    with variables(METERLOOM_DATABASE__URL=line.url):
        _, answer, _ = call_here("doctor", "--project", str(line.server.root))
    checks: dict[str, Any] = {each["name"]: each for each in answer["checks"]}
    assert checks["database"]["status"] == "ok"
    for sentence in (
        "/the_whole_line: store in meterloom",
        "warehouse in lake",
        "dagster in dagster",
        "mlflow in mlflow",
    ):
        assert sentence in checks["database"]["detail"]
    assert "not made yet" not in checks["database"]["detail"]
    assert CANARY not in str(answer)
