"""The demo: from meter files to a report and a proven command, all in one graph."""

import shutil
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa

from assets.stores.schema.tables_findings import workflow_instances
from assets.stores.tables import TABLES
from assets.stores.transactions import Store
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import FixedClock, SystemClock
from orchestration.demonstration.demo_workflows import run_workflows
from orchestration.resources import ProjectResource
from orchestration.runner import open_runner
from orchestration.warehouse.mart_previews import PREVIEWED
from tests.controls.planning.examples import published
from tests.e2e.conftest import Meterloom
from tests.e2e.for_people import READS, ROWS, not_for_people, read

Demo = tuple[Path, dict[str, Any]]
# Libraries have notices of their own, as a user's Python treats them.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]


def test_the_demo_names_its_report_and_plan(demo: Demo) -> None:
    _, answer = demo
    kinds = {artifact["kind"] for artifact in answer["artifacts"]}
    assert {"pdf", "xlsx", "plan"} <= kinds
    assert all(Path(artifact["path"]).stat().st_size > 1000 for artifact in answer["artifacts"])


def test_the_plan_of_the_demo_is_of_the_published_schema(demo: Demo) -> None:
    project = ProjectResource(root=str(demo[0]))
    plan = project.plans.latest("home")
    project.close()
    assert plan is not None
    assert published(plan) == plan


def test_every_job_of_the_line_ran(demo: Demo) -> None:
    _, answer = demo
    assert {run["job"] for run in answer["runs"]} == {
        "ingest",
        "kpi",
        "baseline",
        "enpi",
        "forecast",
        "plan",
        "dispatch",
        "enpi_report",
        "bill_audit",
        "anomalies",
    }


def test_figures_of_the_report_are_recomputed_to_the_last_digit(demo: Demo, meterloom: Meterloom) -> None:
    folder, answer = demo
    for figure in answer["figures"]:
        code, traced, error = meterloom("trace", figure["figure_id"], "--project", str(folder))
        assert code == 0, error
        assert traced["is_equal"]
        assert traced["difference"] in (0, None)


def test_the_readings_behind_a_figure_add_up_to_it(demo: Demo, meterloom: Meterloom) -> None:
    folder, _ = demo
    _, found, error = meterloom("kpis", "--site", "factory", "--period", "2025-03", "--project", str(folder))
    assert found is not None, error
    row = next(r for r in found["rows"] if r["kpi"] == "consumption_kwh" and r["scope"] == "meter:compressor_1")
    _, traced, _ = meterloom("trace", row["figure_id"], "--rows", "--project", str(folder))
    # March 2025 has 743 hours in Berlin.
    assert len(traced["rows"]) == 743 * 4
    assert float(sum(Decimal(repr(r["value"])) for r in traced["rows"])) == row["value"]
    assert all(r["source_name"].startswith("factory_2025-0") for r in traced["rows"])


def test_the_commands_were_read_back_from_the_devices(demo: Demo) -> None:
    _, answer = demo
    by_device = {order["device"]: order for order in answer["commands"]}
    # In the quarter hour in which it leaves, nothing is planned for the car.
    assert {"battery", "hot_water", "pv"} <= set(by_device) <= {"battery", "hot_water", "pv", "ev_charger"}
    for order in by_device.values():
        assert order["state"] in ("VERIFIED", "COMPLETED")
        assert order["evidence"][0]["grade"] >= 3


def test_the_ledger_is_whole_and_the_mode_was_raised_by_a_named_person(demo: Demo, meterloom: Meterloom) -> None:
    folder, _ = demo
    code, verified, _ = meterloom("dispatch", "verify", "--site", "home", "--project", str(folder))
    assert (code, verified["problems"]) == (0, [])
    _, mode, _ = meterloom("dispatch", "mode", "--site", "home", "--project", str(folder))
    assert mode["mode"] == "PARTIAL"
    assert (mode["history"][-1]["person_id"], bool(mode["history"][-1]["reason"])) == ("carla", True)


def test_a_simulated_report_says_so_and_cannot_be_published(demo: Demo, meterloom: Meterloom) -> None:
    folder, _ = demo
    _, report, _ = meterloom(
        "report", "enpi_quarter", "--site", "factory", "--period", "2025-Q4", "--project", str(folder)
    )
    assert "synthetic_data" in report["against_publication"]
    assert report["revision"] == 1


def test_a_pack_of_the_report_is_verified_and_one_changed_byte_is_named(
    demo: Demo, meterloom: Meterloom, tmp_path: Path
) -> None:
    folder, _ = demo
    pack = tmp_path / "pack.zip"
    # October begins in a UTC day of September, whose file holds the whole month.
    code, _, error = meterloom(
        "pack", "enpi_quarter/factory/2025-Q4@1", "--out", str(pack), "--as", "anna", "--project", str(folder)
    )
    assert code == 0, error
    code, verified, _ = meterloom("verify", str(pack))
    assert (code, verified["verified"], verified["problems"]) == (0, True, [])
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    code, verified, _ = meterloom("verify", str(pack))
    assert (code, verified["verified"]) == (1, False)
    assert len(verified["problems"]) == 1


def test_the_improvement_of_2025_is_found_within_its_uncertainty(demo: Demo, meterloom: Meterloom) -> None:
    folder, _ = demo
    for seu in ("compressors", "hvac", "production_line"):
        code, enpi, error = meterloom(
            "enpi", "--site", "factory", "--seu", seu, "--period", "2025", "--project", str(folder)
        )
        assert code == 0, error
        assert enpi["status"] == "compliant"
        # Each machine-month was drawn between 0.96 and 0.98.
        assert -4.5 < enpi["deviation_percent"] < -1.5


def test_the_measure_of_the_factory_is_reported_from_the_middle_of_a_month_against_its_own_baseline(
    demo: Demo, meterloom: Meterloom, tmp_path: Path
) -> None:
    folder, _ = demo
    code, made, error = meterloom(
        "report",
        "mv_project",
        "--site",
        "factory",
        "--format",
        "json",
        "--out",
        str(tmp_path),
        "--project",
        str(folder),
    )
    assert code == 0, error
    # Its installation ended on 13 January: no month of the marts is the first of its reporting period.
    assert made["report_id"] == "mv_project/factory/compressed_air/2025-01-13_2026-01-01"
    claimed = next(row for row in made["figures"] if row["label"].endswith("Claimed"))
    assert float(claimed["value"]) > 10_000
    assert not {"no_baseline", "provisional"} & {each["code"] for each in made["findings"]}


def test_late_files_of_the_tower_change_their_months_and_figures_only(demo: Demo) -> None:
    _, answer = demo
    late = answer["late"]
    # The cut file is sent again, the steam comes three weeks late, the plant's first month is corrected.
    assert {file["name"].split("_", 2)[2] for file in late["files"]} == {
        "utility_resent.xml",
        "steam.csv",
        "plant_v2.csv",
    }
    assert late["months"] == sorted({f"tower|{file['name'].split('_')[1]}" for file in late["files"]})
    assert {row["kpi"] for row in late["figures"]} == {"consumption_kwh", "cost", "emission_kgco2e"}
    assert all(row["was"] is None and row["now"] > 0 for row in late["figures"])
    assert late["report"]["was_stale"]
    assert late["report"]["revisions"] == [1, 2]
    assert late["report"]["figures_changed"] > 0


def test_faulty_files_of_the_tower_stand_in_quarantine(demo: Demo, meterloom: Meterloom) -> None:
    folder, answer = demo
    code, found, error = meterloom("quarantine", "list", "--site", "tower", "--project", str(folder))
    assert code == 0, error
    assert sorted({item["source_name"] for item in found["items"]}) == answer["quarantine"]
    assert {"unknown_meter", "duplicate_conflict", "negative_consumption", "not_well_formed"} <= set(found["reasons"])


def test_a_late_reading_makes_the_report_stale_and_says_why(demo: Demo, meterloom: Meterloom, tmp_path: Path) -> None:
    folder, answer = demo
    copy = tmp_path / "project"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.sock", "logs"))
    source = next((copy / "landing" / "factory").glob("factory_2025-11_meters.csv"))
    late = pl.read_csv(source).filter(pl.col("meter") == "compressor_1").head(4).with_columns(kwh=pl.col("kwh") + 5.0)
    path = tmp_path / "late.csv"
    late.write_csv(path)
    code, ingested, error = meterloom("ingest", str(path), "--site", "factory", "--project", str(copy))
    assert code == 0, error
    assert ingested["files"][0]["corrected_rows"] == 4
    assert ingested["files"][0]["partitions"] == ["factory|2025-11"]
    _, reports, _ = meterloom("reports", "list", "--project", str(copy))
    stale = {report["period"]: report["stale"] for report in reports["reports"] if report["site"] == "factory"}
    assert stale["2025-Q4"] is True
    # The printed figure is still recomputed as it was known when it was printed.
    _, traced, _ = meterloom("trace", answer["figures"][0]["figure_id"], "--project", str(copy))
    assert traced["is_equal"]


def test_the_same_landing_files_again_change_nothing(demo: Demo, meterloom: Meterloom) -> None:
    folder, _ = demo
    files = sorted(str(path) for path in (folder / "landing" / "factory").glob("factory_2025-0*.csv"))
    code, answer, error = meterloom("ingest", *files, "--site", "factory", "--project", str(folder))
    assert code == 0, error
    assert all(found["is_repeat"] and found["new_rows"] == 0 for found in answer["files"])


# What a manager opens: each says on its page in Dagster what it holds, as a picture or a table. Expected energy has its
# picture too, but of the tower, which comes last, none is known.
SHOWN = {
    "core_bill__reconciliation",
    "core_lake__15min_readings",
    "core_lake__month_quality",
    "core_marts__published",
    "core_seu__baseline",
    "core_site__day_ahead_forecast",
    "core_site__forecast_models",
    "core_site__plan",
    "core_site__released_commands",
    "out_site__enpi_quarter",
    "raw_landing__15min_readings",
} | PREVIEWED


@pytest.mark.filterwarnings("ignore")
def test_every_asset_that_a_manager_opens_has_a_picture_or_a_table(demo: Demo) -> None:
    folder, _ = demo
    with open_runner(load_project(folder, {})) as runner:
        newest = runner.instance.get_latest_materialization_events([dg.AssetKey(name) for name in SHOWN])
    made = {key.to_user_string(): event.asset_materialization for key, event in newest.items() if event is not None}
    drawn = {
        name
        for name, each in made.items()
        if each is not None and any(type(value) is dg.MarkdownMetadataValue for value in each.metadata.values())
    }
    assert drawn == SHOWN


def test_of_the_factorys_six_bills_the_last_differs_for_it_has_last_years_prices(
    demo: Demo, meterloom: Meterloom
) -> None:
    folder, _ = demo
    _, found, _ = meterloom("bill", "list", "--site", "factory", "--project", str(folder))
    verdicts = [(each["verdict"], each["cause"]) for each in found["bills"]]
    assert verdicts == [("agrees", "none")] * 5 + [("differs", "wrong_tariff_period")]
    assert "industry-tou-2025 applies" in found["bills"][-1]["notice"]


def test_an_approved_baseline_has_its_alias_in_the_registry(demo: Demo, meterloom: Meterloom) -> None:
    folder, _ = demo
    _, found, _ = meterloom("models", "list", "--project", str(folder))
    aliases = {each["name"]: each["alias"] for each in found["models"]}
    assert aliases["factory.hvac.enb.ols_daily"] == "approved"


@pytest.mark.parametrize("words", READS)
def test_what_a_command_prints_is_for_people(demo: Demo, words: str) -> None:
    code, text = read(demo[0], words)
    assert code in (0, 1, 2, 3), text
    assert text.strip()
    assert not_for_people(text) == []


@pytest.mark.parametrize("listed", ROWS)
def test_what_shows_a_row_of_a_list_is_for_people(demo: Demo, meterloom: Meterloom, listed: str) -> None:
    words, key = ROWS[listed]
    code, answer, error = meterloom(*listed.split(), "--project", str(demo[0]))
    assert code == 0, error
    row = answer[key][0]
    code, text = read(
        demo[0], words.format(next(row[key] for key in ("id", "bill_id", "plan_id", "name") if key in row))
    )
    assert code == 0, text
    assert not_for_people(text) == []


# Ends of the columns that say when something was recorded, seen or over; others, as expiries, may lie ahead.
MOMENTS = ("at_utc", "ended_utc", "opened_utc", "seen_utc", "last_utc", "newest_utc", "oldest_utc")


def ahead_of(now_utc: datetime, store: Store) -> dict[str, datetime]:
    """Newest moments of the store's tables that lie ahead of now, by table and column."""
    newest = {
        f"{table.name}.{column.name}": store.rows(sa.select(sa.func.max(column).label("newest")))[0]["newest"]
        for table in TABLES for column in table.c if column.name.endswith(MOMENTS)
    }  # fmt: skip
    assert {"work_orders.recorded_at_utc", "workflow_instances.recorded_at_utc", "job_outcomes.ended_utc"} <= set(
        newest
    )
    return {place: moment for place, moment in newest.items() if moment is not None and moment > now_utc}


def test_nothing_of_a_demo_is_recorded_ahead_of_its_now(demo: Demo, tmp_path: Path) -> None:
    folder = shutil.copytree(demo[0], tmp_path / "demo")
    project = ProjectResource(root=str(folder))
    now_utc = SystemClock().now_utc()
    assert ahead_of(now_utc, project.store) == {}
    # Of a later day before its digest is due, too; that of the day before is written.
    day = now_utc.date() + timedelta(days=2)
    early = FixedClock(datetime.combine(day, time(3), UTC))
    run_workflows(project, early, print, until=day)
    assert ahead_of(early.now_utc(), project.store) == {}
    assert any(row["recorded_at_utc"] > now_utc for row in project.store.rows(sa.select(workflow_instances)))
    project.close()
