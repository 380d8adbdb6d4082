"""White holes of the ten screens: `python -m tests.web_browser.emptiness PROJECT [INSTANT]`, a demo alive then or now.

The share of a card that its largest empty rectangle takes, at both sizes; those above a third are named. With them the
cards that end more than a third below their content, and text that is cut: no page of the tests has either.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import BrowserContext, Page, sync_playwright

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import parse_instant
from tests.web_browser.conftest import chromium_path, serving
from tests.web_browser.looked_at import Watched

MOST = 1 / 3
SCREEN_SIZES = {"wide": (1400, 900), "phone": (390, 844)}
SCREENS = {
    "home": "/board/home?site=home",
    "operations": "/board/ops?site=factory",
    "results": "/board/exec",
    "energy": "/energy?site=factory",
    "performance": "/enpi/factory/compressors",
    "bills": "/bills?site=factory",
    "why": "/why?site=factory&scope=site:factory&kpi=consumption_kwh&period={month}",
    "data": "/data?site=factory",
    "plan_and_devices": "/devices?site=home",
    "reports": "/reports",
}
# A table's row, an entry of a list and a label with its value are whole lines: what lies between belongs to both. So
# are a title's line, and a line of text in a card of three columns, where nothing could stand beside it. A reason why
# there is no value fills what it stands in.
HOLES = """() => {
  const CELL = 6, OUTER = ".card, .box, .chart, .steps";
  const WHOLE = "tr, caption, svg, canvas, img, input, select, textarea, button, .btn, .drawing, dl > div, "
    + ".items > li, .card-head, .reason, .c3 > p";
  const shown = (box) => box.width > 1 && box.height > 1;
  const boxes = (card) => {
    const found = [...card.querySelectorAll(WHOLE)].map((each) => each.getBoundingClientRect());
    const walk = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      if (!walk.currentNode.textContent.trim()) continue;
      const range = document.createRange();
      range.selectNodeContents(walk.currentNode);
      found.push(...range.getClientRects());
    }
    return found.filter(shown);
  };
  const hole = (card) => {
    const at = card.getBoundingClientRect();
    const across = Math.floor(at.width / CELL), down = Math.floor(at.height / CELL);
    const ink = Array.from({length: down}, () => new Uint8Array(across));
    const from = (edge, zero) => Math.max(0, Math.floor((edge - zero) / CELL));
    const to = (edge, zero, most) => Math.min(most, Math.ceil((edge - zero) / CELL));
    for (const box of boxes(card))
      for (let y = from(box.top, at.top); y < to(box.bottom, at.top, down); y++)
        ink[y].fill(1, from(box.left, at.left), Math.max(0, to(box.right, at.left, across)));
    const high = new Int32Array(across + 1);
    let most = 0;
    for (let y = 0; y < down; y++) {
      for (let x = 0; x < across; x++) high[x] = ink[y][x] ? 0 : high[x] + 1;
      const stack = [];
      for (let x = 0; x <= across; x++) {
        const now = x < across ? high[x] : 0;
        let start = x;
        while (stack.length && stack.at(-1)[1] >= now) {
          const [from, tall] = stack.pop();
          most = Math.max(most, tall * (x - from));
          start = from;
        }
        stack.push([start, now]);
      }
    }
    return most / Math.max(across * down, 1);
  };
  const whole = (each) => !each.parentElement.closest(OUTER) && shown(each.getBoundingClientRect());
  const name = (each) => (each.querySelector("h2, h3, figcaption, dt, th")?.textContent || each.className).trim();
  const cards = [...document.querySelectorAll("main :is(.card, .box, .chart, .steps)")].filter(whole);
  return cards.map((each) => [name(each).slice(0, 40), hole(each)]);
}"""
# Cards whose content ends too high, with the share below it, and text that is wider than the box that hides the rest.
# A reason why there is no value stands in the middle of what it fills.
FAULTS = """(most) => {
  const OUTER = ".card, .box, .chart, .steps";
  const shown = (box) => box.width > 1 && box.height > 1;
  const seen = (each) => each.checkVisibility({visibilityProperty: true}) && !each.closest(".unseen");
  const bottoms = function* (card) {
    const walk = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      if (!walk.currentNode.textContent.trim() || !seen(walk.currentNode.parentElement)) continue;
      const range = document.createRange();
      range.selectNodeContents(walk.currentNode);
      yield* [...range.getClientRects()].filter(shown).map((box) => box.bottom);
    }
    for (const each of card.querySelectorAll("svg, canvas, img, input, select, textarea, .btn, .drawing, .reason"))
      if (seen(each)) yield each.getBoundingClientRect().bottom;
  };
  const found = [];
  for (const card of document.querySelectorAll("main :is(.card, .box, .chart, .steps)")) {
    if (card.parentElement.closest(OUTER) || !seen(card)) continue;
    const at = card.getBoundingClientRect();
    const share = (at.bottom - Math.max(at.top, ...bottoms(card))) / at.height;
    const name = card.querySelector("h2, h3, figcaption, caption, dt, th")?.textContent || card.className;
    if (share > most) found.push(`${name.trim().slice(0, 40)}: ${Math.round(100 * share)} % empty below`);
  }
  for (const each of document.querySelectorAll("body *")) {
    const isText = [...each.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    const isCut = isText && ["hidden", "clip"].includes(getComputedStyle(each).overflowX);
    if (isCut && seen(each) && each.scrollWidth > each.clientWidth)
      found.push(`cut: ${each.textContent.trim().slice(0, 60)}`);
  }
  return found;
}"""
ANNA = Person(
    person_id="anna", name="Anna Approver", roles=(Role.OPERATOR, Role.ENGINEER, Role.REVIEWER, Role.AUDITOR),
    home_board="ops",
)  # fmt: skip


class Hole(NamedTuple):
    """A card and the share of it that its largest empty rectangle takes, 0 to 1."""

    screen: str
    size: str
    card: str
    share: float


def card_holes(page: Page) -> list[tuple[str, float]]:
    """Each card of a page, in reading order, and the share of it that its largest empty rectangle takes."""
    return [(str(card).replace("\N{NO-BREAK SPACE}", " "), float(share)) for card, share in page.evaluate(HOLES)]


def layout_faults(page: Page) -> list[str]:
    """Cards of a page that are more than a third empty below their content, and text that is cut."""
    found: list[str] = page.evaluate(FAULTS, MOST)
    return found


def holes(context: BrowserContext, screen: str, size: str, path: str) -> Iterator[Hole]:
    """Every card of a page, in reading order. Ends the program where the page is none."""
    watched = Watched(context)
    if watched.drawn(path) != 200:
        raise SystemExit(f"{path} is no page")
    watched.page.wait_for_timeout(300)
    for card, share in card_holes(watched.page):
        yield Hole(screen, size, card, share)
    for fault in layout_faults(watched.page):
        sys.stdout.write(f"{screen:16} {size:5} {fault}\n")
    watched.page.close()


def main(folder: Path, instant: str = "") -> None:
    """Print each card of all screens above a third, and how many cards there are."""
    now = parse_instant(instant) if instant else None
    month = f"{(now or datetime.now(UTC)).replace(day=1) - timedelta(days=1):%Y-%m}"
    with serving(folder, now, person=ANNA) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        found: list[Hole] = []
        for size, (width, height) in SCREEN_SIZES.items():
            context = browser.new_context(
                base_url=site.url, viewport={"width": width, "height": height}, timezone_id="Europe/Berlin"
            )
            context.set_default_timeout(120_000)
            for screen, path in SCREENS.items():
                found += holes(context, screen, size, path.format(month=month))
            context.close()
        browser.close()
    above = [each for each in found if each.share > MOST]
    for each in above:
        sys.stdout.write(f"{each.screen:16} {each.size:5} {each.share:4.0%} {each.card}\n")
    sys.stdout.write(f"{len(above)} of {len(found)} cards have a hole of more than a third\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
