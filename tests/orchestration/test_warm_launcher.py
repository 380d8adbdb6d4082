"""Runs of dispatch and plan are forks of a process that has the graph loaded; all others start as Dagster's own do."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.launcher import LaunchRunContext

from assets.stores.transactions import site_transaction
from controls.ledger.rows import read_commands
from data_quality.contracts.control.command import CommandState
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import SystemClock
from orchestration.instance.write import instance_environment
from tests.controls.ledger.rows_of import command, propose
from tests.orchestration.test_plan_sensor import Bed

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_run_of_dispatch_releases_and_ends_where_somebody_ends_it(tmp_path: Path) -> None:
    bed, now = Bed(tmp_path / "p"), SystemClock().now_utc()
    plan = bed.project.plans.latest("home")
    assert plan is not None
    window = {"valid_from_utc": now - timedelta(minutes=1), "valid_until_utc": now + timedelta(minutes=14)}
    with site_transaction(bed.project.store, "home") as connection:
        due = command("due", plan_id=plan.plan_id, plan_hash=plan.plan_hash, **window)
        propose(connection, due, at_utc=now)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.orchestration.warm_run"],
        env={**os.environ, **instance_environment(bed.project.project)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "CANCELED"
    # It waits 30 s for the proof, as no agent is there.
    assert told["ended_s"] < 20
    [row] = read_commands(bed.project.store, "home", states=[CommandState.RELEASED])
    assert row.command.command_id == "due"
    bed.close()


def test_a_report_starts_as_dagsters_own_launcher_starts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in instance_environment(load_project(tmp_path, {})).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        run = instance.add_run(dg.DagsterRun(job_name="enpi_report", status=dg.DagsterRunStatus.STARTING))
        with pytest.raises(DagsterInvariantViolationError, match="DefaultRunLauncher requires a workspace"):
            instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
        assert not instance.run_launcher.terminate(run.run_id)
