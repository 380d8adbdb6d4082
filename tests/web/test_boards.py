"""Boards over a real project: their numbers are those of the marts, and each tile says what it lacks."""

import html
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from assets.sites.load_sites import load_site
from assets.stores.ledgers.job_outcomes import JobOutcome, record_outcomes
from assets.stores.live.live_store import LiveStore
from assets.stores.warehouse.marts import MARTS
from data_quality.contracts.billing.tariff_charges import CapacityCharge
from data_quality.contracts.control.forecast import Forecast, ForecastRow
from data_quality.contracts.people import Person, Role
from data_quality.contracts.site_file.alert_rule import PeakRule
from data_quality.contracts.site_file.budgets import Budgets
from data_quality.contracts.site_file.forecast_target import ForecastTarget
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.premises import Premises
from data_quality.contracts.site_file.site import Driver
from data_quality.contracts.time import FixedClock, Period, local_midnight_utc, zone
from orchestration.web.boards.board_figures import Show
from orchestration.web.boards.findings_tiles import findings_of
from orchestration.web.boards.site_now import BoardQuery, SiteNow
from orchestration.web.boards.span_tiles import known_years, newest_month, newest_year, saved_by_month, where_it_goes
from orchestration.web.boards.tiles import TILES, tiles_of
from orchestration.web.frame import home_board
from orchestration.web.request_context import Context
from reports.figures.running import running_now
from reports.pages.address import Address
from reports.pages.board import boards
from reports.pages.chart import PARTS, chart_table
from reports.pages.header import year_choice
from reports.pages.page import Widget
from reports.pages.widgets import saved_energy, submeters
from reports.texts.locales import MISSING, format_alike, long_date, named, page_word
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.live_told import row
from tests.web.marts_world import THEO, Asking, copy_of, make_project, plant_of_the_web

PLACES = r'<a href="(/[a-z]*)[^"]*"[^>]*><svg.*?</svg><span>([\w ]+)</span></a>'
ALL = Person(person_id="olga", name="Olga", roles=(Role.OPERATOR, Role.AUDITOR))


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    project = make_project(tmp_path_factory.mktemp("boards"), plant_of_the_web())
    yield Asking(project, FixedClock(plant.NOON), ALL)
    project.close()


def tiles(asking: Asking, board: str, person: Person = ALL, scope: str = "site:plant") -> dict[str, Widget]:
    """The tiles of a board, by key."""
    ctx = Context(asking.project, person, Address(path=f"/board/{board}", site="plant", scope=scope), asking.clock)
    show = Show(ctx, asking.project.site("plant"), asking.project.sources())
    now = SiteNow(show)
    found = tiles_of(board, BoardQuery([now], scope, newest_month(now), "previous"))
    for widget in found:
        for line in widget.table.rows if widget.table else ():
            for cell in line.cells:
                assert not cell.figure_id or cell.figure_id in show.whys, (widget.key, cell)
    return {each.key: each for each in found}


def text_of(page: str) -> str:
    """A page's text without its markup."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def test_every_key_of_every_board_is_a_tile_and_every_tile_is_on_a_board() -> None:
    named = {key for board in boards().values() for key in board.tiles}
    assert named == set(TILES)


def test_the_numbers_of_the_month_are_those_of_the_running_command(asking: Asking) -> None:
    found = tiles(asking, "ops")
    site = asking.project.site("plant")
    from orchestration.web.queries import marts_of

    read = marts_of(Context(asking.project, ALL, Address(path="/"), asking.clock), site)
    running = running_now(read, "plant", None)
    expected = {
        "cost": (running.cost, site.currency),
        "emission_kgco2e": (running.emission_kgco2e, "kgco2e"),
        "peak_demand": (running.peak_kw, "kw"),
    }
    for key, (value, unit) in expected.items():
        [text] = format_alike([value], unit)
        widget = found[key]
        assert widget.value is not None
        assert widget.value.text == text, key
        assert "of=running" in widget.value.why
        assert widget.state == "finding"  # the readings are old, and a day of the supply is missing


def test_the_day_is_held_against_the_newest_forecast_that_knew_nothing_of_it(tmp_path: Path) -> None:
    project = make_project(tmp_path, plant_of_the_web(forecast_targets=("main",)))
    show = Asking(project, FixedClock(plant.NOON), ALL)
    last_day = SiteNow(Show(Context(project, ALL, Address(path="/board/ops", site="plant"), show.clock),
                            project.site("plant"), project.sources())).day  # fmt: skip
    midnight = local_midnight_utc(last_day, "Europe/Berlin")
    for name, issued_utc, kwh, labels in (
        ("before", midnight, 5.0, {}),
        ("challenger", midnight, 7.0, {"shadow": "1"}),
        ("too late", midnight + timedelta(hours=9), 9.0, {}),
    ):
        project.forecasts.add(
            Forecast(
                forecast_id=name, site_id="plant", target="meter:main", issued_at_utc=issued_utc, labels=labels,
                # Calculated the morning after, of readings up to midnight.
                available_at_utc=midnight + timedelta(hours=9), model_name="m", model_version="1", input_digest="d",
                is_synthetic=True,
                rows=tuple(
                    ForecastRow(time_utc=midnight + timedelta(hours=hour), p10=kwh - 1, p50=kwh, p90=kwh + 1)
                    for hour in range(24)
                ),
            ),
            show.clock,
        )  # fmt: skip
    chart = tiles(show, "ops")["today"].chart
    assert chart is not None
    expected = next(each for each in chart.rows if each.role == "expected")
    assert (set(expected.values), set(expected.low), set(expected.high)) == ({5.0}, {4.0}, {6.0})
    project.close()


@pytest.mark.parametrize("name", MARTS)
def test_a_mart_that_is_gone_takes_its_numbers_along_and_no_page(asking: Asking, name: str) -> None:
    folder = asking.project.project.marts_dir / name
    away = folder.with_name("away")
    pages = ["/board/ops", "/energy?site=plant&period=2025-03&grain=day", "/enpi/plant/compressors"]
    before = {each: asking.get(each, [PAGE]) for each in pages}
    folder.rename(away)
    try:
        without = {each: asking.get(each, [PAGE]) for each in pages}
    finally:
        away.rename(folder)
    assert {name: each.status for name, each in without.items()} == dict.fromkeys(pages, 200)
    assert {each.status for each in before.values()} == {200}
    if name == "mart_site__day_projection":
        # The tiles that need it say so, the others are as they were.
        assert f"mart {name} is not published yet" in without["/board/ops"].text
        assert "Tariff block now" in without["/board/ops"].text
    if name == "mart_scope__hour_kpi":
        assert f"not shown: mart {name} is not published yet" in without[pages[1]].text
        assert "Highest quarter hour" in without[pages[1]].text


def test_every_tile_is_in_one_of_four_states_and_none_is_an_empty_box(asking: Asking) -> None:
    for board in ("ops", "site", "exec", "audit"):
        for key, widget in tiles(asking, board).items():  # type: ignore[arg-type]
            if widget.state in ("none", "not_set_up"):
                assert widget.reason, key
                assert widget.value is None or widget.value.text == MISSING, key
            else:
                assert widget.value is not None or widget.chart is not None or widget.table is not None, key
                assert widget.value is None or widget.value.text != MISSING, key
            assert (widget.value.text if widget.state == "none" and widget.value else "") != "0", key
            assert widget.state != "not_set_up", key


def test_uses_of_the_last_week_stand_beside_the_week_before(asking: Asking) -> None:
    widget = tiles(asking, "ops")["submeters"]
    assert widget.chart is not None
    rows = {page_word(each.cells[0].text, "en"): each.cells for each in chart_table(widget.chart).rows}
    names = {seu.name for seu in asking.project.site("plant").seus if not seu.is_aggregate}
    assert {"Main meters", "Not metered separately", *names} <= set(rows)
    used, before, change = (rows[sorted(names)[0]][at].text.replace(",", "").replace("−", "-") for at in (1, 2, 3))
    assert float(change) == pytest.approx(100 * (float(used) / float(before) - 1), abs=0.1)


def test_a_use_without_energy_or_saving_gives_no_other_one_its_colour(asking: Asking) -> None:
    site = asking.project.site("plant")
    unread = site.seus[0].model_copy(update={"seu_id": "unread", "name": "Unread", "meters": ()})
    site = site.model_copy(update={"seus": (unread, *site.seus)})
    ctx = Context(asking.project, ALL, Address(path="/board/ops", site="plant"), asking.clock)
    now = SiteNow(Show(ctx, site, asking.project.sources()))
    names = [each.name for each in site.seus if not each.is_aggregate]
    months = saved_by_month([now], Period(label="", start=date(2024, 1, 1), end=date(2026, 1, 1), time_zone=plant.ZONE))
    assert months.uses
    assert [(name, place) for name, place, _ in months.uses] == [
        (name, at) for at, name in enumerate(names) if name in {use for use, *_ in months.uses}
    ]
    chart = saved_energy.by_month(months).chart
    assert chart is not None
    assert chart.rows[0].role == PARTS[months.uses[0][1]] != PARTS[0]
    parts = {each.name: each.place for each in where_it_goes(now).parts if each.is_use}
    assert parts == {name: at for at, name in enumerate(names) if at}


def test_what_comes_into_a_use_goes_out_of_it(asking: Asking) -> None:
    chart = tiles(asking, "ops")["submeters"].chart
    assert chart is not None
    assert chart.kind == "tree"
    energy = chart.rows[0].values
    for top in {at for at in chart.above if at >= 0}:
        below = sum(value or 0.0 for at, value in zip(chart.above, energy, strict=True) if at == top)
        assert below == pytest.approx(energy[top], rel=1e-3)
    # Each use has the colour of its place in the site file, as on the energy page, whatever its size is.
    numbers = {page_word(name, "en"): number for name, number in zip(chart.x, chart.parts, strict=True)}
    uses = [seu.name for seu in asking.project.site("plant").seus if not seu.is_aggregate]
    assert [numbers[each] for each in uses] == list(range(len(uses)))
    # Energy of a meter that is in two uses would run twice: such a site has bars.
    site = asking.project.site("plant")
    air, heat, *rest = site.seus
    shared = heat.model_copy(update={"meters": (*heat.meters, air.meters[0])})
    ctx = Context(asking.project, ALL, Address(path="/board/ops", site="plant"), asking.clock)
    changed = site.model_copy(update={"seus": (air, shared, *rest)})
    found = submeters.view(where_it_goes(SiteNow(Show(ctx, changed, asking.project.sources()))))
    assert found.chart is not None
    assert found.chart.kind == "ranked"


def test_results_lead_to_each_year_that_is_published(asking: Asking) -> None:
    ctx = Context(asking.project, ALL, Address(path="/board/exec", site="plant"), asking.clock)
    now = SiteNow(Show(ctx, asking.project.site("plant"), asking.project.sources()))
    assert known_years(now) == [2025]
    picked = year_choice(ctx.address, [2024, 2025], newest_year(now)).options
    assert [(each.text, each.href, each.is_chosen) for each in picked] == [
        ("2024", "/board/exec?site=plant&period=2024", False),
        ("2025", "/board/exec?site=plant&period=2025", True),
    ]


def test_a_tenant_sees_tiles_of_their_own_part_alone(asking: Asking) -> None:
    assert set(tiles(asking, "site", THEO, "tenant:hall")) == {"scope_use", "scope_cost", "scope_days", "eui"}
    other = Asking(asking.project, asking.clock, THEO)
    assert other.get("/board/site", [PAGE], site="plant", scope="tenant:press").status == 404
    page = text_of(other.get("/board/site", [PAGE], site="plant").text)
    assert "compressor_1" not in page
    assert "Needs attention" not in page


def test_a_tenant_without_sites_of_their_own_meets_the_first_that_has_a_part_of_theirs(
    asking: Asking, tmp_path: Path
) -> None:
    project = copy_of(asking.project, tmp_path / "two")
    annex = project.site("plant").model_copy(update={"site_id": "annex", "name": "The annex", "premises": Premises()})
    text = json.dumps(annex.model_dump(mode="json", exclude_defaults=True))
    (project.project.sites_dir / "annex.yaml").write_text(text)
    everywhere = Asking(project, asking.clock, THEO.model_copy(update={"sites": ()}))
    told = everywhere.get("/board/site", [PAGE])
    assert told.status == 200, text_of(told.text)
    assert "Hall" in text_of(told.text)
    assert "The annex" not in text_of(told.text)
    assert everywhere.get("/board/site", [PAGE], site="annex").status == 404
    project.close()


def test_pages_open_with_the_board_that_is_the_persons_own(asking: Asking) -> None:
    homes = {
        ("tenant", "auditor"): "site", ("reviewer",): "audit", ("viewer",): "exec", ("publisher",): "exec",
        ("operator",): "ops", ("engineer", "viewer"): "ops", ("auditor", "viewer"): "audit",
        ("approver", "reviewer"): "ops",
    }  # fmt: skip
    for roles, board in homes.items():
        assert home_board(Person(person_id="p", name="P", roles=tuple(map(Role, roles)), tenants=("hall",))) == board
    assert home_board(ALL.model_copy(update={"home_board": "exec"})) == "exec"

    answer = asking.get("/", [PAGE])
    assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/board/ops")
    for board in ("ops", "site", "exec", "audit"):
        answer = asking.get(f"/board/{board}", [PAGE])
        assert answer.status == 200, answer.text
        assert "Demo data." in text_of(answer.text) or not asking.project.site("plant").is_simulated


def test_ten_figures_drawn_at_random_are_made_again_and_the_same_number_draws_the_same(asking: Asking) -> None:
    before = asking.get("/board/audit", [PAGE]).text
    assert "Recompute 10 random figures" in before
    first, again = (text_of(asking.get("/board/audit", [PAGE], draw="7").text) for _ in range(2))
    told = re.search(r"(\d+) of (\d+) are equal to the last digit", first)
    assert told is not None
    assert told[1] == told[2]
    assert again == first


def test_a_live_power_is_shown_with_its_age_and_none_after_a_minute(asking: Asking, tmp_path: Path) -> None:
    site = plant_of_the_web(
        sources=[
            {
                "source_id": "line", "kind": "mqtt", "is_synthetic": True,
                "points": [{"point": "kw", "stream": "main", "what": "live", "unit": "kw", "topic": "t/main"}],
            }
        ]
    )  # fmt: skip
    project = make_project(tmp_path / "live", site, has_marts=False, has_readings=False)
    clock = FixedClock(plant.NOON)
    now = Asking(project, clock, ALL)
    try:
        assert tiles(now, "ops")["live_kw"].reason == "no values received yet"
        store = LiveStore(project.project.live_dir)
        store.put([(*row("kw", 412.0, plant.NOON, site="plant")[:3], "main", *row("kw", 412.0, plant.NOON)[4:])])
        store.close()
        seen = []
        for seconds in (2, 10, 100):
            clock = FixedClock(plant.NOON + timedelta(seconds=seconds))
            widget = tiles(Asking(project, clock, ALL), "ops")["live_kw"]
            assert widget.value is not None
            seen.append((widget.state, widget.value.text, widget.value.tone, widget.age))
        assert seen == [
            ("value", "412", "plain", "2 s old"),
            ("value", "412", "muted", "10 s old"),
            ("none", MISSING, "muted", "100 s old"),
        ]
        told = Asking(project, clock, ALL)
        assert told.json("/live", site="plant")["points"][0]["value"] == 412.0
        assert told.json("/live/flow", site="plant")["meters"][0]["value"] == 412.0
        assert "not used in reports or bills" in text_of(told.get("/why", [PAGE], site="plant", point="line/kw").text)
        assert told.get("/why", [PAGE], site="plant", point="line/none").status == 404
    finally:
        project.close()


def test_a_tile_shows_what_is_found_of_its_own_figures_alone(asking: Asking) -> None:
    ctx = Context(asking.project, ALL, Address(path="/board/ops", site="plant"), asking.clock)
    now = SiteNow(Show(ctx, asking.project.site("plant"), asking.project.sources()))
    # As the marts have it where a factor ends and a price lacks.
    now.quarters = now.quarters.with_columns(month_unfactored_minutes=pl.lit(15), cost_finding=pl.lit("price_gap"))
    found = {each.key: each for each in tiles_of("ops", BoardQuery([now], now.scope, newest_month(now), "previous"))}
    codes = {key: {each.code for each in widget.findings} for key, widget in found.items()}
    assert "price_gap" in codes["cost"]
    assert "no_factor" in codes["emission_kgco2e"]
    for key in found:
        assert "price_gap" not in codes[key] or key in ("cost", "cost_days"), key
        assert "no_factor" not in codes[key] or key == "emission_kgco2e", key


@pytest.mark.parametrize(
    ("role", "step"),
    [
        (Role.OPERATOR, ("An engineer of this site can add a tariff.", "")),
        (Role.ENGINEER, ("Add tariff", "/settings/sites/plant")),
    ],
)
def test_where_no_tariff_holds_a_tile_names_the_next_step(asking: Asking, role: Role, step: tuple[str, str]) -> None:
    person = Person(person_id="nina", name="Nina", roles=(role,))
    ctx = Context(asking.project, person, Address(path="/board/ops", site="plant"), asking.clock)
    site = asking.project.site("plant")
    ended = tuple(each.model_copy(update={"valid_to": date(2024, 1, 1)}) for each in site.tariffs)
    now = SiteNow(Show(ctx, site.model_copy(update={"tariffs": ended}), asking.project.sources()))
    asked = BoardQuery([now], now.scope, newest_month(now), "previous")
    found = {each.key: each for board in ("ops", "exec") for each in tiles_of(board, asked)}
    assert str(found["tariff_block"].reason).startswith("no tariff for ")
    assert found["tariff_block"].next == found["cost_year"].next == step
    assert found["carbon_year"].next is None


def test_a_budget_of_the_site_file_stands_on_the_bullet_of_the_month(asking: Asking) -> None:
    ctx = Context(asking.project, ALL, Address(path="/board/ops", site="plant"), asking.clock)
    site = asking.project.site("plant")
    budgets = Budgets(cost_per_month={"EUR": Decimal(1), "USD": Decimal(7)}, kgco2e_per_month=Decimal(10**9))
    now = SiteNow(Show(ctx, site.model_copy(update={"budgets": budgets}), asking.project.sources()))
    found = {each.key: each for each in tiles_of("ops", BoardQuery([now], now.scope, newest_month(now), "previous"))}
    for key, said in (("cost", "1"), ("emission_kgco2e", "1,000,000,000")):
        [number] = [each for each in found[key].numbers if each.label == "Budget"]
        assert (number.text, number.note) == (said, "projected above budget" if key == "cost" else "")
        picture = found[key].picture
        assert picture is not None
        assert "budget" in picture.svg
    assert not [each for each in tiles(asking, "ops")["cost"].numbers if each.label == "Budget"]


@pytest.mark.parametrize(
    ("capacity_kw", "rule_kw", "said"),
    [
        (400, None, ("400", "contracted capacity")), (400, 380, ("380", "Peak of the press")),
        (150, 380, ("150", "contracted capacity")), (None, 155, ("155", "Peak of the press")), (None, None, None),
    ],
)  # fmt: skip
def test_the_peak_is_held_against_the_lowest_limit_named_by_its_source(
    asking: Asking, capacity_kw: int | None, rule_kw: int | None, said: tuple[str, str] | None
) -> None:
    ctx = Context(asking.project, ALL, Address(path="/board/ops", site="plant"), asking.clock)
    site = asking.project.site("plant")
    charges = [CapacityCharge(charge_id=unit, unit=unit, contracted=Decimal(kw), price_per_unit=Decimal(1))
               for unit, kw in (("kw", capacity_kw), ("kva", 5)) if kw is not None]  # fmt: skip
    rules = [PeakRule(kind="peak", rule_id="press", name="Peak of the press", limit=kw, enabled=kw == rule_kw)
             for kw in (rule_kw, 5) if kw is not None]  # fmt: skip
    tariffs = tuple(each.model_copy(update={"capacity": tuple(charges), "demand": ()}) for each in site.tariffs)
    held = site.model_copy(update={"tariffs": tariffs, "alert_rules": tuple(rules)})
    now = SiteNow(Show(ctx, held, asking.project.sources()))
    found = {each.key: each for each in tiles_of("ops", BoardQuery([now], now.scope, newest_month(now), "previous"))}
    peak, today = found["peak_demand"], found["today"]
    limits = [each for each in peak.numbers if each.label == "Limit"]
    assert (bool(peak.picture), bool(limits)) == (said is not None,) * 2
    assert today.chart is not None
    # The chart of the day has it where the day comes near it: its hours go to 80 kW.
    assert (today.chart.limit is not None) is (said is not None and float(said[0]) <= 160)
    if said is not None:
        share = format_alike([now.running.peak_kw / float(said[0]) * 100], "percent")[0]
        assert (limits[0].text, page_word(limits[0].note, "en")) == (said[0], f"{said[1]}, {share} % of the limit")
        german = page_word(limits[0].note, "de")
        assert (german.endswith("% des Grenzwerts"), "contracted" in german) == (True, False)
        assert today.chart.limit is None or str(today.chart.limit.label) == f"limit {said[0]} kW"


def test_meters_below_the_main_one_that_were_not_read_are_not_said_to_be_missing(asking: Asking) -> None:
    ctx = Context(asking.project, ALL, Address(path="/board/ops", site="plant"), asking.clock)
    now = SiteNow(Show(ctx, asking.project.site("plant"), asking.project.sources()))
    before = Period(label="", start=date(2023, 1, 2), end=date(2023, 1, 9), time_zone=plant.ZONE)
    reason = submeters.view(where_it_goes(now, before)).reason
    assert page_word(reason, "en") == "no data of the meters below the main one, 2–\u20608\xa0Jan\xa02023"
    alone = plant.plant_site(meters=(Meter(meter_id="main"),), seus=())
    now = SiteNow(Show(ctx, alone, asking.project.sources()))
    assert submeters.view(where_it_goes(now, before)).reason == "the site has no meter below its main one"


def test_the_price_now_is_that_of_the_price_stream_and_never_the_tariff_beside_it(tmp_path: Path) -> None:
    spot = Driver(driver_id="spot", name="Day-ahead price", unit="per_kwh", aggregation="mean")
    site = plant_of_the_web(price_stream="spot", drivers=(*plant.plant_site().drivers, spot))
    project = make_project(tmp_path / "spot", site, has_marts=False, has_readings=False)
    hour = plant.NOON.replace(minute=0, second=0, microsecond=0)
    day = plant.plant_rows(plant.NOON.date(), plant.NOON.date() + timedelta(days=1))
    rows = day.filter(pl.col("meter_id") == "outdoor_degc").with_columns(
        meter_id=pl.lit("spot"), unit=pl.lit("per_kwh")
    )
    price = pl.when(pl.col("interval_start_utc") < hour + timedelta(hours=1)).then(0.3112).otherwise(-0.0521)
    plant.write(project.lake, rows.with_columns(value=price), FixedClock(plant.NOON), "spot.csv")
    try:
        block = tiles(Asking(project, FixedClock(hour + timedelta(minutes=20)), ALL), "ops")["tariff_block"]
        assert block.value is not None
        ends = (hour + timedelta(hours=1)).astimezone(zone(plant.ZONE))
        assert (block.value.text, block.value.unit) == ("0.311", "€/kWh")
        assert block.value.note == f"until {ends:%H:%M}, by the price stream"
        assert [each.text for each in block.numbers] == ["−0.0521"]
        # Where the stream has no price there is none: what the tariff says is nobody's price.
        later = tiles(Asking(project, FixedClock(hour + timedelta(days=2)), ALL), "ops")["tariff_block"]
        assert (later.state, later.value) == ("none", None)
        assert later.reason.startswith(f"the price stream {named('Day-ahead price')} has no price for ")
    finally:
        project.close()


def test_a_project_without_readings_says_so_on_every_tile(tmp_path: Path) -> None:
    project = make_project(tmp_path / "empty", plant_of_the_web(), has_marts=False, has_readings=False)
    empty = Asking(project, FixedClock(plant.NOON), ALL)
    try:
        for board in ("ops", "site", "exec", "audit"):
            for key, widget in tiles(empty, board).items():  # type: ignore[arg-type]
                assert widget.state != "none" or widget.reason, key
            assert empty.get(f"/board/{board}", [PAGE]).status == 200
        assert tiles(empty, "ops")["cost"].state == "none"
    finally:
        project.close()


def test_a_job_that_failed_is_an_open_finding_with_what_to_do_until_it_succeeds(asking: Asking) -> None:
    store, at_utc = asking.project.store, plant.NOON - timedelta(hours=1)
    made = JobOutcome(
        site_id="plant", job="pull", outcome="failed", sentence="no bucket 'hall'", run_id="r1", ended_utc=at_utc
    )
    assert record_outcomes(store, [made], asking.clock)
    shown = tiles(asking, "ops")["open_findings"]
    (line,) = [each for each in shown.items if "jobs and sources" in each.detail]
    assert line.detail == f"High · jobs and sources · since {long_date(at_utc.date(), 'en')}"
    assert [verb for verb, _ in line.acts] == ["Acknowledge", "Mute"]
    assert (line.text, str(line.more)[:31]) == ("job pull: no bucket 'hall'", "correct what the sentence names")
    later = made.model_copy(update={"outcome": "succeeded", "sentence": "", "ended_utc": plant.NOON})
    assert record_outcomes(store, [later], asking.clock)
    after = tiles(asking, "ops")["open_findings"]
    assert "no bucket" not in str(after)
    assert "jobs and sources" in str(after)


def test_a_failed_job_of_no_site_is_told_to_who_sees_every_site(asking: Asking) -> None:
    store, at_utc = asking.project.store, plant.NOON - timedelta(hours=1)
    made = JobOutcome(site_id="", job="ingest", outcome="failed", sentence="no header", run_id="r1", ended_utc=at_utc)
    assert record_outcomes(store, [made], asking.clock)
    assert "job ingest: no header" in str(tiles(asking, "ops")["open_findings"])
    of_plant = ALL.model_copy(update={"sites": ("plant",)})
    assert "no header" not in str(tiles(asking, "ops", of_plant)["open_findings"])
    later = made.model_copy(update={"outcome": "succeeded", "sentence": "", "ended_utc": plant.NOON})
    assert record_outcomes(store, [later], asking.clock)


def test_a_forecast_that_the_meters_cannot_give_is_an_open_finding(asking: Asking, tmp_path: Path) -> None:
    demo = load_site(Path(__file__).resolve().parents[2] / "assets/sites/demo/home.yaml")
    wanted = demo.model_copy(update={"forecasts": (ForecastTarget(what="base_load"),)})
    ctx = Context(asking.project, ALL, Address(path="/board/energy"), asking.clock)
    widget = findings_of([Show(ctx, wanted, asking.project.sources())])
    rows = [(each.detail, each.text) for each in widget.items]
    message = "The base load cannot be computed from the meters: tank 'hot_water' has no meter."
    assert ("High · forecasts", message) in rows


def test_a_refusal_leads_where_every_page_does(asking: Asking) -> None:
    found = {name: asking.get("/energy", [PAGE], site="plant", period=name).text for name in ("2025-03", "nonsense")}
    [shown, refused] = (
        re.findall(PLACES, page.partition('class="places"')[2].partition("</nav>")[0]) for page in found.values()
    )
    assert shown == refused
    assert ("/energy", "Energy") in shown
