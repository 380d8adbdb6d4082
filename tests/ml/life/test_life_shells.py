"""The life of models in Dagster: run requests and their times, and what the assets show and keep."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.stores.erasure.files import rebuilt_paths
from assets.stores.feature_days import FeatureDays
from data_quality.contracts.time import FixedClock
from ml.tracking import MlflowTracker
from orchestration.partitions import SITES
from orchestration.resources import ProjectResource
from orchestration.schedules import nightly_forecast_scores, weekly_retraining
from tests.kpi.seeded import fill
from tests.ml.forecasts.issuing import NOW, load, readings
from tests.orchestration.test_cli import run

# Dagster announces what is in beta.
pytestmark = pytest.mark.filterwarnings("ignore")
SITE = """\
site_id: shells
name: Works
time_zone: Europe/Berlin
currency: EUR
country: DE
meters: [{meter_id: a}]
forecast_targets: [a]
"""


@pytest.fixture
def resource(tmp_path: Path, tracker: MlflowTracker) -> ProjectResource:
    """A project of one site with eight weeks of readings."""
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").write_text("{}\n")
    # The registry of all tests here: making an empty one takes seconds.
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "mlflow").symlink_to(tracker.artifacts_dir.parent)
    (tmp_path / "people.yaml").write_text("people: []\n")
    (tmp_path / "sites" / "shells.yaml").write_text(SITE)
    found = ProjectResource(root=str(tmp_path))
    site = found.site("shells")
    rows = readings(site, load()).drop("batch_id", "recorded_at_utc").with_columns(is_correction=pl.lit(value=False))
    fill(found.lake, site, rows, clock=FixedClock(NOW), name="all")
    return found


def run_requests(resource: ProjectResource, schedule: Any, at: datetime, folder: Path) -> list[dg.RunRequest]:
    with (
        dg.instance_for_test(temp_dir=str(folder)) as instance,
        dg.build_schedule_context(
            instance=instance, resources={"project": resource}, scheduled_execution_time=at
        ) as context,
    ):
        return [each for each in schedule(context) if isinstance(each, dg.RunRequest)]


def test_a_site_is_trained_when_due_and_the_run_says_why(resource: ProjectResource, tmp_path: Path) -> None:
    (found,) = run_requests(resource, weekly_retraining, NOW, tmp_path)
    config = found.run_config["ops"]["core_site__forecast_models"]["config"]
    assert (found.partition_key, found.run_key) == ("shells", f"retrain:shells:{NOW.date()}")
    assert config["targets"] == ["meter:a"]
    assert config["reason"] == "meter:a: no model of it has been trained yet"
    trained = {"target": "meter:a", "is_promoted": True, "trained_until_utc": NOW.isoformat()}
    resource.forecasts.add_promotion("shells.a.import.day_ahead.x", trained, FixedClock(NOW))
    # Readings end where they ended: months later there is nothing to learn anew.
    assert run_requests(resource, weekly_retraining, NOW + timedelta(days=90), tmp_path) == []


def test_the_night_scores_every_site_that_has_targets(resource: ProjectResource, tmp_path: Path) -> None:
    (found,) = run_requests(resource, nightly_forecast_scores, NOW, tmp_path)
    assert (found.partition_key, found.run_key) == ("shells", f"forecast_watch:shells:{NOW.date()}")
    (tmp_path / "sites" / "shells.yaml").write_text(SITE.replace("forecast_targets: [a]\n", ""))
    second = ProjectResource(root=str(tmp_path))
    assert run_requests(second, nightly_forecast_scores, NOW, tmp_path) == []
    assert run_requests(second, weekly_retraining, NOW, tmp_path) == []


def test_a_training_shows_folds_and_pictures_and_keeps_them_in_its_run(
    resource: ProjectResource, tracker: MlflowTracker
) -> None:
    # Here, where what Dagster announces is let pass.
    from ml.defs import core_site__day_ahead_forecast, core_site__forecast_models, core_site__forecast_scores

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(SITES.name or "", ["shells"])
        result = dg.materialize(
            [core_site__forecast_models, core_site__day_ahead_forecast, core_site__forecast_scores],
            instance=instance,
            partition_key="shells",
            resources={"project": resource, "clock": FixedClock(NOW)},
            run_config={
                "ops": {"core_site__forecast_models": {"config": {"backtest_days": 18, "reason": "a test asks"}}}
            },
        )
    (made,) = result.asset_materializations_for_node("core_site__forecast_models")
    assert made.metadata["why"].value == "a test asks"
    assert "No model led before" in str(made.metadata["decisions"].value)
    assert "| meter:a | fold | 2025-03-2" in str(made.metadata["parts"].value)
    assert str(made.metadata["meter:a skill_by_lead"].value).startswith("![")
    (row,) = resource.forecasts.promotions()
    name, _, version = row["decision"]["model"].rpartition("@")
    (logged,) = [each for each in tracker.versions(name) if each.version == int(version)]
    kept = {each.path for each in tracker._client.list_artifacts(logged.run_id, "plots")}
    assert kept == {f"plots/{each}.png" for each in ("last_week", "daily_loss", "skill_by_lead")}
    (scored,) = result.asset_materializations_for_node("core_site__forecast_scores")
    assert scored.metadata["dagster/row_count"].value == 0
    # Features of the issue are kept, drawn for the night, and asked for in a shell.
    family = "shells.a.import.day_ahead"
    (day,) = FeatureDays(resource.project.data_dir).days("shells", family)
    assert str(scored.metadata["meter:a features"].value).startswith("![")
    asked_for, folder = ("forecast", "features", "--site", "shells", "--target", "meter:a"), Path(resource.root)
    code, out, error = run(*asked_for, "--picture", str(folder / "features.png"), folder=folder)
    assert (code, out.count("calendar of the site")) == (0, 37), error
    assert "0 days as they were known at their first issue, 49 rebuilt" in out
    assert (folder / "features.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = run(*asked_for, "--day", str(day), folder=folder)
    assert (code, f"issued {NOW:%Y-%m-%d %H:%M}Z of 48 steps, readings known until {NOW:%Y-%m-%d}" in out) == (0, True)
    code, _, error = run(*asked_for, "--day", "someday", folder=folder)
    assert (code, "--day: expected a date" in error) == (2, True)
    # They are made of readings: an erasure takes those of its site alone.
    kept = resource.project.data_dir / "features" / "site=shells"
    assert kept in rebuilt_paths(resource.project, "shells")
    assert kept not in rebuilt_paths(resource.project, "other")
