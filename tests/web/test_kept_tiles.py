"""Kept tiles of a board are recomputed as soon as what they rest on is another, and for who may do something else."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from assets.stores.warehouse.marts import mart_file, mart_path, write_mart
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock, parse_period
from orchestration.open_project import OpenProject
from orchestration.web.boards.board_figures import Show
from orchestration.web.boards.portfolio_tiles import compared_sites
from orchestration.web.boards.site_now import BoardQuery, SiteNow, to_compare
from orchestration.web.boards.span_tiles import compared, newest_month
from orchestration.web.boards.tiles import OF_MARTS, OF_USES, TILES, tiles_of
from orchestration.web.request_context import Context
from reports.pages.address import Address
from reports.pages.page import Widget
from tests.reports import plant
from tests.web.marts_world import make_project, plant_of_the_web

OLGA = Person(person_id="olga", name="Olga", roles=(Role.OPERATOR, Role.AUDITOR))
EMIL = Person(person_id="emil", name="Emil", roles=(Role.ENGINEER, Role.ANALYST))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[OpenProject]:
    found = make_project(tmp_path / "project", plant_of_the_web(tariffs=()))
    yield found
    found.close()


def tiles(project: OpenProject, person: Person = OLGA, board: str = "exec") -> dict[str, Widget]:
    """The tiles of a board, by key."""
    ctx = Context(project, person, Address(path=f"/board/{board}", site="plant"), FixedClock(plant.NOON))
    now = SiteNow(Show(ctx, project.site("plant"), project.sources(keeps=False)))
    return {each.key: each for each in tiles_of(board, BoardQuery([now], "site:plant", newest_month(now), "previous"))}


def made(project: OpenProject) -> int:
    """Number of answers kept by now."""
    return len(project.cache.once("answers", "", dict)._kept)


def test_every_kept_tile_is_one_of_a_board() -> None:
    assert {*OF_MARTS, *OF_USES} <= set(TILES)
    assert not set(OF_MARTS) & set(OF_USES)


def test_the_second_look_makes_no_kept_tile_again_and_is_the_same(project: OpenProject) -> None:
    first, before = tiles(project), made(project)
    assert tiles(project) == first
    assert made(project) == before > 0


def test_a_changed_mart_is_seen_at_once(project: OpenProject) -> None:
    before = tiles(project)["carbon_year"]
    marts, name = project.project.marts_dir, "mart_site__kpi_values"
    rows = pl.read_parquet(mart_file(mart_path(marts, name), "plant", 2025))
    is_carbon = pl.col("kpi") == "emission_kgco2e"
    more = rows.with_columns(
        value=pl.when(is_carbon).then(pl.col("value") * 2).otherwise(pl.col("value")),
        exact=pl.when(is_carbon).then(None).otherwise(pl.col("exact")),
    )
    write_mart(more, marts, name, years={"plant": [2025]})
    after = tiles(project)["carbon_year"]
    assert before.value is not None
    assert after.value is not None
    assert before.value.text != after.value.text


def test_a_period_in_progress_is_compared_as_far_as_it_is_read(project: OpenProject) -> None:
    ctx = Context(project, OLGA, Address(path="/board/exec", site="plant"), FixedClock(plant.NOON))
    now = SiteNow(Show(ctx, project.site("plant"), project.sources(keeps=False)))
    # Read to the end of March: of a year its whole months, of a month its days, and nothing of one that lies ahead.
    known = {
        text: to_compare(now, parse_period(text, now.site.time_zone), "year")
        for text in ("2024", "2025", "2025-03", "2025-04", "2025-03-20/2025-04-05")
    }
    spans = {text: found and [(each.start, each.end) for each in found] for text, found in known.items()}
    assert spans == {
        "2024": [(date(2024, 1, 1), date(2025, 1, 1)), (date(2023, 1, 1), date(2024, 1, 1))],
        "2025": [(date(2025, 1, 1), date(2025, 4, 1)), (date(2024, 1, 1), date(2024, 4, 1))],
        "2025-03": [(date(2025, 3, 1), date(2025, 4, 1)), (date(2024, 3, 1), date(2024, 4, 1))],
        "2025-04": None,
        "2025-03-20/2025-04-05": [(date(2025, 3, 20), date(2025, 4, 1)), (date(2024, 3, 21), date(2024, 4, 2))],
    }
    year = parse_period("2025", now.site.time_zone)
    for tile in (
        compared(now, "consumption_kwh", "site:plant", year, "year", key="use", title="Energy"),
        compared_sites([now], "consumption_kwh", year, "year", key="use", title="Energy"),
    ):
        assert [each.strip("\u2068\u2069") for each in (tile.against, tile.of)] == ["Q1 2024", "Q1 2025"]


def test_who_may_write_the_site_file_is_led_to_it_and_others_are_not(project: OpenProject) -> None:
    asked = {person.person_id: tiles(project, person)["cost_year"] for person in (OLGA, EMIL)}
    assert asked["olga"] != asked["emil"]
    assert "/settings/sites/plant" in asked["emil"].model_dump_json()
    assert "/settings/sites/plant" not in asked["olga"].model_dump_json()
