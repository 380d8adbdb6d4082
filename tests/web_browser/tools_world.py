"""One project with what listens on ports of this machine: Dagster, MLflow, pages, push and an agent's port."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import Request, urlopen

from controls.gateways.access.loopback_port import serve_loopback
from controls.gateways.ports import free_port
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import SystemClock
from orchestration.instance.repartition import prepare_databases
from orchestration.instance.write import instance_environment
from orchestration.supervised.serve_role import mlflow_words
from orchestration.web.tools.passes import Passes
from tests.controls.collector.pushing import door, make_project
from tests.e2e.dagster_ui import Dagster
from tests.web_browser.conftest import Site, serving

# A code location that is there at once; the gate knows nothing of what stands behind it.
JOBS = """
import dagster as dg
@dg.asset
def weather(): ...
defs = dg.Definitions(assets=[weather], jobs=[dg.define_asset_job("launched", ["weather"])])
"""
# What the pages of strangers show: nothing. What is asked of others is up to the test.
BLANK = b"<!doctype html><title>elsewhere</title>"


class World(NamedTuple):
    """Addresses of all, the project's folder, and who posted to the agent's port."""

    folder: Path
    dagster: Dagster
    mlflow: str
    pages: Site
    push: str
    agent: str
    stopped: list[str]
    stranger: int

    def link(self) -> str:
        """A new link to Dagster."""
        return Passes(load_project(self.folder, {})).link(SystemClock().now_utc())

    def experiments(self) -> list[str]:
        """The names of MLflow's experiments."""
        headers = {"content-type": "application/json", "authorization": self.dagster.authorization}
        where = f"{self.mlflow}/api/2.0/mlflow/experiments/search"
        with urlopen(Request(where, data=b'{"max_results": 9}', headers=headers)) as answer:
            return [each["name"] for each in json.load(answer)["experiments"]]


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """All of them, as `meterloom up` starts them, until the block ends."""
    make_project(folder)
    (folder / "jobs.py").write_text(JOBS)
    project = load_project(folder, {})
    passes, ports, stopped = Passes(project), [free_port(), free_port()], list[str]()
    token, urls = passes.token(), [f"http://127.0.0.1:{port}" for port in ports]
    passes.note_dagster_url(urls[0])
    prepare_databases(project)
    environment = {
        **os.environ, **instance_environment(project), "MLFLOW_BACKEND_STORE_URI": project.mlflow_uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }  # fmt: skip
    webserver = [sys.executable, "-m", "dagster_webserver", "--host", "127.0.0.1", "--port", str(ports[0])]
    webserver += ["--python-file", str(folder / "jobs.py")]
    with ExitStack() as stack:
        for words in (webserver, mlflow_words(project, ports[1])):
            stack.enter_context(process(words, environment, folder / "log"))
        pages = stack.enter_context(serving(folder, None))
        push = stack.enter_context(door(folder)).url
        posts = {"/stop": (stopped.append, "stopping")}
        agent = serve_loopback(
            "agent", health=lambda: (True, "well"), metrics=lambda: "m 1\n", posts=posts, token=token
        )
        stranger = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
        Thread(target=stranger.serve_forever, daemon=True).start()
        for server in (agent, stranger):
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
        wait_for(f"{urls[0]}/server_info")
        wait_for(f"{urls[1]}/health")
        agent_url = f"http://127.0.0.1:{agent.server_port}"
        dagster = Dagster(urls[0], token)
        yield World(folder, dagster, urls[1], pages, push, agent_url, stopped, stranger.server_port)


class Blank(BaseHTTPRequestHandler):
    """A page of somebody else, whichever is asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(BLANK)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def process(words: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """One process, ended with the block."""
    with log.open("ab") as output:
        started = subprocess.Popen(words, env=environment, stdout=output, stderr=output)
    try:
        yield
    finally:
        started.terminate()
        started.wait(30)


def wait_for(url: str) -> None:
    """Until the address answers."""
    until = time.monotonic() + 240
    while True:
        try:
            with urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            assert time.monotonic() < until, f"{url} does not answer"
            time.sleep(0.2)
