"""First answers of each board stand on the first screen, large and small; and each person's first task by keys."""

import re
import sys
import time
from datetime import date

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from data_quality.contracts.time import Period
from orchestration.web import queries
from orchestration.web.pages import board_pages
from orchestration.web.queries import Age
from tests.web_browser.looked_at import PAGES, SIZES, Watched

# Tiles that hold the answer: of each its name, its value or why there is none, and what belongs to it must be seen.
ANSWERS = {
    "ops": ("live_kw", "peak_demand", "cost", "tariff_block", "open_findings"),
    "site": ("scope_use", "scope_cost"),
    "exec": ("savings", "cost_year", "carbon_year", "eui"),
    "audit": ("report_status", "chains"),
}
# From the board to the acknowledged finding, seconds.
MOST_ACT_S = 10.0
BOXES = """(card) => ["", " .card-head", " .main", " .reason", " .brief", " .small"].flatMap((part) =>
  [...document.querySelectorAll(`#card-${card}${part}`)].map((each) => {
    const box = each.getBoundingClientRect();
    return [part || "card", box.left, box.top, box.right, box.bottom];
  }))"""
STOPS = """() => {
  const here = document.activeElement, box = here.getBoundingClientRect(), style = getComputedStyle(here);
  const isSeen = box.width * box.height > 0 && style.outlineStyle !== "none";
  return [here.textContent.trim(), isSeen, here.getAttribute("href")];
}"""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("board", ANSWERS)
def test_what_a_board_answers_stands_on_the_first_screen(board: str, size: str, context: BrowserContext) -> None:
    assert outside_of_screen(context, board, size) == []


def test_what_operations_answer_stands_there_on_a_phone_below_the_warning_that_marts_are_old(
    context: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    age = Age(None, None, tuple(f"2026-{month:02d}" for month in range(1, 5)))
    period = Period(label="2026", start=date(2026, 1, 1), end=date(2027, 1, 1), time_zone="Europe/Berlin")
    (warning,) = queries.stale_finding(age, period)
    monkeypatch.setattr(board_pages, "stale_finding", lambda *_: (warning,))
    assert outside_of_screen(context, "ops", "phone") == []
    assert "out of date" in str(context.pages[0].locator(".findings").first.text_content())


def outside_of_screen(context: BrowserContext, board: str, size: str) -> list[tuple[str, str, int]]:
    """Parts of the answers that are not on the first screen, and where they end."""
    watched = Watched(context)
    width, height = SIZES[size]
    watched.page.set_viewport_size({"width": width, "height": height})
    watched.drawn(PAGES[board])
    outside = []
    for key in ANSWERS[board]:
        boxes = watched.page.evaluate(BOXES, key)
        assert {"main", "reason", "brief"} & {part.strip(" .") for part, *_ in boxes}, key
        outside += [
            (key, part, round(bottom))
            for part, left, top, right, bottom in boxes
            # A tile's own table and pictures may go on below.
            if part != "card" and (left < 0 or top < 0 or right > width or bottom > height)
        ]
    return outside


def stepped_to(page: Page, wanted: str, *, most: int = 120) -> str:
    """Press Tab until what has the focus reads so; each stop on the way must be seen. Returns where it leads."""
    for _ in range(most):
        page.keyboard.press("Tab")
        text, is_seen, href = page.evaluate(STOPS)
        assert is_seen, text
        if re.fullmatch(wanted, re.sub(r"\s+", " ", text)):
            return str(href or "")
    raise AssertionError(f"no stop reads {wanted!r}")


@pytest.mark.parametrize(
    ("board", "steps", "address"),
    [
        ("ops", [r".*calculation of Highest"], r"/why\?.*kpi|/why\?"),
        ("site", [r".*calculation of .*"], r"/why\?|/energy\?"),
        ("exec", [r".*calculation of .*"], r"/why\?"),
        ("audit", [r"Recompute"], r"/board/audit\?.*draw=1"),
    ],
)
def test_each_persons_first_task_is_done_by_keys_alone(
    board: str, steps: list[str], address: str, context: BrowserContext
) -> None:
    page = Watched(context).page
    page.goto(PAGES[board])
    for wanted in steps:
        stepped_to(page, wanted)
        page.keyboard.press("Enter")
    page.wait_for_url(re.compile(address))
    assert page.locator("h1").is_visible()


def test_signing_in_needs_keys_alone_and_no_script(chromium, site, olga) -> None:  # type: ignore[no-untyped-def]
    """The form of the sign-in, of the first thing that everybody does."""
    context = chromium.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/board/ops")
    page.keyboard.press("Tab")
    for _ in range(6):
        if page.locator("input[name=person]").evaluate("each => each === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.type("olga")
    page.keyboard.press("Tab")
    page.keyboard.type("four words of chance")
    page.keyboard.press("Enter")
    page.wait_for_url("**/board/ops")
    context.close()


def test_a_finding_is_acknowledged_with_a_reason_in_ten_seconds(context: BrowserContext) -> None:
    page = Watched(context).page
    begun = time.monotonic()
    page.goto(PAGES["ops"])
    page.locator("#card-open_findings .items summary").first.click()
    page.get_by_role("link", name=re.compile("^Acknowledge")).first.click()
    form = page.locator("#form-acknowledge")
    form.get_by_label("Reason").fill("Clock of the meter is set on Friday")
    form.get_by_role("button", name="Acknowledge finding").click()
    expect(page.locator("#table-history")).to_contain_text("Clock of the meter is set on Friday")
    expect(page.locator("#finding")).to_contain_text("acknowledged by Olga Operator")
    taken_s = time.monotonic() - begun
    sys.stdout.write(f"a finding acknowledged in {taken_s:.1f} s, at most {MOST_ACT_S:g} s\n")
    assert taken_s < MOST_ACT_S


MOVING = """() => [...document.querySelectorAll("*")].filter((each) => {
  const style = getComputedStyle(each);
  return style.animationName !== "none" || style.transitionDuration.split(", ").some((span) => span !== "0s")
    || style.scrollBehavior === "smooth";
}).length + document.getAnimations().length"""


@pytest.mark.parametrize("name", ["ops", "energy"])
def test_who_wants_no_motion_is_shown_none(name: str, context: BrowserContext) -> None:
    watched = Watched(context)
    watched.page.emulate_media(reduced_motion="reduce")
    watched.drawn(PAGES[name])
    assert watched.page.evaluate(MOVING) == 0
