"""The graph's public names, and what loading it may cost."""

import re
import subprocess
import sys
import warnings
from collections import defaultdict
from pathlib import Path

import dagster as dg
import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("mlflow", "statsmodels", "sktime", "sklearn", "great_expectations", "pulp", "highspy", "reportlab")
HEAVY += ("xlsxwriter", "matplotlib", "dbt", "dagster_dbt")

ASSETS = {
    "core_bill__reconciliation",
    "core_enpi__published",
    "core_circuit__disaggregation",
    "core_event__settlement",
    "core_lake__15min_readings",
    "core_lake__month_quality",
    "core_marts__published",
    "core_seu__baseline",
    "core_seu__expected_days",
    "core_seu__monitoring_baseline",
    "core_project__benchmark",
    "core_project__cause_model",
    "core_site__anomaly_events",
    "core_site__day_ahead_forecast",
    "core_site__execution",
    "core_site__forecast_models",
    "core_site__forecast_scores",
    "core_site__plan",
    "core_site__recommendations",
    "core_site__reference",
    "core_site__released_commands",
    "core_site__weather_forecast",
    "kpi_catalogue",
    "out_project__disclosures",
    "out_site__enpi_quarter",
    "out_site__month_reports",
    "raw_landing__15min_readings",
    "raw_landing__pulled_files",
}
MARTS = {
    "mart_portfolio__kpi_values",
    "mart_scope__hour_kpi",
    "mart_scope__rolling_kpi",
    "mart_site__degree_days",
    "mart_meter__hour_energy",
    "mart_scope__day_kpi",
    "mart_scope__month_kpi",
    "mart_scope__year_kpi",
    "mart_seu__day_enpi",
    "mart_seu__kpi_values",
    "mart_seu__month_enpi",
    "mart_site__day_projection",
    "mart_site__kpi_values",
    "mart_site__quarter_hour_running",
}


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    """The definitions as Dagster loads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dagster's own beta notices
        from orchestration.definitions import defs as loaded

        return loaded


def test_the_graph_has_these_assets(defs: dg.Definitions) -> None:
    keys = {key.to_user_string() for key in defs.resolve_all_asset_keys()}
    assert {key for key in keys if not key.startswith(("stg_", "int_", "mart_"))} == ASSETS
    assert {key for key in keys if key.startswith("mart_")} == MARTS


def test_the_graph_has_these_jobs_schedules_and_sensors(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    reports = {"enpi_report", "month_reports", "disclosure", "benchmark"}
    work = {
        "ingest",
        "kpi",
        "enpi",
        "baseline",
        "anomalies",
        "monitoring",
        "bill_audit",
        "forecast",
        "forecast_issue",
        "forecast_watch",
        "plan",
        "pull",
        "dispatch",
        "execution",
        "closed_loop_month",
        "trust",
        "weather",
        "workflows",
        "dr_event",
        "dr_settle",
        "advise",
        "nilm",
    }
    assert jobs == work | reports
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "quarterly_enpi_reports",
        "monthly_reports",
        "yearly_disclosures",
        "yearly_benchmarks",
        "daily_monitoring",
        "daily_bill_audits",
        "daily_trust",
        "hourly_execution",
        "hourly_forecasts",
        "hourly_weather",
        "monthly_advice",
        "nightly_anomalies",
        "nightly_forecast_scores",
        "quarter_hourly_pulls",
        "weekly_retraining",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "landing",
        "lake_changes",
        "enpi_changes",
        "baseline_changes",
        "report_changes",
        "plan_changes",
        "dispatch_slots",
        "job_outcomes",
        "home_assistant",
        "workflow_triggers",
        "open_events",
        "over_events",
    }


def test_every_asset_has_a_group_an_owner_and_a_description(defs: dg.Definitions) -> None:
    for asset in defs.resolve_asset_graph().asset_nodes:
        if asset.is_materializable:
            name = asset.key.to_user_string()
            assert asset.group_name not in (None, "default"), name
            assert asset.owners, name
            assert asset.description, name
            assert asset.kinds, name


def test_everything_that_the_ui_lists_says_what_it_is(defs: dg.Definitions) -> None:
    repository, graph = defs.get_repository_def(), defs.resolve_asset_graph()
    told = {
        **{each.name: each.description for each in (*repository.schedule_defs, *repository.sensor_defs)},
        **{job.name: job.description for job in repository.get_all_jobs() if not job.name.startswith("__")},
        **{name: each.description for name, each in repository.get_top_level_resources().items()},
        **{node.key.to_user_string(): node.description for node in graph.asset_nodes},
        **{f"check {key.name}": graph.get_check_spec(key).description for key in graph.asset_check_keys},
    }
    assert len(told) > 100
    # A word or two would be its name once more.
    assert {name for name, text in told.items() if len((text or "").split()) < 4} == set()


def cut(name: str, length: int = 18) -> str:
    """The name as Dagster's graph shows it from afar: what is too long loses its middle, before a `__` where it can."""
    over = len(name) - length
    if over <= 0:
        return name
    joints = [found.start() for found in re.finditer("__", name)]
    behind = [place for place, joint in enumerate(joints) if joint > over + 3]
    at = joints[max(behind[0], len(joints) // 2)] if behind else (len(name) + over) // 2
    return f"{name[: at - over - 1]}…{name[at:]}"


def test_no_two_marts_of_a_group_read_alike_where_the_graph_cuts_their_names(defs: dg.Definitions) -> None:
    assert cut("mart_site__kpi_values") == cut("mart_seu__kpi_values") == "mart_…__kpi_values"
    shown = defaultdict(list)
    for node in defs.resolve_asset_graph().asset_nodes:
        if node.key.to_user_string() in MARTS | ASSETS:
            shown[node.group_name, cut(node.key.to_user_string())].append(node.key.to_user_string())
    assert [names for names in shown.values() if len(names) > 1] == []


def test_every_asset_is_made_by_some_job(defs: dg.Definitions) -> None:
    jobs = [job for job in defs.get_repository_def().get_all_jobs() if not job.name.startswith("__")]
    made = {key for job in jobs for key in job.asset_layer.executable_asset_keys}
    assert {node.key for node in defs.resolve_asset_graph().asset_nodes if node.is_materializable} == made


def test_a_job_that_acts_on_hardware_is_never_retried(defs: dg.Definitions) -> None:
    assert defs.resolve_job_def("dispatch").tags["dagster/max_retries"] == "0"


def test_loading_the_definitions_pulls_in_no_heavy_library(defs: dg.Definitions) -> None:
    # The fixture has left what dbt's project means in its file: this process reads it as every later one does.
    code = (
        "import sys, warnings; warnings.simplefilter('ignore'); import orchestration.definitions; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.strip() == "[]"


def test_the_definitions_file_is_one_call() -> None:
    assert len((ROOT / "orchestration" / "definitions.py").read_text().splitlines()) <= 60
