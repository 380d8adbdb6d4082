"""An event of demand response in a real browser: proposed by one person, approved and signed by another on a phone."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from assets.sites.load_sites import load_people
from assets.stores.ledgers.dr_events import DrEvents
from data_quality.contracts.people import Person
from reports.evidence.people_keys import give_keys
from tests.orchestration.test_dr_events import ANN, BOB, NOW, Here, here, made
from tests.web_browser.conftest import serving
from tests.web_browser.looked_at import SIZES, Watched, axe_faults, overflow_px

__all__ = ["here", "made"]
WIDTH, HEIGHT = SIZES["phone"]


@pytest.fixture
def keyed(here: Here) -> Path:
    """A called event at a plant whose people have keys."""
    event = here.create()
    people = here.project.project.people_file
    give_keys(people, here.project.people, here.project.project.keys_dir)
    assert event.state == "created"
    return here.project.project.root


def acts(chromium: Browser, folder: Path, person: Person, act: str) -> str:
    """The state of the event after the person signed the act on a phone."""
    # With their key, as whoever signs in is known.
    known = load_people(folder / "people.yaml").known(person.person_id)
    with serving(folder, NOW, person=known) as site:
        event = DrEvents(site.project.store).current()[0]
        context = chromium.new_context(base_url=site.url, viewport={"width": WIDTH, "height": HEIGHT})
        context.set_default_timeout(20_000)
        watched = Watched(context)
        page = watched.page
        page.goto(f"/demand-response/{event.event_id}?site=plant")
        assert overflow_px(page) <= 0
        assert axe_faults(page) == []
        form = page.locator(f"#form-{act}")
        form.get_by_label("Reason").fill("looked at it")
        form.get_by_label("Your key file").set_input_files(folder / "keys" / f"{person.person_id}.key")
        form.get_by_role("button").last.click()
        until = time.monotonic() + 60
        while (state := DrEvents(site.project.store).current()[0].state) == event.state and time.monotonic() < until:
            page.wait_for_timeout(200)
        context.close()
        return state


def test_one_person_proposes_and_another_approves_each_signed_in_the_browser(chromium: Browser, keyed: Path) -> None:
    assert acts(chromium, keyed, ANN, "propose") == "proposed"
    assert acts(chromium, keyed, BOB, "approve") == "approved"
