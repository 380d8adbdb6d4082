"""Files dropped on an empty project become a site with its figures; without a script they are chosen in the form."""

import re
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from data_quality.contracts.people import Person, Role
from orchestration.starter.project_files import make_project
from tests.web.conftest import jobs_wait
from tests.web.marts_world import Asking
from tests.web.test_reading_upload import LOST_DAY, engineer
from tests.web.test_start_page import METERS, NOW
from tests.web_browser.conftest import serving
from tests.web_browser.looked_at import Watched, axe_faults, overflow_px

__all__ = ["engineer", "jobs_wait"]
# From the drop to the first figures, seconds.
MOST_S = 300.0
ME = Person(person_id="me", name="Me", roles=(Role.ENGINEER, Role.ANALYST))
DROP = """text => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([text], "export.csv", { type: "text/csv" }));
  for (const name of ["dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(name, { dataTransfer: dropped, bubbles: true, cancelable: true }));
}"""


@pytest.mark.parametrize("has_script", [True, False])
def test_files_become_proposed_meters(chromium: Browser, tmp_path: Path, has_script: bool) -> None:
    make_project(tmp_path / "project")
    with serving(tmp_path / "project", NOW, ME) as site:
        context = chromium.new_context(base_url=site.url, java_script_enabled=has_script, timezone_id="Europe/Berlin")
        watched = Watched(context)
        page = watched.page
        page.goto("/")
        begun = time.monotonic()
        if has_script:
            page.evaluate(DROP, METERS)
        else:
            page.fill("[name=time_zone]", "Europe/Berlin")
            page.set_input_files(
                "[type=file]", {"name": "export.csv", "mimeType": "text/csv", "buffer": METERS.encode()}
            )
            page.get_by_role("button", name="Show meters").click()
        expect(page.get_by_role("button", name="Confirm 2 meters")).to_be_visible(timeout=60_000)
        expect(page.get_by_text("672 readings")).to_have_count(2)
        if has_script:
            page.fill("[name=name]", "Werk")
            page.get_by_role("button", name="Confirm 2 meters").click()
            while "/energy" not in page.url:
                assert time.monotonic() - begun < MOST_S, page.inner_text("main")
                page.wait_for_timeout(500)
                page.goto("/start?made=werk")
            expect(page.locator("#card-consumption_kwh [data-live-value]")).to_have_text(re.compile(r"\d"))
            taken_s = time.monotonic() - begun
            sys.stdout.write(f"first figures {taken_s:.1f} s after the drop, at most {MOST_S:g} s\n")
            assert taken_s < MOST_S
        assert watched.complaints == []
        context.close()


def test_a_file_dropped_on_the_data_page_is_shown_and_taken_in_once_accepted(
    chromium: Browser, engineer: Asking
) -> None:
    lake = engineer.project.lake
    before = lake.current("plant").height
    with serving(engineer.project.project.root, engineer.clock.now_utc(), engineer.person) as site:
        context = chromium.new_context(base_url=site.url, timezone_id="Europe/Berlin")
        watched = Watched(context)
        page = watched.page
        page.goto("/data?site=plant&period=2025-03")
        page.evaluate(DROP, LOST_DAY)
        expect(page.locator("main")).to_contain_text("Preview: 96 new", timeout=30_000)
        assert lake.current("plant").height == before
        assert axe_faults(page) == []
        assert overflow_px(page) <= 0
        page.get_by_role("button", name="Accept 96 rows").click()
        expect(page.locator("main")).to_contain_text("stored already, nothing changes")
        assert lake.current("plant").height == before + 96
        assert watched.complaints == []
        context.close()
