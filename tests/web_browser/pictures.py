"""Pictures of the pages for the docs: `python -m tests.web_browser.pictures PROJECT INSTANT`.

PROJECT is a demo that was alive at the INSTANT (2026-11-29T12:36:22Z): pages show it as it was then.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import parse_instant
from tests.web_browser.conftest import chromium_path, serving
from tests.web_browser.looked_at import SIZES, Watched

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
LARGEST_BYTES = 180_000
WHY = "/why?site=factory&scope=site%3Afactory&period=2025-01-01%2F2026-01-01&kpi=cost"
# Name, address, size, light or dark.
PICTURES = (
    ("home", "/board/home?site=home", "wide", "light"),
    ("ops", "/board/ops?site=factory", "wide", "light"),
    ("devices", "/devices?site=home", "wide", "light"),
    ("forecast", "/forecast?site=factory", "wide", "light"),
    ("bills", "/bills?site=factory", "wide", "light"),
    ("data", "/data?site=factory", "wide", "light"),
    ("reports", "/reports?report=enpi_quarter/tower/2026-Q3@2", "wide", "light"),
    ("site", "/board/site?site=tower&scope=tenant:law&period=2026-10", "wide", "light"),
    ("exec", "/board/exec?period=2025", "wide", "dark"),
    ("audit", "/board/audit", "wide", "light"),
    ("energy", "/energy?site=factory&scope=seu:compressors&period=7d&compare=previous&grain=day", "wide", "light"),
    ("why", WHY, "wide", "light"),
    ("enpi", "/enpi/factory/compressors?period=2025", "wide", "light"),
    ("report", "/reports/enpi_quarter/factory/2025-Q4@1", "wide", "light"),
    ("phone", "/board/ops?site=factory", "phone", "dark"),
)
EVERYBODY = Person(
    person_id="anna", name="Anna Approver", roles=(Role.OPERATOR, Role.REVIEWER, Role.AUDITOR), home_board="ops"
)


def main(project: Path, now: str) -> None:
    """Make them all. Ends with a fault where one is not drawn, complains, or is too large to be kept."""
    with serving(project, parse_instant(now), person=EVERYBODY) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        for name, path, size, scheme in PICTURES:
            _picture(browser, site.url, name, path, size, scheme)
        browser.close()


def _picture(browser: Browser, url: str, name: str, path: str, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        base_url=url, viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="Europe/Berlin"
    )
    watched = Watched(context)
    status = watched.drawn(path)
    watched.page.wait_for_timeout(500)
    made = watched.page.screenshot(full_page=False)
    context.close()
    if status != 200 or watched.complaints or len(made) > LARGEST_BYTES:
        raise SystemExit(f"{path}: status {status}, {len(made)} bytes, {watched.complaints}")
    (IMAGES / f"pages_{name}.png").write_bytes(made)
    sys.stdout.write(f"pages_{name}.png {len(made)} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
