"""Pictures of the pages for the docs: `python -m tests.web_browser.pictures [PROJECT [ALIVE]]`.

PROJECT is a demo made with `--until 2026-01-01`, ALIVE one made just now, whose home has live sources; of it there
is also a sheet of each of the ten screens, wide and on a phone, light and dark.
"""

import io
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from data_quality.contracts.people import Person, Role
from orchestration.starter.project_files import make_project
from tests.web_browser.conftest import chromium_path, serving
from tests.web_browser.looked_at import SIZES, Watched

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
LARGEST_BYTES = 180_000
# The morning after the demo's last reading.
NOW = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)
WHY = "/why?site=factory&scope=site%3Afactory&period=2025-01-01%2F2026-01-01&kpi=cost"
# Name, address, size, light or dark.
PICTURES = (
    ("ops", "/board/ops?site=factory", "wide", "light"),
    ("bills", "/bills?site=factory", "wide", "light"),
    ("data", "/data?site=factory", "wide", "light"),
    ("reports", "/reports", "wide", "light"),
    ("site", "/board/site?site=tower&scope=tenant:law&period=2025-11", "wide", "light"),
    ("exec", "/board/exec?period=2025", "wide", "dark"),
    ("audit", "/board/audit", "wide", "light"),
    ("energy", "/energy?site=factory&scope=seu:compressors&period=7d&compare=previous&grain=day", "wide", "light"),
    ("why", WHY, "wide", "light"),
    ("enpi", "/enpi/factory/compressors?period=2025", "wide", "light"),
    ("report", "/reports/enpi_quarter/factory/2025-Q4@1", "wide", "light"),
    ("phone", "/board/ops?site=factory", "phone", "dark"),
)
# Of a demo that is alive.
OF_TODAY = (
    ("home", "/board/home?site=home", "wide", "light"),
    ("devices", "/devices?site=home", "wide", "light"),
    ("today", "/board/ops?site=factory", "wide", "light"),
    ("forecast", "/forecast?site=factory", "wide", "light"),
)
# The ten screens of the design: name, address.
SCREENS = (
    ("home", "/board/home?site=home"),
    ("operations", "/board/ops?site=factory"),
    ("results", "/board/exec"),
    ("energy", "/energy?site=factory&scope=seu:compressors&period=7d&compare=previous&grain=day"),
    ("performance", "/enpi/factory/compressors"),
    ("bills", "/bills?site=factory"),
    ("why", "/why?site=factory&scope=site%3Afactory&period={year}&kpi=cost"),
    ("data", "/data?site=factory"),
    ("start", "/start"),
    ("reports", "/reports"),
)
MODES = (("wide", "light"), ("wide", "dark"), ("phone", "light"), ("phone", "dark"))
# Of a sheet, in px: what stands between its pictures, and how high each is.
BETWEEN, HIGH = 12, 480
EVERYBODY = Person(
    person_id="anna", name="Anna Approver", roles=(Role.OPERATOR, Role.REVIEWER, Role.AUDITOR), home_board="ops"
)

ENGINEER = EVERYBODY.model_copy(update={"roles": (Role.ENGINEER,)})


def main(project: Path, alive: Path) -> None:
    """Make them all. Ends with a fault where one is not drawn, complains, or is too large to be kept."""
    for folder, now, pictures in ((project, NOW, PICTURES), (alive, None, OF_TODAY)):
        with serving(folder, now, person=EVERYBODY) as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
            for name, path, size, scheme in pictures:
                _keep(f"pages_{name}", _drawn(browser, site.url, path, size, scheme))
            browser.close()
    sheets(alive)


def sheets(alive: Path) -> None:
    """Make a sheet of each screen in its four modes; that of the start is of a project without readings."""
    year = datetime.now(UTC).year - 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        make_project(Path(folder) / "plant")
        for project, is_new in ((alive, False), (Path(folder) / "plant", True)):
            with serving(project, None, person=ENGINEER if is_new else EVERYBODY) as site:
                for name, path in SCREENS:
                    if (name == "start") is is_new:
                        address = path.format(year=f"{year}-01-01%2F{year + 1}-01-01")
                        _keep(f"screens_{name}", _sheet([_drawn(browser, site.url, address, *mode) for mode in MODES]))
        browser.close()


def _drawn(browser: Browser, url: str, path: str, size: str, scheme: str) -> bytes:
    width, height = SIZES[size]
    context = browser.new_context(
        base_url=url, viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="Europe/Berlin"
    )
    watched = Watched(context)
    status = watched.drawn(path)
    watched.page.wait_for_timeout(500)
    made = watched.page.screenshot(full_page=False)
    context.close()
    if status != 200 or watched.complaints:
        raise SystemExit(f"{path}: status {status}, {watched.complaints}")
    return made


def _sheet(pictures: list[bytes]) -> bytes:
    """The pictures beside one another, in a palette of 128 colours."""
    shown = [Image.open(io.BytesIO(each)).convert("RGB") for each in pictures]
    small = [each.resize((each.width * HIGH // each.height, HIGH), Image.Resampling.LANCZOS) for each in shown]
    sheet = Image.new("RGB", (sum(each.width + BETWEEN for each in small) - BETWEEN, HIGH), "white")
    left = 0
    for each in small:
        sheet.paste(each, (left, 0))
        left += each.width + BETWEEN
    made = io.BytesIO()
    sheet.quantize(128, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
    return made.getvalue()


def _keep(name: str, made: bytes) -> None:
    if len(made) > LARGEST_BYTES:
        raise SystemExit(f"{name}.png: {len(made)} bytes, {LARGEST_BYTES} at most")
    (IMAGES / f"{name}.png").write_bytes(made)
    sys.stdout.write(f"{name}.png {len(made)} bytes\n")


if __name__ == "__main__":
    first, *rest = map(Path, sys.argv[1:] or ["demo"])
    main(first, *(rest or [first]))
