"""One age of each live value: on first load, as it goes on, by the stream, after a reload and through the API."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from assets.stores.live.live_store import LiveStore
from data_quality.contracts.live.live_value import GONE_S, OLD_S
from data_quality.contracts.people import Person, Role
from data_quality.contracts.settings import load_project
from tests.live.live_sites import mqtt_site_of, project_of
from tests.web.live_told import row
from tests.web.marts_world import make_project
from tests.web.test_home_board import OWNER, house
from tests.web_browser.conftest import serving
from tests.web_browser.looked_at import Watched

VERA = Person(person_id="vera", name="Vera Viewer", roles=(Role.VIEWER,))
LIVE = "/live?site=plant"
# Whoever looks between two seconds may read either.
TOLERANCE_S = 2.0
AGES = r"\b(\d+) (s|min|h) old|for (\d+) s"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LiveStore]:
    """The live store of a plant of one meter, into which the test writes in the collector's place."""
    folder = tmp_path / "project"
    folder.mkdir()
    project_of(folder, mqtt_site_of(1, port=1883))
    (folder / "people.yaml").write_text("people: []\n")
    store = LiveStore(load_project(folder, {}).live_dir)
    yield store
    store.close()


@pytest.fixture
def page(chromium: Browser, store: LiveStore, tmp_path: Path) -> Iterator[Page]:
    with serving(tmp_path / "project", None, VERA) as site:
        context = chromium.new_context(base_url=site.url)
        # A browser whose own clock is of another day.
        context.add_init_script("Date.now = () => 0")
        watched = Watched(context)
        yield watched.page
        assert watched.complaints == []
        context.close()


def put(store: LiveStore, age_s: float, value: float = 412.0) -> datetime:
    """A value that was measured so many seconds ago."""
    at_utc = datetime.now(UTC) - timedelta(seconds=age_s)
    store.put([row("kw", value, at_utc)])
    return at_utc


def seconds_ago(at_utc: datetime) -> float:
    return (datetime.now(UTC) - at_utc).total_seconds()


def shown_age_s(page: Page) -> int:
    """The one age of the tile, which names no other."""
    found = [each[0] for each in re.finditer(AGES, page.locator("[data-live]").inner_text())]
    assert len(found) == 1, found
    assert found[0].endswith(" s old"), found
    return int(found[0].removesuffix(" s old"))


def api_band(page: Page, at_utc: datetime) -> str:
    """Band of the value in the API, whose age is as well that of its moment."""
    [point] = page.request.get("/api/v1/ems/live?site=plant").json()["points"]
    assert point["age_s"] == pytest.approx(seconds_ago(at_utc), abs=TOLERANCE_S)
    return str(point["band"])


def test_a_value_has_one_age_that_goes_on_from_its_moment_and_what_is_gone_stays_gone_after_a_reload(
    store: LiveStore, page: Page
) -> None:
    at_utc = put(store, GONE_S - 5)
    page.goto(LIVE)
    tile, value = page.locator("[data-live]"), page.locator("[data-live-value]").first
    expect(tile).to_have_class(re.compile("live-old"))
    assert api_band(page, at_utc) == "old"
    assert value.inner_text() == "412"
    assert shown_age_s(page) == pytest.approx(seconds_ago(at_utc), abs=TOLERANCE_S)
    # Nothing comes any more: the browser alone counts on.
    expect(tile).to_have_class(re.compile("live-gone"), timeout=20_000)
    assert GONE_S <= seconds_ago(at_utc) <= GONE_S + TOLERANCE_S + 1
    for _ in range(2):
        page.wait_for_timeout(1500)
        assert value.inner_text() == "–"
        expect(tile).to_contain_text("stale since ")
        assert shown_age_s(page) == pytest.approx(seconds_ago(at_utc), abs=TOLERANCE_S)
        assert api_band(page, at_utc) == "gone"
        # The stream of a process that saw the value while it was young tells it anew.
        page.reload()
        expect(tile).to_have_class(re.compile("live-gone"))


def test_a_value_that_comes_by_the_stream_is_fresh_and_takes_the_reason_away(store: LiveStore, page: Page) -> None:
    put(store, GONE_S + 30)
    page.goto(LIVE)
    tile = page.locator("[data-live]")
    reason = tile.get_by_text("stale since")
    expect(reason).to_be_visible()
    at_utc = put(store, 1.0, 500.0)
    expect(page.locator("[data-live-value]").first).to_have_text("500")
    expect(tile).to_have_class(re.compile("live-fresh"))
    expect(reason).to_be_hidden()
    assert shown_age_s(page) == pytest.approx(seconds_ago(at_utc), abs=TOLERANCE_S)
    expect(tile).to_have_class(re.compile("live-old"), timeout=(OLD_S + 5) * 1000)
    assert seconds_ago(at_utc) >= OLD_S
    page.goto("/why?site=plant&point=line%2Fkw")
    assert shown_age_s(page) == pytest.approx(seconds_ago(at_utc), abs=TOLERANCE_S)
    assert len(re.findall(AGES, page.locator("main").inner_text())) == 1


def test_what_is_not_metered_follows_the_powers_of_the_flow_and_is_unknown_when_one_is_gone(
    chromium: Browser, tmp_path: Path
) -> None:
    make_project(tmp_path / "home", house(), has_marts=False, has_readings=False).close()
    store = LiveStore(load_project(tmp_path / "home", {}).live_dir)

    def put_powers(age_s: float, **kw: float) -> None:
        lines = [(name, row(name, each, datetime.now(UTC) - timedelta(seconds=age_s))) for name, each in kw.items()]
        store.put([(*line[:3], name, *line[4:]) for name, line in lines])

    put_powers(1.0, main=1.5, hvac=3.0, moulding=1.0)
    with serving(tmp_path / "home", None, OWNER) as site:
        watched = Watched(chromium.new_context(base_url=site.url))
        watched.page.goto("/board/home?site=plant")
        shown = watched.page.locator(".svg-flow:not(.narrow) [data-live-rest] [data-live-value]")
        used = watched.page.locator(".svg-flow:not(.narrow) [data-live-used]")
        expect(shown).to_have_text(re.compile("^3.5"))
        expect(used).to_have_text("4.50")
        put_powers(0.0, main=-0.5, hvac=3.0, moulding=1.2)
        expect(shown).to_have_text(re.compile("^1.3"), timeout=10_000)
        expect(used).to_have_text(re.compile("^2.5"))
        put_powers(0.0, main=-1.8, hvac=3.0, moulding=1.2)
        expect(shown).to_have_text(re.compile("^0"), timeout=10_000)
        # The uses exceed the supply: no number, here and as the server draws it.
        put_powers(0.0, main=-2.5, hvac=3.0, moulding=1.2)
        expect(shown).to_have_text("–", timeout=10_000)
        watched.page.reload()
        expect(shown).to_have_text("–")
        put_powers(GONE_S + 5, hvac=3.0)
        watched.page.reload()
        expect(shown).to_have_text("–")
        assert watched.complaints == []
        watched.page.context.close()
    store.close()
