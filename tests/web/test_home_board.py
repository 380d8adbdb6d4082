"""The board of a home: whose it is, its tiles, the live flow, and the newest plan as lanes with its reasons."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.stores.live.live_store import LiveStore
from controls.planning.plan_picture import price_bands
from data_quality.contracts.people import Person, Role
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.alert_rule import PeakRule
from data_quality.contracts.site_file.premises import Premises
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import FixedClock, local_midnight_utc
from orchestration.web.boards.board_figures import Show
from orchestration.web.boards.home_tiles import cost, solar
from orchestration.web.boards.now_tiles import by_source, energy_of_today, peak_limit
from orchestration.web.boards.plan_tiles import ahead, of_car
from orchestration.web.boards.site_now import SiteNow
from orchestration.web.frame import home_board, homes_of, is_home
from orchestration.web.request_context import Context
from reports.pages.address import Address
from reports.pages.chart import Energy, chart_data, chart_table
from reports.pages.widgets import day_and_month, home_power, plan_ahead
from reports.pages.widgets.home_power import Place, live_flow_svg
from reports.texts.locales import page_word
from tests.controls.planning.examples import plan
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.live_told import row
from tests.web.marts_world import Asking, make_project
from tests.web.test_boards import text_of
from tests.web.widgets_golden import AT, NOW, live_value, planned

OWNER = Person(person_id="jan", name="Jan", roles=(Role.OPERATOR,))
PV = Asset(asset_id="pv", kind="pv", meter="hvac", params={"peak_kw": 8})
CHARGER = Asset(asset_id="ev", kind="ev_charger", meter="moulding", params={"target_soc": 0.8, "departure": "07:30"})
SOURCES = [
    {
        "source_id": "line", "kind": "mqtt", "is_synthetic": True,
        "points": [
            {"point": name, "stream": name, "what": "live", "unit": "kw", "topic": f"t/{name}"}
            for name in ("main", "hvac", "moulding")
        ],
    }
]  # fmt: skip


def _english(text: str) -> str:
    return page_word(text, "en")


def house(**changes: object) -> Site:
    """The plant as somebody's home: no uses and no parts, but modules and a car."""
    return plant.plant_site(
        seus=(), projects=(), premises=Premises(), assets=(PV, CHARGER), sources=SOURCES, **changes
    )  # fmt: skip


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    project = make_project(tmp_path_factory.mktemp("home"), house())
    yield Asking(project, FixedClock(plant.NOON), OWNER)
    project.close()


def test_a_home_has_devices_of_a_home_and_nothing_that_an_organisation_keeps() -> None:
    assert is_home(house())
    assert not is_home(house().model_copy(update={"assets": ()}))
    assert not is_home(plant.plant_site(assets=(PV,)))


def test_who_sees_homes_alone_opens_home_first_and_has_the_places_of_an_owner() -> None:
    homes, both = [house()], [house(), plant.plant_site()]
    assert (home_board(OWNER, homes), homes_of(OWNER, homes)) == ("home", {"home"})
    assert (home_board(OWNER, both), homes_of(OWNER, both)) == ("ops", {"ops"})
    lodger = OWNER.model_copy(update={"roles": (Role.TENANT,), "tenants": ("attic",)})
    assert home_board(lodger, homes) == "site"
    assert home_board(OWNER.model_copy(update={"home_board": "exec"}), homes) == "exec"


def test_the_owner_is_led_home_where_only_what_the_site_has_is_shown(asking: Asking) -> None:
    answer = asking.get("/", [PAGE])
    assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/board/home")
    page = asking.get("/board/home", [PAGE]).text
    shown = re.findall(r'id="card-(\w+)"', page)
    assert shown == [
        "home_power", "cost_today", "self_sufficiency_today", "solar_today", "car", "plan_ahead", "plan_why", "today",
        "open_findings",
    ]  # fmt: skip
    assert '<a href="/devices?site=plant">Make plan</a>' in page
    assert "meterloom " not in text_of(page)
    assert 'href="/board/ops' not in page


def test_the_house_uses_what_grid_sun_and_battery_give_together() -> None:
    def svg(*kw: tuple[Energy, bool, float], has_rest: bool = True) -> str:
        points = tuple(
            home_power.PowerPoint(value=live_value(2).model_copy(update={"value": value}), energy=energy, gives=gives,
                                  name=energy)
            for energy, gives, value in kw
        )  # fmt: skip
        picture = home_power.view(
            home_power.HomePower(**AT, now_utc=NOW, house="Plant", points=points, has_rest=has_rest)
        ).picture
        assert picture is not None
        return picture.svg

    car: tuple[Energy, bool, float] = ("car", False, 2.21)
    # A battery counts what goes into it.
    drawn = svg(("grid", True, 4.47), ("battery", False, -1.5), ("solar", True, 0.0), car)
    assert drawn.count('<tspan data-live-used="2">5.97</tspan>') == 2
    assert drawn.count("In use") == 2
    exports = svg(("grid", True, -1.25), ("battery", False, 0.5), ("solar", True, 3.0), car)
    assert '<tspan data-live-used="2">1.25</tspan>' in exports
    # Of a supply without live values nobody knows what is used.
    assert "data-live-used" not in svg(car, has_rest=False)


def test_the_first_hour_of_a_day_shows_the_day_before(asking: Asking) -> None:
    ctx = Context(asking.project, OWNER, Address(path="/board/home", site="plant"), FixedClock(plant.NOON))
    midnight = datetime(2025, 3, 31, 22, tzinfo=UTC)
    for minutes, day in ((45, date(2025, 3, 31)), (60, date(2025, 4, 1))):
        now = SiteNow(Show(ctx, house(), asking.project.sources()))
        assert now.running is not None
        now.__dict__["running"] = now.running.model_copy(update={"at_utc": midnight + timedelta(minutes=minutes)})
        assert now.day == day
        # What is of a day before is not called today's.
        assert (cost(now).title, solar(now).title) == ("Cost", "Solar")


def test_hours_of_a_home_are_stacked_by_their_source_and_what_is_taken_lies_below_zero(asking: Asking) -> None:
    project, hours = asking.project, [datetime(2025, 3, 27, hour, tzinfo=UTC) for hour in range(24)]
    ctx = Context(project, OWNER, Address(path="/board/home", site="plant"), FixedClock(plant.NOON))

    day = hours[0], hours[-1] + timedelta(hours=1)

    def found(site: Site) -> dict[str, tuple[str, tuple[float | None, ...]]]:
        now = SiteNow(Show(ctx, site, project.sources()))
        return {each.label: (each.energy, each.values) for each in by_source(now, *day)}

    read = project.lake.current("plant", start_utc=day[0], end_utc=day[1])
    sums = [
        sum(float(value) for value in read.filter(is_it)["value"])
        for is_it in ((pl.col("meter_id") == "hvac") & (pl.col("interval_start_utc").dt.truncate("1h") == hour)
                      for hour in hours)
    ]  # fmt: skip
    solar = found(project.site("plant"))
    assert {label: energy for label, (energy, _) in solar.items()} == {"Solar": "solar", "From the grid": "grid"}
    assert solar["Solar"][1] == pytest.approx(sums)
    # A battery whose meter counts what goes in takes it.
    stored = PV.model_copy(update={"asset_id": "store", "kind": "battery"})
    battery = found(house().model_copy(update={"assets": (stored,)}))
    assert battery["To the battery"][0] == "charging"
    assert battery["To the battery"][1] == pytest.approx([-each for each in sums])
    assert (
        by_source(SiteNow(Show(ctx, house().model_copy(update={"assets": (CHARGER,)}), project.sources())), *day) == ()
    )
    rule = PeakRule(kind="peak", rule_id="peak", limit=3)
    limited = SiteNow(Show(ctx, house().model_copy(update={"alert_rules": (rule,)}), project.sources()))
    assert (peak_limit(limited) is None, energy_of_today(limited).limit) == (False, None), "use is not what is drawn"
    tile = day_and_month.today(
        day_and_month.DayEnergy(day="Today", to="01:00", hours=(("00:00", None, None),),
                            address=ctx.address,
                            sources=(day_and_month.Source(label="Solar", energy="solar", values=(1.5,)),))
    )  # fmt: skip
    assert tile.chart is not None
    assert (tile.chart.kind, [row.label for row in tile.chart.rows]) == ("stack", ["Used", "Solar"])


@pytest.mark.parametrize(
    ("time_zone", "hours", "first", "last"),
    [("Europe/Berlin", 23, ["00:00", "01:00", "03:00"], "23:00"), ("Asia/Kolkata", 25, ["00:00", "00:30"], "23:30")],
)
def test_the_hours_of_a_home_are_those_of_its_clock(
    asking: Asking, tmp_path: Path, time_zone: str, hours: int, first: list[str], last: str
) -> None:
    site = house(time_zone=time_zone)
    project = asking.project if site.time_zone == plant.ZONE else make_project(tmp_path, site)
    ctx = Context(project, OWNER, Address(path="/board/home", site="plant"), FixedClock(plant.NOON))
    now = SiteNow(Show(ctx, site, project.sources()))
    assert now.running is not None
    now.__dict__["running"] = now.running.model_copy(
        update={"at_utc": local_midnight_utc(date(2025, 3, 31), time_zone)}
    )
    shown = energy_of_today(now)
    labels = [label for label, _, _ in shown.hours]
    assert (len(labels), labels[: len(first)], labels[-1]) == (hours, first, last)
    assert all(value is not None for source in shown.sources for value in source.values)
    assert all(figure is not None for _, figure, _ in shown.hours)


@pytest.mark.parametrize("locale", ["en", "de", "ar"])
def test_the_flow_is_as_wide_as_the_powers_and_grey_where_they_are_old(asking: Asking, locale: str) -> None:
    store = LiveStore(asking.project.project.live_dir)
    told = (("main", 1.5), ("hvac", 3.0), ("moulding", 0.0))
    store.put([(*(line := row(name, kw, plant.NOON, site="plant"))[:3], name, *line[4:]) for name, kw in told])
    store.close()
    page = asking.get("/board/home", [PAGE], locale=locale).text
    widths = [float(each) for each in re.findall(r'class="rib" stroke-width="([\d.]+)"', page)]
    # Wide and narrow: solar is twice as wide as the grid, the car has no ribbon, and what is not metered is the rest.
    assert len(widths) == 8
    assert widths[3] == pytest.approx(widths[0] + widths[1], abs=0.02)
    (name,) = {page_word("Other", locale)} & set(re.findall(r">([^<]+)</text>", page))
    assert re.search(rf">{name}</text><text[^>]*><tspan [^>]*>4[.,]5", page)
    solar, grid, car = (page.index(f"e-{energy} live-fresh") for energy in ("solar", "grid", "car"))
    assert 0 < min(solar, grid) < max(solar, grid) < car
    assert max(widths[:2]) == pytest.approx(2 * min(widths[:2]), abs=0.02)
    assert widths[2] == 0
    assert "live.js" in page
    later = Asking(asking.project, FixedClock(plant.NOON + timedelta(seconds=30)), OWNER)
    assert "live-old" in later.get("/board/home", [PAGE]).text
    gone = Asking(asking.project, FixedClock(plant.NOON + timedelta(minutes=5)), OWNER)
    assert gone.get("/board/home", [PAGE]).text.count('data-live-value="1">–<') == 8


def test_the_flow_stands_the_other_way_round_for_who_reads_from_the_right() -> None:
    sun = Place("Solar", "solar", "sun", 2.0, "2", "kW", "1 s old", "fresh", "/why", {})
    car = Place("<Car>", "car", "car", None, "–", "kW", "2 min old", "gone", "/why", {})
    for is_narrow in (False, True):
        plain, mirrored = (
            live_flow_svg("Power", "House", [sun], [car], is_narrow=is_narrow, is_mirrored=is_mirrored)
            for is_mirrored in (False, True)
        )
        left, right = (float(re.findall(r'class="rib|<rect x="([\d.]+)"', each)[1]) for each in (plain, mirrored))
        assert left < right
        assert "&lt;Car&gt;" in plain
        assert "live-gone flow-off" in plain


def test_the_newest_plan_is_told_as_lanes_and_reasons(tmp_path: Path) -> None:
    project = make_project(tmp_path / "planned", house(), has_marts=False, has_readings=False)
    made = plan()
    made = made.model_copy(
        update={"site_id": "plant", "request": made.request.model_copy(update={"site_id": "plant"})}
    )  # fmt: skip
    clock = FixedClock(made.steps[2].start_utc)
    project.plans.add_with_commands(made, [], clock)
    ctx = Context(project, OWNER, Address(path="/board/home", site="plant"), clock)
    now = SiteNow(Show(ctx, project.site("plant"), project.sources()))
    given = ahead(now)
    assert (given.now_at, len(given.edges), given.cost) == (2, len(made.steps) + 1, made.paid)
    assert [each.kind for each in given.lanes].count("level") == 1
    chart = plan_ahead.view(given).chart
    assert chart is not None
    assert len(chart_table(chart).rows) == len(made.steps)
    lanes = {each["lane"] for each in chart_data(chart, _english)["rows"]}
    assert lanes == {"Price", "Solar and use", "battery"}
    assert plan_ahead.why(given).items
    # A plan without this charger says nothing of its car.
    assert of_car(now).charge_percent is None
    project.close()


def test_prices_are_low_and_high_by_thirds_of_their_span() -> None:
    assert price_bands((1.0, 2.0, 4.0)) == ("cheap", "mid", "dear")
    assert price_bands((2.0, 2.0)) == ("mid", "mid")
    assert price_bands(()) == ()
    assert price_bands((-1.0, 0.5, 2.0)) == ("cheap", "mid", "dear")


def test_a_plan_has_its_rows_once_however_often_they_are_drawn() -> None:
    widget = plan_ahead.view(planned())
    assert widget.chart is not None
    told = chart_data(widget.chart, _english)
    # Something is known of a step before the plan.
    assert (told["now_at"], len(told["x"])) == (2, 4)
    values = {each["label"]: each["values"] for each in told["rows"]}
    assert values["Use, measured"] == [1.2, 0.9, None, None]
    assert values["State of charge"] == [None, 50.0, 60.0, 75.0]
    # No price is known before the plan: none is drawn.
    assert values["Low price"] == [None, 2.1, None, None]
    assert [(each["label"], each["lane"]) for each in told["rows"]] == [
        ("Low price", "Price"), ("Medium price", "Price"), ("High price", "Price"), ("PV inverter", "Solar and use"),
        ("Household", "Solar and use"), ("Car charger", "Solar and use"), ("State of charge", "Home battery"),
        ("Use, measured", "Solar and use"), ("Solar, measured", "Solar and use"),
        ("Home battery, measured", "Home battery"),
    ]  # fmt: skip


def test_of_many_reasons_those_with_the_most_money_are_shown_in_the_order_of_time() -> None:
    given = planned()
    [spell] = given.spells
    spells = tuple(spell.model_copy(update={"start": f"{hour:02}:00", "money": hour % 7.0}) for hour in range(13))
    shown = plan_ahead.why(given.model_copy(update={"spells": spells}))
    assert [each.span[:2] for each in shown.items] == ["04", "05", "06", "11", "12"]
    assert shown.all_items is not None
    assert [each.span[:2] for each in shown.all_items[1]] == [f"{hour:02}" for hour in range(13)]
    assert plan_ahead.why(given.model_copy(update={"spells": spells[:5]})).all_items is None


def test_the_day_in_a_reason_is_said_in_the_language_of_the_page() -> None:
    said = Sentence(
        "{0} on {1} would cost {2} {3} more", Sentence("not charging"), Sentence("Thu {0}", "10:45"), 1, "EUR"
    )
    assert page_word(said, "de") == "nicht laden am Do. 10:45 würde 1 EUR mehr kosten"
    assert "الخميس 10:45" in page_word(said, "ar")
