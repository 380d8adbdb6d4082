"""Acts by keyboard alone: a car charged now and back at the plan, a holiday, a disputed bill, an edited site file, full
control by two people.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from assets.stores.ledgers.alert_events import AlertEvents
from controls.ledger.modes import holiday_history, mode_history
from controls.ledger.rows import read_commands
from data_quality.contracts.control.command import CommandState
from data_quality.contracts.people import Person, Role
from tests.web.bills_world import add_bills
from tests.web.devices_world import EVE
from tests.web.test_charge_now import charging
from tests.web.test_holiday_act import TANK
from tests.web.test_home_board import PV, house
from tests.web_browser.conftest import Site, serving
from tests.web_browser.looked_at import Watched

pytestmark = pytest.mark.real
CARLA = Person(person_id="carla", name="Carla", roles=(Role.OPERATOR, Role.ANALYST, Role.ENGINEER))
# Of a person with a keyboard, from the opened page to what they wanted, seconds.
MOST_S = 10.0
MOST_STOPS = 150
IS_HERE = "each => each === document.activeElement && each.matches(':focus-visible')"


@pytest.fixture(scope="module")
def house_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A home in PARTIAL with a charger that speaks Modbus, its agent at work, a hot-water tank and three bills."""
    folder = tmp_path_factory.mktemp("keys")
    with charging(folder, lambda car: house().model_copy(update={"assets": (PV, car, TANK)})) as (asking, _):
        add_bills(asking.project)
        with serving(asking.project.project.root, None, CARLA) as found:
            yield found


@contextmanager
def opened(chromium: Browser, site: Site) -> Iterator[Page]:
    """A page of somebody who has no mouse; nothing may complain."""
    context = chromium.new_context(base_url=site.url, locale="en-US", timezone_id="Europe/Berlin")
    watched = Watched(context)
    yield watched.page
    assert watched.complaints == []
    context.close()


@pytest.fixture
def page(chromium: Browser, house_site: Site) -> Iterator[Page]:
    """A page of the home's owner."""
    with opened(chromium, house_site) as found:
        yield found


@contextmanager
def in_time(what: str) -> Iterator[None]:
    """What is done in it takes ten seconds at most."""
    began_s = time.monotonic()
    yield
    took_s = time.monotonic() - began_s
    sys.stdout.write(f"{what} by keys in {took_s:.1f} s, at most {MOST_S:g} s\n")
    assert took_s < MOST_S


def skip_to_content(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def step_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there, and is seen."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        if wanted.evaluate(IS_HERE):
            return
    raise AssertionError(f"no stop of the Tab key is {wanted}")


def test_a_car_is_charged_now_and_back_at_the_plan(page: Page, house_site: Site) -> None:
    def state() -> CommandState | None:
        return next((each.state for each in read_commands(house_site.project.store, "plant")), None)

    page.goto("/board/home?site=plant")
    with in_time("car charged now and back to plan"):
        skip_to_content(page)
        step_to(page, page.locator(".act > summary", has_text="Charge car now").first)
        page.keyboard.press("Enter")
        form = page.locator("details.act[open] form")
        step_to(page, form.get_by_label("Reason"))
        page.keyboard.type("leaving early")
        page.keyboard.press("Enter")
        expect(page.locator(".toast")).to_contain_text("Undo")
        assert state() is CommandState.VERIFIED
        step_to(page, page.locator(".toast button"))
        page.keyboard.press("Enter")
        expect(page.locator(".toast button")).to_have_count(0)
        until_s = time.monotonic() + MOST_S
        while state() is not CommandState.REVERTED and time.monotonic() < until_s:
            page.wait_for_timeout(50)
        assert state() is CommandState.REVERTED


def test_a_holiday_is_set_and_ended(page: Page, house_site: Site) -> None:
    back = datetime.now(UTC) + timedelta(days=5)
    page.goto("/board/home?site=plant")
    with in_time("holiday set and ended"):
        skip_to_content(page)
        step_to(page, page.locator(".act > summary", has_text="Set holiday"))
        page.keyboard.press("Enter")
        form = page.locator("#form-holiday")
        step_to(page, form.get_by_label("Date of return"))
        page.keyboard.type(f"{back:%m%d%Y}")
        step_to(page, form.get_by_label("Reason"))
        page.keyboard.type("skiing")
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_contain_text("Holiday until")
        skip_to_content(page)
        step_to(page, page.locator(".act > summary", has_text="End holiday"))
        page.keyboard.press("Enter")
        step_to(page, page.locator("details.act[open] form").get_by_label("Reason"))
        page.keyboard.type("back early")
        page.keyboard.press("Enter")
        expect(page.locator(".act > summary", has_text="Set holiday")).to_be_visible()
    assert [each["is_set"] for each in holiday_history(house_site.project.store, "plant")] == [True, False]


def test_a_bill_is_disputed(page: Page, house_site: Site) -> None:
    page.goto("/bills?site=plant")
    with in_time("bill disputed"):
        skip_to_content(page)
        step_to(page, page.locator("main a", has_text="Dispute").first)
        page.keyboard.press("Enter")
        page.wait_for_url("**/bills/*")
        skip_to_content(page)
        step_to(page, page.locator("#form-dispute").get_by_label("Reason"))
        page.keyboard.type("tariff of last year")
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_contain_text("tariff of last year")
    [events] = AlertEvents(house_site.project.store).of_site("plant").values()
    assert [(each.person_id, each.act, each.reason) for each in events] == [
        ("carla", "disputed", "tariff of last year")
    ]


def test_a_site_file_is_edited(page: Page, house_site: Site) -> None:
    file: Path = house_site.project.project.sites_dir / "plant.yaml"
    before = file.read_text()
    page.goto("/settings/sites/plant")
    with in_time("site file saved"):
        skip_to_content(page)
        step_to(page, page.locator("#form-text textarea"))
        page.keyboard.press("Control+Home")
        page.keyboard.type("# Seen by keys")
        page.keyboard.press("Enter")
        # The key that walks on does not stay in the text.
        step_to(page, page.locator("#form-text button").first)
        page.keyboard.press("Enter")
        page.wait_for_url("**saved=1")
    assert file.read_text() == f"# Seen by keys\n{before}\n"


def test_full_control_is_requested_by_one_person_and_approved_by_another(
    chromium: Browser, page: Page, house_site: Site
) -> None:
    page.goto("/devices?site=plant")
    with in_time("full control requested"):
        skip_to_content(page)
        form = page.locator("#form-mode")
        step_to(page, form.get_by_label("Mode"))
        page.keyboard.type("Full")
        step_to(page, form.get_by_label("Reason"))
        page.keyboard.type("four weeks well")
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_contain_text("You requested it: a second engineer must approve full control.")
    before = mode_history(house_site.project.store, "plant")
    assert before[-1]["mode"] == "PARTIAL"
    folder = house_site.project.project.root
    with serving(folder, None, EVE) as hers, opened(chromium, hers) as other:
        other.goto("/devices?site=plant")
        with in_time("full control approved"):
            skip_to_content(other)
            step_to(other, other.locator("main form button", has_text="Approve request"))
            other.keyboard.press("Enter")
            expect(other.locator("main button", has_text="Approve request")).to_have_count(0)
    last = mode_history(house_site.project.store, "plant")[-1]
    found = tuple(last[each] for each in ("mode", "person_id", "approved_by", "reason"))
    assert found == ("FULL", "carla", "eve", "four weeks well")
