"""All that `meterloom up` starts comes up from an installed wheel too: pages, Dagster with its graph, MLflow."""

from pathlib import Path
from urllib.request import urlopen

import pytest

from controls.gateways.ports import free_port
from tests.e2e.dagster_ui import everything_up
from tests.e2e.installed import build, install

pytestmark = pytest.mark.real
JOBS = "{repositoriesOrError {... on RepositoryConnection {nodes {pipelines {name}}}}}"


def test_up_of_an_installed_wheel_answers_everywhere_and_stops(tmp_path: Path) -> None:
    installed = install(build(tmp_path / "wheel"), tmp_path / "installed" / "venv")
    installed.run("demo", "--files-only", "--quick", "--until", "2026-01-01", "--out", "demo", folder=tmp_path)
    pages, mlflow = free_port(), free_port()
    ports = {"METERLOOM_SERVER__WEB_PORT": str(pages), "METERLOOM_SERVER__MLFLOW_PORT": str(mlflow)}
    environment = {**installed.environment, **ports, "METERLOOM_MQTT__PORT": "0"}
    with everything_up(tmp_path / "demo", environment, programs=installed.folder / "bin") as dagster:
        nodes = dagster.ask(JOBS)["repositoriesOrError"]["nodes"]
        assert {"kpi", "ingest"} <= {job["name"] for each in nodes for job in each["pipelines"]}
        for address in (f"http://127.0.0.1:{pages}/login", f"http://127.0.0.1:{mlflow}/health"):
            with urlopen(address, timeout=20) as answer:
                assert answer.status == 200
    assert installed.written() == set()
