"""A client of the running Dagster webserver, as its own UI talks to it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "meterloom"}
LAUNCH = """mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
DRY_RUN = """mutation($s: ScheduleSelector!, $t: Float!) { scheduleDryRun(selectorData: $s, timestamp: $t) {
  __typename ... on DryRunInstigationTick { evaluationResult { error { message }
  runRequests { runKey jobName tags { key value } } } } ... on PythonError { message } } }"""
RUNS = "{ runsOrError(limit: 50) { ... on Runs { results { runId jobName status tags { key value } } } } }"


class Dagster:
    """The running webserver."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.authorization = f"Bearer {token}"

    def ask(self, query: str, **variables: Any) -> Any:
        """One GraphQL request."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"content-type": "application/json", "authorization": self.authorization}
        with urlopen(Request(f"{self.url}/graphql", data=body, headers=headers)) as answer:
            return json.load(answer)["data"]

    def launch(self, job: str, tags: dict[str, str], config: dict[str, Any] | None = None) -> str:
        """Launch a job; returns the run's id."""
        parameters = {
            "selector": {**LOCATION, "pipelineName": job},
            "runConfigData": config or {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        found = self.ask(LAUNCH, p=parameters)["launchPipelineExecution"]
        assert found["__typename"] == "LaunchRunSuccess", found
        return str(found["run"]["runId"])

    def runs(self) -> list[dict[str, Any]]:
        """The newest runs, tags as a dict."""
        found = self.ask(RUNS)["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def wait(self, what: Any, *, within_s: float) -> dict[str, Any]:
        """The first run that `what` is true for, when it has ended."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            for run in self.runs():
                if what(run) and run["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
                    return run
            time.sleep(1)
        raise AssertionError(f"no such run ended within {within_s} s: {self.runs()}")


@contextmanager
def everything_up(
    folder: Path, environment: Mapping[str, str] | None = None, *, programs: Path = Path(sys.executable).parent
) -> Iterator[Dagster]:
    """`meterloom up` in that project, on free ports, until the block ends. programs: where `meterloom` is installed."""
    (folder / "meterloom.yaml").write_text("server: {dagster_port: 0, mlflow_port: 0, modbus_port: 0}\n")
    process = subprocess.Popen(
        [str(programs / "meterloom"), "up", "--project", str(folder)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "Ctrl-C" in line:
            break
    found = re.search(r"Dagster\s+(http://\S+)", "".join(said))
    assert found, f"the UI did not come up: {''.join(said)}"
    # The link signs in a browser; programs send the token.
    try:
        yield Dagster(found[1].partition("/enter/")[0], (folder / "var" / "tools" / "token").read_text())
    finally:
        process.send_signal(signal.SIGINT)
        ended = process.wait(60)
        process.stderr.close()
    assert ended == 0
