"""White holes of the ten screens: `python -m tests.web_browser.emptiness PROJECT`, a demo that is alive.

The share of a card that its largest empty rectangle takes, at both sizes; those above a third are named.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import BrowserContext, sync_playwright

from data_quality.contracts.people import Person, Role
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
# A table's row, an entry of a list and a label with its value are whole lines: what lies between belongs to both.
HOLES = """() => {
  const CELL = 6, OUTER = ".card, .box, .chart, .steps";
  const WHOLE = "tr, svg, canvas, img, input, select, textarea, button, .btn, .drawing, dl > div, .items > li";
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


def holes(context: BrowserContext, screen: str, size: str, path: str) -> Iterator[Hole]:
    """Every card of a page, in reading order. Ends the program where the page is none."""
    watched = Watched(context)
    if watched.drawn(path) != 200:
        raise SystemExit(f"{path} is no page")
    watched.page.wait_for_timeout(300)
    for card, share in watched.page.evaluate(HOLES):
        yield Hole(screen, size, card, share)
    watched.page.close()


def main(folder: Path) -> None:
    """Print each card of all screens above a third, and how many cards there are."""
    month = f"{datetime.now(UTC).replace(day=1) - timedelta(days=1):%Y-%m}"
    with serving(folder, None, person=ANNA) as site, sync_playwright() as playwright:
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
    main(Path(sys.argv[1]))
