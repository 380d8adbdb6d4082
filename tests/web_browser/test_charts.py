"""Charts in a real browser: drawn, equal to their table and their CSV, worked by mouse and by keyboard."""

import csv
import io
import re
from datetime import date

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from orchestration.web.draw import html_of
from orchestration.web.middleware import HEADERS
from reports.pages.address import Address
from reports.pages.chart import Chart, ChartRow, Limit
from reports.pages.page import Page as ViewModel
from reports.pages.page import Part
from reports.texts.locales import day_of_month
from tests.web_browser.looked_at import PAGES, Watched

FILLS = "figure => [...figure.querySelectorAll('.drawing svg path')].map(each => each.getAttribute('fill'))"
TEXTS = "figure => [...figure.querySelectorAll('.drawing svg text')].map(each => each.textContent)"
EVIL = '</script><img src=x onerror="document.title=1">{b}{a|x}\'&'


def first_chart(page: Page) -> dict:
    """The first chart as its script reads it."""
    found: dict = page.locator("[data-chart] script").first.evaluate("each => JSON.parse(each.textContent)")
    # Days that follow each other are told by the first and how many.
    found["x"] = [place for each in found["x"] for place in ([each] if isinstance(each, str) else range(each[1]))]
    return found


def rows(page: Page) -> int:
    return page.locator("[data-chart]").first.locator("tbody tr").count()


def test_a_chart_is_drawn_in_colours_of_its_own_for_dark(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["energy"])
    figure = watched.page.locator("[data-chart]").first
    light = set(figure.evaluate(FILLS))
    watched.page.emulate_media(color_scheme="dark")
    watched.page.wait_for_timeout(300)
    dark = set(figure.evaluate(FILLS))
    assert {"rgb(82, 99, 194)", "rgb(164, 176, 185)"} <= light
    assert {"rgb(139, 153, 238)", "rgb(131, 145, 156)"} <= dark
    # The person's own choice wins over the system's.
    watched.page.evaluate("document.documentElement.dataset.theme = 'light'")
    watched.page.wait_for_timeout(300)
    assert set(figure.evaluate(FILLS)) == light
    assert watched.complaints == []


@pytest.mark.parametrize(("name", "count"), [("quarters", 92), ("long", 100), ("energy", 31)])
def test_points_rows_and_lines_of_the_csv_are_as_many_on_a_short_day_and_a_long_one(
    name: str, count: int, context: BrowserContext
) -> None:
    watched = Watched(context)
    watched.drawn(PAGES[name])
    page = watched.page
    chart = first_chart(page)
    assert len(chart["at_s"]) == len(chart["x"]) == count == rows(page)
    # Ticks are the site's hours: two o'clock is not there in spring, and twice in autumn.
    labels = [label for _, label in chart["ticks"]]
    if name != "energy":
        assert [label for label in labels if label.startswith("02:00")] == (
            ["02:00 A", "02:00 B"] if count == 100 else []
        )
    assert not page.locator("[data-chart] table").first.is_visible()
    page.locator("[data-chart] summary").first.click()
    assert page.locator("[data-chart] table").first.is_visible()
    href = page.locator("[data-chart] a.csv").first.get_attribute("href")
    text = page.evaluate("async (path) => (await fetch(path)).text()", href)
    lines = [line for line in csv.DictReader(io.StringIO(text)) if line]
    assert len(lines) == count
    # What is drawn is what the file has, and what the table shows is that, rounded.
    names = ["kwh", *(name for name in lines[0] if name.startswith("kwh "))]
    values = [[None if line[name] == "" else float(line[name]) for line in lines] for name in names]
    assert values == [row["values"] for row in chart["rows"]][: len(names)]
    # The whole, the one use, and what no use has.
    assert names == ["kwh", "kwh seu:air", "kwh not metered"]


def test_a_gap_stays_a_gap(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["gap"])
    values = first_chart(watched.page)["rows"][0]["values"]
    assert len(values) == 96
    # From 03:00 to 09:00 UTC, which is from five to eleven there.
    assert [at for at, value in enumerate(values) if value is None] == list(range(20, 44))


def test_keys_move_through_a_chart_and_open_why(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["energy"])
    page = watched.page
    tip, said = page.locator("[data-chart] .tip").first, page.locator("[data-chart] .readout").first
    page.locator("[data-chart] .plot").first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    cells = page.locator("[data-chart] tbody tr").nth(1).locator("th, td").all_text_contents()
    assert said.get_attribute("aria-live") == "polite"
    for text in (cells[0].strip(), f"{cells[1].strip()} kWh", f"{cells[2].strip()} kWh"):
        expect(said).to_contain_text(text)
        expect(tip).to_contain_text(text)
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/why\?"))
    assert page.locator("h1").is_visible()


def test_days_are_marked_by_keys_and_by_mouse_and_stand_in_the_address(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["energy"])
    page = watched.page
    page.locator("[data-chart] .plot").first.focus()
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
    plot = page.locator("[data-chart] .plot").first
    # A mouse reaches what is on the screen.
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.4, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=5)
    assert page.locator("[data-chart] .marked").first.is_visible()
    page.mouse.up()
    page.wait_for_url(re.compile(r"period=2026-03-1\d(%2F|/)2026-03-\d\d"))
    assert 5 <= rows(page) <= 8
    assert watched.complaints == []


def test_a_row_is_hidden_by_its_name_and_the_address_says_so(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["energy"])
    figure, button = (
        watched.page.locator("[data-chart]").first,
        watched.page.locator("[data-chart] .legend button").first,
    )
    assert "rgb(82, 99, 194)" in figure.evaluate(FILLS)
    button.focus()
    watched.page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert "rgb(82, 99, 194)" not in figure.evaluate(FILLS)
    assert "hide=part-1" in watched.page.url
    watched.drawn(watched.page.url)
    assert watched.page.locator("[data-chart] .legend button").first.get_attribute("aria-pressed") == "false"


def of_every_kind() -> list[Chart]:
    """A chart of each kind with markup and patterns wherever a name may stand."""
    row = ChartRow(label=EVIL, values=(1.0, -2.0, None, 4.0))
    common = {"title": EVIL, "unit": "kwh", "x": (EVIL, "2", "3", "4"), "x_title": EVIL}
    two = (row, ChartRow(label="=1+1", role="expected", style="steps", values=(1, 2, 3, 4)))
    banded = row.model_copy(update={"low": (0.0, -3.0, None, 3.0), "high": (2.0, 0.0, None, 5.0)})
    unseen = row.model_copy(update={"style": "none"})
    found = [
        Chart(kind=kind, key=kind, rows=given, **common)
        for kind, given in (("bars", two), ("stack", two), ("band", (banded,)), ("cumulative", (banded,)),
                            ("scatter", two), ("flow", two), ("bridge", (row,)), ("ranked", (banded, unseen)))
    ]  # fmt: skip
    events = {"events": ((1, EVIL),), "limit": Limit(label=EVIL, value=3.0)}
    found.append(Chart(kind="line", key="line", rows=two, **common, **events))
    hours = tuple(ChartRow(label=f"{hour:02}:00", values=tuple(map(float, range(70)))) for hour in range(24))
    days = {"x": tuple(map(str, range(70)))}
    lanes = (
        ChartRow(label="Low price", role="cheap", values=(1, 2, 1, 2), unit="eur/kwh", lane="Price"),
        ChartRow(label="Sun", energy="solar", values=(1, 2, 3, 4), unit="kw", style="line", lane="Use"),
        ChartRow(label="Sun, measured", energy="solar", values=(1, 2, 3, 4), unit="kw", style="steps", lane="Use"),
        ChartRow(
            label="Charge", energy="battery", values=(10, 20, 30, 40), unit="percent", style="line", lane="Battery"
        ),
    )
    found.append(Chart(kind="plan", key="plan", rows=lanes, now_at=2, **common))
    found.append(Chart(kind="heat", key="heat", rows=hours, **common | days))
    found.append(Chart(kind="heat", key="small", rows=hours[:12], **common | days))
    return found


@pytest.fixture
def kinds(context: BrowserContext) -> Watched:
    """A chart of each kind."""
    return page_of(context, of_every_kind())


def page_of(context: BrowserContext, charts: list[Chart]) -> Watched:
    """A page of ours with these charts, under the headers that all pages have."""
    parts = (Part(key="all", blocks=tuple(charts)),)
    html = html_of(None, ViewModel(title="kinds", address=Address(path="/kinds"), parts=parts))
    headers = HEADERS | {"content-type": "text/html; charset=utf-8"}
    context.route("**/kinds*", lambda route: route.fulfill(body=html, headers=headers))
    watched = Watched(context)
    watched.drawn("/kinds")
    return watched


def test_a_limit_above_all_values_is_drawn_at_the_top_of_the_axis(context: BrowserContext) -> None:
    rows_below = (ChartRow(label="Used", values=(1.0, 2.0)),)
    limit = Limit(label="limit 50 kW", value=50.0)
    chart = Chart(
        kind="band", key="used", title="Used", unit="kwh", x=("1", "2"), x_title="Hour", rows=rows_below, limit=limit
    )
    drawn = page_of(context, [chart]).page.locator("[data-chart]").evaluate(TEXTS)
    assert {"50", "limit 50 kW"} <= set(drawn)


def test_every_kind_is_drawn_and_a_name_stays_text_under_pointer_keys_themes_and_on_paper(kinds: Watched) -> None:
    page = kinds.page
    for chart in of_every_kind():
        figure = page.locator(f"#chart-{chart.key}")
        is_canvas = chart.key == "heat"
        assert (figure.locator(".drawing canvas").count() > 0) is is_canvas, chart.key
        if not is_canvas:
            assert len(figure.evaluate(FILLS)) > 1, chart.key
        plot = figure.locator(".plot")
        plot.scroll_into_view_if_needed()
        plot.hover()
        plot.focus()
        page.keyboard.press("Home")
        expect(figure.locator(".tip strong")).to_have_text(chart.x[0])
    assert any(text.startswith("</script><img src") for text in page.locator("#chart-ranked").evaluate(TEXTS))
    assert EVIL in page.locator("#chart-line").evaluate(TEXTS)
    # A name is set in by a mark, so that letters from right to left stay before their amount.
    assert any(text.startswith("\u2068</script><img") for text in page.locator("#chart-flow").evaluate(TEXTS))
    page.emulate_media(color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("canvas").count() == 0
    assert page.locator("#chart-bars .drawing svg").get_attribute("width") == "1040"
    assert "rgb(17, 80, 138)" in page.locator("#chart-bars").evaluate(FILLS)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("canvas").count() > 0
    assert "rgb(125, 184, 242)" in page.locator("#chart-bars").evaluate(FILLS)
    assert page.locator("figure img").count() == 0
    assert page.title() == "kinds · Meterloom"
    assert kinds.complaints == []


def test_a_legend_names_only_what_needs_a_name_and_all_words_have_the_font_of_the_page(kinds: Watched) -> None:
    page = kinds.page
    assert page.locator("#chart-plan .legend li").all_inner_texts() == ["Low price", "Sun"]
    assert page.locator("#chart-ranked .legend li").count() == 0
    assert page.locator("#chart-bars .legend li").count() == 2
    fonts = "each => [...each.querySelectorAll('text')].map(text => getComputedStyle(text).fontFamily)"
    own = page.evaluate("getComputedStyle(document.body).fontFamily")
    for key in ("ranked", "bridge", "flow"):
        assert set(page.locator(f"#chart-{key} .drawing").evaluate(fonts)) == {own}, key


def test_a_chart_without_an_address_of_its_csv_writes_its_own_rows(kinds: Watched) -> None:
    figure = kinds.page.locator("#chart-bars")
    figure.locator("summary").click()
    with kinds.page.expect_download() as found:
        figure.locator("button.csv").click()
    with found.value.path().open(newline="") as file:
        head, *lines = csv.reader(file)
    chart = of_every_kind()[0]
    assert found.value.suggested_filename == "bars.csv"
    # No cell is a formula.
    assert head == [EVIL, f"{EVIL} [kWh]", "'=1+1 [kWh]"]
    values = [tuple(float(line[at]) if line[at] else None for line in lines) for at in (1, 2)]
    assert values == [row.values for row in chart.rows]
    assert kinds.complaints == []


def test_a_heat_map_is_walked_by_day_and_by_hour(kinds: Watched) -> None:
    figure = kinds.page.locator("#chart-small")
    figure.locator(".plot").focus()
    for key in ("Home", "ArrowRight", "ArrowDown", "ArrowDown"):
        kinds.page.keyboard.press(key)
    expect(figure.locator(".tip")).to_have_text(re.compile(r"^1\s*02:00\s*1 kWh$"))


def test_who_reads_from_the_right_has_the_first_day_there(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["arabic"])
    figure = watched.page.locator("[data-chart]").first
    box = figure.locator(".plot").bounding_box()
    label = day_of_month(date(2026, 3, 1), "ar")
    first = figure.locator(".drawing svg text").get_by_text(label, exact=True).first.bounding_box()
    assert box
    assert first
    assert first["x"] > box["x"] + box["width"] * 0.8


def test_the_first_key_skips_to_the_content(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["energy"])
    watched.page.keyboard.press("Tab")
    assert watched.page.evaluate("document.activeElement.className") == "skip"
    watched.page.keyboard.press("Enter")
    watched.page.keyboard.press("Tab")
    assert watched.page.evaluate("document.querySelector('main').contains(document.activeElement)")
