"""Charts in a real browser: drawn, equal to their table and their CSV, worked by mouse and by keyboard."""

import csv
import io
import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.web_browser.looked_at import PAGES, Watched

INK = """(canvas) => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let drawn = 0, sum = 0;
  for (let at = 3; at < data.length; at += 4) {
    if (data[at]) { drawn += 1; sum += data[at - 3] + data[at - 2] + data[at - 1]; }
  }
  return [drawn, Math.round(sum / drawn)];
}"""


def told(page: Page) -> dict:
    """What the server says of the first plot."""
    return page.locator("[data-plot] script").first.evaluate("each => JSON.parse(each.textContent)")


def rows(page: Page) -> int:
    return page.locator("[data-plot]").first.locator("tbody tr").count()


def test_a_chart_is_drawn_in_colours_of_its_own_for_dark(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["energy"])
    canvas = watched.page.locator("[data-plot] canvas").first
    light = canvas.evaluate(INK)
    watched.page.emulate_media(color_scheme="dark")
    watched.page.wait_for_timeout(300)
    dark = watched.page.locator("[data-plot] canvas").first.evaluate(INK)
    assert light[0] > 2000
    assert dark[0] > 2000
    assert light[1] != dark[1]


@pytest.mark.parametrize(("name", "count"), [("quarters", 92), ("long", 100), ("energy", 31)])
def test_points_rows_and_lines_of_the_csv_are_as_many_on_a_short_day_and_a_long_one(
    name: str, count: int, context: BrowserContext
) -> None:
    watched = Watched(context)
    watched.drawn(PAGES[name])
    page = watched.page
    plot = told(page)
    assert len(plot["at_s"]) == count == rows(page)
    # Ticks are the site's hours: two o'clock is not there in spring, and twice in autumn.
    labels = [label for _, label in plot["ticks"]]
    if name != "energy":
        assert [label for label in labels if label.startswith("02:00")] == (
            ["02:00 A", "02:00 B"] if count == 100 else []
        )
    href = page.locator("[data-plot] a.csv").first.get_attribute("href")
    text = page.evaluate("async (path) => (await fetch(path)).text()", href)
    lines = [line for line in csv.DictReader(io.StringIO(text)) if line]
    assert len(lines) == count
    # What is drawn is what the file has, and what the table shows is that, rounded.
    values = [None if line["kwh"] == "" else float(line["kwh"]) for line in lines]
    assert values == plot["lines"][0]["values"]


def test_a_gap_stays_a_gap(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["gap"])
    values = told(watched.page)["lines"][0]["values"]
    assert len(values) == 96
    # From 03:00 to 09:00 UTC, which is from five to eleven there.
    assert [at for at, value in enumerate(values) if value is None] == list(range(20, 44))


def test_keys_move_through_a_chart_and_open_why(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["energy"])
    page = watched.page
    page.locator("[data-plot] .canvas").first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    second = [
        cell.strip()
        for cell in page.locator("[data-plot] tbody tr").nth(1).all_text_contents()[0].split("\n")
        if cell.strip()
    ]
    expect(page.locator("[data-plot] .readout").first).to_contain_text(second[0])
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/why\?"))
    assert page.locator("h1").is_visible()


def test_days_are_marked_by_keys_and_by_mouse_and_stand_in_the_address(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["energy"])
    page = watched.page
    page.locator("[data-plot] .canvas").first.focus()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    # The fourth to the sixth: days of the site, though this browser stands in Los Angeles.
    page.wait_for_url(re.compile(r"period=2026-03-04(%2F|/)2026-03-07"))
    assert rows(page) == 3
    watched.drawn(PAGES["energy"])
    box = page.locator("[data-plot] .u-over").first.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.4, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"period=2026-03-1\d(%2F|/)2026-03-\d\d"))
    assert 5 <= rows(page) <= 8


def test_a_line_is_hidden_by_its_name_and_the_address_says_so(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["energy"])
    button = watched.page.locator("[data-plot] .legend button").first
    button.focus()
    watched.page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert "hide=" in watched.page.url
    watched.drawn(watched.page.url)
    assert watched.page.locator("[data-plot] .legend button").first.get_attribute("aria-pressed") == "false"


def test_the_first_key_skips_to_the_content(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["energy"])
    watched.page.keyboard.press("Tab")
    assert watched.page.evaluate("document.activeElement.className") == "skip"
    watched.page.keyboard.press("Enter")
    watched.page.keyboard.press("Tab")
    assert watched.page.evaluate("document.querySelector('main').contains(document.activeElement)")
