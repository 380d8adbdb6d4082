"""Every page of each role: every number opens its reason, is what the reason says, and is recomputed equal."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest
from starlette.responses import PlainTextResponse

from assets.stores.lake.lake_block import write_atomic
from assets.stores.live.live_store import LiveStore
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.web.pages import board_pages
from orchestration.web.request_context import Context
from reports.pages.page import Cards, Page, Widget
from tests.e2e.conftest import call_here
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.every_number import OneApp, Seen, check_page, numbers_of, pages_of, same_on_all_three, starts_of
from tests.web.live_told import row
from tests.web.marts_world import LOST, THEO, make_project, plant_of_the_web

pytestmark = pytest.mark.slow
# The main meter of another site reads what the plant's does; a tenth of it where money is not that of the plant.
OTHERS = {"works": "EUR", "yard": "USD"}
SOURCE = {
    "source_id": "line", "kind": "mqtt", "is_synthetic": True,
    "points": [{"point": "kw", "stream": "main", "what": "live", "unit": "kw", "topic": "t/main", "path": "power"}],
}  # fmt: skip
FEBRUARY = "/board/exec?period=2025-02"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    folder = tmp_path_factory.mktemp("every") / "project"
    site = plant_of_the_web(sources=[SOURCE])
    made = make_project(folder, site)
    read = plant.plant_rows(date(2025, 1, 1), date(2025, 4, 1), skip=LOST).filter(pl.col("meter_id") == "main")
    meters = tuple(each for each in site.meters if each.meter_id == "main")
    for name, currency in OTHERS.items():
        other = plant.plant_site(site_id=name, name=name.title(), currency=currency, seus=(), meters=meters)
        text = json.dumps(other.model_dump(mode="json", exclude_defaults=True))
        (folder / "sites" / f"{name}.yaml").write_text(text)
        plant.write(made.lake, read.with_columns(site_id=pl.lit(name)), FixedClock(plant.NOON), f"{name}.csv")
        # What a site with the very same main meter has in the marts; each reason is recomputed from its own readings.
        for path in made.project.marts_dir.glob("*/site=plant/*.parquet"):
            write_atomic(of_other(pl.read_parquet(path), name, currency), path.parents[1] / f"site={name}" / path.name)
    made.close()
    found = OpenProject(str(folder))
    store = LiveStore(found.project.live_dir)
    store.put([(*row("kw", 412.0, plant.NOON, site="plant")[:3], "main", *row("kw", 412.0, plant.NOON)[4:])])
    store.close()
    yield found
    found.close()


def of_other(rows: pl.DataFrame, site: str, currency: str) -> pl.DataFrame:
    """Rows of the plant and of its main meter, as another site has them."""
    if "meter_id" in rows.columns:
        rows = rows.filter(pl.col("meter_id") == "main")
    if "scope" in rows.columns:
        rows = rows.filter(pl.col("scope").is_in(["site:plant", "meter:main"]))
        rows = rows.with_columns(scope=pl.col("scope").str.replace("site:plant", f"site:{site}", literal=True))
    if "unit" in rows.columns:
        rows = rows.with_columns(unit=pl.col("unit").replace("EUR", currency))
    return rows.clear() if "seu_id" in rows.columns else rows.with_columns(site_id=pl.lit(site))


def app_of(project: OpenProject, *roles: Role) -> OneApp:
    person = THEO if roles == (Role.TENANT,) else Person(person_id="p", name="P", roles=roles)
    return OneApp(project, FixedClock(plant.NOON + timedelta(seconds=2)), person)


# Hundreds of reasons, each recomputed from the readings.
@pytest.mark.timeout(900)
def test_every_number_of_every_page_opens_its_reason_and_is_that_number(project: OpenProject) -> None:
    asking, seen = app_of(project, Role.VIEWER, Role.AUDITOR), Seen()
    starts = [*starts_of(asking, [("plant", "seu:hvac"), ("works", "site:works")]), FEBRUARY, f"{FEBRUARY}&site=plant"]
    for href, page in pages_of(asking, starts).items():
        check_page(asking, href, page, seen)
    assert seen.faults == []
    assert seen.again > 60, seen
    # Whoever sees whole sites is told the same numbers, with the same reasons.
    pages = ("/board/ops", "/board/exec")
    whys = {href for page in pages for _, href in numbers_of(asking.get(page, [PAGE]).text) if "/why?" in href}
    for role in set(Role) - {Role.TENANT, Role.ADMIN, Role.VIEWER, Role.AUDITOR}:
        other = app_of(project, role)
        links = {href for page in pages for _, href in numbers_of(other.get(page, [PAGE]).text) if "/why?" in href}
        assert {each for each in links if "point=" not in each} <= whys, role


def test_every_number_of_a_tenants_pages_opens_its_reason_too(project: OpenProject) -> None:
    asking, seen = app_of(project, Role.TENANT), Seen()
    for href, page in pages_of(asking, starts_of(asking, [("plant", "tenant:hall")])).items():
        check_page(asking, href, page, seen)
    assert seen.faults == []
    assert seen.again > 8, seen
    # Their share of the site is among them.
    assert [href for href in seen.whys if "percent_of" in href and "site%3Aplant" in href]


def test_tiles_of_all_sites_add_what_can_be_added_and_say_the_rest_of_each(project: OpenProject) -> None:
    asking = app_of(project, Role.VIEWER)
    board = {each.key: each for each in widgets_of(asking, FEBRUARY)}
    rows = [kpi(asking, site, "emission_kgco2e", "2025-02", f"site:{site}") for site in ("plant", *OTHERS)]
    carbon, cost = board["carbon_year"], board["cost_year"]
    assert carbon.value is not None
    answer = asking.json("/why", **query_of(carbon.value.why))
    assert answer["is_equal"] is True
    assert answer["figure"]["value"] == pytest.approx(sum(rows), rel=1e-14)
    assert [each.label for each in carbon.numbers][-3:] == ["Musterwerk Süd", "Works", "Yard"]
    # Two currencies are no sum: each site stands for itself.
    assert cost.value is None
    assert str(cost.reason).startswith("currencies are not added together. ")
    assert [each.unit for each in cost.numbers] == ["€", "€", "$"]
    eui = board["eui"]
    assert eui.reason == "floor areas use different definitions and cannot be combined"


def test_savings_of_uses_that_share_no_meter_stand_with_band_significance_and_worth(project: OpenProject) -> None:
    asking = app_of(project, Role.VIEWER)
    tile = next(each for each in widgets_of(asking, f"{FEBRUARY}&site=plant") if each.key == "savings")
    assert tile.value is not None
    assert tile.table is not None
    told = {each.label: asking.json("/why", **query_of(each.why))["figure"] for each in (tile.value, *tile.numbers)}
    uses = {each["scope"]: each for each in assessed(asking, "compressors", "hvac", "moulding")}
    known = [each for each in uses.values() if each["savings_kwh"] is not None]
    assert len(known) > 1
    saved, band, worth = (told[label]["value"] for label in ("Saved", "Band, ±", "Worth"))
    assert saved == pytest.approx(sum(each["savings_kwh"] for each in known), abs=1e-9)
    assert band == pytest.approx(sum(each["uncertainty_kwh"] ** 2 for each in known) ** 0.5, rel=1e-12)
    assert ("not significant" in tile.value.note) == (abs(saved) <= band)
    # Between the dearest and the cheapest hour of the tariff, of each use.
    assert told["Worth"]["unit"] == "EUR"
    assert worth == pytest.approx(sum(each["savings_value"] for each in known), abs=1e-9)
    for each in known:
        assert 0.19 <= each["savings_value"] / each["savings_kwh"] <= 0.26, each


def test_a_live_power_says_who_told_it_when_and_that_nothing_rests_on_it(project: OpenProject) -> None:
    asking = app_of(project, Role.VIEWER)
    board = asking.get("/board/ops?site=plant", [PAGE]).text
    [(text, href)] = [each for each in numbers_of(board) if "point=" in each[1]]
    assert (text, href.partition("?")[0]) == ("412", "/why")
    page = asking.get(href, [PAGE]).text
    for said in ("line: mqtt t/main field power", "reported in kw", "main import (live, kw)", "Received", "simulated",
                 "their sum over their number", "come from the meter", "Demo data."):  # fmt: skip
        assert said in page, said
    theo = app_of(project, Role.TENANT)
    assert theo.get("/why?site=plant&point=line/kw", [PAGE]).status == 403


@pytest.mark.parametrize(("span", "grain"), [("2025-Q1", "month"), ("2025-02-10/2025-02-13", "day")])
def test_command_line_and_api_say_the_same_of_every_kpi(project: OpenProject, span: str, grain: str) -> None:
    count, faults = same_on_all_three(app_of(project, Role.VIEWER), call_here, "plant", span, grain)
    assert faults == []
    assert count > 100


def widgets_of(asking: OneApp, href: str) -> list[Widget]:
    """The tiles of a board, as they are before they are drawn."""
    found: list[Widget] = []

    def take(_: Context, page: Page) -> PlainTextResponse:
        found.extend(_widgets(page))
        return PlainTextResponse("")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board_pages, "draw", take)
        assert asking.get(href, [PAGE]).status == 200
    return found


def _widgets(page: Page) -> list[Widget]:
    return [each for part in page.parts for block in part.blocks if isinstance(block, Cards) for each in block.widgets]


def query_of(href: str) -> dict[str, str]:
    """The question of an address."""
    return dict(parse_qsl(urlsplit(href).query))


def kpi(asking: OneApp, site: str, name: str, span: str, scope: str) -> float:
    """One KPI by the API."""
    [found] = asking.json("/kpis", site=site, range=span, scope=scope, kpi=name)["rows"]
    return float(found["value"])


def assessed(asking: OneApp, *uses: str) -> list[dict[str, Any]]:
    """Numbers of uses against their baselines in February, each asked for itself."""
    measures = ("savings_kwh", "uncertainty_kwh", "savings_value")
    span = {"site": "plant", "period": "2025-02", "of": "assessment"}
    return [
        {"scope": f"seu:{use}"}
        | {name: asking.json("/why", scope=f"seu:{use}", kpi=name, **span)["figure"]["value"] for name in measures}
        for use in uses
    ]
