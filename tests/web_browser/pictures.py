"""Pictures of the pages for the docs: `python -m tests.web_browser.pictures PROJECT INSTANT`.

PROJECT is a demo that was alive at the INSTANT (2026-11-29T12:36:22Z): pages show it as it was then. Each of the ten
screens has a sheet too: wide and on a phone, light and dark.
"""

import io
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import parse_instant
from orchestration.starter.project_files import make_project
from tests.web_browser.conftest import chromium_path, serving
from tests.web_browser.emptiness import SCREEN_SIZES
from tests.web_browser.looked_at import Watched

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
# The ten screens of the design: name, address.
SCREENS = (
    ("home", "/board/home?site=home"),
    ("operations", "/board/ops?site=factory"),
    ("results", "/board/exec?period=2025"),
    ("energy", "/energy?site=factory&scope=seu:compressors&period=7d&compare=previous&grain=day"),
    ("performance", "/enpi/factory/compressors?period=2025"),
    ("bills", "/bills?site=factory"),
    ("why", WHY),
    ("data", "/data?site=factory"),
    ("reports", "/reports?report=enpi_quarter/tower/2026-Q3@2"),
)
OF_NEW = (("start", "/start"),)
MODES = (("wide", "light"), ("wide", "dark"), ("phone", "light"), ("phone", "dark"))
# Of a sheet, in px: what stands between its pictures, and how high each is.
BETWEEN, HIGH = 12, 480
# All roles but that of a tenant, who sees a part: the pictures show every act. Boards of a role are looked at by that.
ANNA = Person(
    person_id="anna", name="Anna Approver", roles=tuple(each for each in Role if each != Role.TENANT), home_board="ops"
)
OF_ROLE = {
    "site": Person(person_id="lea", name="Lea Lawyer", roles=(Role.TENANT,), sites=("tower",), tenants=("law",)),
    "audit": Person(person_id="carl", name="Carl Auditor", roles=(Role.AUDITOR,)),
}


def main(project: Path, instant: str) -> None:
    """Make them all. Ends with a fault where one is not drawn, complains, or is too large to be kept."""
    now = parse_instant(instant)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        for person in (ANNA, *OF_ROLE.values()):
            with serving(project, now, person=person) as site:
                for name, *how in PICTURES:
                    if OF_ROLE.get(name, ANNA) is person:
                        _keep(f"pages_{name}", Image.open(io.BytesIO(_drawn(browser, site.url, *how))))
                if person is ANNA:
                    _sheets(browser, site.url, SCREENS)
        make_project(Path(folder) / "plant")
        with serving(Path(folder) / "plant", now, person=ANNA) as site:
            _sheets(browser, site.url, OF_NEW)
        browser.close()


def _sheets(browser: Browser, url: str, screens: Sequence[tuple[str, str]]) -> None:
    """The four modes of each screen beside one another."""
    for name, path in screens:
        drawn = [Image.open(io.BytesIO(_drawn(browser, url, path, *mode))).convert("RGB") for mode in MODES]
        small = [each.resize((each.width * HIGH // each.height, HIGH), Image.Resampling.LANCZOS) for each in drawn]
        sheet = Image.new("RGB", (sum(each.width + BETWEEN for each in small) - BETWEEN, HIGH), "white")
        left = 0
        for each in small:
            sheet.paste(each, (left, 0))
            left += each.width + BETWEEN
        _keep(f"screens_{name}", sheet)


def _drawn(browser: Browser, url: str, path: str, size: str, scheme: str) -> bytes:
    width, height = SCREEN_SIZES[size]
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


def _keep(name: str, drawn: Image.Image) -> None:
    made = io.BytesIO()
    # Rare colours stay what they are: the mean of many greys is none of theirs.
    few = drawn.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(made, "PNG", optimize=True)
    size = len(made.getvalue())
    if size > LARGEST_BYTES:
        raise SystemExit(f"{name}.png: {size} bytes, {LARGEST_BYTES} at most")
    (IMAGES / f"{name}.png").write_bytes(made.getvalue())
    sys.stdout.write(f"{name}.png {size} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
