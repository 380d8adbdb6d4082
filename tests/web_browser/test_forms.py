"""Forms in a real browser, at 320 px: columns of a meter file mapped, an adjustment proposed, an event recorded."""

from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from assets.stores.ledgers.adjustments import AdjustmentStore
from tests.web_browser.conftest import Site, chromium, context, olga, site
from tests.web_browser.looked_at import axe_faults, overflow_px

__all__ = ["chromium", "context", "olga", "site"]
FOREIGN = "Datum;Menge\n" + "".join(f"04.03.2026 {hour:02}:00;1,5\n" for hour in range(24))


def narrow(context: BrowserContext, path: str) -> Page:
    page = context.new_page()
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto(path)
    return page


def expect_sound(page: Page) -> None:
    assert overflow_px(page) <= 0
    assert axe_faults(page) == []


def test_columns_of_a_refused_file_are_mapped(context: BrowserContext, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_text(FOREIGN)
    page = narrow(context, "/data?site=works&period=2026-04")
    page.locator("#upload-file").set_input_files(file)
    page.locator("#form-upload").get_by_role("button", name="Show preview").click()
    form = page.locator("form[id^=form-map]")
    form.wait_for()
    expect_sound(page)
    form.get_by_label("Time column").select_option("Datum")
    form.get_by_label("Value column").select_option("Menge")
    form.get_by_label("Meter of the values").select_option(index=1)
    form.get_by_label("Unit").fill("kwh")
    form.get_by_label("Time format").fill("%d.%m.%Y %H:%M")
    form.get_by_role("button").click()
    page.get_by_role("button", name="Accept").wait_for()
    expect_sound(page)


def test_an_adjustment_is_proposed_on_the_page_of_its_use(context: BrowserContext, site: Site) -> None:
    page = narrow(context, "/enpi/works/air")
    expect_sound(page)
    form = page.locator("#form-propose")
    for label, text in (
        ("First day", "2026-05-01"), ("First day after it", "2026-08-01"), ("Added to each expected day, kWh", "12.5"),
        ("Reason", "second shift"), ("Method", "submeter"), ("Evidence", "work order 4711"),
    ):  # fmt: skip
        form.get_by_role("textbox", name=label).or_(form.get_by_label(label)).first.fill(text)
    form.get_by_role("button").click()
    page.get_by_text("You proposed this adjustment").wait_for()
    expect_sound(page)
    [record] = AdjustmentStore(site.project.store).records(site_id="works")
    assert (record.proposed_by, str(record.adjustment.kwh_per_day)) == ("olga", "12.5")
