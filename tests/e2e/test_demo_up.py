"""The demo's project with everything up: Dagster's UI, its schedules and sensors, and what listens and is written."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.dagster_ui import DRY_RUN, LOCATION, Dagster, everything_up

Demo = tuple[Path, dict[str, Any]]
# Libraries have notices of their own, as a user's Python treats them.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

# Secrets that open nothing: the broker is started with the first one.
CANARY = "canary-51c07"
CANARIES = {
    "METERLOOM_MQTT__PASSWORD": f"{CANARY}-mqtt",
    "METERLOOM_DELIVERY__SMTP_PASSWORD": f"{CANARY}-smtp",
    "METERLOOM_DELIVERY__WEBHOOK_SECRET": f"{CANARY}-hook",
}


@pytest.fixture(scope="module")
def up(demo: Demo) -> Iterator[Dagster]:
    """The demo's project with everything up, on free ports."""
    folder, _ = demo
    with everything_up(folder, CANARIES) as dagster:
        yield dagster


def test_assets_materialise_from_the_ui(up: Dagster) -> None:
    run_id = up.launch(
        "ingest", {}, {"ops": {"raw_landing__15min_readings": {"config": {"site": "home", "files": []}}}}
    )
    assert up.wait(lambda run: run["runId"] == run_id, within_s=180)["status"] == "SUCCESS"


def test_a_tick_of_the_quarterly_schedule_makes_a_report(up: Dagster) -> None:
    # 5 January 2026, 06:00 UTC: the report of the last quarter of 2025.
    found = up.ask(DRY_RUN, s={**LOCATION, "scheduleName": "quarterly_enpi_reports"}, t=1767592800.0)["scheduleDryRun"]
    requests = found["evaluationResult"]["runRequests"]
    # Newest first; older quarters that have no report yet may follow.
    assert requests[0]["runKey"] == "enpi:2025-10-01|factory"
    run_id = up.launch("enpi_report", {tag["key"]: tag["value"] for tag in requests[0]["tags"]})
    assert up.wait(lambda run: run["runId"] == run_id, within_s=240)["status"] == "SUCCESS"


def test_a_tick_of_the_dispatch_sensor_makes_a_run(up: Dagster) -> None:
    run = up.wait(lambda run: run["tags"].get("dagster/sensor_name") == "dispatch_slots", within_s=240)
    assert run["status"] == "SUCCESS"


def test_nothing_is_red(up: Dagster) -> None:
    assert [run for run in up.runs() if run["status"] in ("FAILURE", "CANCELED")] == []


def ours(folder: Path) -> list[psutil.Process]:
    """Every process that was started for the project, by its environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("METERLOOM_PROJECT") == str(folder.resolve()):
                found.append(process)
    return found


def test_fault_f90_everything_that_listens_while_all_is_up_is_on_this_machine_alone(up: Dagster, demo: Demo) -> None:
    listening = set()
    for process in ours(demo[0]):
        # Runs end while they are looked at.
        with suppress(psutil.NoSuchProcess):
            listening |= {
                (process.name(), each.laddr.ip, each.laddr.port)
                for each in process.net_connections(kind="inet")
                if each.status == psutil.CONN_LISTEN
            }
    # Dagster, MLflow, and the simulated devices at least; the broker is told of in tests/orchestration/test_exposed.py.
    assert len({port for _, _, port in listening}) >= 3
    # The code server's gRPC names the loopback of IPv4 as IPv6 does.
    assert {address for _, address, _ in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert int(up.url.rsplit(":", 1)[1]) in {port for _, _, port in listening}


def test_fault_f93_no_secret_is_in_an_argument_a_log_a_run_or_a_model(up: Dagster, demo: Demo) -> None:
    folder, _ = demo
    secrets = [CANARY.encode(), *(path.read_bytes().splitlines()[1] for path in (folder / "keys").glob("*.key"))]
    assert len(secrets) > 1
    said = []
    for process in ours(folder):
        with suppress(psutil.NoSuchProcess):
            said.append(" ".join(process.cmdline()).encode())
    assert len(said) > 3
    # Run configurations, events and tags stand in Dagster's files, parameters and tags of models in MLflow's.
    kept = [folder / "var" / part for part in ("logs", "dagster", "mlflow")] + [folder / "reports"]
    # Not rglob: folders come and go too, and os.walk passes over those that went.
    walked = [Path(top) / name for place in kept for top, _, names in os.walk(place) for name in names]
    files = [path for path in walked if path.is_file()]
    assert len(files) > 10
    held = {}
    for path in files:
        # Dagster's databases come and go with their journals.
        with suppress(FileNotFoundError):
            held[str(path)] = path.read_bytes()
    for secret in secrets:
        assert not [text for text in said if secret in text]
        assert [name for name, text in held.items() if secret in text] == []
