"""A Grafana of the machine over exported boards: each panel asked through it, each board opened in Chromium.

Where no program of that name is on the path, the test that calls this is skipped.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.web_browser.conftest import chromium_path

BINARY = shutil.which("grafana")
# How Grafana marks a panel whose query failed.
RED_CORNER = '[data-testid="data-testid Panel status error"]'


@contextmanager
def serving(out: Path, folder: Path, password: str) -> Iterator[str]:
    """A server with the exported provisioning; anybody may look. Gives its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = os.environ.get("GF_PATHS_HOME", "/usr/share/grafana")
    own = {
        "GF_PATHS_DATA": str(folder / "data"), "GF_PATHS_LOGS": str(folder / "logs"),
        "GF_PATHS_PROVISIONING": str(out / "provisioning"), "GF_SERVER_HTTP_PORT": str(port),
        "GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false", "METERLOOM_BOARDS_PASSWORD": password,
    }  # fmt: skip
    assert BINARY is not None
    process = subprocess.Popen([BINARY, "server", "--homepath", home], env={**os.environ, **own})
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{url}/api/health")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(1)


def red_corners(url: str, out: Path) -> list[str]:
    """Boards whose page shows a failed panel, or fewer panels than the board has."""
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 4000})
        for path in sorted((out / "boards").glob("*.json")):
            board = json.loads(path.read_text(encoding="utf-8"))
            page.goto(f"{url}/d/{path.stem}")
            page.wait_for_load_state("networkidle")
            shown = [each for each in board["panels"] if page.get_by_text(each["title"], exact=True).count()]
            if len(shown) < len(board["panels"]) or page.locator(RED_CORNER).count():
                found.append(path.stem)
        browser.close()
    return found
