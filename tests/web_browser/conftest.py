"""One small project, one server and one Chromium for all browser tests of a worker."""

import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import NamedTuple

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from assets.stores.web.credentials import CredentialStore
from data_quality.contracts.people import Person
from data_quality.contracts.time import FixedClock, SystemClock
from orchestration.open_project import OpenProject
from orchestration.web.app import make_app
from orchestration.web.own_origin import own_hosts
from orchestration.web.people.sign_in import SignIn
from tests.conftest import MUST_NOT_SKIP
from tests.web_browser.small_project import NOW, make_small_project

PASSWORD = "four words of chance"


class Site(NamedTuple):
    """The server that the browser asks."""

    url: str
    project: OpenProject
    sign_in: SignIn
    clock: FixedClock | SystemClock


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A real server over the small project, which people sign in to. Made by the first worker, copied by others."""
    folder = tmp_path_factory.mktemp("browser") / "project"
    of_run = tmp_path_factory.getbasetemp()
    of_run = of_run.parent if "PYTEST_XDIST_WORKER" in os.environ else of_run
    with (of_run / "small_project.lock").open("w") as one_worker:
        flock(one_worker, LOCK_EX)
        if not (of_run / "small_project").is_dir():
            make_small_project(of_run / "being_made")
            (of_run / "being_made").rename(of_run / "small_project")
    shutil.copytree(of_run / "small_project", folder)
    with serving(folder, NOW) as found:
        yield found


class serving:  # noqa: N801 - reads as a verb
    """A server over a project folder, in a thread of this process. now: None: as the machine's clock says. person: who
    asks, where nobody signs in. port: 0: any that is free.
    """

    def __init__(self, folder: Path, now: datetime | None, person: Person | None = None, port: int = 0) -> None:
        self.folder, self.now, self.person, self.port = folder, now, person, port

    def __enter__(self) -> Site:
        """Start it and wait until it answers."""
        project, clock = OpenProject(str(self.folder)), FixedClock(self.now) if self.now else SystemClock()
        sign_in = SignIn(project, clock)
        config = uvicorn.Config("", host="127.0.0.1", port=self.port, log_level="error")
        self.socket = config.bind_socket()
        url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        asks = {"sign_in": sign_in} if self.person is None else {"signed_in": lambda _request: (self.person, "token")}
        config.app = make_app(project, clock=clock, hosts=own_hosts(url), **asks)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        until = time.monotonic() + 30
        while not self.server.started:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.05)
        self.project = project
        return Site(url, project, sign_in, clock)

    def __exit__(self, *_exception: object) -> None:
        """Stop it."""
        self.server.should_exit = True
        self.thread.join(20)
        self.socket.close()
        self.project.close()


def chromium_path() -> str:
    """Path of the system's Chromium. Skips, with what to run, where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if MUST_NOT_SKIP:
            pytest.fail("no Chromium here; make setup as root installs it")
        pytest.skip("no Chromium here: sudo apt-get install -y chromium")
    return found


# Of a file and no longer: while it is there its loop runs in this thread, and no other test could run one of its own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium."""
    path = chromium_path()
    with sync_playwright() as playwright:
        # As root it has no sandbox of its own.
        args = ["--no-sandbox"] if os.geteuid() == 0 else []
        # Names of strangers lead to this machine, as those of a page that means harm do.
        args += ["--host-resolver-rules=MAP *.test 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=path, args=args, timeout=60_000)
        yield browser
        browser.close()


def sign_in(browser: Browser, site: Site, person_id: str) -> str:
    """Let the person take up an invitation in the browser; returns where their cookie is kept."""
    token = CredentialStore(site.project.store).invite(person_id, site.clock)
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/invitation/{token}")
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("textbox", name="The same again").fill(PASSWORD)
    page.get_by_role("button", name="Set and sign in").click()
    # A board, or the start of a project without readings.
    page.wait_for_url(re.compile(rf"^{re.escape(site.url)}/(board/|start$)"))
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(scope="module")
def olga(chromium: Browser, site: Site) -> dict:
    """The cookie of the operator, who reviews and audits too."""
    return sign_in(chromium, site, "olga")


@pytest.fixture
def context(chromium: Browser, site: Site, olga: dict) -> Iterator[BrowserContext]:
    """A browser of the operator, who is far from the site: days must be the site's all the same."""
    found = chromium.new_context(
        base_url=site.url,
        storage_state=olga,
        timezone_id="America/Los_Angeles",
        viewport={"width": 1280, "height": 720},
    )
    yield found
    found.close()
