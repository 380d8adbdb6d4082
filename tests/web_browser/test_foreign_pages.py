"""Pages of strangers in a browser that is signed in: they launch nothing and read nothing on any of our ports."""

import json
import time
import urllib.error
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from orchestration.web.tools.passes import ENTER
from tests.web_browser.conftest import sign_in
from tests.web_browser.tools_world import World, world

SELECTOR = '{repositoryName:"__repository__",repositoryLocationName:"jobs.py",pipelineName:"launched"}'
LAUNCH = (
    f"mutation{{launchPipelineExecution(executionParams:{{selector:{SELECTOR},runConfigData:{{}}}})"
    "{__typename ... on PythonError{message}}}"
)
# All ways in which a page can send something elsewhere; what of it could be read, and whether a socket opened.
ATTACK = """async ([address, body]) => {
  const told = [], origin_rows = (how) => (value) => told.push(`${how}: ${value}`), nothing = () => {};
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const text = (answer) => answer.type === "opaque" ? Promise.reject() : answer.text();
  const both = {credentials: "include", mode: "cors"};
  await Promise.all([
    fetch(address, both).then(text).then(origin_rows("GET"), nothing),
    ...["text/plain", "application/json"].map((type) =>
      fetch(address, {...both, method: "POST", body, headers: {"content-type": type}}).then(text)
        .then(origin_rows(`POST ${type}`), nothing)),
    fetch(address, {method: "POST", mode: "no-cors", credentials: "include", body}).catch(nothing),
    fetch(address, {method: "POST", mode: "no-cors", credentials: "include"}).catch(nothing),
    new Promise((done) => {
      const image = new Image();
      image.onload = image.onerror = done;
      image.src = address;
    }),
    new Promise((done) => {
      const socket = new WebSocket(address.replace("http", "ws"), "graphql-ws");
      socket.onopen = () => { told.push("socket: open"); done(); };
      socket.onerror = done;
    }),
  ]);
  for (const enctype of ["text/plain", "application/x-www-form-urlencoded"]) {
    const frame = document.createElement("iframe"), form = document.createElement("form");
    frame.name = enctype;
    Object.assign(form, {method: "post", action: address, enctype, target: enctype});
    form.innerHTML = "<input name='{\\"name\\":\\"stolen\\",\\"rest\\":\\"' value='\\"}'>";
    document.body.append(frame, form);
    form.submit();
    await wait(300);
  }
  return told;
}"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything that listens, started once."""
    with world(tmp_path_factory.mktemp("tools")) as found:
        yield found


@pytest.fixture
def engineer(chromium: Browser, ours: World) -> Iterator[BrowserContext]:
    """A browser that is signed in to everything, on the pages as well as by a link."""
    context = chromium.new_context(storage_state=sign_in(chromium, ours.pages, "erik"))
    page = context.new_page()
    enter(page, ours)
    # Closed while it loads, a page of Chromium now and then never answers.
    page.goto("about:blank")
    page.close()
    yield context
    context.close()


def enter(page: Page, ours: World) -> None:
    """Sign in by a link, until Dagster's own first page stands: what navigates before that is overtaken by it."""
    page.goto(ours.link())
    # The link's own page sends the browser on: before that it is Dagster's address too.
    page.wait_for_url(lambda url: url.startswith(ours.dagster.url) and ENTER not in url)
    page.wait_for_load_state("load")


def addresses(ours: World) -> list[str]:
    """Addresses under attack: where something would be launched, written, stopped or read."""
    return [
        f"{ours.dagster.url}/graphql?query={quote(LAUNCH)}",
        f"{ours.dagster.url}/report_asset_materialization/weather",
        f"{ours.mlflow}/ajax-api/2.0/mlflow/experiments/create",
        f"{ours.mlflow}/graphql",
        f"{ours.pages.url}/api/v1/ems/sites",
        f"{ours.pages.url}/api/realtime/stream?siteId=works",
        f"{ours.pages.url}/logout",
        ours.push,
        f"{ours.agent}/stop",
        f"{ours.agent}/metrics",
    ]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "stranger.test"])
def test_a_page_of_another_origin_launches_nothing_and_reads_nothing_on_any_port_of_ours(
    engineer: BrowserContext, ours: World, name: str
) -> None:
    before, page = effects(ours), engineer.new_page()
    page.goto(f"http://{name}:{ours.stranger}/")
    body = json.dumps({"query": LAUNCH, "name": "stolen"})
    told = {address: page.evaluate(ATTACK, [address, body]) for address in addresses(ours)}
    # To open a page is no act: it may be opened from anywhere, and changes nothing whatever its address says.
    page.goto(addresses(ours)[0])
    page.goto(f"{ours.pages.url}/profile")
    assert "Sign out" in page.content()
    assert {address: read for address, read in told.items() if read} == {}
    assert effects(ours) == before


def effects(ours: World) -> dict[str, Any]:
    """Effects that a stranger could have had."""
    found = ours.dagster.ask('{assetOrError(assetKey:{path:["weather"]}){... on Asset{assetMaterializations{runId}}}}')
    return {
        "runs": len(ours.dagster.runs()),
        "reported": found["assetOrError"].get("assetMaterializations", []),
        "experiments": ours.experiments(),
        "stopped": list(ours.stopped),
    }


def test_a_name_that_leads_to_this_machine_is_not_ours(engineer: BrowserContext, ours: World) -> None:
    """DNS rebinding: the page and its requests are of one origin, and that origin is a stranger's name."""
    page = engineer.new_page()
    for url in (ours.dagster.url, ours.mlflow, ours.pages.url, ours.agent):
        answer = page.goto(f"http://stranger.test:{urlsplit(url).port}/metrics")
        assert answer is not None
        assert answer.status == 421, url


def test_the_ui_of_dagster_materialises_an_asset_for_whoever_signed_in_by_the_link(
    chromium: Browser, ours: World
) -> None:
    before = len(ours.dagster.runs())
    context = chromium.new_context()
    page = context.new_page()
    frames: list[str | bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", partial(list.append, frames)))
    enter(page, ours)
    # Dagster's script leads its first page to this one by itself, also after a navigation of ours that comes too early.
    page.wait_for_url(f"{ours.dagster.url}/overview/activity/timeline**")
    page.goto(f"{ours.dagster.url}/locations/jobs.py/asset-groups/default/lineage")
    page.get_by_role("button", name="Materialize").first.click()
    expect(page.get_by_text("Launched run")).to_be_visible(timeout=30_000)
    page.goto(f"{ours.dagster.url}/runs/{ours.dagster.runs()[0]['runId']}")
    expect(page.get_by_text("Run queued").first).to_be_visible(timeout=30_000)
    assert len(ours.dagster.runs()) == before + 1
    until = time.monotonic() + 30
    while not any('"type":"data"' in str(each) for each in frames):
        assert time.monotonic() < until, frames
        page.wait_for_timeout(100)
    page.goto(f"{ours.mlflow}/#/experiments?workflowType=machine_learning")
    expect(page.get_by_text("Default").first).to_be_visible(timeout=30_000)
    context.close()


def test_an_engineer_of_the_pages_enters_dagster_and_nobody_else_does(chromium: Browser, ours: World) -> None:
    for person, status in (("erik", 200), ("anna", 401)):
        context = chromium.new_context(storage_state=sign_in(chromium, ours.pages, person))
        page = context.new_page()
        answers = [page.goto(url) for url in (ours.dagster.url, ours.mlflow)]
        assert [each and each.status for each in answers] == [status, status], person
        context.close()


def test_a_link_signs_in_once(chromium: Browser, ours: World) -> None:
    link, statuses = ours.link(), []
    for _ in range(2):
        context = chromium.new_context()
        answer = context.new_page().goto(link)
        assert answer is not None
        statuses.append(answer.status)
        context.close()
    assert statuses == [200, 401]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": "Bearer x"}, 401),
        ({"cookie": "meterloom_tools=x"}, 401),
        ({"authorization": "own", "content-type": "text/plain"}, 415),
        ({"authorization": "own", "origin": "http://127.0.0.1:1"}, 403),
        ({"authorization": "own", "host": "stranger.test"}, 421),
        ({"authorization": "own"}, 200),
    ],
)
def test_a_program_of_this_machine_needs_the_token(ours: World, headers: dict[str, str], status: int) -> None:
    headers = {"content-type": "application/json", **headers}
    headers |= {"authorization": ours.dagster.authorization} if headers.get("authorization") == "own" else {}
    where = f"{ours.dagster.url}/graphql"
    # Somebody without a browser may name any page as theirs.
    headers |= {"origin": ours.dagster.url} if "authorization" not in headers else {}
    request = Request(where, data=b'{"query": "{ version }"}', headers=headers)
    try:
        with urlopen(request) as answer:
            found = answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            found = refused.code
    assert found == status


def test_a_socket_without_a_sign_in_is_not_opened(ours: World) -> None:
    parts = urlsplit(ours.dagster.url)
    headers = {
        "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "origin": ours.dagster.url,
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", "sec-websocket-protocol": "graphql-ws",
    }  # fmt: skip
    with closing(HTTPConnection(parts.netloc, timeout=10)) as line:
        line.request("GET", "/graphql", headers=headers)
        assert line.getresponse().status == 403


def test_what_opens_the_tools_is_readable_by_its_owner_alone(ours: World) -> None:
    ours.link()
    folder = ours.folder / "var" / "tools"
    assert folder.stat().st_mode & 0o777 == 0o700
    secret = [folder / "token", *(folder / "links").iterdir()]
    assert {each.stat().st_mode & 0o777 for each in secret} == {0o600}
