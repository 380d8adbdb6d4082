"""A command loads what it needs: what is counted is modules, which no other load of the machine changes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from orchestration.operations.commands import MODULES
from orchestration.warehouse.local_build import unreported_builds
from tests.readings.rooms import quarter_rows

# Seconds of CPU each.
HEAVY = {
    "dagster",
    "dbt",
    "great_expectations",
    "mlflow",
    "pandas",
    "sklearn",
    "statsmodels",
    "matplotlib",
    "reportlab",
}
ENDED = """
import atexit, sys
sys.argv[0] = "meterloom"
atexit.register(lambda: print("LOADED", *sys.modules))
from orchestration.cli.main import main
main()
"""
LOAD = [0.21 + 0.13 * (n % 96 // 8) for n in range(192)]
CSV = "timestamp,kwh\n2025-01-01T00:00:00Z,1.5\n2025-01-01T00:15:00Z,2.5\n"


def loaded(*words: str) -> tuple[str, set[str]]:
    """Output of one command in a process of its own, and the modules that it loaded."""
    done = subprocess.run([sys.executable, "-c", ENDED, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, _, names = done.stdout.rpartition("LOADED ")
    return said, set(names.split())


# The object that nobody gives back is what some library keeps to the end.
LOST = """
import ctypes, duckdb, sys
ctypes.pythonapi.Py_IncRef(ctypes.py_object(duckdb.connect()))
sys.argv = ["meterloom", *sys.argv[1:]]
from orchestration.cli.main import main
main()
"""


def test_a_command_ends_with_its_answer_and_its_code_and_no_lines_of_duckdb(tmp_path: Path) -> None:
    for words, code in ((("--version",), 0), (("quality", "--site", "s", "--project", str(tmp_path)), 2)):
        done = subprocess.run([sys.executable, "-c", LOST, *words], capture_output=True, text=True, check=False)
        assert (done.returncode, "nanobind" in done.stderr) == (code, False)
        assert done.stdout + done.stderr


def libraries(modules: set[str]) -> set[str]:
    """The first words of dotted names."""
    return {name.partition(".")[0] for name in modules}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh project made by `meterloom init`."""
    assert CliRunner().invoke(build_app(("init",)), ["init", str(tmp_path / "p")]).exit_code == 0
    return tmp_path / "p"


def test_the_first_page_of_help_is_the_one_of_all_commands_and_loads_none_of_them() -> None:
    pages = [CliRunner().invoke(build_app(is_glance=is_glance), ["--help"]).stdout for is_glance in (True, False)]
    assert pages[0] == pages[1]
    said, modules = loaded("--help")
    assert all(f"\n  {name} " in said for name in MODULES)
    assert not libraries(modules) & {*HEAVY, "polars", "numpy", "sqlalchemy", "assets"}
    assert not [name for name in modules if name.endswith("_commands")]


def test_looking_at_a_small_file_and_checking_a_project_load_no_store_and_no_engine(
    tmp_path: Path, project: Path
) -> None:
    (tmp_path / "small.csv").write_text(CSV)
    kept_out = {*HEAVY, "sqlalchemy", "alembic", "duckdb", "numpy", "paho"}
    for words in (("sniff", str(tmp_path / "small.csv")), ("check", "--project", str(project))):
        _, modules = loaded(*words)
        assert not libraries(modules) & kept_out, words
        assert len(modules) < 1000, words


# Three commands of their own processes: what a process loads can be seen nowhere else.
def test_marts_are_made_by_a_command_without_dagster_dbt_and_great_expectations_and_shown_again_without_an_engine(
    tmp_path: Path, project: Path
) -> None:
    from orchestration.warehouse.dbt import warehouse_plan

    # Whoever changed the SQL pays for dbt once; set-up does so beforehand.
    warehouse_plan()
    (tmp_path / "main.csv").write_text("meter,timestamp,kwh\n" + quarter_rows("main", LOAD))
    app = build_app(("ingest",))
    given = ["ingest", str(tmp_path / "main.csv"), "--site", "my_site", "--project", str(project)]
    assert CliRunner().invoke(app, given).exit_code == 0
    days = ("--period", "2025-01-01/2025-01-03", "--grain", "day")
    asked = ("kpis", "--site", "my_site", *days, "--project", str(project), "--json")
    said, modules = loaded(*asked)
    rows = json.loads(said)["rows"]
    used = [row["value"] for row in rows if (row["kpi"], row["scope"]) == ("consumption_kwh", "meter:main")]
    assert used == pytest.approx([sum(LOAD) / 2] * 2)
    assert not libraries(modules) & HEAVY
    again, modules = loaded(*asked)
    assert json.loads(again)["rows"] == rows
    assert not libraries(modules) & HEAVY
    check_reported_once(project)


def check_reported_once(project: Path) -> None:
    """Dagster knows what the command made, as if its own run had made it, and is told once."""
    import dagster as dg

    from orchestration.resources import ProjectResource
    from orchestration.warehouse.report_to_dagster import tell

    opened = ProjectResource(root=str(project))
    months = {"2025-01-01|my_site"}
    with dg.DagsterInstance.ephemeral() as instance:
        # The stages kpi and enpi.
        assert tell(instance, opened) == 2
        months_of = {"core_lake__month_quality", "mart_scope__day_kpi", "core_marts__published", "mart_seu__day_enpi"}
        for name in months_of:
            assert set(instance.get_materialized_partitions(dg.AssetKey(name))) == months, name
        for name in ("core_lake__15min_readings", *sorted(months_of - {"mart_seu__day_enpi"})):
            event = instance.get_latest_materialization_event(dg.AssetKey(name))
            made = event.asset_materialization if event else None
            kinds = {type(each) for each in made.metadata.values()} if made else set()
            assert dg.MarkdownMetadataValue in kinds, name
        kept = dg.AssetCheckKey(dg.AssetKey("core_lake__15min_readings"), "readings_keep_their_contract")
        checks = instance.event_log_storage.get_latest_asset_check_execution_by_key([kept])
        assert checks[kept].status.value == "SUCCEEDED"
        assert tell(instance, opened) == 0
    opened.close()


def test_a_red_check_stops_the_command_and_is_kept_for_dagster(tmp_path: Path, project: Path) -> None:
    path = project / "sites" / "my_site.yaml"
    path.write_text(path.read_text() + "validation: {gate: block}\n")
    half = quarter_rows("main", LOAD).splitlines(keepends=True)[: len(LOAD) // 2]
    (tmp_path / "main.csv").write_text("meter,timestamp,kwh\n" + "".join(half))
    app = build_app(("ingest", "kpis"))
    asked = ["--site", "my_site", "--project", str(project)]
    assert CliRunner().invoke(app, ["ingest", str(tmp_path / "main.csv"), *asked]).exit_code == 0
    result = CliRunner().invoke(app, ["kpis", "--period", "2025-01", *asked])
    assert (result.exit_code, result.stdout) == (1, ""), result.stderr
    assert "job kpi failed; red checks: readings_may_be_believed" in result.stderr
    ((_, made),) = unreported_builds(project / "var")
    assert not made.checks["readings_may_be_believed"].verdict.passed
    assert made.nodes == ()
