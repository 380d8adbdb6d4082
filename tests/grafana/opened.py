"""A Grafana over exported boards: each panel queried through it, each board opened in Chromium.

It is the program `grafana` of this machine, started with the exported provisioning; or the server that
METERLOOM_GRAFANA_URL names (http://admin:password@host:3000), which gets data source and boards in a folder of their
own by its API, and loses them again. Its database is then to be reached from there. Else what asks for one is skipped.
"""

import json
import math
import os
import shutil
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import yaml
from playwright.sync_api import sync_playwright

from controls.gateways.ports import free_port
from tests.grafana.asked import OpenBoard
from tests.web_browser.conftest import chromium_path

BINARY, GIVEN = shutil.which("grafana"), os.environ.get("METERLOOM_GRAFANA_URL", "")
IS_HERE = bool(BINARY or GIVEN)
NONE_HERE = "no program 'grafana' on the path, and no METERLOOM_GRAFANA_URL"
ADMIN = "admin:of-the-test-alone"
# How Grafana marks a panel whose query failed.
RED_CORNER = '[data-testid="data-testid Panel status error"]'
# All numbers of an answer, rounded to six digits, in their order: what a panel draws, in whatever form it comes.
Numbers = list[float]


@dataclass
class Grafana:
    """A server, asked as its administrator. uids: of an exported board -> that which it has there."""

    url: str
    credentials: str
    uids: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """Answer of its API. Raises AssertionError with the answer, where it is none of success."""
        token = b64encode(self.credentials.encode()).decode()
        headers = {"authorization": f"Basic {token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(f"{self.url}{path}", data=data, headers=headers, method=method), timeout=30) as found:
                return json.load(found)
        except HTTPError as fault:
            raise AssertionError(f"{path}: {fault.code} {fault.read().decode()[:500]}") from fault

    def board(self, uid: str) -> dict[str, Any]:
        """An exported board as Grafana has it."""
        found: dict[str, Any] = self.ask(f"/api/dashboards/uid/{self.uids.get(uid, uid)}")["dashboard"]
        return found

    def answer(self, target: dict[str, Any], shown: OpenBoard) -> Numbers:
        """The numbers that Grafana reads for a query: variables filled in as its pages do, macros left to it."""
        span = {name: str(round(1000 * each.timestamp())) for name, each in (("from", shown.start), ("to", shown.end))}
        query = {
            **target,
            "rawSql": shown.with_variables(target["rawSql"]),
            "intervalMs": 60_000,
            "maxDataPoints": 10**6,
        }
        found = self.ask("/api/ds/query", {"queries": [query], **span})["results"][target["refId"]]
        assert "error" not in found, found
        numbers = []
        for frame in found["frames"]:
            for column, values in zip(frame["schema"]["fields"], frame["data"]["values"], strict=True):
                if column["type"] == "number":
                    numbers += [float(each) for each in values if each is not None]
        return rounded(numbers)

    def red_corners(self, out: Path) -> list[str]:
        """Boards whose page shows a failed panel, or fewer panels than the board has."""
        found = []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
            name, _, password = self.credentials.partition(":")
            page = browser.new_page(
                viewport={"width": 1280, "height": 4000}, http_credentials={"username": name, "password": password}
            )
            page.set_extra_http_headers({"authorization": f"Basic {b64encode(self.credentials.encode()).decode()}"})
            for path in sorted((out / "boards").glob("*.json")):
                board = json.loads(path.read_text(encoding="utf-8"))
                page.goto(f"{self.url}/d/{self.uids.get(path.stem, path.stem)}")
                page.wait_for_load_state("networkidle")
                shown = [each for each in board["panels"] if page.get_by_text(each["title"], exact=True).count()]
                if len(shown) < len(board["panels"]) or page.locator(RED_CORNER).count():
                    found.append(path.stem)
            browser.close()
        return found


def rounded(numbers: list[float]) -> Numbers:
    """In their order, to six digits: Grafana's JSON has fewer than PostgreSQL's."""
    return sorted(each if each == 0 else round(each, 5 - math.floor(math.log10(abs(each)))) for each in numbers)


def numbers_of(rows: list[dict[str, Any]], form: str) -> Numbers:
    """The numbers of rows that were queried here; of a time series those of its values."""
    values = [value for row in rows for name, value in row.items() if form == "table" or name not in ("time", "metric")]
    return rounded([float(each) for each in values if isinstance(each, int | float) and not isinstance(each, bool)])


@contextmanager
def a_grafana(out: Path, folder: Path, password: str) -> Iterator[Grafana]:
    """The one that is here, with the exported boards. password: of the boards' role."""
    with started(out, folder, password) if BINARY else lent(out, password) as found:
        yield found


@contextmanager
def started(out: Path, folder: Path, password: str) -> Iterator[Grafana]:
    """The program of this machine with the exported provisioning."""
    port, home = free_port(), os.environ.get("GF_PATHS_HOME", "/usr/share/grafana")
    own = {
        "GF_PATHS_DATA": str(folder / "data"), "GF_PATHS_LOGS": str(folder / "logs"),
        "GF_PATHS_PROVISIONING": str(out / "provisioning"), "GF_SERVER_HTTP_PORT": str(port),
        "GF_SECURITY_ADMIN_PASSWORD": ADMIN.partition(":")[2], "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false", "METERLOOM_BOARDS_PASSWORD": password,
    }  # fmt: skip
    assert BINARY is not None
    process = subprocess.Popen([BINARY, "server", "--homepath", home], env={**os.environ, **own})
    try:
        found = Grafana(f"http://127.0.0.1:{port}", ADMIN)
        _wait(found)
        yield found
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def lent(out: Path, password: str) -> Iterator[Grafana]:
    """The server that is named, with data source and boards under names of their own until the block ends."""
    at = urlsplit(GIVEN)
    found = Grafana(f"{at.scheme}://{at.hostname}:{at.port or (443 if at.scheme == 'https' else 80)}", "")
    found.credentials = f"{at.username or 'admin'}:{at.password or 'admin'}"
    _wait(found)
    [made] = yaml.safe_load((out / "provisioning" / "datasources" / "meterloom.yaml").read_text())["datasources"]
    mark = f"test-{os.getpid()}"
    source = {**made, "name": mark, "uid": mark, "access": "proxy", "secureJsonData": {"password": password}}
    found.ask("/api/datasources", source)
    try:
        found.ask("/api/folders", {"uid": mark, "title": mark})
        for path in sorted((out / "boards").glob("*.json")):
            text = path.read_text(encoding="utf-8").replace('"uid": "meterloom"', f'"uid": "{mark}"')
            board = {**json.loads(text), "uid": f"{mark}-{len(found.uids)}"}
            found.ask("/api/dashboards/db", {"dashboard": board, "folderUid": mark, "overwrite": True})
            found.uids[path.stem] = board["uid"]
        yield found
    finally:
        found.ask(f"/api/datasources/uid/{mark}", method="DELETE")
        # With all boards in it.
        found.ask(f"/api/folders/{mark}", method="DELETE")


def _wait(grafana: Grafana) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            grafana.ask("/api/health")
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(1)
